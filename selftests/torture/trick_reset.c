// SPDX-License-Identifier: GPL-2.0
/* A guest goes back to a shot of itself, an older one or one just taken. */
#include "../live.h"
#include "guest.h"
#include "shot.h"

/* The last shot that it took for this, and whose it is. */
static struct shot kept;
static uint64_t kept_object;

/* False if there is none. */
static bool keep_one(struct guest *g)
{
	struct plan plan = PLAN_WHOLE(g->b);
	static struct shot shot;
	int ret;

	ret = did("capture: to be reset to",
		  shot_take(&shot, g->b, -1, &plan, "to be reset to"));
	expect_errno("capture to be reset to", ret,
		     ALLOWED(MAY_BE_REFUSED, EBUSY), shot_refusal());
	if (ret)
		return false;
	if (kept_object == g->b->object) {
		shot_diff(g->self, &kept, &shot, "shots of one guest");
		shot_drop(&kept);
	}
	kept = shot;
	kept_object = g->b->object;
	return true;
}

/* It runs for a while. */
static void write_on(struct guest *g)
{
	board_resume(g->b);
	doze(g->self, 20000);
	board_pause(g->b);
	if (g->b->bad)
		fail("before a reset, a generator: %s",
		     describe(page_at(g, g->b->bad_page),
			      g->b->tag[g->b->bad_page], g->b->bad_page));
}

static void took_back(struct guest *g, size_t first, size_t nr)
{
	size_t page;

	for (page = first; page < first + nr; page++) {
		g->b->tag[page] = g->b->intent[page] = kept.tag[page];
		g->b->inherited[page] = kept.tag[page];
	}
	board_check(g->b, g->map, first, nr, "after a reset, a guest");
}

void trick_reset(struct guest *g)
{
	bool fresh = kept_object != g->b->object || chance(g->self, 40);
	size_t first = 0, nr = g->b->pages, page;
	struct vmfork_reset reset;
	int ret;

	if (fresh && !keep_one(g))
		return;
	write_on(g);
	if (chance(g->self, 40))
		part_draw(g, &first, &nr, 512);
	g->b->plain = 0;
	/* As the shot was, which may have been before that was replaced. */
	for (page = first; page < first + nr; page++)
		if (g->b->inherited[page] != kept.tag[page])
			g->b->inherited[page] = TAG_TORN;
	board_lose(g->b, first, nr);
	ret = did("reset", reset_range(kept.fd, -1, page_at(g, first),
				       nr * PAGE, &reset));
	if (!ret) {
		count("pages dropped by resets", reset.pages_dropped);
		count("pages changed by resets", reset.pages_changed);
		took_back(g, first, nr);
		return;
	}
	for (page = first; page < first + nr; page++)
		board_settle(g->b, g->map, page, "after a failed reset, a guest");
	/*
	 * Pinned by a peeker; replaced since it was captured, by other memory or
	 * by a mapping of something of another size.
	 */
	expect_errno("reset", ret, fresh ?
		     ALLOWED(MAY_BE_REFUSED, EBUSY) :
		     ALLOWED(MAY_BE_REFUSED, EBUSY, ENXIO, ERANGE),
		     "no more is said");
}
