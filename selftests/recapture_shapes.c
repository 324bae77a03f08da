// SPDX-License-Identifier: GPL-2.0
/*
 * What fork(2), mremap(2), munmap(2) and others have made of a mapping is
 * captured again just as rightly, in place or not.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recapture.h"

/*
 * A mapping that is in two processes: the private pages of the other one are
 * no part of the capture, and stay.
 */
TEST_F(recapture, in_two_processes)
{
	struct area *area = &self->area;
	size_t pages = area->view.pages;
	struct vmfork_capture cap;
	struct view theirs;
	struct peer *peer;
	int fd[3], i;

	scribble(&area->view, 1);
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	theirs = area->view;
	theirs.who = peer;
	theirs.model = model_copy(area->view.model, pages);
	for (i = 0; i < 3; i++) {
		scribble(&theirs, 10 + i);
		view_fill(&theirs, pages - 1, 10 + i);
		scribble(&area->view, 20 + i);
		if (i == 1)
			fd[i] = peer_capture(peer, -1, theirs.addr,
					     pages * PAGE, area->offset,
					     &cap);
		else
			fd[i] = capture(area, &cap);
		ASSERT_LE(0, fd[i]) TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(0, snapshot_check(fd[i], area->offset, pages,
					    i == 1 ? theirs.model :
					    area->view.model, "a snapshot"));
		EXPECT_EQ(0, view_check(&area->view, "the parent"));
		EXPECT_EQ(0, view_check(&theirs, "the forked process"));
		close(fd[i]);
	}
	peer_kill(peer);
	/* Each was mapped anew, and has a mapping of its own since. */
	i = scribble(&area->view, 30);
	fd[0] = capture(area, &cap);
	ASSERT_LE(0, fd[0]);
	in_place(&cap, &area->view, i);
	EXPECT_EQ(0, check(area, fd[0], "alone again"));
	close(fd[0]);
}

/* Wherever it goes, in whole or at an address that does not suit huge pages. */
TEST_F(recapture, moved)
{
	static const size_t shift[] = { 0, 5 * PAGE, HUGE / 2 };
	struct area *area = &self->area;
	size_t len = area->view.pages * PAGE, i;
	struct vmfork_capture cap;
	struct view view = area->view;
	char *room, *to;
	int fd;

	for (i = 0; i < ARRAY_SIZE(shift); i++) {
		scribble(&view, i);
		room = reserve(len, area->offset + shift[i]);
		ASSERT_NE(NULL, room);
		to = mremap(view.addr, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			    room);
		ASSERT_EQ(room, to);
		view.addr = to;
		scribble(&view, 10 + i);
		fd = capture_range(-1, view.addr, len, area->offset, &cap);
		ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(0, view_check(&view, "moved"));
		EXPECT_EQ(0, snapshot_check(fd, area->offset, view.pages,
					    view.model, "moved"));
		close(fd);
		fd = capture_range(-1, view.addr, len, area->offset, &cap);
		ASSERT_LE(0, fd);
		in_place(&cap, &view, 0);
		close(fd);
	}
	munmap(view.addr, len);
}

/* Its parts are mappings of their own, of which some are gone. */
TEST_F(recapture, in_parts)
{
	struct area *area = &self->area;
	struct view *view = &area->view, part[2] = { *view, *view };
	size_t len = view->pages * PAGE, third = view->pages / 3 * PAGE;
	struct vmfork_region region[2] = {};
	struct vmfork_capture cap;
	int fd, i, j;

	scribble(view, 1);
	ASSERT_EQ(0, mprotect(view->addr + third, third, PROT_READ));
	for (i = 0; i < 2; i++) {
		fd = capture(area, &cap);
		ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(0, check(area, fd, "in three parts"));
		close(fd);
	}
	ASSERT_EQ(0, mprotect(view->addr + third, third,
			      PROT_READ | PROT_WRITE));
	scribble(view, 2);
	/* The one in the middle alone: the others are none of its business. */
	fd = capture_range(-1, view->addr + third, third, 0, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(0, snapshot_check(fd, 0, third / PAGE,
				    view->model + third / PAGE, "the middle"));
	EXPECT_EQ(0, view_check(view, "the whole"));
	close(fd);
	fd = capture(area, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(0, check(area, fd, "joined"));
	close(fd);

	/* Without the middle. */
	ASSERT_EQ(0, munmap(view->addr + third, third));
	fd = capture(area, &cap);
	EXPECT_EQ(-EFAULT, fd);
	EXPECT_EQ(VMFORK_UNMAPPED, cap.refusal);
	part[0].pages = third / PAGE;
	part[1].addr += 2 * third;
	part[1].model += 2 * third / PAGE;
	part[1].pages -= 2 * third / PAGE;
	for (i = 0; i < 2; i++) {
		region[i].addr = (uintptr_t)part[i].addr;
		region[i].len = part[i].pages * PAGE;
		region[i].offset = area->offset + i * 2 * third;
	}
	for (j = 0; j < 3; j++) {
		scribble(&part[0], 30 + j);
		scribble(&part[1], 40 + j);
		fd = capture_regions(-1, region, 2, &cap);
		ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
		for (i = 0; i < 2; i++) {
			EXPECT_EQ(0, view_check(&part[i], "a part"));
			EXPECT_EQ(0, snapshot_check(fd, region[i].offset,
						    part[i].pages,
						    part[i].model, "a part"));
		}
		close(fd);
	}
	EXPECT_EQ(view->pages - third / PAGE, cap.pages_in_place);
	munmap(view->addr, len);
}

TEST_F(recapture, shrunk)
{
	struct area *area = &self->area;
	struct view *view = &area->view;
	struct vmfork_capture cap;
	int fd, i;

	for (i = 0; i < 3; i++) {
		scribble(view, i);
		ASSERT_EQ(view->addr,
			  mremap(view->addr, view->pages * PAGE,
				 (view->pages - 100) * PAGE, 0));
		view->pages -= 100;
		fd = capture(area, &cap);
		ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(0, view_check(view, "shrunk"));
		EXPECT_EQ(0, snapshot_check(fd, area->offset, view->pages,
					    view->model, "shrunk"));
		EXPECT_EQ(area->offset + view->pages * PAGE,
			  cap.snapshot_size);
		close(fd);
	}
	i = scribble(view, 9);
	fd = capture(area, &cap);
	ASSERT_LE(0, fd);
	in_place(&cap, view, i);
	close(fd);
	munmap(view->addr, view->pages * PAGE);
}

/* To another place in the snapshot, and back. */
TEST_F(recapture, another_offset)
{
	uint64_t offset[] = { 0, 3 * PAGE, HUGE, self->area.offset };
	struct view *view = &self->area.view;
	struct vmfork_capture cap;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		scribble(view, i);
		fd = capture_range(-1, view->addr, view->pages * PAGE,
				   offset[i], &cap);
		ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(0, view_check(view, "the memory"));
		EXPECT_EQ(0, snapshot_check(fd, offset[i], view->pages,
					    view->model, "the snapshot"));
		close(fd);
	}
	EXPECT_EQ(0, snapshot_check(self->fd, self->area.offset, view->pages,
				    self->first, "the first snapshot"));
}

TEST_HARNESS_MAIN
