// SPDX-License-Identifier: GPL-2.0
/* Advice that moves pages about but changes nothing, while they are used. */
#include <sys/mman.h>

#include "guest.h"

#define ADVICE(what, vma) { "madvise: " #what, MADV_##what, vma }

static const struct {
	const char *what;
	int advice;
	bool changes_vma;
} advices[] = {
	ADVICE(PAGEOUT, false),		ADVICE(PAGEOUT, false),
	ADVICE(PAGEOUT, false),		ADVICE(COLD, false),
	ADVICE(COLLAPSE, false),	ADVICE(COLLAPSE, false),
	ADVICE(WILLNEED, false),	ADVICE(POPULATE_READ, false),
	ADVICE(POPULATE_WRITE, false),
	ADVICE(HUGEPAGE, true),		ADVICE(NOHUGEPAGE, true),
	ADVICE(MERGEABLE, true),	ADVICE(UNMERGEABLE, true),
	ADVICE(DONTDUMP, true),		ADVICE(DODUMP, true),
};

void trick_advise(struct guest *g)
{
	size_t i = draw(g->self, ARRAY_SIZE(advices)), first, nr;

	part_draw(g, &first, &nr, 512);
	if (chance(g->self, 30)) {
		first = 0;
		nr = g->b->pages;
	}
	if (advices[i].changes_vma && nr != g->b->pages)
		g->b->plain = 0;
	did(advices[i].what, madvise(page_at(g, first), nr * PAGE,
				     advices[i].advice) ? -errno : 0);
}

/* Pages that are the same, here and in other guests, for KSM. */
void trick_twins(struct guest *g)
{
	size_t first, nr, page;

	part_draw(g, &first, &nr, 48);
	for (page = first; page < first + nr; page++) {
		uint64_t tag = TAG_COMMON(1 + draw(g->self, 3));

		g->b->lost[page]++;
		g->b->intent[page] = tag;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		pattern_fill((uint64_t *)page_at(g, page), g->b->seed, tag,
			     page);
		g->b->tag[page] = tag;
	}
	if (nr != g->b->pages)
		g->b->plain = 0;
	did("madvise: MERGEABLE", madvise(page_at(g, first), nr * PAGE,
					  MADV_MERGEABLE) ? -errno : 0);
	nap(draw(g->self, 100000));
	board_check(g->b, g->map, first, nr, "to be merged, a guest");
}
