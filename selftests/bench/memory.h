/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory that is measured: anonymous, resident, of one kind of page.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib.h"

#define GIB		(1UL << 30)

enum kind { KIND_4K, KIND_THP, NR_KINDS };

extern const char *const kind_names[NR_KINDS];

struct memory {
	char *start;		/* at a multiple of 1 GiB */
	size_t size;
	enum kind kind;
};

/* How written pages lie: alone, in runs of 16, or all in one run. */
enum pattern { SINGLE, RUNS, CONTIGUOUS, NR_PATTERNS };

extern const char *const pattern_names[NR_PATTERNS];

/* Addresses at a multiple of 1 GiB with nothing behind them */
char *memory_room(size_t size);
struct memory memory_get(size_t size, enum kind kind);
void memory_put(struct memory *mem);
/* Different contents in each page, so that nothing merges them. */
void memory_fill(const struct memory *mem, uint64_t seed);

/* A private mapping of a file: at @room, or anywhere if that is NULL */
char *memory_map(int file, char *room, size_t size);

/* Touch a word of each page of a range, one after the other. */
void memory_touch(char *start, size_t size, bool write);
/* Writes so many pages of 1000, elsewhere in each round; returns how many. */
size_t memory_dirty(const struct memory *mem, unsigned int permille,
		    enum pattern pattern, unsigned int round);
/* Writes just so many pages, evenly spaced. */
void memory_dirty_pages(const struct memory *mem, size_t pages);

#endif
