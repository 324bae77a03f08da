// SPDX-License-Identifier: GPL-2.0
/*
 * What VMFORK_RESET refuses, each with its errno, its enum vmfork_refusal, and
 * the range and address that it names; and that nothing has changed then.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "reset.h"
#include "uring.h"

#define refused(fd, err, why, range, nr, where, at) \
	check_refused(_metadata, self, fd, err, why, range, nr, where, at)

static void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(reset) *self, int fd, int err,
			  uint32_t why, const struct vmfork_range *range,
			  unsigned int nr, uint32_t where, const void *at)
{
	struct view *view = &self->area.view;

	EXPECT_EQ(-err, reset_ranges(fd, -1, range, nr, &self->r));
	EXPECT_EQ(why, self->r.refusal);
	EXPECT_EQ(where, self->r.refused_range);
	EXPECT_EQ((uintptr_t)at, self->r.refused_addr);
	EXPECT_EQ(0, self->r.pages_dropped);
	EXPECT_EQ(0, self->r.pages_changed);
	/* Everything that can be refused is, before anything is reset. */
	EXPECT_EQ(0, view_check(view, "refused"));
}

TEST_F(reset, of_another_size)
{
	struct view *view = &self->area.view;
	struct vmfork_region region = {
		.addr = (uintptr_t)view->addr, .len = view->pages * PAGE,
		.offset = self->area.offset,
	};
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region,
		.snapshot_size = self->size + PAGE,
	};
	struct vmfork_range range[2];
	int fd[3], dev = device(), i;

	/* One that is a page shorter; the memory is not its mapping any more. */
	fd[0] = capture_range(-1, view->addr, (view->pages - 1) * PAGE,
			      self->area.offset, NULL);
	ASSERT_LE(0, fd[0]);
	fd[1] = capture(view, self->area.offset);
	ASSERT_LE(0, fd[1]);
	scribble(view, 1);
	range[0] = range_of(view->addr, view->pages * PAGE);
	refused(fd[0], ERANGE, VMFORK_SIZE, range, 1, 0, view->addr);
	range[0] = range_of(view->addr, PAGE);
	range[1] = range_of(view->addr + 50 * PAGE, 7 * PAGE);
	refused(fd[0], ERANGE, VMFORK_SIZE, range, 2, 0, view->addr);
	/* And the memory is a mapping of a larger one. */
	fd[2] = capture_full(dev, &cap);
	ASSERT_LE(0, fd[2]);
	scribble(view, 2);
	refused(self->fd[0], ERANGE, VMFORK_SIZE, range, 2, 0, view->addr);
	ASSERT_EQ(0, reset_range(fd[2], -1, view->addr, PAGE, NULL));
	for (i = 0; i < 3; i++)
		close(fd[i]);
	close(dev);
	EXPECT_EQ(0, snapshots_check(self));
}

TEST_F(reset, of_what_is_no_mapping)
{
	struct view *view = &self->area.view;
	struct vmfork_range range[2];
	struct area other;

	ASSERT_EQ(0, area_make(&other, KIND_BASE, 4 * MIB, 0));
	scribble(view, 1);
	range[0] = range_of(view->addr, 100 * PAGE);
	range[1] = range_of(other.view.addr + 16 * PAGE, PAGE);
	refused(self->fd[0], ENXIO, VMFORK_NO_MAPPING, range, 2, 1,
		other.view.addr + 16 * PAGE);
	EXPECT_EQ(0, view_check(&other.view, "what is no mapping"));
	range[1] = range_of(view->addr + 100 * PAGE,
			    (view->pages - 100 + 1) * PAGE);
	/* The page behind the area is a mapping of nothing, or of some other. */
	ASSERT_NE(MAP_FAILED, mmap(view->addr + view->pages * PAGE, PAGE,
				   PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
				   MAP_FIXED_NOREPLACE, -1, 0));
	refused(self->fd[0], ENXIO, VMFORK_NO_MAPPING, range, 2, 1,
		view->addr + view->pages * PAGE);
	ASSERT_EQ(0, munmap(view->addr + view->pages * PAGE, PAGE));
	refused(self->fd[0], EFAULT, VMFORK_UNMAPPED, range, 2, 1,
		view->addr + view->pages * PAGE);
	area_free(&other);
}

TEST_F(reset, overlapping_ranges)
{
	struct view *view = &self->area.view;
	struct vmfork_range range[2];

	scribble(view, 1);
	range[0] = range_of(view->addr + 10 * PAGE, 10 * PAGE);
	range[1] = range_of(view->addr + 19 * PAGE, 10 * PAGE);
	refused(self->fd[0], EEXIST, VMFORK_OVERLAP, range, 2, 1,
		view->addr + 19 * PAGE);
	range[1] = range[0];
	refused(self->fd[0], EEXIST, VMFORK_OVERLAP, range, 2, 1,
		view->addr + 10 * PAGE);
}

/* A device writes to the private pages: they have to stay. */
TEST_F(reset, pinned)
{
	struct view *view = &self->area.view;
	struct vmfork_range range[2];
	struct uring ring;
	size_t i;
	int ret;

	ret = uring_open(&ring);
	if (ret)
		SKIP(return, "io_uring: %s", strerror(-ret));
	for (i = 40; i < 50; i++)
		view_fill(view, i, i + 1);
	ret = uring_pin(&ring, view->addr + 40 * PAGE, 10 * PAGE);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "this kernel's io_uring takes no buffers in a private file mapping (before 6.5)");
	ASSERT_EQ(0, ret);
	range[0] = range_of(view->addr, view->pages * PAGE);
	refused(self->fd[1], EBUSY, VMFORK_PINNED, range, 1, 0,
		view->addr + 40 * PAGE);
	EXPECT_EQ(10, self->r.pages_pinned);
	/* Beside them all is well. */
	range[0] = range_of(view->addr, 40 * PAGE);
	range[1] = range_of(view->addr + 50 * PAGE, 100 * PAGE);
	ASSERT_EQ(0, reset_ranges(self->fd[1], -1, range, 2, &self->r));
	for (i = 0; i < 150; i++)
		if (i < 40 || i >= 50)
			view->model[i] = self->model[1][i];
	EXPECT_EQ(0, view_check(view, "beside the pinned pages"));
	ASSERT_EQ(0, uring_unpin(&ring));
	ASSERT_EQ(0, reset_view(view, self->fd[1], self->model[1], NULL));
	EXPECT_EQ(0, view_check(view, "no longer pinned"));
	uring_close(&ring);
}

TEST_HARNESS_MAIN
