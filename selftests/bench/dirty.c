// SPDX-License-Identifier: GPL-2.0
/*
 * Cost against what was written since the last capture: re-captures, and
 * captures after the memory was captured ahead.
 */
#include <stdio.h>

#include "bench.h"
#include "capture.h"
#include "clock.h"
#include "figures.h"
#include "method.h"

#define ROUNDS	2

static const unsigned int permilles[] = { 1, 10, 100, 1000, 0 };

static uint64_t measure_once(const struct method *method,
			     const struct memory *mem)
{
	uint64_t took = method_pause(method, mem, NULL);

	if (took)
		method_finish(method, mem);
	return took;
}

static void measure(const struct method *method, const struct memory *mem)
{
	int rounds = dirt.permille >= 100 ? 1 : ROUNDS, round;
	uint64_t took[ROUNDS];
	char key[80];

	for (round = 0; round < rounds; round++) {
		took[round] = measure_once(method, mem);
		if (!took[round])
			return;
	}
	snprintf(key, sizeof(key), "dirty_%u_%s_%s_%s", dirt.permille,
		 pattern_names[dirt.pattern], kind_names[mem->kind],
		 method->name);
	figure_count(lowest(took, rounds), "%s", key);
	capture_phases(key);
}

/* The issue's own names for those of one in a hundred pages */
static void ratios(const struct method *method, enum kind kind)
{
	static const char *const suffixes[NR_PATTERNS] = {
		"", "_runs", "_contiguous",
	};
	double forked = figure_get("size_%zu_%s_fork", plan.standard / MIB,
				   kind_names[kind]);
	enum pattern p;

	for (p = 0; p < NR_PATTERNS; p++) {
		double took = figure_get("dirty_%u_%s_%s_%s", USUAL_PERMILLE,
					 pattern_names[p], kind_names[kind],
					 method->name);

		if (took)
			figure(5, took / forked, "%s%s_1pct%s_vs_fork",
			       method->name, kind == KIND_THP ? "_thp" : "",
			       suffixes[p]);
	}
}

/* The first time it is captured ahead, all of it is; how long at a time? */
static void measure_prearm(const struct memory *mem)
{
	struct vmfork_capture cap;
	uint64_t before = clock_now();

	if (vmfork_prearm(mem, &cap))
		return;
	figure_count(clock_now() - before, "prearm_first_%s",
		     kind_names[mem->kind]);
	figure_count(cap.ns_longest, "prearm_first_%s_longest",
		     kind_names[mem->kind]);
}

static void measure_all(const struct method *method, const struct memory *mem)
{
	const unsigned int *permille;
	enum pattern p;

	for (permille = permilles; *permille; permille++) {
		/* All of the pages are all of them in any pattern. */
		for (p = *permille == 1000 ? CONTIGUOUS : SINGLE;
		     p < NR_PATTERNS; p++) {
			dirt = (struct dirt){ *permille, p };
			measure(method, mem);
		}
	}
	dirt = (struct dirt){ USUAL_PERMILLE, SINGLE };
	ratios(method, mem->kind);
}

void chapter_dirty(enum kind kind)
{
	struct memory mem = memory_get(plan.standard, kind);

	/* Before anything else: this memory was never captured. */
	measure_prearm(&mem);
	measure_all(&method_prearmed, &mem);
	memory_put(&mem);

	mem = memory_get(plan.standard, kind);
	measure_once(&method_capture, &mem);
	measure_all(&method_recapture, &mem);
	memory_put(&mem);
}
