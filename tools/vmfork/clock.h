/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Clocks in nanoseconds.  The BPF programs' and the module's is the monotonic.
 */
#ifndef VMFORK_CLOCK_H
#define VMFORK_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_ns() - what a clock says */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/** now_ns() - CLOCK_MONOTONIC */
static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif /* VMFORK_CLOCK_H */
