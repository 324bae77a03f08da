/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmfork record, while something is measured or a working set is made.
 */
#ifndef BENCH_RECORDER_H
#define BENCH_RECORDER_H

#include <stdint.h>
#include <sys/types.h>

/* From when it returns nothing is missed that @pid does. */
void recorder_start(pid_t pid, const char *output);
/* Ends it, and the benchmark if anything was dropped.  Returns its events. */
uint64_t recorder_stop(void);
/* Of what it said in the end: a number of pages, "reads" or "writes" */
uint64_t recorder_pages(const char *kind);

/* How many pages a read fault maps; what there was before comes back at 0. */
void fault_around(unsigned int pages);

#endif
