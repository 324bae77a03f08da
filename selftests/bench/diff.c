// SPDX-License-Identifier: GPL-2.0
/* Where two snapshots differ, one in a hundred or a thousand pages apart. */
#include <err.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "vmfork.h"

static void measure(const struct memory *mem, unsigned int permille)
{
	struct vmfork_capture cap;
	int older = vmfork_capture(mem, &cap), newer;
	uint64_t before, took;
	size_t written;
	long pages;

	written = memory_dirty(mem, permille, SINGLE, 0);
	newer = vmfork_capture(mem, &cap);
	before = clock_now();
	pages = vmfork_diff(newer, older);
	took = clock_now() - before;
	close(newer);
	close(older);
	if (pages < 0) {
		remark("VMFORK_DIFF is missing");
		return;
	}
	if ((size_t)pages != written)
		errx(1, "%ld pages differ of %zu", pages, written);
	figure_count(took, "diff_%u_%s", permille, kind_names[mem->kind]);
}

void chapter_diff(enum kind kind)
{
	struct memory mem = memory_get(plan.standard, kind);

	measure(&mem, 1);
	measure(&mem, 10);
	memory_put(&mem);
}
