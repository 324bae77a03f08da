/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mappings of snapshots in the processes of this host, and what is in them, as
 * /proc shows it.
 */
#ifndef VMFORK_CLONES_H
#define VMFORK_CLONES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct clone_mapping - a VMA that maps part of a snapshot
 * @pid: the process
 * @snapshot: ID of the snapshot
 * @addr: where it begins
 * @len: in bytes
 * @offset: in the snapshot, of @addr
 */
struct clone_mapping {
	int pid;
	uint64_t snapshot;
	uint64_t addr;
	uint64_t len;
	uint64_t offset;
};

/**
 * struct clones - mappings; all zero is none
 */
struct clones {
	struct clone_mapping *mappings;
	size_t nr;
};

/**
 * clones_find() - look for mappings of snapshots
 * @clones: out; clones_free() it in any case
 * @pid: of this process; 0: of all whose maps can be read
 * @snapshot: of this one; 0: of all
 *
 * Return: 0 or -errno; a process that has gone is no error.
 */
int clones_find(struct clones *clones, int pid, uint64_t snapshot);

/**
 * clones_of() - clones_find() for a command that is about one process
 *
 * Return: enum status, after a failure().
 */
int clones_of(struct clones *clones, int pid, uint64_t snapshot);

void clones_free(struct clones *clones);

/** clone_path() - of the file that is mapped: in /proc/PID/map_files */
void clone_path(const struct clone_mapping *mapping, char *path, size_t room);

/** clone_size() - of the snapshot; false for who may not follow that path */
bool clone_size(const struct clone_mapping *mapping, uint64_t *size);

/** enum clone_page - what a mapping has for a page of the snapshot */
enum clone_page {
	CLONE_NOTHING,	/* it would fault there */
	CLONE_SHARED,	/* the snapshot's own */
	CLONE_PRIVATE,	/* a page of its own, maybe swapped out */
};

/**
 * clones_read() - what there is in a mapping, by /proc/PID/pagemap
 * @mapping: it
 * @page: called for each page that is not CLONE_NOTHING, in order
 * @arg: for @page
 *
 * Return: 0 or -errno; -ESRCH when the process has gone.
 */
int clones_read(const struct clone_mapping *mapping,
		void (*page)(void *arg, uint64_t offset, enum clone_page what),
		void *arg);

#endif /* VMFORK_CLONES_H */
