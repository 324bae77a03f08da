// SPDX-License-Identifier: GPL-2.0
/*
 * Reset: a mapping is put back to its snapshot, or to another of the same
 * size, in place; nobody else notices.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reset.h"
#include "tiny_guest.h"

TEST_F(reset, to_its_own)
{
	struct view *view = &self->area.view;
	size_t written;
	int i;

	for (i = 0; i < 5; i++) {
		written = i == 2 ? 0 : scribble(view, i);
		if (i & 1) {
			EXPECT_EQ(0, view_check(view, "written"));
		}
		ASSERT_EQ(0, reset_view(view, self->fd[1], self->model[1],
					&self->r));
		EXPECT_EQ(written, self->r.pages_dropped);
		EXPECT_EQ(0, self->r.pages_changed);
		EXPECT_EQ(0, self->r.refusal);
		EXPECT_EQ(0, view_check(view, "reset"));
	}
	EXPECT_EQ(0, snapshots_check(self));
}

TEST_F(reset, to_another)
{
	struct view *view = &self->area.view;
	struct vmfork_capture cap;
	size_t differ, written;
	int i, to, fd;

	differ = pages_between(self->model[0], self->model[1], view->pages);
	for (i = 0; i < 6; i++) {
		to = i & 1;
		written = i < 2 ? 0 : scribble(view, i);
		/* With all pages mapped, or only some. */
		if (i < 4) {
			EXPECT_EQ(0, view_check(view, "written"));
		}
		ASSERT_EQ(0, reset_view(view, self->fd[to], self->model[to],
					&self->r));
		EXPECT_EQ(written, self->r.pages_dropped);
		EXPECT_EQ(differ, self->r.pages_changed);
		EXPECT_EQ(0, view_check(view, "reset"));
	}
	/* It maps the second one, and is captured in place. */
	written = scribble(view, 7);
	fd = capture_range(-1, view->addr, view->pages * PAGE,
			   self->area.offset, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(view->pages, cap.pages_in_place);
	EXPECT_EQ(written, cap.pages_stolen + cap.pages_copied);
	EXPECT_EQ(0, snapshot_check(fd, self->area.offset, view->pages,
				    view->model, "captured"));
	close(fd);
	EXPECT_EQ(0, snapshots_check(self));
}

/* It holds the snapshot that it was reset to, and no longer the other. */
TEST_F(reset, after_all_was_closed)
{
	struct view *view = &self->area.view;
	int i;

	ASSERT_EQ(0, reset_view(view, self->fd[0], self->model[0], NULL));
	for (i = 0; i < 2; i++) {
		close(self->fd[i]);
		EXPECT_EQ(0, view_check(view, "reset"));
	}
	scribble(view, 3);
	EXPECT_EQ(0, view_check(view, "written"));
	ASSERT_EQ(0, madvise(view->addr, view->pages * PAGE, MADV_DONTNEED));
	memcpy(view->model, self->model[0],
	       view->pages * sizeof(*view->model));
	EXPECT_EQ(0, view_check(view, "back"));
}

/* To a snapshot that has nothing to do with it but its size. */
TEST_F(reset, to_a_stranger)
{
	struct view *view = &self->area.view;
	struct area other;
	int fd;

	ASSERT_EQ(0, area_make(&other, (self->area.offset % HUGE) ?
			       KIND_BASE : KIND_MIXED, view->pages * PAGE,
			       self->area.offset));
	fd = capture(&other.view, other.offset);
	ASSERT_LE(0, fd);
	scribble(view, 4);
	ASSERT_EQ(0, reset_view(view, fd, other.view.model, &self->r));
	EXPECT_EQ(pages_in_any(self->model[1], other.view.model, view->pages),
		  self->r.pages_changed);
	EXPECT_EQ(0, view_check(view, "reset"));
	area_free(&other);
	close(fd);
	scribble(view, 5);
	EXPECT_EQ(0, view_check(view, "written"));
	ASSERT_EQ(0, reset_view(view, self->fd[0], self->model[0], NULL));
	EXPECT_EQ(0, view_check(view, "back"));
	EXPECT_EQ(0, snapshots_check(self));
}

/* Some pages: what is beside them stays. */
TEST_F(reset, parts)
{
	struct view *view = &self->area.view;
	uint64_t seed = test_seed();
	struct vmfork_capture cap;
	size_t first, nr, i;
	int round, to, fd;

	for (round = 0; round < 40; round++) {
		scribble(view, rnd(&seed));
		first = rnd(&seed) % view->pages;
		nr = 1 + rnd(&seed) % (view->pages - first);
		if (round & 1)
			nr = 1 + nr % 30;
		to = rnd(&seed) & 1;
		ASSERT_EQ(0, reset_range(self->fd[to], -1,
					 view->addr + first * PAGE, nr * PAGE,
					 &self->r));
		for (i = first; i < first + nr; i++)
			view->model[i] = self->model[to][i];
		ASSERT_EQ(0, view_check(view, "reset in part"))
			TH_LOG("round %d: %zu pages at %zu", round, nr, first);
	}
	fd = capture_range(-1, view->addr, view->pages * PAGE,
			   self->area.offset, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, snapshot_check(fd, self->area.offset, view->pages,
				    view->model, "captured"));
	close(fd);
	EXPECT_EQ(0, snapshots_check(self));
}

/* Several ranges at once, in no order. */
TEST_F(reset, several_ranges)
{
	static const size_t first[] = { 1500, 7, 600, 512 };
	struct view *view = &self->area.view;
	struct vmfork_range range[4];
	size_t i, j;

	scribble(view, 6);
	for (i = 0; i < 4; i++) {
		range[i] = range_of(view->addr + first[i] * PAGE, 30 * PAGE);
		for (j = first[i]; j < first[i] + 30; j++)
			view->model[j] = self->model[0][j];
	}
	ASSERT_EQ(0, reset_ranges(self->fd[0], -1, range, 4, &self->r));
	EXPECT_EQ(0, view_check(view, "reset in four parts"));
	EXPECT_EQ(0, snapshots_check(self));
}

TEST_F(reset, children_do_not_notice)
{
	struct view *view = &self->area.view, child[2];
	size_t pages = view->pages;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, view_map(&child[i], i ? self->one : NULL,
				      self->fd[i], self->area.offset, pages,
				      self->model[i]));
		scribble(&child[i], 20 + i);
	}
	for (i = 0; i < 2; i++) {
		scribble(view, 30 + i);
		ASSERT_EQ(0, reset_view(view, self->fd[i], self->model[i],
					NULL));
		EXPECT_EQ(0, view_check(&child[0], "the first child"));
		EXPECT_EQ(0, view_check(&child[1], "the second child"));
	}
	/* And they are reset themselves, one of them by its pidfd. */
	for (i = 0; i < 4; i++) {
		scribble(view, 40 + i);
		ASSERT_EQ(0, reset_view(&child[i & 1], self->fd[i / 2],
					self->model[i / 2], NULL));
		EXPECT_EQ(0, view_check(&child[0], "the first child"));
		EXPECT_EQ(0, view_check(&child[1], "the second child"));
		EXPECT_EQ(0, view_check(view, "the parent"));
	}
	EXPECT_EQ(0, snapshots_check(self));
}

/* A mapping in two processes: what the other one wrote is its own. */
TEST_F(reset, in_two_processes)
{
	struct view *view = &self->area.view, theirs;
	struct peer *peer;
	int i;

	scribble(view, 1);
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	theirs = *view;
	theirs.who = peer;
	theirs.model = model_copy(view->model, view->pages);
	scribble(&theirs, 2);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, reset_view(view, self->fd[i & 1],
					self->model[i & 1], NULL));
		EXPECT_EQ(0, view_check(view, "reset"));
		EXPECT_EQ(0, view_check(&theirs, "the forked process"));
		scribble(view, 10 + i);
		scribble(&theirs, 20 + i);
		EXPECT_EQ(0, view_check(view, "written"));
		EXPECT_EQ(0, view_check(&theirs, "the forked process"));
	}
	ASSERT_EQ(0, reset_view(&theirs, self->fd[0], self->model[0], NULL));
	EXPECT_EQ(0, view_check(&theirs, "the forked process, reset"));
	EXPECT_EQ(0, view_check(view, "the parent"));
	peer_kill(peer);
	ASSERT_EQ(0, reset_view(view, self->fd[1], self->model[1], NULL));
	EXPECT_EQ(0, view_check(view, "alone again"));
	EXPECT_EQ(0, snapshots_check(self));
}

TEST_F(reset, moved)
{
	struct view view = self->area.view;
	size_t len = view.pages * PAGE;
	char *room;
	int i;

	for (i = 0; i < 3; i++) {
		scribble(&view, i);
		room = reserve(len, self->area.offset + i * 7 * PAGE);
		ASSERT_EQ(room, mremap(view.addr, len, len, MREMAP_MAYMOVE |
				       MREMAP_FIXED, room));
		view.addr = room;
		scribble(&view, 10 + i);
		ASSERT_EQ(0, reset_view(&view, self->fd[i & 1],
					self->model[i & 1], NULL));
		EXPECT_EQ(0, view_check(&view, "moved"));
	}
	EXPECT_EQ(0, snapshots_check(self));
	munmap(view.addr, len);
}

/* In mappings of its own, with other protections; one part is gone. */
TEST_F(reset, split)
{
	struct view *view = &self->area.view, part[2] = { *view, *view };
	size_t third = view->pages / 3;
	struct vmfork_range range[2];
	char flags[256];
	int i, j;

	scribble(view, 1);
	ASSERT_EQ(0, mprotect(view->addr + third * PAGE, third * PAGE,
			      PROT_READ));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, reset_view(view, self->fd[i], self->model[i],
					NULL));
		EXPECT_EQ(0, view_check(view, "reset in three parts"));
		ASSERT_EQ(0, smaps_flags(view->addr + third * PAGE, flags,
					 sizeof(flags)));
		EXPECT_FALSE(has_flag(flags, "wr"));
		ASSERT_EQ(0, smaps_flags(view->addr, flags, sizeof(flags)));
		EXPECT_TRUE(has_flag(flags, "wr"));
	}
	ASSERT_EQ(0, munmap(view->addr + third * PAGE, third * PAGE));
	part[0].pages = third;
	part[1].addr += 2 * third * PAGE;
	part[1].model += 2 * third;
	part[1].pages -= 2 * third;
	for (i = 0; i < 4; i++) {
		const struct stamp *model = self->model[i & 1];

		scribble(&part[0], 2 + i);
		scribble(&part[1], 3 + i);
		for (j = 0; j < 2; j++)
			range[j] = range_of(part[j].addr,
					    part[j].pages * PAGE);
		ASSERT_EQ(0, reset_ranges(self->fd[i & 1], -1, range, 2,
					  NULL));
		memcpy(part[0].model, model, third * sizeof(*model));
		memcpy(part[1].model, model + 2 * third,
		       part[1].pages * sizeof(*model));
		EXPECT_EQ(0, view_check(&part[0], "the first part"));
		EXPECT_EQ(0, view_check(&part[1], "the last part"));
	}
	EXPECT_EQ(0, snapshots_check(self));
}

/* Private pages that are on the swap device are as good as any. */
TEST_F(reset, swapped_out)
{
	struct view *view = &self->area.view;
	size_t i;

	if (!swap_is_on())
		SKIP(return, "no swap is on (the VM has none, or swapon failed)");
	for (i = 100; i < 400; i++)
		view_fill(view, i, i + 1);
	ASSERT_LT(200, pagemap_count(view->addr + 100 * PAGE, 300 * PAGE,
				     PM_PRESENT));
	for (i = 0; i < 20; i++) {
		madvise(view->addr + 100 * PAGE, 300 * PAGE, MADV_PAGEOUT);
		if (pagemap_count(view->addr + 100 * PAGE, 300 * PAGE,
				  PM_SWAP) > 200)
			break;
		write_file("/proc/sys/vm/compact_memory", "1");
		usleep(20000);
	}
	ASSERT_LT(200, pagemap_count(view->addr + 100 * PAGE, 300 * PAGE,
				     PM_SWAP));
	ASSERT_EQ(0, reset_view(view, self->fd[1], self->model[1], &self->r));
	EXPECT_EQ(300, self->r.pages_dropped);
	EXPECT_EQ(0, pagemap_count(view->addr + 100 * PAGE, 300 * PAGE,
				   PM_SWAP));
	EXPECT_EQ(0, view_check(view, "reset"));
}

/* Threads that write all the while see the old, or what they wrote. */
struct writers {
	struct view *view;
	volatile bool stop;
	volatile unsigned long writes;
};

static void *write_on(void *arg)
{
	struct writers *w = arg;
	uint64_t seed = test_seed();

	while (!w->stop) {
		page_fill(w->view->addr + rnd(&seed) % w->view->pages * PAGE,
			  0x7777);
		w->writes++;
		if (!(w->writes % 32))
			relax();
	}
	return NULL;
}

TEST_F(reset, under_writers)
{
	static const struct stamp written = { .fill = 0x7777 };
	struct view *view = &self->area.view;
	struct writers w = { .view = view };
	unsigned long writes, i;
	size_t page, kept = 0;
	pthread_t thread;
	int fd;

	ASSERT_EQ(0, pthread_create(&thread, NULL, write_on, &w));
	for (i = 0; i < 100; i++) {
		writes = w.writes;
		while (w.writes < writes + 50)
			relax();
		ASSERT_EQ(0, reset_range(self->fd[i & 1], -1, view->addr,
					 view->pages * PAGE, &self->r))
			TH_LOG("reset %lu", i);
	}
	w.stop = true;
	pthread_join(thread, NULL);
	/* The last one was to the second snapshot. */
	for (page = 0; page < view->pages; page++) {
		char *at = view->addr + page * PAGE;

		if (page_is(at, &written)) {
			view->model[page] = written;
			kept++;
		} else {
			view->model[page] = self->model[1][page];
		}
	}
	note("%lu writes, %zu pages written after the last reset", w.writes,
	     kept);
	/* At most one page was only being written, and it is so no more. */
	EXPECT_GE(1, view_check(view, "the memory"));
	ASSERT_EQ(0, reset_view(view, self->fd[1], self->model[1], NULL));
	EXPECT_EQ(0, view_check(view, "reset"));
	fd = capture(view, self->area.offset);
	EXPECT_EQ(0, snapshot_check(fd, self->area.offset, view->pages,
				    self->model[1], "captured"));
	close(fd);
	EXPECT_EQ(0, snapshots_check(self));
}

/* Thousands of times, as a fuzzer does it. */
TEST_F_TIMEOUT(reset, five_thousand_times, 120)
{
	struct view *view = &self->area.view;
	uint64_t seed = test_seed(), begin = now_ns();
	size_t page[4];
	int i, j;

	for (i = 0; i < 5000; i++) {
		for (j = 0; j < 4; j++) {
			page[j] = rnd(&seed) % view->pages;
			page_poke(view->addr + page[j] * PAGE,
				  &self->model[1][page[j]], i + 1);
		}
		ASSERT_EQ(0, reset_range(self->fd[1], -1, view->addr,
					 view->pages * PAGE, &self->r));
		ASSERT_GE(4, self->r.pages_dropped);
		ASSERT_LE(1, self->r.pages_dropped);
		for (j = 0; j < 4; j++) {
			ASSERT_TRUE(page_is(view->addr + page[j] * PAGE,
					    &self->model[1][page[j]]))
				TH_LOG("reset %d, page %zu", i, page[j]);
		}
	}
	note("%llu us each", (unsigned long long)(now_ns() - begin) / 5000000);
	EXPECT_EQ(0, view_check(view, "the memory"));
}

/* A guest runs on the memory, is reset, and sees the old memory again. */
FIXTURE(guest) {
	struct area area;
	struct view view;
	int fd[2];
	struct stamp *model[2];
};

FIXTURE_VARIANT(guest) { enum kind kind; };
KIND_VARIANT(guest, base, KIND_BASE);
KIND_VARIANT(guest, thp, KIND_THP);

FIXTURE_SETUP(guest)
{
	size_t i;

	if (tiny_guest_missing())
		SKIP(return, "%s", tiny_guest_missing());
	ASSERT_EQ(0, area_make(&self->area, variant->kind, 4 * MIB, 0));
	self->fd[0] = capture(&self->area.view, 0);
	ASSERT_LE(0, self->fd[0]);
	ASSERT_EQ(0, tiny_guest_start(4 * MIB));
	self->view = self->area.view;
	self->view.addr = tiny_guest_map(self->fd[0]);
	ASSERT_NE(NULL, self->view.addr);
	self->model[0] = self->area.view.model;
	self->view.model = model_copy(self->model[0], self->view.pages);
	for (i = 0; i < self->view.pages; i += 16)
		view_fill(&self->view, i, i + 1);
	self->fd[1] = capture(&self->view, 0);
	ASSERT_LE(0, self->fd[1]);
	self->model[1] = model_copy(self->view.model, self->view.pages);
}

FIXTURE_TEARDOWN(guest)
{
	tiny_guest_unmap();
	area_free(&self->area);
	close(self->fd[0]);
	close(self->fd[1]);
}

/* What it reads is what the memory holds. */
static bool guest_sees(const struct view *view, size_t page,
		       const struct stamp *stamp)
{
	static char should[PAGE];
	uint32_t want;

	page_fill(should, stamp->fill);
	memcpy(&want, should, sizeof(want));
	if (tiny_guest_will_read(page * PAGE) || tiny_guest_run())
		return false;
	return tiny_guest_value() == want &&
	       page_is(view->addr + page * PAGE, stamp);
}

TEST_F(guest, sees_the_old_memory)
{
	static const struct stamp zero = { 0 };
	struct view *view = &self->view;
	size_t i;
	int round, to;

	for (round = 0; round < 4; round++) {
		to = round & 1;
		/* It reads some of all pages, and zeroes some. */
		for (i = 0; i < view->pages; i += 8) {
			if (!(i % 64)) {
				ASSERT_EQ(0, tiny_guest_will_zero(i * PAGE));
				ASSERT_EQ(0, tiny_guest_run());
				view->model[i] = zero;
			}
			ASSERT_TRUE(guest_sees(view, i, &view->model[i]))
				TH_LOG("round %d, page %zu", round, i);
		}
		ASSERT_EQ(0, view_check(view, "written by the guest"));
		ASSERT_EQ(0, reset_view(view, self->fd[to], self->model[to],
					NULL));
		for (i = 0; i < view->pages; i += 8) {
			ASSERT_TRUE(guest_sees(view, i, &self->model[to][i]))
				TH_LOG("round %d, page %zu, reset", round, i);
		}
		EXPECT_EQ(0, view_check(view, "reset"));
	}
	EXPECT_EQ(0, view_check(&self->area.view, "the parent"));
}

TEST_HARNESS_MAIN
