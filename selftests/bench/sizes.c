// SPDX-License-Identifier: GPL-2.0
/*
 * Cost against size: the pause that each method asks for, of memory that is
 * all resident; and what a child pays to attach.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "bench.h"
#include "capture.h"
#include "clock.h"
#include "figures.h"
#include "method.h"

#define ROUNDS	3

/* These give the memory back as it was. */
static const struct method *const gentle[] = {
	&method_fork, &method_fullcopy, &method_uffd_wp, &method_park, NULL
};

static void note_pause(const struct method *method, const struct memory *mem,
		       uint64_t took)
{
	if (took)
		figure_count(took, "size_%zu_%s_%s", mem->size / MIB,
			     kind_names[mem->kind], method->name);
}

/* A full copy takes its time, as does much memory; one is like the other. */
static void measure_gentle(const struct method *method,
			   const struct memory *mem)
{
	bool copy = method == &method_fullcopy;
	bool large = mem->size > plan.standard;
	int rounds = copy || large ? 1 : ROUNDS, round;
	uint64_t took[ROUNDS];

	/* It copies huge pages no otherwise. */
	if (copy && large && mem->kind == KIND_THP)
		return;

	for (round = 0; round < rounds; round++) {
		took[round] = method_pause(method, mem, NULL);
		if (!took[round])
			return;
		method_finish(method, mem);
	}
	note_pause(method, mem, lowest(took, rounds));
}

static void measure_attach(const struct memory *mem)
{
	uint64_t took[ROUNDS], before;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		char *map;

		before = clock_now();
		map = memory_map(captured_snapshot(), NULL, mem->size);
		took[round] = clock_now() - before;
		munmap(map, mem->size);
	}
	figure_count(lowest(took, ROUNDS), "size_%zu_%s_attach",
		     mem->size / MIB, kind_names[mem->kind]);
}

static void measure_capture(const struct method *method,
			    const struct memory *mem)
{
	uint64_t took = method_pause(method, mem, NULL);
	char key[64];

	note_pause(method, mem, took);
	if (!took)
		return;
	snprintf(key, sizeof(key), "size_%zu_%s_%s", mem->size / MIB,
		 kind_names[mem->kind], method->name);
	capture_phases(key);
	if (method == &method_capture)
		measure_attach(mem);
	method_finish(method, mem);
}

static void ratio(const struct method *method, enum kind kind, const char *name)
{
	size_t mib = plan.standard / MIB;
	double forked = figure_get("size_%zu_%s_fork", mib, kind_names[kind]);
	double took = figure_get("size_%zu_%s_%s", mib, kind_names[kind],
				 method->name);

	if (took)
		figure(5, took / forked, "%s_vs_fork", name);
}

void chapter_sizes(enum kind kind)
{
	bool thp = kind == KIND_THP;
	const struct method *const *method;
	const size_t *size;

	for (size = plan.sizes; *size; size++) {
		struct memory mem = memory_get(*size, kind);

		for (method = gentle; *method; method++)
			measure_gentle(*method, &mem);
		measure_capture(&method_capture, &mem);
		measure_capture(&method_recapture, &mem);
		measure_capture(&method_prearmed, &mem);
		memory_put(&mem);
	}
	ratio(&method_capture, kind, thp ? "first_capture_thp" :
	      "first_capture_4k");
	ratio(&method_park, kind, thp ? "parking_mremap_thp" :
	      "parking_mremap");
}
