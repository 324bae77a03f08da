/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks of a QEMU that its guest can write to: what they are now, and which
 * options of its command line they came from.
 */
#ifndef VMFORK_QEMUDISK_H
#define VMFORK_QEMUDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct opts;
struct qemu_arg;
struct qemu_cmd;
struct qmp;

/**
 * struct qemu_disk - one of them
 * @label: its name, fit for a file's
 * @device: what QEMU knows the drive by: a device's name, or a node's
 * @node: name of the node that is on top now
 * @base: absolute path of its image
 * @format: of that
 * @size: of the disk, in bytes
 * @direct: cache.direct
 * @no_flush: cache.no-flush
 * @zeroes: detect-zeroes
 * @aio: as on the command line, or NULL
 * @discard: likewise
 * @files: all images of it, absolute paths, @base first
 * @nr_files: length of @files
 * @arg: index of the option that makes the drive, or the node that it uses
 * @reflink: children have copies of @base that share its blocks, not overlays
 * @settled: the parent goes on in @base
 */
struct qemu_disk {
	char *label;
	char *device;
	char *node;
	char *base;
	char *format;
	uint64_t size;
	bool direct;
	bool no_flush;
	char *zeroes;
	char *aio;
	char *discard;
	char **files;
	size_t nr_files;
	size_t arg;
	bool reflink;
	bool settled;
};

/**
 * struct qemu_disks - all of them
 * @disks: in QEMU's order
 * @nr: length of @disks
 * @dropped: for each option of the command line, whether it makes a node that
 *	only one of these disks uses, so that a child is not to have it
 */
struct qemu_disks {
	struct qemu_disk *disks;
	size_t nr;
	bool *dropped;
};

/**
 * qemu_disks_find() - ask QEMU, and look at its command line
 * @qmp: QEMU
 * @cmd: its command line
 * @disks: out; qemu_disks_free() it, whatever the status is
 *
 * Return: an enum status; a failure has been told: one of these can not be
 * forked, and why.
 */
int qemu_disks_find(struct qmp *qmp, const struct qemu_cmd *cmd,
		    struct qemu_disks *disks);

/**
 * qemu_disks_take() - the same, of an answer to query-block
 * @blocks: the answer
 */
int qemu_disks_take(struct json_object *blocks, const struct qemu_cmd *cmd,
		    struct qemu_disks *disks);

void qemu_disks_free(struct qemu_disks *disks);

/**
 * qemu_drive() - an option that makes a drive, as one of -drive
 * @arg: the option
 * @opts: out: what it says; opts_free() it
 *
 * Return: 1, 0 if it is no such option, or -ENOMEM.
 */
int qemu_drive(const struct qemu_arg *arg, struct opts *opts);

/** qemu_disk_format() - of the image that a child has in place of a disk's */
const char *qemu_disk_format(const struct qemu_disk *disk);

/**
 * qemu_disk_node() - arguments of blockdev-add
 * @disk: the disk
 * @node: name of the node
 * @format: of its image
 * @image: path of that
 */
struct json_object *qemu_disk_node(const struct qemu_disk *disk,
				   const char *node, const char *format,
				   const char *image);

#endif /* VMFORK_QEMUDISK_H */
