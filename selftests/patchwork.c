// SPDX-License-Identifier: GPL-2.0
/*
 * Patchwork: one region over pieces of all sorts, side by side: fresh memory,
 * memory never touched, parts of older snapshots at offsets that fit neither
 * huge pages nor each other, and what was written to all of these.  The new
 * snapshot shares what it can with the old ones, and is right to the byte.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define MAX_PAGES	2048UL
#define MAX_PIECE	700UL
#define OLD		3

/* A snapshot of an earlier round, and what is in it. */
struct old {
	int fd;			/* 0: none */
	uint64_t first;		/* page of the snapshot where the model is */
	size_t pages;
	struct stamp *model;
};

FIXTURE(patchwork) {
	struct old old[OLD];
	struct area area;
	struct peer *peer;
	struct view view;
	uint64_t seed;
};

FIXTURE_VARIANT(patchwork) {
	enum kind kind;
	bool aligned;		/* pieces and offsets suit huge pages */
};

FIXTURE_VARIANT_ADD(patchwork, base) { .kind = KIND_BASE };
FIXTURE_VARIANT_ADD(patchwork, thp) { .kind = KIND_THP };
FIXTURE_VARIANT_ADD(patchwork, thp_aligned) {
	.kind = KIND_THP, .aligned = true
};

FIXTURE_SETUP(patchwork)
{
	struct old *old = &self->old[0];
	int i;

	self->seed = test_seed();
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	for (i = 0; i < OLD; i++)
		self->old[i].model = model_alloc(MAX_PAGES);
	self->view.model = model_alloc(MAX_PAGES);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, MAX_PAGES * PAGE,
			       0));
	old->fd = capture_range(-1, self->area.view.addr, self->area.len, 0,
				NULL);
	ASSERT_LE(0, old->fd);
	old->pages = MAX_PAGES;
	memcpy(old->model, self->area.view.model,
	       MAX_PAGES * sizeof(struct stamp));
}

FIXTURE_TEARDOWN(patchwork)
{
	int i;

	area_free(&self->area);
	peer_kill(self->peer);
	for (i = 0; i < OLD; i++)
		if (self->old[i].fd)
			close(self->old[i].fd);
}

static size_t round_down(size_t page, bool aligned)
{
	return aligned ? page & ~511UL : page;
}

/* Anonymous memory, all written, or a page here and there, or none. */
static int piece_of_memory(FIXTURE_DATA(patchwork) *self, size_t at, size_t nr)
{
	struct view *view = &self->view;
	size_t step = rnd(&self->seed) % 4, i;

	if (mmap(view->addr + at * PAGE, nr * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -errno;
	memset(view->model + at, 0, nr * sizeof(struct stamp));
	for (i = 0; step && i < nr; i += step * step)
		view_fill(view, at + i, rnd(&self->seed) | 1);
	return 0;
}

/* Part of an old snapshot, some of it written to. */
static int piece_of_snapshot(FIXTURE_DATA(patchwork) *self, size_t at,
			     size_t nr, bool aligned)
{
	const struct old *old = &self->old[rnd(&self->seed) % OLD];
	struct view *view = &self->view;
	size_t from, i;

	if (!old->fd || old->pages < nr)
		return piece_of_memory(self, at, nr);
	from = round_down(rnd(&self->seed) % (old->pages - nr + 1), aligned);
	if (mmap(view->addr + at * PAGE, nr * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED, old->fd,
		 (old->first + from) * PAGE) == MAP_FAILED)
		return -errno;
	memcpy(view->model + at, old->model + from, nr * sizeof(struct stamp));
	for (i = rnd(&self->seed) % 50; i < nr; i += 1 + rnd(&self->seed) % 99)
		view_poke(view, at + i, rnd(&self->seed) | 1);
	return 0;
}

static int sew(FIXTURE_DATA(patchwork) *self, bool aligned)
{
	size_t shift = aligned ? 0 : rnd(&self->seed) % 512 * PAGE, at, nr;
	struct view *view = &self->view;
	int ret;

	view->pages = 512 + rnd(&self->seed) % (MAX_PAGES - 511);
	view->addr = reserve(view->pages * PAGE, shift);
	if (!view->addr)
		return -ENOMEM;
	for (at = 0; at < view->pages; at += nr) {
		nr = 1 + rnd(&self->seed) % MAX_PIECE;
		if (aligned)
			nr = (nr + 511) & ~511UL;
		if (nr > view->pages - at)
			nr = view->pages - at;
		ret = rnd(&self->seed) % 3 ?
		      piece_of_snapshot(self, at, nr, aligned) :
		      piece_of_memory(self, at, nr);
		if (ret)
			return ret;
	}
	return view_check(view, "the patchwork") ? -EIO : 0;
}

static long check_children(FIXTURE_DATA(patchwork) *self, int fd,
			   uint64_t offset)
{
	struct peer *who[] = { NULL, self->peer };
	void *mark = shared_alloc(0);
	struct view child;
	long wrong = 0;
	int i;

	for (i = 0; i < 2; i++) {
		if (view_map(&child, who[i], fd, offset, self->view.pages,
			     self->view.model))
			return -1;
		wrong += view_check(&child, "a child");
		view_unmap(&child);
		shared_reset(mark);
	}
	return wrong;
}

TEST_F_TIMEOUT(patchwork, is_captured_as_one, 90)
{
	struct view *view = &self->view;
	struct vmfork_capture cap;
	struct old *old;
	uint64_t offset;
	int i, fd, ret;

	for (i = 0; i < 24; i++) {
		ret = sew(self, variant->aligned);
		ASSERT_EQ(0, ret) TH_LOG("round %d: %s", i, strerror(-ret));
		offset = round_down(rnd(&self->seed) % (1UL << 20),
				    variant->aligned) * PAGE;
		fd = capture_range(-1, view->addr, view->pages * PAGE, offset,
				   &cap);
		ASSERT_LE(0, fd) TH_LOG("round %d: %s, %s", i, strerror(-fd),
					refusal_text(&cap));
		ASSERT_EQ(view->pages, cap.pages_stolen + cap.pages_copied +
			  cap.pages_shared + cap.pages_hole);
		ASSERT_EQ(0, view_check(view, "the parent"))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, snapshot_check(fd, offset, view->pages,
					    view->model, "the snapshot"))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, check_children(self, fd, offset))
			TH_LOG("round %d", i);
		munmap(view->addr, view->pages * PAGE);

		/* It takes the place of one of the old ones. */
		old = &self->old[rnd(&self->seed) % OLD];
		if (old->fd)
			close(old->fd);
		old->fd = fd;
		old->first = offset / PAGE;
		old->pages = view->pages;
		memcpy(old->model, view->model,
		       view->pages * sizeof(struct stamp));
	}
	EXPECT_EQ(0, view_check(&self->area.view, "the first parent"));
	for (i = 0; i < OLD; i++)
		if (self->old[i].fd)
			EXPECT_EQ(0, snapshot_check(self->old[i].fd,
						    self->old[i].first * PAGE,
						    self->old[i].pages,
						    self->old[i].model,
						    "an old snapshot"));
}

/*
 * A mapping may reach past the end of its snapshot, where there is nothing.
 * Capturing that too loses nothing of what there is.
 */
TEST(past_the_end)
{
	struct area area;
	struct view view;
	char *map;
	int fd, again;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, 8 * PAGE, 0));
	fd = capture_range(-1, area.view.addr, area.len, 0, NULL);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		   0);
	ASSERT_NE(MAP_FAILED, map);
	view = area.view;
	view.addr = map;
	EXPECT_EQ(0, view_check(&view, "the mapping"));
	again = capture_range(-1, map, 16 * PAGE, 0, NULL);
	if (again >= 0) {
		EXPECT_EQ(0, snapshot_check(again, 0, 8, view.model,
					    "the snapshot"));
		close(again);
	} else {
		EXPECT_EQ(-EFAULT, again);
	}
	EXPECT_EQ(0, view_check(&view, "the mapping, captured"));
	munmap(map, 16 * PAGE);
	area_free(&area);
	close(fd);
}

TEST_HARNESS_MAIN
