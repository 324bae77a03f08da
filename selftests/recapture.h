/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of captures in place share: an area that was captured once,
 * and the judgement that only what was written since was taken.  Included by
 * one .c file of a program.
 */
#ifndef SELFTESTS_RECAPTURE_H
#define SELFTESTS_RECAPTURE_H

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define LEN	(8 * MIB)
#define PAGES	(LEN / PAGE)
#define OFFSET	(4 * MIB)

/* An area that was captured once, and processes that never saw it. */
FIXTURE(recapture) {
	struct area area;
	struct peer *one, *two;
	int fd;
	struct stamp *first;	/* what is in it */
};

FIXTURE_VARIANT(recapture) { enum kind kind; };
KIND_VARIANT(recapture, base, KIND_BASE);
KIND_VARIANT(recapture, thp, KIND_THP);
KIND_VARIANT(recapture, thp_part, KIND_THP_PART);
KIND_VARIANT(recapture, thp_edge, KIND_THP_EDGE);
KIND_VARIANT(recapture, thp_shift, KIND_THP_SHIFT);
KIND_VARIANT(recapture, mixed, KIND_MIXED);
KIND_VARIANT(recapture, swap, KIND_SWAP);
KIND_VARIANT(recapture, forked, KIND_FORKED);
KIND_VARIANT(recapture, hole, KIND_HOLE);

static inline int capture(struct area *area, struct vmfork_capture *cap)
{
	return capture_range(-1, area->view.addr, area->view.pages * PAGE,
			     area->offset, cap);
}

FIXTURE_SETUP(recapture)
{
	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
	self->one = peer_start();
	self->two = peer_start();
	ASSERT_NE(NULL, self->one);
	ASSERT_NE(NULL, self->two);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, OFFSET));
	self->fd = capture(&self->area, NULL);
	ASSERT_LE(0, self->fd);
	self->first = model_copy(self->area.view.model, self->area.view.pages);
}

FIXTURE_TEARDOWN(recapture)
{
	area_free(&self->area);
	peer_kill(self->one);
	peer_kill(self->two);
	close(self->fd);
}

#define STEP	64U
#define START	7U

/* Writes to one page of STEP, up to the last quarter; how many these are. */
static inline size_t scribble(struct view *view, uint64_t seed)
{
	size_t i, nr = 0;

	for (i = START; i < view->pages * 3 / 4; i += STEP, nr++) {
		if (nr & 1)
			view_poke(view, i, rnd(&seed) | 1);
		else
			view_fill(view, i, rnd(&seed) | 1);
	}
	return nr;
}

static inline size_t holes_of(const struct view *view)
{
	size_t i, holes = 0;

	for (i = 0; i < view->pages; i++)
		holes += !view->model[i].fill && !view->model[i].poke;
	return holes;
}

/* Only what was written was taken, and the mapping has stayed. */
#define in_place(cap, view, written) \
	check_in_place(_metadata, cap, view, written)

static inline void check_in_place(struct __test_metadata *_metadata,
			   const struct vmfork_capture *cap,
			   const struct view *view, size_t written)
{
	size_t holes = holes_of(view);

	EXPECT_EQ(view->pages, cap->pages_in_place);
	EXPECT_EQ(written, cap->pages_stolen + cap->pages_copied);
	EXPECT_EQ(holes, cap->pages_hole);
	EXPECT_EQ(view->pages - holes - written, cap->pages_shared);
}

static inline long check(struct area *area, int fd, const char *what)
{
	return view_check(&area->view, what) + !area_others_right(area) +
	       snapshot_check(fd, area->offset, area->view.pages,
			      area->view.model, what);
}

#endif
