/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guard: if this process is killed, what it has begun is put right by
 * another, which has QEMU's connection, too.
 */
#ifndef VMFORK_QEMUGUARD_H
#define VMFORK_QEMUGUARD_H

#include <stdbool.h>
#include <sys/types.h>

struct qemu_user;
struct qmp;

/**
 * struct qemu_guard - what this process has of it
 * @pid: it, 0 if there is none
 * @to: where it is told what has been begun
 */
struct qemu_guard {
	pid_t pid;
	int to;
};

/**
 * qemu_guard_start() - from here on
 * @qmp: QEMU
 * @user: whose files are, NULL for ours; but for the snapshot
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_guard_start(struct qemu_guard *guard, const struct qmp *qmp,
		     const struct qemu_user *user);

/* Without a guard (@guard->pid is 0), what follows does nothing. */

/** qemu_guard_file() - a file was made, and is to go */
void qemu_guard_file(const struct qemu_guard *guard, const char *path);

/** qemu_guard_snapshot() - the same, of one that is ours, whose QEMU ever is */
void qemu_guard_snapshot(const struct qemu_guard *guard, const char *path);

/** qemu_guard_disk() - the same, of one that QEMU will write to */
void qemu_guard_disk(const struct qemu_guard *guard, const char *path);

/** qemu_guard_node() - QEMU is given a node, which no disk uses yet */
void qemu_guard_node(const struct qemu_guard *guard, const char *node);

/** qemu_guard_used() - disks use these files and nodes, which are to stay */
void qemu_guard_used(const struct qemu_guard *guard);

/** qemu_guard_stop() - QEMU's guest may stand still from here on, or not */
void qemu_guard_stop(const struct qemu_guard *guard, bool stopped);

/** qemu_guard_end() - all is well; nothing is done then */
void qemu_guard_end(struct qemu_guard *guard);

/** qemu_guard_leave() - QEMU does not answer: what is to be done, it does */
void qemu_guard_leave(struct qemu_guard *guard);

#endif /* VMFORK_QEMUGUARD_H */
