// SPDX-License-Identifier: GPL-2.0
/*
 * What maps files privately maps a snapshot, in part or in whole, at any
 * address; and what can be done to a mapping is done to its mapping alone.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot_file.h"

/* The signal that a read or write raises, or 0. */
static sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, sig);
}

static int fault_of(volatile char *at, bool write)
{
	struct sigaction act = { .sa_handler = on_fault }, bus, segv;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	sig = sigsetjmp(fault_env, 1);
	if (!sig) {
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

TEST_F(file, parts_can_be_mapped)
{
	struct view view;
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < 20; i++) {
		size_t page = rnd(&seed) % PAGES;
		size_t nr = 1 + rnd(&seed) % (PAGES - page);

		ASSERT_EQ(0, view_map(&view, i & 1 ? self->peer : NULL,
				      self->fd, OFFSET + page * PAGE, nr,
				      self->area.view.model + page));
		EXPECT_EQ(0, view_check(&view, "a part"));
		view_fill(&view, nr / 2, i + 1);
		EXPECT_EQ(0, view_check(&view, "a part, written"));
		view_unmap(&view);
	}
	EXPECT_EQ(0, file_check(self));
}

TEST_F(file, any_address)
{
	char *room = reserve(LEN + HUGE, 0);
	size_t i, shift;

	ASSERT_NE(NULL, room);
	for (shift = 0; shift < HUGE; shift += 100 * PAGE) {
		char *map = mmap(room + shift, LEN, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_FIXED, self->fd, OFFSET);

		ASSERT_EQ(room + shift, map);
		for (i = 0; i < PAGES; i += 3)
			ASSERT_TRUE(page_is(map + i * PAGE,
					    &self->area.view.model[i]));
	}
	munmap(room, LEN + HUGE);
	/* And wherever the kernel likes. */
	room = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, room);
	for (i = 0; i < SIZE / PAGE; i++)
		ASSERT_TRUE(page_is(room + i * PAGE, &self->model[i]));
	munmap(room, SIZE);
}

TEST_F(file, past_the_end)
{
	char *map = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->fd, SIZE - PAGE);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fault_of(map, false));
	EXPECT_EQ(SIGBUS, fault_of(map + PAGE, false));
	EXPECT_EQ(SIGBUS, fault_of(map + 2 * PAGE, true));
	EXPECT_TRUE(page_is(map, &self->model[SIZE / PAGE - 1]));
	munmap(map, 3 * PAGE);
}

TEST_F(file, protection)
{
	struct view view;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	ASSERT_EQ(0, mprotect(view.addr, LEN, PROT_READ));
	EXPECT_EQ(0, view_check(&view, "read-only"));
	EXPECT_EQ(SIGSEGV, fault_of(view.addr, true));
	ASSERT_EQ(0, mprotect(view.addr + HUGE, HUGE, PROT_NONE));
	EXPECT_EQ(SIGSEGV, fault_of(view.addr + HUGE, false));
	ASSERT_EQ(0, mprotect(view.addr, LEN, PROT_READ | PROT_WRITE));
	view_fill(&view, 1, 99);
	view_poke(&view, 600, 98);
	EXPECT_EQ(0, view_check(&view, "writable again"));
	view_unmap(&view);
	EXPECT_EQ(0, file_check(self));
}

TEST_F(file, dontneed_resets)
{
	struct view *view = &self->area.view;
	size_t i;

	for (i = 0; i < PAGES; i += 2)
		view_fill(view, i, i + 1);
	EXPECT_EQ(0, view_check(view, "written"));
	for (i = 0; i < PAGES; i += 4)
		view_reset(view, i, &self->model[OFFSET / PAGE + i]);
	EXPECT_EQ(0, view_check(view, "reset in part"));
	ASSERT_EQ(0, madvise(view->addr, LEN, MADV_DONTNEED));
	memcpy(view->model, self->model + OFFSET / PAGE,
	       PAGES * sizeof(struct stamp));
	EXPECT_EQ(0, view_check(view, "reset in whole"));
}

TEST_F(file, mremap)
{
	struct view view;
	char *to, *room;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	view_fill(&view, 10, 1010);
	view_fill(&view, 700, 1700);
	room = reserve(LEN, 0);
	to = mremap(view.addr, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, to);
	view.addr = to;
	EXPECT_EQ(0, view_check(&view, "moved"));
	/* To an address that does not suit huge pages. */
	room = reserve(LEN, 5 * PAGE);
	to = mremap(view.addr, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, to);
	view.addr = to;
	EXPECT_EQ(0, view_check(&view, "moved out of line"));
	/* Smaller: the end is gone, the rest stays. */
	ASSERT_EQ(to, mremap(view.addr, LEN, LEN - 100 * PAGE, 0));
	view.pages -= 100;
	EXPECT_EQ(0, view_check(&view, "shrunk"));
	/* It does not grow, in place or elsewhere. */
	EXPECT_EQ(MAP_FAILED, mremap(view.addr, view.pages * PAGE,
				     2 * LEN, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, view_check(&view, "not grown"));
	view_unmap(&view);
	EXPECT_EQ(0, file_check(self));
}

/* MREMAP_DONTUNMAP: the old place stays a mapping of the same snapshot. */
TEST_F(file, mremap_dontunmap)
{
	struct view view, old;
	char *to;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	view_fill(&view, 10, 1010);
	to = mremap(view.addr, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (to == MAP_FAILED) {
		/* Refused is right too: nothing has changed. */
		EXPECT_EQ(EINVAL, errno);
	} else {
		old = view;
		old.model = self->area.view.model;
		view.addr = to;
		EXPECT_EQ(0, view_check(&old, "the old place"));
		view_unmap(&old);
	}
	EXPECT_EQ(0, view_check(&view, "the mapping"));
	view_unmap(&view);
}

TEST_F(file, unmap_in_parts)
{
	struct view view;
	size_t i;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	view_fill(&view, 0, 9);
	for (i = 1; i < PAGES; i += 97)
		ASSERT_EQ(0, munmap(view.addr + i * PAGE, 3 * PAGE));
	for (i = 0; i < PAGES; i++)
		if (i % 97 < 1 || i % 97 > 3)
			ASSERT_TRUE(page_is(view.addr + i * PAGE,
					    &view.model[i]));
	/* The holes can be filled again, from the same snapshot. */
	for (i = 1; i + 3 < PAGES; i += 97)
		ASSERT_NE(MAP_FAILED, mmap(view.addr + i * PAGE, 3 * PAGE,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_FIXED, self->fd,
					   OFFSET + i * PAGE));
	view.pages = PAGES - PAGES % 97;
	EXPECT_EQ(0, view_check(&view, "filled again"));
	munmap(view.addr, LEN);
}

TEST_F(file, fork_of_a_mapper)
{
	struct view view, theirs;
	struct peer *peer;
	size_t i;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	for (i = 0; i < PAGES; i += 9)
		view_fill(&view, i, i + 1);
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	theirs = view;
	theirs.who = peer;
	theirs.model = model_copy(view.model, PAGES);
	for (i = 0; i < PAGES; i += 4) {
		view_poke(&theirs, i, i + 2);
		view_poke(&view, (i + 9) % PAGES, i + 3);
	}
	EXPECT_EQ(0, view_check(&theirs, "the forked one's"));
	EXPECT_EQ(0, view_check(&view, "the forking one's"));
	view_unmap(&view);
	EXPECT_EQ(0, view_check(&theirs, "the forked one's, alone"));
	EXPECT_EQ(0, file_check(self));
	peer_kill(peer);
}

/* Advice about a mapping, sensible or not. */
TEST_F(file, advice)
{
	static const int advices[] = {
		MADV_WILLNEED, MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL,
		MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTFORK, MADV_DOFORK,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_FREE,
		25 /* MADV_COLLAPSE */,
	};
	size_t nr = ARRAY_SIZE(advices), i, page, edge;
	struct view view;

	/* Whether it is taken or not, it changes no contents. */
	for (i = 0; i < 2 * nr; i++) {
		ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
				      self->area.view.model));
		if (advices[i / 2] != MADV_FREE)
			for (page = 0; page < PAGES; page += 50)
				view_fill(&view, page, page + 1);
		/* The second time for parts of huge pages as well. */
		edge = (i & 1) * 3 * PAGE;
		view_check(&view, "before advice");
		madvise(view.addr + edge, LEN - 2 * edge, advices[i / 2]);
		EXPECT_EQ(0, view_check(&view, "after advice"))
			TH_LOG("madvise %d", advices[i / 2]);
		EXPECT_EQ(0, view_check(&self->area.view, "the parent"));
		view_unmap(&view);
	}
	EXPECT_EQ(0, file_check(self));
}

/*
 * What was huge is mapped back huge, in the parent and in a child.  The
 * kernel counts it as a file's, whichever of the two names it has for that.
 */
static long do_huge_kb(int fd, const void *arg)
{
	const struct view *view = arg;
	size_t len = view->pages * PAGE;

	(void)fd;
	return smaps_kb(0, view->addr, len, "FilePmdMapped") +
	       smaps_kb(0, view->addr, len, "ShmemPmdMapped");
}

TEST(huge_pages_stay_huge)
{
	struct peer *peer = peer_start();
	struct area area;
	struct view view;
	int fd, i;

	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, area_make(&area, KIND_THP, LEN, OFFSET));
	fd = capture_range(-1, area.view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, view_check(&area.view, "the parent"));
	EXPECT_EQ((long)LEN >> 10, do_huge_kb(-1, &area.view))
		TH_LOG("the parent");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, view_map(&view, i ? peer : NULL, fd, OFFSET,
				      PAGES, area.view.model));
		EXPECT_EQ(0, view_check(&view, "a child"));
		EXPECT_EQ((long)LEN >> 10, peer_call(view.who, do_huge_kb, -1,
						     &view, sizeof(view)))
			TH_LOG("child %d", i);
		/* One write splits its own huge page and no other. */
		view_poke(&view, 5, 5);
		EXPECT_EQ(0, view_check(&view, "a child, written"));
		EXPECT_EQ((long)(LEN - HUGE) >> 10,
			  peer_call(view.who, do_huge_kb, -1, &view,
				    sizeof(view)));
		view_unmap(&view);
	}
	EXPECT_EQ((long)LEN >> 10, do_huge_kb(-1, &area.view));
	area_free(&area);
	peer_kill(peer);
	close(fd);
}

TEST_HARNESS_MAIN
