/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vmfork top shows: each process that maps snapshots, and how fast it
 * touches them.
 */
#ifndef VMFORK_TOPVIEW_H
#define VMFORK_TOPVIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "world.h"

/**
 * struct top_row - a process
 * @snapshot: the one that most of its memory maps
 * @snapshots: how many it maps
 * @size: bytes that it maps
 * @private: bytes of its own
 * @shared: bytes of snapshots that it has in its page tables
 * @counted: @private and @shared are known
 * @reads: faults, since its mappings were made
 * @writes: likewise
 * @read_rate: faults a second, since the last picture
 * @write_rate: likewise
 * @private_rate: bytes a second that became its own
 */
struct top_row {
	uint32_t pid, uid;
	char command[32];
	uint64_t snapshot, size, private, shared, reads, writes;
	unsigned int snapshots;
	bool counted;
	double read_rate, write_rate, private_rate;
};

/**
 * struct top - a picture
 * @rows: most private memory first
 * @nr: how many
 * @time_ns: of it
 */
struct top {
	struct top_row *rows;
	size_t nr;
	uint64_t time_ns;
};

/**
 * top_take() - make a picture
 * @world: with its mappings in order
 * @before: the last picture, or NULL: rates are 0 then
 * @time_ns: now
 * @top: out
 *
 * Return: false if there is no memory.
 */
bool top_take(const struct world *world, const struct top *before,
	      uint64_t time_ns, struct top *top);

void top_free(struct top *top);

/**
 * struct top_screen - what it is shown on
 * @columns: its width, 0 for any
 * @lines: its height, 0 for any
 * @in_place: it goes back to its first line
 * @colours: it has them
 */
struct top_screen {
	unsigned int columns, lines;
	bool in_place, colours;
};

void top_print(FILE *to, const struct top *top,
	       const struct top_screen *screen);

#endif /* VMFORK_TOPVIEW_H */
