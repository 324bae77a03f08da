// SPDX-License-Identifier: GPL-2.0
/*
 * What a recording costs the guest that is recorded: a guest takes 10,000
 * faults, half of them reads, on memory of a snapshot; with nobody watching,
 * then with vmfork record.  The VM has one CPU, so what vmfork itself does
 * meanwhile is counted as well.
 */
#include <err.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "recorder.h"
#include "tiny_guest.h"
#include "touch.h"
#include "vmfork.h"

#define FAULTS	10000UL
#define OUTPUT	"/tmp/vmfork-bench.ws.json"

static void touches(size_t offset, bool write)
{
	int ret = tiny_guest_will_touch(offset, FAULTS / 2, write);

	if (!ret)
		ret = tiny_guest_run();
	if (ret)
		errx(1, "the guest: error %d", -ret);
}

static uint64_t take_faults(int snapshot, const struct memory *mem,
			    bool recorded)
{
	struct memory map = *mem;
	uint64_t before, took;

	map.start = memory_map(snapshot, memory_room(mem->size), mem->size);
	touch_begin(&map);
	if (recorded)
		recorder_start(getpid(), OUTPUT);
	before = clock_now();
	touches(0, false);
	touches(FAULTS / 2 * PAGE, true);
	took = clock_now() - before;
	/* It has seen just these faults, or the figure is of something else. */
	if (recorded && recorder_stop() != FAULTS)
		errx(1, "it recorded others");
	touch_end();
	memory_put(&map);
	return took;
}

void chapter_record(enum kind kind)
{
	struct memory mem = memory_get(FAULTS * PAGE, kind);
	struct vmfork_capture cap;
	uint64_t alone, recorded;
	int snapshot;

	fault_around(1);
	snapshot = vmfork_capture(&mem, &cap);
	/* The first run makes what all later ones find there. */
	take_faults(snapshot, &mem, false);
	alone = take_faults(snapshot, &mem, false);
	recorded = take_faults(snapshot, &mem, true);
	figure_count(alone, "record_10000_faults_alone");
	figure_count(recorded, "record_10000_faults_recorded");
	figure(2, 100.0 * recorded / alone - 100, "record_overhead_pct");
	fault_around(0);
	unlink(OUTPUT);
	close(snapshot);
	memory_put(&mem);
}
