/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of VMFORK_RESET share: an area of which there are two
 * snapshots, and how it is written to and put back.  Included by one .c file
 * of a program.
 */
#ifndef SELFTESTS_RESET_H
#define SELFTESTS_RESET_H

#include <string.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "live.h"
#include "peer.h"

#define LEN	(8 * MIB)
#define OFFSET	(4 * MIB)

/*
 * An area of which there are two snapshots, and two processes that never saw
 * it.  It is a mapping of the second one.
 */
FIXTURE(reset) {
	struct area area;
	struct peer *one, *two;
	int fd[2];
	struct stamp *model[2];
	uint64_t size;
	struct vmfork_reset r;
};

FIXTURE_VARIANT(reset) { enum kind kind; };
KIND_VARIANT(reset, base, KIND_BASE);
KIND_VARIANT(reset, thp, KIND_THP);
KIND_VARIANT(reset, thp_shift, KIND_THP_SHIFT);
KIND_VARIANT(reset, thp_part, KIND_THP_PART);
KIND_VARIANT(reset, mixed, KIND_MIXED);
KIND_VARIANT(reset, forked, KIND_FORKED);
KIND_VARIANT(reset, hole, KIND_HOLE);

static inline int capture(struct view *view, uint64_t offset)
{
	return peer_capture(view->who, -1, view->addr, view->pages * PAGE,
			    offset, NULL);
}

/* Writes to one page of 40; how many that are. */
static inline size_t scribble(struct view *view, uint64_t seed)
{
	size_t i, nr = 0;

	for (i = seed % 40; i < view->pages; i += 40, nr++) {
		if (nr & 1)
			view_poke(view, i, rnd(&seed) | 1);
		else
			view_fill(view, i, rnd(&seed) | 1);
	}
	return nr;
}

FIXTURE_SETUP(reset)
{
	struct view *view = &self->area.view;
	int i;

	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
	self->one = peer_start();
	self->two = peer_start();
	ASSERT_NE(NULL, self->one);
	ASSERT_NE(NULL, self->two);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, OFFSET));
	for (i = 0; i < 2; i++) {
		self->fd[i] = capture(view, self->area.offset);
		ASSERT_LE(0, self->fd[i]);
		self->model[i] = model_copy(view->model, view->pages);
		if (!i)
			scribble(view, 1);
	}
	self->size = self->area.offset + view->pages * PAGE;
}

FIXTURE_TEARDOWN(reset)
{
	area_free(&self->area);
	peer_kill(self->one);
	peer_kill(self->two);
	close(self->fd[0]);
	close(self->fd[1]);
}

/* Resets all of a view to a snapshot, and its model. */
static inline int reset_view(struct view *view, int fd, const struct stamp *model,
		      struct vmfork_reset *out)
{
	int ret = reset_range(fd, view->who ? view->who->pidfd : -1,
			      view->addr, view->pages * PAGE, out);

	if (!ret)
		memcpy(view->model, model, view->pages * sizeof(*model));
	return ret;
}

static inline size_t pages_between(const struct stamp *one, const struct stamp *two,
			    size_t pages)
{
	size_t i, nr = 0;

	for (i = 0; i < pages; i++)
		nr += !!memcmp(&one[i], &two[i], sizeof(one[i]));
	return nr;
}

/* Pages that are no hole in both. */
static inline size_t pages_in_any(const struct stamp *one, const struct stamp *two,
			   size_t pages)
{
	size_t i, nr = 0;

	for (i = 0; i < pages; i++)
		nr += one[i].fill || one[i].poke || two[i].fill || two[i].poke;
	return nr;
}

static inline long snapshots_check(FIXTURE_DATA(reset) *self)
{
	long wrong = 0;
	int i;

	for (i = 0; i < 2; i++)
		wrong += snapshot_check(self->fd[i], self->area.offset,
					self->area.view.pages, self->model[i],
					i ? "the second snapshot" :
					    "the first snapshot");
	return wrong + !area_others_right(&self->area);
}

#endif
