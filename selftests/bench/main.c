// SPDX-License-Identifier: GPL-2.0
/*
 * What vmfork's operations cost, and those of others, counted in instructions.
 *
 * To be run in the test VM with -icount shift=0: there a nanosecond of
 * CLOCK_MONOTONIC is one instruction, and every run gives the same figures.
 * Anywhere else they are nanoseconds, with the noise of that machine.
 *
 * Prints a line beginning with "# " for each figure, then one line of JSON
 * unless only some chapters were asked for.
 *
 *	vmfork-bench [quick] [CHAPTER...]
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "lib.h"

static const size_t all_sizes[] = {
	64 * MIB, 256 * MIB, GIB, 4 * GIB, 0
};

static const size_t quick_sizes[] = { 64 * MIB, 192 * MIB, 0 };

struct plan plan = {
	.standard = GIB,
	.slice = 32 * MIB,
	.sizes = all_sizes,
	.children = 1000,
};

static const struct plan quick = {
	.standard = 192 * MIB,
	.slice = 16 * MIB,
	.sizes = quick_sizes,
	.children = 100,
};

/* Nothing else is to work on the memory meanwhile. */
static void quiet(void)
{
	clock_prepare();
	write_file("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
		   "4000000");
	write_file("/proc/sys/vm/compaction_proactiveness", "0");
	write_file("/proc/sys/vm/overcommit_memory", "1");
}

static const struct chapter {
	const char *name;
	void (*run)(enum kind kind);
	bool both;		/* kinds of pages, not 4 KiB pages alone */
	bool alone;		/* no ratio to what others measure */
	bool apart;		/* only if it is named: in a VM of its own */
} chapters[] = {
	{ "basics",	chapter_basics,		false, false, false },
	{ "sizes",	chapter_sizes,		true, false, false },
	{ "dirty",	chapter_dirty,		true, false, false },
	{ "after",	chapter_after,		true, false, false },
	{ "live",	chapter_live,		true, false, false },
	{ "reset",	chapter_reset,		true, false, false },
	{ "prefault",	chapter_prefault,	true, false, false },
	{ "diff",	chapter_diff,		true, false, false },
	{ "record",	chapter_record,		false, true, false },
	{ "children",	chapter_children,	false, false, false },
	{ "used",	chapter_used,		false, false, false },
	{ "trace",	chapter_trace,		false, true, false },
	{ "wake",	chapter_wake,		false, true, true },
	{ NULL,		NULL,			false, false, false }
};

static bool is_named(const char *name, char **wanted)
{
	for (; *wanted; wanted++)
		if (!strcmp(name, *wanted))
			return true;
	return false;
}

/* Most figures are ratios to those of the chapter of sizes. */
static bool needs_sizes(char **wanted)
{
	const struct chapter *c;

	for (c = chapters; c->name; c++)
		if (!c->alone && is_named(c->name, wanted))
			return true;
	return false;
}

static bool is_wanted(const struct chapter *c, char **wanted)
{
	if (!*wanted)
		return !c->apart;
	return is_named(c->name, wanted) ||
	       (c->run == chapter_sizes && needs_sizes(wanted));
}

/* All figures, or those of what is measured apart */
static bool are_complete(char **wanted)
{
	return !*wanted || (is_named("wake", wanted) && !wanted[1]);
}

int main(int argc, char **argv)
{
	char **wanted = argv + 1;
	const struct chapter *c;

	if (argc > 1 && !strcmp(argv[1], "quick")) {
		plan = quick;
		wanted++;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	quiet();
	figure_count(plan.standard / MIB, "standard_mib");
	figure_count(plan.slice / MIB, "slice_mib");
	for (c = chapters; c->name; c++) {
		if (!is_wanted(c, wanted))
			continue;
		c->run(KIND_4K);
		if (c->both)
			c->run(KIND_THP);
	}
	if (!*wanted)
		chapter_compare();
	if (are_complete(wanted))
		figures_print();
	return 0;
}
