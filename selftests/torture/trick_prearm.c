// SPDX-License-Identifier: GPL-2.0
/* A guest captures itself ahead while it runs, then what was written since. */
#include "guest.h"
#include "shot.h"

void trick_prearm(struct guest *g)
{
	struct plan plan = PLAN_WHOLE(g->b);
	static struct shot shot;
	bool plain = g->b->plain;
	uint32_t visit;
	int ret;

	if (chance(g->self, 30))
		plan_draw(g->self, g->b, &plan);
	visit = g->b->visits + 1;
	ret = did("capture: itself, ahead",
		  shot_prearm(g->self, g->b, -1, &plan));
	if (ret) {
		expect_errno("capture ahead", ret,
			     ALLOWED(MAY_BE_REFUSED, EBUSY), shot_refusal());
		return;
	}
	doze(g->self, 5000);
	if (plain && plan.whole && g->b->visits == visit)
		plan.ahead = visit;
	ret = did("capture: itself, after one ahead",
		  shot_take(&shot, g->b, -1, &plan, "after one ahead"));
	if (ret) {
		expect_errno("capture after one ahead", ret,
			     ALLOWED(MAY_BE_REFUSED, EBUSY), shot_refusal());
		return;
	}
	if (chance(g->self, 70))
		pool_put(&shot);
	else
		shot_drop(&shot);
}
