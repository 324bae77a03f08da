/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What lies behind the addresses of a process: anonymous memory, a mapping of
 * a snapshot, a file, ...; as /proc/PID/maps has it.
 */
#ifndef VMFORK_BACKING_H
#define VMFORK_BACKING_H

#include <stddef.h>
#include <stdint.h>

/**
 * enum backing_kind - kinds of memory
 * @BACKING_NONE: nothing is mapped there
 * @BACKING_GONE: it was memory of a process that is gone
 * @BACKING_ANONYMOUS: private, of no file
 * @BACKING_SNAPSHOT: a mapping of a snapshot
 * @BACKING_SHARED: mapped MAP_SHARED
 * @BACKING_FILE: a private mapping of a file that is no snapshot
 * @BACKING_HUGETLB: of hugetlbfs, private or shared
 * @BACKING_DEVICE: of a device or another file of the kernel's: page frames
 *	that are no memory, or not the process's own
 */
enum backing_kind {
	BACKING_NONE,
	BACKING_GONE,
	BACKING_ANONYMOUS,
	BACKING_SNAPSHOT,
	BACKING_SHARED,
	BACKING_FILE,
	BACKING_HUGETLB,
	BACKING_DEVICE,
};

/**
 * struct backing - a range of addresses with one thing behind it
 * @start: first address
 * @end: behind the last one
 * @kind: what it is
 * @snapshot: number of the snapshot
 * @offset: of @start in that
 */
struct backing {
	uint64_t start;
	uint64_t end;
	enum backing_kind kind;
	uint64_t snapshot;
	uint64_t offset;
};

/**
 * struct backings - of all addresses of a process
 * @ranges: in ascending order; what is between them is BACKING_NONE
 * @nr: length of @ranges
 */
struct backings {
	struct backing *ranges;
	size_t nr;
};

/**
 * backing_read() - look at a process
 * @pid: it; 0, or one that is gone, has nothing behind its addresses
 * @backings: out; backing_free() it
 *
 * Return: an enum status; a failure has been told.
 */
int backing_read(int pid, struct backings *backings);

void backing_free(struct backings *backings);

/**
 * backing_at() - what is at an address, and as far as it goes
 * @backings: of the process
 * @start: the address
 * @end: where to look no further
 */
struct backing backing_at(const struct backings *backings, uint64_t start,
			  uint64_t end);

/** backing_name() - of a kind: "anonymous" */
const char *backing_name(enum backing_kind kind);

#endif /* VMFORK_BACKING_H */
