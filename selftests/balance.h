/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A balance: the kernel's own counts of everything that vmfork takes and has
 * to give back.
 */
#ifndef SELFTESTS_BALANCE_H
#define SELFTESTS_BALANCE_H

#include <stdbool.h>

/* Pages that the kernel itself may take or give back meanwhile. */
#define BALANCE_NOISE	256L

struct balance {
	long free;		/* pages, the next five as well */
	long anon;
	long mapped;
	long shmem;
	long tables;
	long slab;
	long thp_anon;		/* huge pages; -ENOENT before 6.12 */
	long nodes;		/* objects */
};

struct balance balance(void);
/* Is everything as it was, or a moment later?  Notes what is not. */
bool balanced_soon(const struct balance *was);

bool close_to(long a, long b, long by);
/* Free pages, those in the CPUs' own lists included. */
long free_pages(void);
/* Lets the kernel finish what it puts off, so that it can be counted. */
void settle(void);
/*
 * Slabs of freed objects count as taken until then; so do objects that KASAN
 * keeps for a while.
 */
void shrink_slabs(void);

#endif
