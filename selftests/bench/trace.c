// SPDX-License-Identifier: GPL-2.0
/*
 * What tracepoints cost while nobody listens: the same, measured with a module
 * that has none, and with the one that is measured everywhere else.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "vmfork.h"

#define SIZE	(16 * MIB)
#define ROUNDS	5

enum cost {
	CAPTURE, RECAPTURE, ATTACH, READ, WRITE, WRITE_MAPPED, PREFAULT, RESET,
	NR_COSTS
};

static const char *const names[NR_COSTS] = {
	"capture", "recapture", "attach", "read_fault", "write_fault",
	"write_mapped", "prefault", "reset",
};

static void load(const char *name)
{
	struct utsname kernel;
	char command[256];

	vmfork_close();
	uname(&kernel);
	/* What was dropped a moment ago may not be all gone. */
	snprintf(command, sizeof(command),
		 "for i in 1 2 3 4 5; do rmmod vmfork && break; sleep 1; done; insmod /lib/modules/%s/%s.ko",
		 kernel.release, name);
	if (system(command))
		errx(1, "%s", command);
	/* Each page is a fault. */
	write_file("/sys/module/vmfork/parameters/fault_around", "1");
}

static uint64_t touch(char *start, bool write)
{
	uint64_t before = clock_now();

	memory_touch(start, SIZE, write);
	return clock_now() - before;
}

static void measure(uint64_t took[NR_COSTS])
{
	struct memory mem = memory_get(SIZE, KIND_4K), map = mem;
	struct vmfork_capture cap;
	int snapshot, second;
	uint64_t before;

	clock_hold(true);
	before = clock_now();
	snapshot = vmfork_capture(&mem, &cap);
	took[CAPTURE] = clock_now() - before;
	memory_dirty(&mem, 50, SINGLE, 0);
	before = clock_now();
	second = vmfork_capture(&mem, &cap);
	took[RECAPTURE] = clock_now() - before;
	close(second);

	map.start = memory_room(SIZE);
	before = clock_now();
	memory_map(snapshot, map.start, SIZE);
	took[ATTACH] = clock_now() - before;
	took[READ] = touch(map.start, false);
	took[WRITE_MAPPED] = touch(map.start, true);
	before = clock_now();
	vmfork_reset(snapshot, &map);
	took[RESET] = clock_now() - before;
	took[WRITE] = touch(map.start, true);
	vmfork_reset(snapshot, &map);
	before = clock_now();
	vmfork_prefault(map.start, SIZE, false);
	took[PREFAULT] = clock_now() - before;
	clock_hold(false);
	memory_put(&map);
	memory_put(&mem);
	close(snapshot);
}

static void measure_lowest(const char *module, uint64_t least[NR_COSTS])
{
	uint64_t took[NR_COSTS][ROUNDS], round[NR_COSTS];
	int i, r;

	load(module);
	for (r = 0; r < ROUNDS; r++) {
		measure(round);
		for (i = 0; i < NR_COSTS; i++)
			took[i][r] = round[i];
	}
	for (i = 0; i < NR_COSTS; i++)
		least[i] = lowest(took[i], ROUNDS);
}

void chapter_trace(enum kind kind)
{
	uint64_t with[NR_COSTS], without[NR_COSTS];
	double worst = -100, pct;
	int i;

	(void)kind;
	measure_lowest("vmfork-notrace", without);
	measure_lowest("vmfork", with);
	for (i = 0; i < NR_COSTS; i++) {
		pct = 100.0 * with[i] / without[i] - 100;
		figure(2, pct, "tracepoints_off_%s_pct", names[i]);
		if (pct > worst)
			worst = pct;
	}
	figure(2, worst, "tracepoints_off_overhead_pct");
	load("vmfork");
	write_file("/sys/module/vmfork/parameters/fault_around", "512");
}
