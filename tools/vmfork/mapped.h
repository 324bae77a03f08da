/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a process maps a snapshot.
 */
#ifndef VMFORK_MAPPED_H
#define VMFORK_MAPPED_H

#include <stddef.h>
#include <stdint.h>

#include <vmfork.h>

/**
 * struct mapped - a snapshot, in the memory of a process
 * @id: which snapshot
 * @nr: length of @regions
 * @regions: where it is mapped
 */
struct mapped {
	uint64_t id;
	size_t nr;
	struct vmfork_region regions[VMFORK_MAX_REGIONS];
};

/**
 * mapped_find() - the one snapshot of a size that a process maps
 * @pid: the process
 * @id: of the snapshot, or 0 for whichever it is
 * @size: of the snapshot
 * @mapped: out
 *
 * Return: enum status, after a failure() that says what there is instead.
 */
int mapped_find(int pid, uint64_t id, uint64_t size, struct mapped *mapped);

#endif /* VMFORK_MAPPED_H */
