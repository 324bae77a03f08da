// SPDX-License-Identifier: GPL-2.0
/*
 * A guest forks: the new process sees what there was, writes, captures itself,
 * and ends, while the guest goes on.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "shot.h"

/* Nobody else sees the fork's board: it is its own copy. */
static void be_forked(struct guest *g, struct board *own)
{
	static struct shot shot;
	struct plan plan;
	int i, ret;

	become(g->self, 77);
	own->object = new_object();
	own->gen = 0;
	/* It goes back to what the guest was at some time, if at all. */
	for (i = 0; i < (int)own->pages; i++)
		own->inherited[i] = TAG_TORN;
	g->b = own;
	board_check(own, g->map, 0, own->pages, "a fork");
	for (i = 0; i < 60; i++)
		board_write(own, (uint64_t *)g->map,
			    draw(g->self, own->pages));
	doze(g->self, 30000);
	if (chance(g->self, 60)) {
		plan_draw(g->self, own, &plan);
		ret = did("capture: a fork of itself",
			  shot_take(&shot, own, -1, &plan, "a fork"));
		expect_errno("capture of a fork", ret,
			     ALLOWED(MAY_BE_REFUSED, EBUSY),
			     shot_refusal());
		if (!ret)
			pool_put(&shot);
	}
	for (i = 0; i < 60; i++)
		board_write(own, (uint64_t *)g->map,
			    draw(g->self, own->pages));
	board_check(own, g->map, 0, own->pages, "at its end, a fork");
	_exit(0);
}

void trick_fork(struct guest *g)
{
	struct board *own;
	pid_t pid;

	own = aligned_alloc(4096, sizeof(*own));
	if (!own)
		give_up("fork", -ENOMEM);
	/* As it is at the fork; the guest's goes on. */
	*own = *g->b;
	pid = fork();
	did("fork", pid < 0 ? -errno : 0);
	if (!pid)
		be_forked(g, own);
	free(own);
	if (pid < 0)
		return;
	/* The guest goes on, and may die, before the fork does. */
	board_resume(g->b);
	doze(g->self, 30000);
	if (chance(g->self, 70))
		did("fork: ended", WIFEXITED(reap(pid)) ? 0 : -EINTR);
	board_pause(g->b);
	if (g->b->bad)
		fail("after fork, a generator: %s",
		     describe(page_at(g, g->b->bad_page),
			      g->b->tag[g->b->bad_page], g->b->bad_page));
}
