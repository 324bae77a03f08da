// SPDX-License-Identifier: GPL-2.0
/*
 * Identity: at the instant of a capture every byte of every child equals the
 * parent's, whatever kind of memory it was, and the parent's own is as before.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define LEN	(8 * MIB)
#define OFFSET	(16 * MIB)

/* One area of each kind, and two processes that never saw it. */
FIXTURE(identity) {
	struct area area;
	struct peer *one, *two;
};

KIND_AND_CAPTURE_VARIANTS(identity);

FIXTURE_SETUP(identity)
{
	capture_kind = variant->how;
	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
	self->one = peer_start();
	self->two = peer_start();
	ASSERT_NE(NULL, self->one);
	ASSERT_NE(NULL, self->two);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, OFFSET));
}

FIXTURE_TEARDOWN(identity)
{
	area_free(&self->area);
	peer_kill(self->one);
	peer_kill(self->two);
}

/* Every page is accounted for, and for each copy there is a reason. */
static bool counts_add_up(const struct area *area,
			  const struct vmfork_capture *cap)
{
	uint64_t sum = cap->pages_stolen + cap->pages_copied +
		       cap->pages_shared + cap->pages_hole + cap->pages_file;
	uint64_t copied = cap->copied_shared + cap->copied_ksm +
			  cap->copied_busy + cap->copied_partial;

	note("%s: stolen %llu, copied %llu (shared %llu ksm %llu busy %llu partial %llu), shared %llu, huge %llu, holes %llu, file %llu",
	     kind_name(area->kind), cap->pages_stolen, cap->pages_copied,
	     cap->copied_shared, cap->copied_ksm, cap->copied_busy,
	     cap->copied_partial, cap->pages_shared, cap->pages_huge,
	     cap->pages_hole, cap->pages_file);
	return sum == area->view.pages && copied == cap->pages_copied;
}

/* Checks a snapshot of the area everywhere it can be seen. */
static long wrong_anywhere(struct area *area, int fd, struct peer *one,
			   struct peer *two)
{
	struct peer *who[] = { NULL, one, two };
	struct view view;
	size_t i;
	long wrong;

	wrong = view_check(&area->view, "the parent");
	wrong += !area_others_right(area);
	wrong += snapshot_check(fd, area->offset, area->view.pages,
				area->view.model, "pread");
	for (i = 0; i < ARRAY_SIZE(who); i++) {
		if (view_map(&view, who[i], fd, area->offset,
			     area->view.pages, area->view.model)) {
			note("child %zu could not map the snapshot", i);
			wrong++;
			continue;
		}
		wrong += view_check(&view, i ? "a child" : "own mapping");
		view_unmap(&view);
	}
	return wrong;
}

TEST_F(identity, own_process)
{
	struct area *area = &self->area;
	struct vmfork_capture cap;
	struct vmfork_info info;
	int fd;

	fd = capture_range(-1, area->view.addr, area->len, area->offset, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s: %s", strerror(-fd), refusal_text(&cap));
	area_settle(area);
	EXPECT_EQ(0, wrong_anywhere(area, fd, self->one, self->two));
	EXPECT_TRUE(counts_add_up(area, &cap));
	EXPECT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(area->offset + area->len, info.snapshot_size);
	EXPECT_EQ(cap.pages_stolen + cap.pages_copied + cap.pages_shared,
		  info.pages);
	EXPECT_EQ(info.snapshot_size / PAGE,
		  info.pages + info.pages_hole + info.pages_file);
	close(fd);
	/* The mappings keep what they have. */
	EXPECT_EQ(0, view_check(&area->view, "the parent, after close"));
}

TEST_F(identity, by_pidfd)
{
	struct area *area = &self->area;
	struct vmfork_capture cap;
	int fd, pidfd = pidfd_of(getpid());

	ASSERT_LE(0, pidfd);
	fd = peer_capture(self->one, pidfd, area->view.addr, area->len,
			  area->offset, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s: %s", strerror(-fd), refusal_text(&cap));
	area_settle(area);
	EXPECT_EQ(0, wrong_anywhere(area, fd, self->one, self->two));
	EXPECT_TRUE(counts_add_up(area, &cap));
	close(fd);
	close(pidfd);
}

/* Writes to some pages, whole and in part, in a way that @seed says. */
static void scribble(struct view *view, uint64_t seed)
{
	size_t i;

	for (i = 0; i < view->pages / 16; i++) {
		size_t page = rnd(&seed) % view->pages;

		if (i & 1)
			view_poke(view, page, rnd(&seed) | 1);
		else
			view_fill(view, page, rnd(&seed) | 1);
	}
}

/* A fork of a fork of a fork: each snapshot keeps its own instant. */
TEST_F(identity, three_generations)
{
	struct area *area = &self->area;
	size_t pages = area->view.pages;
	struct view child, grandchild;
	struct stamp *model[3];
	int fd[3];

	fd[0] = capture_range(-1, area->view.addr, area->len, area->offset,
			      NULL);
	ASSERT_LE(0, fd[0]);
	area_settle(area);
	model[0] = model_copy(area->view.model, pages);

	ASSERT_EQ(0, view_map(&child, self->one, fd[0], area->offset, pages,
			      model[0]));
	scribble(&child, 1);
	scribble(&area->view, 2);
	fd[1] = peer_capture(self->one, -1, child.addr, area->len,
			     area->offset, NULL);
	ASSERT_LE(0, fd[1]);
	model[1] = model_copy(child.model, pages);

	ASSERT_EQ(0, view_map(&grandchild, self->two, fd[1], area->offset,
			      pages, model[1]));
	scribble(&grandchild, 3);
	scribble(&child, 4);
	fd[2] = peer_capture(NULL, self->two->pidfd, grandchild.addr,
			     area->len, area->offset, NULL);
	ASSERT_LE(0, fd[2]);
	model[2] = model_copy(grandchild.model, pages);
	scribble(&grandchild, 5);
	scribble(&area->view, 6);

	EXPECT_EQ(0, view_check(&area->view, "the parent"));
	EXPECT_TRUE(area_others_right(area));
	EXPECT_EQ(0, view_check(&child, "the child"));
	EXPECT_EQ(0, view_check(&grandchild, "the grandchild"));
	EXPECT_EQ(0, snapshot_check(fd[0], area->offset, pages, model[0],
				    "the first snapshot"));
	EXPECT_EQ(0, snapshot_check(fd[1], area->offset, pages, model[1],
				    "the second snapshot"));
	EXPECT_EQ(0, snapshot_check(fd[2], area->offset, pages, model[2],
				    "the third snapshot"));
	close(fd[0]);
	close(fd[1]);
	EXPECT_EQ(0, view_check(&area->view, "the parent, after close"));
	EXPECT_EQ(0, view_check(&child, "the child, after close"));
	EXPECT_EQ(0, snapshot_check(fd[2], area->offset, pages, model[2],
				    "the third snapshot, after close"));
	close(fd[2]);
}

/* What each kind is expected to cost: nothing is copied without a reason. */
TEST_F(identity, what_was_taken)
{
	struct area *area = &self->area;
	struct vmfork_capture cap;
	uint64_t pages = area->view.pages;
	int fd;

	fd = capture_range(-1, area->view.addr, area->len, area->offset, &cap);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(counts_add_up(area, &cap));
	if (variant->how != CAPTURE_FIRST) {
		/* Only what was written since, which is two pages of 512. */
		EXPECT_EQ(pages, cap.pages_in_place);
		EXPECT_EQ(2 * ((pages + 507) / 512),
			  cap.pages_stolen + cap.pages_copied);
		close(fd);
		return;
	}
	EXPECT_EQ(0, cap.pages_in_place);
	switch (variant->kind) {
	case KIND_THP:
		EXPECT_EQ(pages, cap.pages_huge);
		/* fallthrough */
	case KIND_BASE:
	case KIND_THP_SHIFT:
	case KIND_FORK_GONE:
		EXPECT_EQ(pages, cap.pages_stolen);
		EXPECT_EQ(0, cap.pages_copied);
		break;
	case KIND_THP_EDGE:
		EXPECT_EQ(pages - 2 * 511, cap.pages_huge);
		EXPECT_EQ(2 * 511, cap.copied_partial);
		break;
	case KIND_KSM:
		EXPECT_LE(pages * 3 / 4, cap.copied_ksm);
		break;
	case KIND_FORKED:
		EXPECT_LE(pages * 3 / 4, cap.copied_shared);
		EXPECT_EQ((pages + 4) / 5, cap.pages_stolen);
		break;
	case KIND_FORKED_THP:
		/* Shared pages of huge pages whose other parts are not. */
		EXPECT_LE(pages * 3 / 4, cap.copied_shared +
					 cap.copied_partial);
		EXPECT_EQ((pages + 4) / 5, cap.pages_stolen);
		break;
	case KIND_ZERO:
		EXPECT_EQ(pages, cap.pages_hole);
		break;
	case KIND_HOLE:
	case KIND_THP_PART:
	case KIND_MIXED:
		EXPECT_EQ(pages - area->touched, cap.pages_hole);
		break;
	default:
		EXPECT_EQ(0, cap.copied_partial);
		break;
	}
	close(fd);
}

/* A hole stays a hole: it takes no memory, in the snapshot or in a child. */
TEST(holes_stay_holes)
{
	struct area area;
	struct vmfork_info info;
	struct stat st;
	struct view view;
	off_t data, hole;
	size_t first;
	int fd;

	ASSERT_EQ(0, area_make(&area, KIND_HOLE, LEN, OFFSET));
	first = area.view.pages - 300;
	fd = capture_range(-1, area.view.addr, area.len, OFFSET, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(area.touched, info.pages);
	EXPECT_EQ((OFFSET + LEN) / PAGE - area.touched, info.pages_hole);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(area.touched * PAGE / 512, (size_t)st.st_blocks);

	data = lseek(fd, 0, SEEK_DATA);
	EXPECT_EQ(OFFSET + 3 * PAGE, (size_t)data);
	hole = lseek(fd, data, SEEK_HOLE);
	EXPECT_EQ(OFFSET + 4 * PAGE, (size_t)hole);
	data = lseek(fd, hole, SEEK_DATA);
	EXPECT_EQ(OFFSET + 100 * PAGE, (size_t)data);
	hole = lseek(fd, data, SEEK_HOLE);
	EXPECT_EQ(OFFSET + 120 * PAGE, (size_t)hole);
	data = lseek(fd, hole, SEEK_DATA);
	EXPECT_EQ(OFFSET + first * PAGE, (size_t)data);
	hole = lseek(fd, data, SEEK_HOLE);
	EXPECT_EQ(OFFSET + (first + 7) * PAGE, (size_t)hole);
	EXPECT_EQ(-1, lseek(fd, hole, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);

	ASSERT_EQ(0, view_map(&view, NULL, fd, OFFSET, area.view.pages,
			      area.view.model));
	EXPECT_EQ(0, view_check(&view, "a child"));
	EXPECT_EQ(0, view_check(&area.view, "the parent"));
	EXPECT_GE(128, smaps_kb(0, view.addr, LEN, "Anonymous"));
	/* All that reading did not change the snapshot. */
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(area.touched, info.pages);
	view_unmap(&view);
	area_free(&area);
	close(fd);
}

/*
 * Four regions in one snapshot, neither in the order of their addresses nor
 * of their offsets, with gaps between.
 */
TEST(several_regions)
{
	static const struct {
		enum kind kind;
		uint64_t offset;
	} parts[4] = {
		{ KIND_THP, 40 * MIB }, { KIND_BASE, 0 },
		{ KIND_HOLE, 20 * MIB }, { KIND_MIXED, 10 * MIB },
	};
	static const struct stamp zeroes[512];
	struct vmfork_region region[4];
	struct area area[4];
	struct vmfork_capture cap;
	struct vmfork_info info;
	struct view view;
	size_t touched = 0;
	struct peer *peer;
	int fd, i;

	peer = peer_start();
	ASSERT_NE(NULL, peer);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, area_make(&area[i], parts[i].kind, LEN,
				       parts[i].offset));
		region[i] = (struct vmfork_region){
			.addr = (uintptr_t)area[i].view.addr,
			.len = LEN, .offset = parts[i].offset,
		};
		touched += area[i].touched;
	}
	fd = capture_regions(-1, region, 4, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s: %s", strerror(-fd), refusal_text(&cap));
	EXPECT_EQ(48 * MIB, cap.snapshot_size);
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(touched, info.pages);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, view_check(&area[i].view, "the parent"));
		EXPECT_EQ(0, snapshot_check(fd, parts[i].offset, LEN / PAGE,
					    area[i].view.model, "pread"));
		ASSERT_EQ(0, view_map(&view, i & 1 ? peer : NULL, fd,
				      parts[i].offset, LEN / PAGE,
				      area[i].view.model));
		EXPECT_EQ(0, view_check(&view, "a child"));
		view_unmap(&view);
	}
	/* The gaps between regions read as zeroes. */
	EXPECT_EQ(0, snapshot_check(fd, 8 * MIB, 512, zeroes, "a gap"));
	EXPECT_EQ(0, snapshot_check(fd, 30 * MIB, 512, zeroes, "a gap"));
	for (i = 0; i < 4; i++)
		area_free(&area[i]);
	close(fd);
	peer_kill(peer);
}

/* One region over several mappings, each of which keeps its protection. */
TEST(protections)
{
	static const int prot[4] = {
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
		PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	static const char * const shown[4] = { "rd wr ", "rd ", "", "rd wr ex " };
	size_t part = LEN / 4;
	struct area area;
	struct view view;
	char flags[256];
	int fd, i;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, LEN, OFFSET));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, mprotect(area.view.addr + i * part, part,
				      prot[i]));
	fd = capture_range(-1, area.view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, snapshot_check(fd, OFFSET, LEN / PAGE, area.view.model,
				    "pread"));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, smaps_flags(area.view.addr + i * part, flags,
					 sizeof(flags)));
		EXPECT_EQ(!!strstr(shown[i], "rd"), has_flag(flags, "rd"));
		EXPECT_EQ(!!strstr(shown[i], "wr"), has_flag(flags, "wr"));
		EXPECT_EQ(!!strstr(shown[i], "ex"), has_flag(flags, "ex"));
	}
	/* What was not allowed before is still allowed on request. */
	EXPECT_EQ(0, mprotect(area.view.addr, LEN, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, view_check(&area.view, "the parent"));
	scribble(&area.view, 9);
	EXPECT_EQ(0, view_check(&area.view, "the parent, written"));

	/* A child's mapping is captured with its protections just as well. */
	ASSERT_EQ(0, view_map(&view, NULL, fd, OFFSET, LEN / PAGE,
			      area.view.model));
	close(fd);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, mprotect(view.addr + i * part, part, prot[i]));
	fd = capture_range(-1, view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, fd);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, smaps_flags(view.addr + i * part, flags,
					 sizeof(flags)));
		EXPECT_EQ(!!strstr(shown[i], "wr"), has_flag(flags, "wr"));
	}
	close(fd);
	view_unmap(&view);
	area_free(&area);
}

/* QEMU sets the first three on its guests' memory. */
TEST(advice_is_kept)
{
	static const struct {
		int advice;
		const char *flag;
	} kept[] = {
		{ MADV_DONTFORK, "dc" }, { MADV_DONTDUMP, "dd" },
		{ MADV_MERGEABLE, "mg" }, { MADV_HUGEPAGE, "hg" },
		{ MADV_NOHUGEPAGE, "nh" },
	};
	struct area area;
	char flags[256];
	size_t i;
	int fd, again;

	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		ASSERT_EQ(0, area_make(&area, KIND_HOLE, 4 * MIB, OFFSET));
		ASSERT_EQ(0, madvise(area.view.addr, area.len, MADV_HUGEPAGE));
		ASSERT_EQ(0, madvise(area.view.addr, area.len,
				     kept[i].advice));
		for (again = 0; again < 2; again++) {
			fd = capture_range(-1, area.view.addr, area.len, OFFSET,
					   NULL);
			ASSERT_LE(0, fd);
			close(fd);
			ASSERT_EQ(0, smaps_flags(area.view.addr, flags,
						 sizeof(flags)));
			EXPECT_TRUE(has_flag(flags, kept[i].flag))
				TH_LOG("capture %d: %s lost:%s", again + 1,
				       kept[i].flag, flags);
		}
		area_free(&area);
	}
}

/* The kernel locks no mapping that can not grow, and does not say so. */
TEST(mlock_afterwards_does_nothing)
{
	struct area area;
	char flags[256];
	int fd;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, MIB, 0));
	fd = capture_range(-1, area.view.addr, MIB, 0, NULL);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, mlock(area.view.addr, MIB));
	ASSERT_EQ(0, smaps_flags(area.view.addr, flags, sizeof(flags)));
	EXPECT_FALSE(has_flag(flags, "lo"));
	/* So it can be captured again, which locked memory can not. */
	fd = capture_range(-1, area.view.addr, MIB, 0, NULL);
	EXPECT_LE(0, fd);
	if (fd >= 0)
		close(fd);
	area_free(&area);
}

/* A snapshot is as large as was asked for; what is beyond reads as zeroes. */
TEST(larger_than_its_regions)
{
	struct vmfork_capture cap = { .size = sizeof(cap), .pidfd = -1 };
	static const struct stamp zeroes[64];
	struct vmfork_region region;
	struct area area;
	struct stat st;
	int dev, fd;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, MIB, 0));
	region = (struct vmfork_region){
		.addr = (uintptr_t)area.view.addr, .len = MIB,
	};
	cap.regions = (uintptr_t)&region;
	cap.nr_regions = 1;
	cap.snapshot_size = 64 * MIB + PAGE;
	dev = device();
	ASSERT_LE(0, dev);
	fd = capture_full(dev, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(64 * MIB + PAGE, cap.snapshot_size);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(64 * MIB + PAGE, (size_t)st.st_size);
	EXPECT_EQ(0, snapshot_check(fd, 0, MIB / PAGE, area.view.model,
				    "pread"));
	EXPECT_EQ(0, snapshot_check(fd, 64 * MIB - 63 * PAGE, 64, zeroes,
				    "the end"));
	close(fd);
	close(dev);
	area_free(&area);
}

TEST_HARNESS_MAIN
