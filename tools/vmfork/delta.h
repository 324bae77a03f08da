/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where two snapshots differ, all of it at once.
 */
#ifndef VMFORK_DELTA_H
#define VMFORK_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include <vmfork.h>

/**
 * struct snapshot - one that was named on the command line
 * @path: its name there
 * @fd: open
 * @info: what it says of itself
 */
struct snapshot {
	const char *path;
	int fd;
	struct vmfork_info info;
};

/**
 * struct delta - two snapshots, and where they differ
 * @a: one
 * @b: the other
 * @nr: length of @ranges
 * @room: how many there is room for
 * @ranges: of offsets, ascending, none touching the next
 * @pages: of 4096 bytes, in all of them
 */
struct delta {
	struct snapshot a;
	struct snapshot b;
	size_t nr;
	size_t room;
	struct vmfork_range *ranges;
	uint64_t pages;
};

/**
 * delta_open() - open two snapshots and find out where they differ
 * @delta: all zero but for the paths
 * @flags: of vmfork_diff()
 *
 * Return: enum status, after a failure() that said what went wrong; call
 * delta_close() only after DONE.
 */
int delta_open(struct delta *delta, unsigned int flags);

void delta_close(struct delta *delta);

#endif /* VMFORK_DELTA_H */
