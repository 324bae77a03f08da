// SPDX-License-Identifier: GPL-2.0
/* A guest captures itself, while it is written or while it is not. */
#include <unistd.h>

#include "guest.h"
#include "shot.h"

/* Pinned: by whoever looks at it with process_vm_readv(). */
static void capture_self(struct guest *g, const char *what)
{
	static struct shot shot;
	struct self *self = g->self;
	struct plan plan;
	int pidfd = -1, ret;

	plan_draw(self, g->b, &plan);
	if (chance(self, 20))
		pidfd = pidfd_of(getpid());
	ret = did(what, shot_take(&shot, g->b, pidfd, &plan, what));
	if (pidfd >= 0)
		close(pidfd);
	if (ret) {
		expect_errno(what, ret, ALLOWED(MAY_BE_REFUSED, EBUSY),
			     shot_refusal());
		return;
	}
	if (chance(self, 15))
		shot_check(self, &shot, what);
	if (chance(self, 70))
		pool_put(&shot);
	else
		shot_drop(&shot);
}

void trick_capture(struct guest *g)
{
	capture_self(g, "capture: itself");
}

void trick_capture_still(struct guest *g)
{
	capture_self(g, "capture: itself, still");
	board_check(g->b, g->map, 0, g->b->pages, "after a capture, a guest");
}

void trick_check(struct guest *g)
{
	board_check(g->b, g->map, 0, g->b->pages, "a guest");
}
