// SPDX-License-Identifier: GPL-2.0
/* The clock, and who may run while it is read. */
#include <err.h>
#include <sched.h>
#include <time.h>

#include "clock.h"
#include "lib.h"

uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void clock_prepare(void)
{
	if (write_file("/proc/sys/kernel/sched_rt_runtime_us", "-1"))
		warnx("what takes longer than 0.95 s will be interrupted");
}

void clock_hold(bool hold)
{
	struct sched_param param = { .sched_priority = hold };
	int policy = hold ? SCHED_FIFO : SCHED_OTHER;

	if (sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param))
		err(1, "sched_setscheduler");
}

uint64_t lowest(const uint64_t *values, size_t n)
{
	uint64_t low = values[0];

	while (n--)
		if (values[n] < low)
			low = values[n];
	return low;
}
