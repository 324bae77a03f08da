// SPDX-License-Identifier: GPL-2.0
/* Memory goes back: to a snapshot's content, to zeroes, or maybe. */
#include <sys/mman.h>

#include "guest.h"

void trick_discard(struct guest *g)
{
	size_t first, nr, page;

	part_draw(g, &first, &nr, 64);
	board_lose(g->b, first, nr);
	if (did("madvise: DONTNEED", madvise(page_at(g, first), nr * PAGE,
					     MADV_DONTNEED) ? -errno : 0))
		fail("MADV_DONTNEED: %s", strerror(errno));
	for (page = first; page < first + nr; page++)
		board_settle(g->b, g->map, page, "after MADV_DONTNEED, a guest");
}

/* Only anonymous memory can be freed that way. */
void trick_free(struct guest *g)
{
	size_t first, nr, page;
	int ret;

	part_draw(g, &first, &nr, 64);
	for (page = first; page < first + nr; page++) {
		if (g->b->tag[page] != TAG_TORN && g->b->tag[page])
			g->b->tag[page] |= TAG_MAYBE;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		g->b->lost[page]++;
	}
	ret = madvise(page_at(g, first), nr * PAGE, MADV_FREE) ? -errno : 0;
	did("madvise: FREE", ret);
	nap(draw(g->self, 30000));
	if (!ret && chance(g->self, 50))
		did("madvise: PAGEOUT", madvise(page_at(g, first), nr * PAGE,
						MADV_PAGEOUT) ? -errno : 0);
	/* Looks at it, and saves half of it. */
	board_check(g->b, g->map, first, nr, "after MADV_FREE, a guest");
	for (page = first; page < first + nr; page++)
		if (g->b->tag[page] & TAG_MAYBE && chance(g->self, 50))
			board_write(g->b, (uint64_t *)g->map, page);
}

/* What a mapping had there is unmapped, and new memory is there. */
void trick_replace(struct guest *g)
{
	size_t first, nr, page;
	void *map;

	part_draw(g, &first, &nr, 64);
	g->b->plain = 0;
	board_lose(g->b, first, nr);
	for (page = first; page < first + nr; page++)
		g->b->inherited[page] = TAG_ZERO;
	if (chance(g->self, 50))
		munmap(page_at(g, first), nr * PAGE);
	map = mmap(page_at(g, first), nr * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (map == MAP_FAILED)
		give_up("mmap: replace", -errno);
	did("mmap: replace", 0);
	for (page = first; page < first + nr; page++) {
		if (*(uint64_t *)page_at(g, page))
			fail("new memory: %s", describe(page_at(g, page),
							TAG_ZERO, page));
		g->b->tag[page] = g->b->intent[page] = TAG_ZERO;
	}
}
