/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clock: in the test VM with -icount shift=0, a nanosecond of it is one
 * instruction, of whatever the VM does meanwhile.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t clock_now(void);
/* Real-time scheduling is not to be cut off after 0.95 s. */
void clock_prepare(void);
/*
 * While this is held, no other process gets the CPU unless we sleep: a forked
 * child that ran before fork() returned would be taken for a part of fork().
 */
void clock_hold(bool hold);
/*
 * The lowest of some rounds: what is above it is a timer's interrupt, or the
 * page allocator refilling its lists.
 */
uint64_t lowest(const uint64_t *values, size_t n);

#endif
