/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clock that the programs and the module have.
 */
#ifndef VMFORK_CLOCK_H
#define VMFORK_CLOCK_H

#include <stdint.h>
#include <time.h>

/** now_ns() - CLOCK_MONOTONIC */
static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

#endif /* VMFORK_CLOCK_H */
