// SPDX-License-Identifier: GPL-2.0
/*
 * The pause with a KVM guest behind the memory, which has used all of it: its
 * second-level page tables are full, and have to be emptied as well.  They do
 * not matter to a full copy.
 */
#include <stdio.h>

#include "bench.h"
#include "capture.h"
#include "figures.h"
#include "method.h"
#include "touch.h"

static const struct method *const methods[] = {
	&method_fork, &method_uffd_wp, &method_park, &method_capture,
	&method_recapture, &method_prearmed, NULL
};

void chapter_live(enum kind kind)
{
	struct memory mem = memory_get(plan.standard, kind);
	double forked = figure_get("size_%zu_%s_fork", plan.standard / MIB,
				   kind_names[kind]);
	const struct method *const *method;

	touch_begin(&mem);
	for (method = methods; *method; method++) {
		uint64_t took = method_pause(*method, &mem,
					     touch_guest_knows);

		if (!took)
			continue;
		method_finish(*method, &mem);
		figure_count(took, "live_%s_%s", kind_names[kind],
			     (*method)->name);
		figure(5, took / forked, "live_%s_%s_vs_fork",
		       kind_names[kind], (*method)->name);
	}
	touch_end();
	memory_put(&mem);
}
