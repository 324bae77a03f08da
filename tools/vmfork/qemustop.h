/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The moment for which a QEMU's guest stops: devices, memory and disks are
 * taken as they are then, and it goes on.
 */
#ifndef VMFORK_QEMUSTOP_H
#define VMFORK_QEMUSTOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmfork.h>

struct json_object;
struct qemu_guard;
struct qemu_user;
struct qmp;

/**
 * struct qemu_stop - what is taken
 * @qmp: QEMU
 * @dev: what vmfork_open() returned
 * @pid: QEMU's process
 * @pidfd: the same
 * @regions: its memory
 * @nr: length of @regions
 * @fifo: path of a FIFO, made and removed here
 * @guard: puts it right if this process is killed
 * @user: whose QEMU is, and so the FIFO, NULL for ours
 * @actions: of a transaction that takes the disks, or NULL; consumed
 * @snapshot: out: file descriptor of the snapshot, -1 if there is none
 * @capture: out: of the capture in the stop
 * @passes: out: how often it was captured ahead
 * @prearmed: out: how many pages that took
 * @devices: out: state of the devices; to be freed
 * @len: out: length of @devices
 * @stopped_ns: out: by QEMU's own clock; 0 if it did not say
 * @transacted: out: the disks were taken, or may have been
 * @unanswered: out: QEMU may not yet have come to go on, which is left to the
 *	guard
 */
struct qemu_stop {
	struct qmp *qmp;
	int dev;
	int pid;
	int pidfd;
	const struct vmfork_region *regions;
	size_t nr;
	const char *fifo;
	const struct qemu_guard *guard;
	const struct qemu_user *user;
	struct json_object *actions;
	int snapshot;
	struct vmfork_capture capture;
	unsigned int passes;
	uint64_t prearmed;
	char *devices;
	size_t len;
	uint64_t stopped_ns;
	bool transacted;
	bool unanswered;
};

/**
 * qemu_stop() - stop, take, and go on
 * @stop: @snapshot, @devices and @transacted are set, whatever the status is
 *
 * The guest runs afterwards, whatever the status is, unless QEMU itself does
 * not any more.
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_stop(struct qemu_stop *stop);

#endif /* VMFORK_QEMUSTOP_H */
