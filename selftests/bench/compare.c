// SPDX-License-Identifier: GPL-2.0
/*
 * The pauses of others over ours.  Ours is that of a capture of memory that
 * was captured ahead, of which one page in a hundred, single ones, was written
 * since; besides, that of a first capture, of memory never captured.
 */
#include "bench.h"
#include "figures.h"
#include "method.h"

static double pause_of(const struct method *method, enum kind kind)
{
	return figure_get("size_%zu_%s_%s", plan.standard / MIB,
			  kind_names[kind], method->name);
}

static void compare(const struct method *other)
{
	double theirs = pause_of(other, KIND_4K), ours;
	enum kind kind;

	ours = pause_of(&method_prearmed, KIND_4K);
	if (ours)
		figure(1, theirs / ours, "%s_vs_capture", other->name);
	for (kind = 0; kind < NR_KINDS; kind++)
		figure(1, pause_of(other, kind) /
		       pause_of(&method_capture, kind),
		       "%s_vs_first_capture_%s", other->name,
		       kind_names[kind]);
}

void chapter_compare(void)
{
	compare(&method_fullcopy);
	compare(&method_uffd_wp);
}
