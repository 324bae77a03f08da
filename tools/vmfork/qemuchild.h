/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The command line of a child: its parent's, with what two can not have at the
 * same time replaced.
 */
#ifndef VMFORK_QEMUCHILD_H
#define VMFORK_QEMUCHILD_H

#include <stdbool.h>

struct qemu_cmd;
struct qemu_disks;
struct qemu_disk;
struct qemu_ram;

/* The parent, where a child's number is asked for */
#define QEMU_PARENT	0

/**
 * struct qemu_plan - what all children have in common
 * @cmd: the parent's command line
 * @disks: its disks
 * @ram: its memory
 * @dir: where files are, absolute
 * @name: what they begin with
 * @snapshot: path of the memory
 * @incoming: value of -incoming
 * @default_nic: the parent has a network card that its command line does not
 *	speak of
 * @start: it is started here
 */
struct qemu_plan {
	const struct qemu_cmd *cmd;
	const struct qemu_disks *disks;
	const struct qemu_ram *ram;
	const char *dir;
	const char *name;
	const char *snapshot;
	const char *incoming;
	bool default_nic;
	bool start;
};

/**
 * qemu_child_cmd() - make one
 * @plan: how
 * @number: of the child, from 1
 * @child: out; qemu_cmd_free() it, whatever is returned
 *
 * Return: an enum status; a failure has been told: a socket's path is too long.
 */
int qemu_child_cmd(const struct qemu_plan *plan, unsigned int number,
		   struct qemu_cmd *child);

/**
 * qemu_file() - path of a file of a child's
 * @number: of the child, or QEMU_PARENT
 * @suffix: how it ends: ".qmp"
 *
 * Return: to be freed; NULL if there is no memory.
 */
char *qemu_file(const struct qemu_plan *plan, unsigned int number,
		const char *suffix);

/** qemu_image_file() - the same for an overlay, or a copy, of a disk */
char *qemu_image_file(const struct qemu_plan *plan, unsigned int number,
		      const struct qemu_disk *disk);

#endif /* VMFORK_QEMUCHILD_H */
