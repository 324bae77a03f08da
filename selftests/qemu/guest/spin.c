// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that does nothing but read the clock, and the longest time in which
 * it did not get to.
 *
 * The kernel's clock leaves out what a guest was stopped for: QEMU has it go on
 * from where it was.  The CPU's counter does not.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <x86intrin.h>

#include "guest.h"

#define CALIBRATION	100000000ULL	/* ns */

static pthread_t thread;
static bool stopped;
static struct gap longest;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Return: how many of the counter's ticks a microsecond has. */
static double ticks_per_us(void)
{
	uint64_t start = now(), ticks = __rdtsc(), end;

	do {
		end = now();
	} while (end < start + CALIBRATION);
	return (__rdtsc() - ticks) * 1e3 / (end - start);
}

static void *spin(void *arg)
{
	uint64_t tsc, last_tsc, most = 0;
	int64_t ns, last_ns;
	double rate = ticks_per_us();

	(void)arg;
	longest.clock_ns = 0;
	longest.back_ns = 0;
	longest.turns = 0;
	last_tsc = __rdtsc();
	last_ns = now();
	while (!__atomic_load_n(&stopped, __ATOMIC_ACQUIRE)) {
		ns = now();
		tsc = __rdtsc();
		if (tsc - last_tsc > most)
			most = tsc - last_tsc;
		if (ns - last_ns > longest.clock_ns)
			longest.clock_ns = ns - last_ns;
		if (last_ns - ns > longest.back_ns)
			longest.back_ns = last_ns - ns;
		last_tsc = tsc;
		last_ns = ns;
		longest.turns++;
	}
	longest.tsc_ns = most / rate * 1e3;
	return NULL;
}

int spin_start(void)
{
	stopped = false;
	return pthread_create(&thread, NULL, spin, NULL);
}

void spin_stop(struct gap *gap)
{
	__atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	*gap = longest;
}
