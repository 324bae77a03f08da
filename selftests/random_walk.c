// SPDX-License-Identifier: GPL-2.0
/*
 * A random walk: a family of mappings in three processes writes, resets, maps
 * and captures at random for a while.  A model says what each of its views and
 * snapshots must hold at any time.
 */
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define OFFSET	(4 * MIB)

#define MAX_SNAPS	6
#define MAX_VIEWS	8

struct snap {
	int fd;			/* 0: none */
	struct stamp *model;
};

struct walk {
	struct peer *one, *two;
	struct snap snap[MAX_SNAPS];
	struct view view[MAX_VIEWS];
	int base[MAX_VIEWS];	/* snapshot that the view is a mapping of */
	uint64_t seed;
	size_t pages;
};

static int walk_check(struct walk *w)
{
	long wrong = 0;
	char what[32];
	int i;

	for (i = 0; i < MAX_VIEWS; i++) {
		snprintf(what, sizeof(what), "view %d", i);
		if (w->view[i].addr)
			wrong += view_check(&w->view[i], what);
	}
	for (i = 0; i < MAX_SNAPS; i++) {
		snprintf(what, sizeof(what), "snapshot %d", i);
		if (w->snap[i].fd)
			wrong += snapshot_check(w->snap[i].fd, OFFSET, w->pages,
						w->snap[i].model, what);
	}
	return wrong;
}

/* A snapshot's place can be taken again once no view resets to its model. */
static int free_snap(struct walk *w)
{
	int i, j;

	for (i = 0; i < MAX_SNAPS; i++) {
		for (j = 0; j < MAX_VIEWS; j++)
			if (w->view[j].addr && w->base[j] == i)
				break;
		if (j < MAX_VIEWS)
			continue;
		if (w->snap[i].fd)
			close(w->snap[i].fd);
		w->snap[i].fd = 0;
		return i;
	}
	return -1;
}

static int walk_capture(struct walk *w, int v)
{
	struct view *view = &w->view[v];
	struct peer *by = rnd(&w->seed) & 1 ? view->who : NULL;
	int snap = free_snap(w), fd;

	if (snap < 0)
		return 0;
	fd = peer_capture(by, by == view->who ? -1 : view->who->pidfd,
			  view->addr, w->pages * PAGE, OFFSET, NULL);
	if (fd < 0)
		return fd;
	w->snap[snap].fd = fd;
	if (!w->snap[snap].model)
		w->snap[snap].model = model_alloc(w->pages);
	memcpy(w->snap[snap].model, view->model,
	       w->pages * sizeof(struct stamp));
	w->base[v] = snap;
	return 0;
}

static int walk_map(struct walk *w, int v)
{
	struct peer *who[] = { NULL, w->one, w->two };
	int snap = rnd(&w->seed) % MAX_SNAPS;
	struct stamp *model = w->view[v].model;
	int ret;

	if (!w->snap[snap].fd)
		return 0;
	view_unmap(&w->view[v]);
	ret = view_map(&w->view[v], who[rnd(&w->seed) % 3], w->snap[snap].fd,
		       OFFSET, w->pages, w->snap[snap].model);
	if (!ret && model) {	/* models are never freed: take the old one */
		memcpy(model, w->view[v].model, w->pages * sizeof(*model));
		w->view[v].model = model;
	}
	w->base[v] = snap;
	return ret;
}

static int walk_step(struct walk *w)
{
	int v = rnd(&w->seed) % MAX_VIEWS, i, ret = 0;
	struct view *view = &w->view[v];
	unsigned int what = rnd(&w->seed) % 16;

	if (!view->addr)
		return walk_map(w, v);
	if (what < 2)
		return walk_capture(w, v);
	if (what < 4 && v)
		return walk_map(w, v);
	for (i = 0; i < 40 && !ret; i++) {
		size_t page = rnd(&w->seed) % w->pages;

		if (what < 6)
			ret = view_reset(view, page,
					 &w->snap[w->base[v]].model[page]);
		else if (what < 10)
			ret = view_fill(view, page, rnd(&w->seed) | 1);
		else
			ret = view_poke(view, page, rnd(&w->seed) | 1);
	}
	return ret;
}

FIXTURE(random_walk) {
	struct walk w;
	struct area area;
};

FIXTURE_VARIANT(random_walk) { enum kind kind; };
KIND_VARIANT(random_walk, base, KIND_BASE);
KIND_VARIANT(random_walk, thp, KIND_THP);
KIND_VARIANT(random_walk, hole, KIND_HOLE);

FIXTURE_SETUP(random_walk)
{
	struct walk *w = &self->w;

	w->pages = 2 * HUGE / PAGE;
	w->seed = test_seed();
	w->one = peer_start();
	w->two = peer_start();
	ASSERT_NE(NULL, w->one);
	ASSERT_NE(NULL, w->two);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, 2 * HUGE,
			       OFFSET));
	w->view[0] = self->area.view;
	while (!w->snap[0].fd)
		ASSERT_EQ(0, walk_capture(w, 0));
}

FIXTURE_TEARDOWN(random_walk)
{
	int i;

	for (i = 1; i < MAX_VIEWS; i++)
		view_unmap(&self->w.view[i]);
	for (i = 0; i < MAX_SNAPS; i++)
		if (self->w.snap[i].fd)
			close(self->w.snap[i].fd);
	area_free(&self->area);
	peer_kill(self->w.one);
	peer_kill(self->w.two);
}

TEST_F(random_walk, every_view_is_as_the_model_says)
{
	int i, ret;

	for (i = 0; i < 240; i++) {
		ret = walk_step(&self->w);
		ASSERT_EQ(0, ret) TH_LOG("step %d: %s", i, strerror(-ret));
		if (i % 30 == 29)
			ASSERT_EQ(0, walk_check(&self->w)) TH_LOG("step %d", i);
	}
}

TEST_HARNESS_MAIN
