// SPDX-License-Identifier: GPL-2.0
/*
 * Capturers capture guests by pidfd, at any moment of their lives: while they
 * run, move their memory about, exec, dump core, die.
 */
#include <unistd.h>

#include "actors.h"
#include "shot.h"

static void capture_one(struct self *self)
{
	struct board *b = &shared->boards[draw(self, MAX_BOARDS)];
	static struct shot shot;
	struct plan plan;
	int pidfd, ret;

	if (!(b->life & 1) || b->pid <= 0)
		return;
	pidfd = pidfd_of(b->pid);
	if (pidfd < 0)
		return;
	plan_draw(self, b, &plan);
	if (chance(self, 15))
		did("capture: by pidfd, ahead",
		    shot_prearm(self, b, pidfd, &plan));
	ret = shot_take(&shot, b, pidfd, &plan, "capture by pidfd");
	close(pidfd);
	did("capture: by pidfd", ret);
	if (ret) {
		/*
		 * The guest may have forbidden it, have nothing there, or be
		 * another one by now.
		 */
		expect_errno("capture by pidfd", ret,
			     ALLOWED(MAY_BE_REFUSED, EBUSY, ESRCH, EFAULT,
				     EADDRINUSE, ENOLCK, ECHILD),
			     shot_refusal());
		return;
	}
	if (chance(self, 10))
		shot_check(self, &shot, "a capturer");
	if (chance(self, 60))
		pool_put(&shot);
	else
		shot_drop(&shot);
}

void capturer_run(struct self *self)
{
	while (!stopping()) {
		capture_one(self);
		doze(self, 60000);
	}
}
