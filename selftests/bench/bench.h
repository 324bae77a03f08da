/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much is measured, and the chapters of the benchmark.  Each chapter puts
 * its figures into the one object that is printed at the end.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>

#include "memory.h"

struct plan {
	size_t standard;	/* what ratios are of, in bytes */
	size_t slice;		/* in which single faults are measured */
	const size_t *sizes;	/* for cost against size; ends with a 0 */
	int children;		/* most of them */
};

extern struct plan plan;

/* What 192 MiB cost, of both kinds, as it has always been measured. */
void chapter_basics(enum kind kind);
/* Cost against size; it sets what fork(2) of the standard size costs. */
void chapter_sizes(enum kind kind);
/* Cost against what was written since. */
void chapter_dirty(enum kind kind);
/* What the parent, and a child, pay for each page afterwards. */
void chapter_after(enum kind kind);
/* The pause with a KVM guest behind the memory. */
void chapter_live(enum kind kind);
/* Cost against the number of children, and their memory. */
void chapter_children(enum kind kind);
/* Memory that snapshots and children take */
void chapter_used(enum kind kind);
/* Putting memory back, at so many written pages. */
void chapter_reset(enum kind kind);
/* Filling a range of a child's at once. */
void chapter_prefault(enum kind kind);
/* Where two snapshots differ. */
void chapter_diff(enum kind kind);
/* What a guest pays for being recorded. */
void chapter_record(enum kind kind);
/* Tracepoints that nobody listens to. */
void chapter_trace(enum kind kind);
/* A Linux guest's clone with a working set, and without. */
void chapter_wake(enum kind kind);
/* The pauses of others over ours, when all have been measured. */
void chapter_compare(void);

#endif
