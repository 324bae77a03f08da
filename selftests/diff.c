// SPDX-License-Identifier: GPL-2.0
/*
 * Diff: the ranges in which two snapshots differ, against models of both.
 * With VMFORK_DIFF_CONTENTS it is exact; without, all that was written to is
 * in it, and what was not is not.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "live.h"

#define LEN	(8 * MIB)
#define OFFSET	(4 * MIB)
#define ALL	((OFFSET + 2 * LEN) / PAGE)

/* A lineage of snapshots of one area, and which pages each step wrote. */
#define STEPS	4

FIXTURE(diff) {
	struct area area;
	int fd[STEPS];
	struct stamp *model[STEPS];
	bool *written[STEPS];	/* since the step before */
};

FIXTURE_VARIANT(diff) { enum kind kind; };
KIND_VARIANT(diff, base, KIND_BASE);
KIND_VARIANT(diff, thp, KIND_THP);
KIND_VARIANT(diff, thp_shift, KIND_THP_SHIFT);
KIND_VARIANT(diff, thp_part, KIND_THP_PART);
KIND_VARIANT(diff, mixed, KIND_MIXED);
KIND_VARIANT(diff, hole, KIND_HOLE);

/* It is written, and holds what it held. */
static void write_again(struct view *view, size_t page)
{
	const struct stamp *stamp = &view->model[page];

	if (stamp->poke)
		view_poke(view, page, stamp->poke);
	else
		view_fill(view, page, stamp->fill);
}

static void scribble(FIXTURE_DATA(diff) *self, int step)
{
	struct view *view = &self->area.view;
	uint64_t seed = test_seed() + step;
	size_t i, page, nr;

	for (i = 0; i < 30; i++) {
		page = rnd(&seed) % view->pages;
		nr = 1 + rnd(&seed) % (i % 5 ? 3 : 100);
		for (; nr && page < view->pages; nr--, page++) {
			self->written[step][page] = true;
			if (i % 4 == 1)
				write_again(view, page);
			else if (i % 4)
				view_poke(view, page, rnd(&seed) | 1);
			else
				view_fill(view, page, rnd(&seed) | 1);
		}
	}
}

FIXTURE_SETUP(diff)
{
	struct area *area = &self->area;
	int i;

	ASSERT_EQ(0, area_make(area, variant->kind, LEN, OFFSET));
	for (i = 0; i < STEPS; i++) {
		self->written[i] = calloc(area->view.pages, sizeof(bool));
		ASSERT_NE(NULL, self->written[i]);
		if (i)
			scribble(self, i);
		self->fd[i] = capture_range(-1, area->view.addr,
					    area->view.pages * PAGE,
					    area->offset, NULL);
		ASSERT_LE(0, self->fd[i]);
		self->model[i] = model_copy(area->view.model,
					    area->view.pages);
	}
}

FIXTURE_TEARDOWN(diff)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		close(self->fd[i]);
		free(self->written[i]);
	}
	area_free(&self->area);
}

static bool same(const struct stamp *one, const struct stamp *two)
{
	char page[2][PAGE];

	if (!memcmp(one, two, sizeof(*one)))
		return true;
	/* One contents may have two names. */
	page_fill(page[0], one->fill);
	page_fill(page[1], two->fill);
	if (one->poke)
		page_poke(page[0], one, one->poke);
	if (two->poke)
		page_poke(page[1], two, two->poke);
	return !memcmp(page[0], page[1], PAGE);
}

static bool was_written(FIXTURE_DATA(diff) *self, int from, int to,
			size_t page)
{
	int i;

	for (i = from + 1; i <= to; i++)
		if (self->written[i][page])
			return true;
	return false;
}

static bool is_hole(const struct view *view, size_t page)
{
	return !view->model[page].fill && !view->model[page].poke;
}

/* Whatever the two, and however much at a time. */
static void check_diff(struct __test_metadata *_metadata,
		       FIXTURE_DATA(diff) *self, int from, int to,
		       unsigned int at_a_time)
{
	static bool differs[ALL];
	size_t first = self->area.offset / PAGE, i;
	size_t nr = 0, exact = 0, pages = self->area.view.pages;
	int low = from < to ? from : to, high = from < to ? to : from;
	long ret;

	ret = diff_pages(self->fd[from], self->fd[to], 0, at_a_time, differs,
			 ALL);
	ASSERT_LE(0, ret) TH_LOG("%s", strerror(-ret));
	for (i = 0; i < ALL; i++) {
		bool want = i >= first && i < first + pages &&
			    was_written(self, low, high, i - first);

		nr += want;
		ASSERT_EQ(want, differs[i])
			TH_LOG("%d to %d, page %zu", from, to, i);
	}
	EXPECT_EQ((long)nr, ret);

	ret = diff_pages(self->fd[from], self->fd[to], VMFORK_DIFF_CONTENTS,
			 at_a_time, differs, ALL);
	ASSERT_LE(0, ret) TH_LOG("%s", strerror(-ret));
	for (i = 0; i < pages; i++) {
		bool want = !same(&self->model[from][i], &self->model[to][i]);

		exact += want;
		ASSERT_EQ(want, differs[first + i])
			TH_LOG("%d to %d, page %zu, contents", from, to, i);
	}
	EXPECT_EQ((long)exact, ret);
	EXPECT_GE(nr, exact);
}

TEST_F(diff, of_any_two)
{
	int from, to;

	for (from = 0; from < STEPS; from++)
		for (to = 0; to < STEPS; to++)
			check_diff(_metadata, self, from, to, 256);
}

/* More ranges than there is room for: it goes on where it was. */
TEST_F(diff, little_at_a_time)
{
	static const unsigned int room[] = { 1, 2, 7, 255 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(room); i++)
		check_diff(_metadata, self, 0, STEPS - 1, room[i]);
}

TEST_F(diff, from_an_offset)
{
	static bool all[ALL];
	struct vmfork_range range[256];
	struct vmfork_diff diff;
	size_t first, i;
	uint64_t seed = test_seed();
	int round;

	ASSERT_LE(0, diff_pages(self->fd[0], self->fd[1], 0, 256, all, ALL));
	for (round = 0; round < 50; round++) {
		static bool differs[ALL];

		first = rnd(&seed) % ((self->area.offset + LEN) / PAGE);
		diff = (struct vmfork_diff){
			.size = sizeof(diff), .fd = self->fd[1],
			.nr_ranges = 256, .ranges = (uintptr_t)range,
			.offset = first * PAGE,
		};
		memset(differs, 0, sizeof(differs));
		ASSERT_EQ(0, diff_full(self->fd[0], &diff));
		for (i = 0; i < diff.nr_ranges; i++) {
			ASSERT_LE(first * PAGE, range[i].start);
			memset(differs + range[i].start / PAGE, 1,
			       range[i].len / PAGE);
		}
		ASSERT_EQ(0, memcmp(all + first, differs + first,
				    (ALL - first) * sizeof(*all)))
			TH_LOG("from page %zu", first);
	}
}

/* Strangers share nothing, though they may hold the same. */
TEST_F(diff, of_strangers)
{
	static bool differs[ALL];
	struct area *area = &self->area, copy;
	size_t i, pages = area->view.pages, used = 0;
	struct view *view = &copy.view;
	int fd;

	ASSERT_EQ(0, area_make(&copy, KIND_HOLE, pages * PAGE, area->offset));
	memset(view->addr, 0, pages * PAGE);
	for (i = 0; i < pages; i++) {
		view->model[i] = (struct stamp){ 0 };
		if (is_hole(&area->view, i))
			continue;
		memcpy(view->addr + i * PAGE, area->view.addr + i * PAGE,
		       PAGE);
		used++;
	}
	/* Its zeroes are pages: to read, they are the same as holes. */
	fd = capture_range(-1, view->addr, pages * PAGE, area->offset, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ((long)pages, diff_pages(fd, self->fd[STEPS - 1], 0, 256,
					  differs, ALL));
	EXPECT_EQ(0, diff_pages(fd, self->fd[STEPS - 1],
				VMFORK_DIFF_CONTENTS, 256, differs, ALL));
	close(fd);
	/* One page that is not. */
	page_fill(view->addr + 77 * PAGE, 0x4711);
	fd = capture_range(-1, view->addr, pages * PAGE, area->offset, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, diff_pages(self->fd[STEPS - 1], fd,
				VMFORK_DIFF_CONTENTS, 256, differs, ALL));
	EXPECT_TRUE(differs[area->offset / PAGE + 77]);
	close(fd);
	area_free(&copy);
}

/* What one of them has not at all, it has as a hole. */
TEST_F(diff, of_different_sizes)
{
	static bool differs[ALL];
	struct area *area = &self->area;
	struct view *view = &area->view;
	size_t pages = view->pages, half = pages / 2, i, first;
	int last = STEPS - 1, shorter, way;
	uint32_t flags;
	long nr;

	first = area->offset / PAGE;
	shorter = capture_range(-1, view->addr, half * PAGE, area->offset,
				NULL);
	ASSERT_LE(0, shorter);
	for (flags = 0; flags <= VMFORK_DIFF_CONTENTS; flags++)
		for (way = 0; way < 2; way++) {
			nr = diff_pages(way ? shorter : self->fd[last],
					way ? self->fd[last] : shorter, flags,
					3, differs, ALL);
			ASSERT_LE(0, nr) TH_LOG("%s", strerror(-nr));
			for (i = 0; i < pages; i++) {
				/* A page of zeroes may be no hole. */
				bool page = is_hole(view, i) && !flags &&
					    was_written(self, 0, last, i);

				ASSERT_EQ(i >= half &&
					  (!is_hole(view, i) || page),
					  differs[first + i])
					TH_LOG("page %zu", i);
			}
		}
	close(shorter);
}

/* Nothing but a hole, and not even that. */
TEST(of_next_to_nothing)
{
	static bool differs[16];
	char *map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd[2], i;

	ASSERT_NE(MAP_FAILED, map);
	fd[0] = capture_range(-1, map, PAGE, 0, NULL);
	fd[1] = capture_range(-1, map, 16 * PAGE, 0, NULL);
	ASSERT_LE(0, fd[0]);
	ASSERT_LE(0, fd[1]);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, diff_pages(fd[i & 1], fd[i >> 1], 0, 1, differs,
					16));
	}
	close(fd[0]);
	close(fd[1]);
	munmap(map, 16 * PAGE);
}

#define COST_LEN	(64 * MIB)

/* The shortest of a few times, as others may have had the CPU in the others. */
static uint64_t time_of_diff(struct __test_metadata *_metadata, int a, int b,
			     int expected)
{
	static bool differs[COST_LEN / PAGE];
	uint64_t begin, took, shortest = UINT64_MAX;
	int i;

	for (i = 0; i < 5; i++) {
		begin = now_ns();
		EXPECT_EQ(expected, diff_pages(a, b, 0, 256, differs,
					       COST_LEN / PAGE));
		took = now_ns() - begin;
		if (took < shortest)
			shortest = took;
	}
	return shortest;
}

/* Its cost is that of what differs: the rest is never looked at. */
TEST(costs_what_differs)
{
	struct area area;
	uint64_t one, all;
	size_t page;
	int fd[3];

	ASSERT_EQ(0, area_make(&area, KIND_BASE, COST_LEN, 0));
	fd[0] = capture_range(-1, area.view.addr, area.len, 0, NULL);
	ASSERT_LE(0, fd[0]);
	area.view.addr[10 * MIB] = 1;
	fd[1] = capture_range(-1, area.view.addr, area.len, 0, NULL);
	ASSERT_LE(0, fd[1]);
	for (page = 0; page < area.view.pages; page++)
		area.view.addr[page * PAGE] = 2;
	fd[2] = capture_range(-1, area.view.addr, area.len, 0, NULL);
	ASSERT_LE(0, fd[2]);
	one = time_of_diff(_metadata, fd[0], fd[1], 1);
	all = time_of_diff(_metadata, fd[0], fd[2], COST_LEN / PAGE);
	note("one page %llu us, all %llu us", (unsigned long long)one / 1000,
	     (unsigned long long)all / 1000);
	EXPECT_LT(5 * one, all);
	close(fd[0]);
	close(fd[1]);
	close(fd[2]);
	area_free(&area);
}

TEST_HARNESS_MAIN
