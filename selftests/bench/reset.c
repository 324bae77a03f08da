// SPDX-License-Identifier: GPL-2.0
/*
 * Putting memory back to its snapshot after so many pages were written, all of
 * it having been read: VMFORK_RESET, and what can be done without it,
 * MADV_DONTNEED, to a mapping of a snapshot and to one of a full copy.
 */
#include <err.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "fullcopy.h"
#include "vmfork.h"

#define ROUNDS	2

static const size_t counts[] = { 10, 100, 1000, 10000, 0 };

static int by_reset(const struct memory *mem, int snapshot)
{
	return vmfork_reset(snapshot, mem);
}

static int by_dontneed(const struct memory *mem, int snapshot)
{
	(void)snapshot;
	return madvise(mem->start, mem->size, MADV_DONTNEED);
}

static void measure(const char *name, const struct memory *mem, int file,
		    int (*reset)(const struct memory *mem, int file))
{
	uint64_t took[ROUNDS], before;
	const size_t *count;
	int round, ret;

	for (count = counts; *count; count++) {
		for (round = 0; round < ROUNDS; round++) {
			memory_touch(mem->start, mem->size, false);
			memory_dirty_pages(mem, *count);
			before = clock_now();
			ret = reset(mem, file);
			took[round] = clock_now() - before;
			if (ret)
				return;
		}
		figure_count(lowest(took, ROUNDS), "reset_%zu_%s_%s", *count,
			     kind_names[mem->kind], name);
	}
}

static void measure_fullcopy(const struct memory *mem)
{
	struct memory map = *mem;

	fullcopy_prepare(mem);
	fullcopy_pause(mem);
	map.start = memory_map(fullcopy_file(), memory_room(mem->size),
			       mem->size);
	measure("fullcopy_dontneed", &map, fullcopy_file(), by_dontneed);
	memory_put(&map);
	fullcopy_finish(mem);
}

void chapter_reset(enum kind kind)
{
	struct memory mem = memory_get(plan.standard, kind);
	double forked = figure_get("size_%zu_%s_fork", plan.standard / MIB,
				   kind_names[kind]);
	struct vmfork_capture cap;
	double took;
	int snapshot;

	if (kind == KIND_4K)
		measure_fullcopy(&mem);
	snapshot = vmfork_capture(&mem, &cap);
	measure("vmfork", &mem, snapshot, by_reset);
	measure("vmfork_dontneed", &mem, snapshot, by_dontneed);
	close(snapshot);
	memory_put(&mem);
	took = figure_get("reset_100_%s_vmfork", kind_names[kind]);
	if (took)
		figure(5, took / forked, "reset%s_100_vs_fork",
		       kind == KIND_THP ? "_thp" : "");
}
