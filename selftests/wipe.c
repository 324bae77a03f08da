// SPDX-License-Identifier: GPL-2.0
/*
 * Wipe on fork: memory that a capture leaves out stays as it is in the
 * process, and children read zeroes.
 */
#include <sys/mman.h>

#include "abi.h"
#include "peer.h"

#define KEY	0x5ec3e75ec3e75ec3ULL

/* Pages [first, first + nr) of the area are wiped, by the region @i. */
static void wipe(FIXTURE_DATA(abi) *self, unsigned int i, size_t first,
		 size_t nr)
{
	self->region[i] = (struct vmfork_region){
		.addr = (uintptr_t)self->area.view.addr + first * PAGE,
		.len = nr * PAGE,
		.flags = VMFORK_REGION_WIPE,
	};
	if (self->cap.nr_regions <= i)
		self->cap.nr_regions = i + 1;
}

static void put_key(FIXTURE_DATA(abi) *self, size_t first, size_t nr)
{
	size_t page;

	for (page = first; page < first + nr; page++)
		view_fill(&self->area.view, page, KEY);
}

/* What a child must see: the same with zeroes in [first, first + nr). */
static struct stamp *model_without(FIXTURE_DATA(abi) *self, size_t first,
				   size_t nr)
{
	struct stamp *model = model_copy(self->area.view.model,
					 self->area.view.pages);

	memset(model + first, 0, nr * sizeof(*model));
	return model;
}

/* Captures, and compares the process, the snapshot and a child. */
#define captured_without(first, nr) \
	check_captured(_metadata, self, first, nr)

static int check_captured(struct __test_metadata *_metadata,
			  FIXTURE_DATA(abi) *self, size_t first, size_t nr)
{
	struct stamp *model = model_without(self, first, nr);
	struct view *parent = &self->area.view, child = { 0 };
	struct vmfork_capture *cap = &self->cap;
	struct peer *peer = peer_start();
	int fd;

	EXPECT_NE(NULL, peer);
	cap->snapshot_size = 0;
	fd = capture_full(self->dev, cap);
	EXPECT_LE(0, fd) TH_LOG("%s, %s", strerror(-fd), refusal_text(cap));
	if (fd < 0)
		return fd;
	EXPECT_EQ(nr, cap->pages_wiped);
	EXPECT_EQ(parent->pages - nr, cap->pages_stolen + cap->pages_copied +
				      cap->pages_shared + cap->pages_hole);
	EXPECT_EQ(0, view_check(parent, "the process"));
	EXPECT_EQ(0, snapshot_check(fd, 0, parent->pages, model,
				    "the snapshot"));
	EXPECT_EQ(0, view_map(&child, peer, fd, 0, parent->pages, model));
	EXPECT_EQ(0, view_check(&child, "the child"));

	/* Each goes on by itself, in what was wiped too. */
	if (nr) {
		EXPECT_EQ(0, view_poke(parent, first, 7));
		EXPECT_EQ(0, view_poke(&child, first + nr - 1, 8));
	}
	EXPECT_EQ(0, view_poke(parent, (first + nr) % parent->pages, 9));
	EXPECT_EQ(0, view_check(parent, "the process"));
	EXPECT_EQ(0, view_check(&child, "the child"));
	EXPECT_EQ(0, snapshot_check(fd, 0, parent->pages, model,
				    "the snapshot"));
	peer_kill(peer);
	return fd;
}

TEST_F(abi, in_the_middle)
{
	put_key(self, 100, 3);
	wipe(self, 1, 100, 3);
	close(captured_without(100, 3));
}

TEST_F(abi, at_both_ends)
{
	put_key(self, 0, 1);
	wipe(self, 1, 0, 1);
	close(captured_without(0, 1));
	put_key(self, PAGES - 2, 2);
	wipe(self, 1, PAGES - 2, 2);
	/* What was a hole of the first snapshot is captured now. */
	close(captured_without(PAGES - 2, 2));
}

TEST_F(abi, overlapping_wipes_come_first)
{
	struct vmfork_region all = self->region[0];

	put_key(self, 10, 30);
	wipe(self, 0, 20, 20);
	wipe(self, 1, 10, 15);
	self->region[2] = all;
	self->cap.nr_regions = 3;
	close(captured_without(10, 30));
}

/* Beyond the regions there is nothing to leave out, and nothing wrong. */
TEST_F(abi, wiped_beyond_the_regions)
{
	wipe(self, 1, PAGES - 4, 400);
	close(captured_without(PAGES - 4, 4));
	self->region[1].addr = 0;
	close(captured_without(0, 0));
}

TEST_F(abi, all_of_it)
{
	wipe(self, 1, 0, PAGES);
	close(captured_without(0, PAGES));
	self->cap.nr_regions = 1;
	works();
}

TEST_F(abi, only_wipes)
{
	wipe(self, 0, 0, PAGES);
	refused_outright(EINVAL);
	self->cap.snapshot_size = LEN;
	refused_outright(EINVAL);
}

TEST_F(abi, a_wipe_has_no_offset)
{
	wipe(self, 1, 10, 1);
	self->region[1].offset = PAGE;
	refused(EINVAL, VMFORK_UNALIGNED, 1, self->region[1].addr);
	self->region[1].offset = 0;
	self->region[1].len++;
	refused(EINVAL, VMFORK_UNALIGNED, 1, self->region[1].addr);
	self->region[1].len--;
	close(captured_without(10, 1));
}

/* Keys are locked as a rule, and so could not be captured. */
TEST_F(abi, locked_memory_is_left_alone)
{
	char *key = self->area.view.addr + 50 * PAGE;
	char flags[256];

	put_key(self, 50, 2);
	ASSERT_EQ(0, mlock(key, 2 * PAGE));
	refused(ENOLCK, VMFORK_LOCKED, 0, key);
	wipe(self, 1, 50, 2);
	close(captured_without(50, 2));
	ASSERT_EQ(0, smaps_flags(key, flags, sizeof(flags)));
	EXPECT_TRUE(has_flag(flags, "lo"));
}

TEST_F(abi, madv_wipeonfork)
{
	char *key = self->area.view.addr + 77 * PAGE;
	char flags[256];

	put_key(self, 77, 5);
	ASSERT_EQ(0, madvise(key, 5 * PAGE, MADV_WIPEONFORK));
	close(captured_without(77, 5));
	ASSERT_EQ(0, smaps_flags(key, flags, sizeof(flags)));
	EXPECT_TRUE(has_flag(flags, "wf"));
	close(captured_without(77, 5));
}

/* A page that an older snapshot has is not in a newer one that wipes it. */
TEST_F(abi, of_a_mapping)
{
	struct stamp *model = model_copy(self->area.view.model, PAGES);
	int old = capture_full(self->dev, &self->cap);

	ASSERT_LE(0, old);
	wipe(self, 1, 30, 40);
	close(captured_without(30, 40));
	EXPECT_EQ(0, snapshot_check(old, 0, PAGES, model, "the old snapshot"));
	close(old);
}

static long do_nothing(int fd, const void *arg)
{
	(void)fd;
	(void)arg;
	return 0;
}

TEST_F(abi, of_another_process)
{
	struct stamp *model = model_without(self, 5, 6);
	struct view view = self->area.view;
	int fd;

	/* It has a copy of the area at the same address. */
	view.who = peer_start();
	ASSERT_NE(NULL, view.who);
	self->cap.pidfd = view.who->pidfd;
	wipe(self, 1, 5, 6);
	fd = capture_full(self->dev, &self->cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(6, self->cap.pages_wiped);
	EXPECT_EQ(0, peer_call(view.who, do_nothing, -1, NULL, 0));
	EXPECT_EQ(0, view_check(&view, "the other process"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, model, "the snapshot"));
	peer_kill(view.who);
	close(fd);
}

/* No part of a huge page that holds a key may be in the snapshot's hands. */
TEST(key_in_a_huge_page)
{
	struct vmfork_region region[2];
	struct vmfork_capture cap;
	struct stamp *model;
	struct area area;
	char *kept;
	int fd;

	if (kind_missing(KIND_THP))
		SKIP(return, "%s", kind_missing(KIND_THP));
	ASSERT_EQ(0, area_make(&area, KIND_THP, 4 * MIB, 0));
	ASSERT_EQ(0, view_fill(&area.view, 700, KEY));
	region[0] = (struct vmfork_region){
		.addr = (uintptr_t)area.view.addr, .len = 4 * MIB,
	};
	region[1] = (struct vmfork_region){
		.addr = region[0].addr + 700 * PAGE, .len = PAGE,
		.flags = VMFORK_REGION_WIPE,
	};
	fd = capture_regions(-1, region, 2, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, cap.pages_wiped);
	EXPECT_EQ(512, cap.pages_huge);
	EXPECT_EQ(511, cap.copied_partial);
	model = model_copy(area.view.model, area.view.pages);
	memset(model + 700, 0, sizeof(*model));
	EXPECT_EQ(0, snapshot_check(fd, 0, area.view.pages, model,
				    "the snapshot"));
	EXPECT_EQ(0, view_check(&area.view, "the process"));
	/* And it is the process's own page still, not a copy of it. */
	kept = area.view.addr + 700 * PAGE;
	EXPECT_EQ(0, view_poke(&area.view, 700, 5));
	EXPECT_TRUE(page_is(kept, &area.view.model[700]));
	close(fd);
	area_free(&area);
}

TEST_HARNESS_MAIN
