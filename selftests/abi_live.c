// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI of VMFORK_RESET, VMFORK_DIFF and VMFORK_PREFAULT, and of a capture
 * with VMFORK_CAPTURE_PREARM: structures, pointers, numbers and results.  What
 * memory they refuse is in reset, prefault and refusals.
 *
 * Whatever is refused changes nothing, and works once the reason is gone.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "abi.h"
#include "live.h"

/* One of the three ioctls: its number, and where in its structure things are */
struct call {
	unsigned int number;
	uint32_t size;		/* of the first published structure */
	uint32_t known_flags;
	uint32_t max_ranges;
	size_t pidfd, nr_ranges, ranges;	/* offsets of these */
	bool on_device;
};

static const struct call calls[] = {
	{
		VMFORK_RESET, VMFORK_RESET_SIZE_VER0, 0, VMFORK_MAX_REGIONS,
		offsetof(struct vmfork_reset, pidfd),
		offsetof(struct vmfork_reset, nr_ranges),
		offsetof(struct vmfork_reset, ranges), false,
	}, {
		VMFORK_DIFF, VMFORK_DIFF_SIZE_VER0, VMFORK_DIFF_CONTENTS,
		VMFORK_MAX_RANGES,
		offsetof(struct vmfork_diff, fd),
		offsetof(struct vmfork_diff, nr_ranges),
		offsetof(struct vmfork_diff, ranges), false,
	}, {
		VMFORK_PREFAULT, VMFORK_PREFAULT_SIZE_VER0,
		VMFORK_PREFAULT_WRITE, VMFORK_MAX_RANGES,
		offsetof(struct vmfork_prefault, pidfd),
		offsetof(struct vmfork_prefault, nr_ranges),
		offsetof(struct vmfork_prefault, ranges), true,
	},
};

/* A structure of any of them, with room for what there is not yet. */
union any {
	struct {
		uint32_t size, flags;
	};
	struct vmfork_reset reset;
	struct vmfork_diff diff;
	struct vmfork_prefault prefault;
	char raw[128];
};

FIXTURE(live) {
	const struct call *call;
	struct area area;
	int dev, fd, other;
	union any arg, good;
	struct vmfork_range range[2];
};

FIXTURE_VARIANT(live) { int which; };
FIXTURE_VARIANT_ADD(live, reset) { .which = 0 };
FIXTURE_VARIANT_ADD(live, diff) { .which = 1 };
FIXTURE_VARIANT_ADD(live, prefault) { .which = 2 };

static void put32(union any *arg, size_t at, uint32_t value)
{
	memcpy(arg->raw + at, &value, sizeof(value));
}

static void put64(union any *arg, size_t at, uint64_t value)
{
	memcpy(arg->raw + at, &value, sizeof(value));
}

static uint32_t get32(const union any *arg, size_t at)
{
	uint32_t value;

	memcpy(&value, arg->raw + at, sizeof(value));
	return value;
}

FIXTURE_SETUP(live)
{
	const struct call *call = &calls[variant->which];
	struct view *view = &self->area.view;

	self->call = call;
	self->dev = device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, area_make(&self->area, KIND_BASE, LEN, 0));
	self->other = capture_range(-1, view->addr, LEN, 0, NULL);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, view_poke(view, 7, 1));
	self->fd = capture_range(-1, view->addr, LEN, 0, NULL);
	ASSERT_LE(0, self->fd);
	self->range[0] = range_of(view->addr, LEN / 2);
	self->range[1] = range_of(view->addr + LEN / 2, LEN / 2);
	self->arg.size = call->size;
	put32(&self->arg, call->pidfd,
	      call->number == VMFORK_DIFF ? (uint32_t)self->other : -1U);
	put32(&self->arg, call->nr_ranges, 2);
	put64(&self->arg, call->ranges, (uintptr_t)self->range);
	self->good = self->arg;
}

FIXTURE_TEARDOWN(live)
{
	area_free(&self->area);
	close(self->dev);
	close(self->fd);
	close(self->other);
}

/* It fails with @err, and then, with good arguments, it works. */
#define fails(err) check_fails(_metadata, self, err, &self->arg)
#define fails_at(err, ptr) check_fails(_metadata, self, err, ptr)
#define call_works() check_call_works(_metadata, self)

static void check_fails(struct __test_metadata *_metadata,
			FIXTURE_DATA(live) *self, int err, void *arg)
{
	int fds = count_fds();

	EXPECT_EQ(-1, ioctl(self->fd, self->call->number, arg));
	EXPECT_EQ(err, errno) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

static void check_call_works(struct __test_metadata *_metadata,
			     FIXTURE_DATA(live) *self)
{
	self->arg = self->good;
	EXPECT_EQ(0, ioctl(self->fd, self->call->number, &self->arg))
		TH_LOG("%s", strerror(errno));
	EXPECT_EQ(self->call->size, self->arg.size);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	if (self->call->number == VMFORK_DIFF)
		EXPECT_EQ(1, self->arg.diff.pages);
	self->range[0] = range_of(self->area.view.addr, LEN / 2);
	self->range[1] = range_of(self->area.view.addr + LEN / 2, LEN / 2);
}

/* The structure */

TEST_F(live, sizes)
{
	uint32_t size;

	ASSERT_EQ(sizeof(struct vmfork_reset), VMFORK_RESET_SIZE_VER0);
	ASSERT_EQ(sizeof(struct vmfork_diff), VMFORK_DIFF_SIZE_VER0);
	ASSERT_EQ(sizeof(struct vmfork_prefault), VMFORK_PREFAULT_SIZE_VER0);
	for (size = 0; size < self->call->size; size += 4) {
		self->arg.size = size;
		fails(EINVAL);
	}
	call_works();
	/* What is not known yet is zero, and stays so. */
	self->good.size = sizeof(self->good);
	self->arg = self->good;
	EXPECT_EQ(0, ioctl(self->fd, self->call->number, &self->arg));
	for (size = self->call->size; size < sizeof(self->arg); size++)
		EXPECT_EQ(0, self->arg.raw[size]);
	self->arg = self->good;
	self->range[0] = range_of(self->area.view.addr, LEN / 2);
	self->range[1] = range_of(self->area.view.addr + LEN / 2, LEN / 2);
	for (size = self->call->size; size < sizeof(self->arg); size += 7) {
		self->arg = self->good;
		self->arg.raw[size] = 1;
		fails(E2BIG);
	}
}

/* The number says how large the structure was; what counts is its own size. */
TEST_F(live, number_with_another_size)
{
	unsigned int number = _IOC(_IOC_READ | _IOC_WRITE, VMFORK_IOC_MAGIC,
				   _IOC_NR(self->call->number),
				   sizeof(self->arg));

	EXPECT_EQ(0, ioctl(self->fd, number, &self->arg));
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

TEST_F(live, unknown_flags)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (self->call->known_flags & 1U << bit)
			continue;
		self->arg.flags = 1U << bit;
		fails(EINVAL);
	}
	call_works();
	self->arg = self->good;
	self->arg.flags = self->call->known_flags;
	EXPECT_EQ(0, ioctl(self->fd, self->call->number, &self->arg));
}

TEST_F(live, belongs_to_its_file)
{
	int pipes[2];

	self->arg = self->good;
	EXPECT_EQ(self->call->on_device ? 0 : -1,
		  ioctl(self->dev, self->call->number, &self->arg));
	if (!self->call->on_device)
		EXPECT_EQ(ENOTTY, errno);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-1, ioctl(pipes[0], self->call->number, &self->arg));
	EXPECT_EQ(ENOTTY, errno);
	close(pipes[0]);
	close(pipes[1]);
	call_works();
}

/* Pointers */

TEST_F(live, bad_structure_pointer)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *cut = two + PAGE - self->call->size / 2;

	ASSERT_NE(MAP_FAILED, two);
	fails_at(EFAULT, NULL);
	fails_at(EFAULT, (void *)-PAGE);
	memcpy(cut, &self->arg, self->call->size);
	ASSERT_EQ(0, munmap(two + PAGE, PAGE));
	fails_at(EFAULT, cut);
	call_works();
	munmap(two, PAGE);
}

/* The results can not be written. */
TEST_F(live, unwritable_structure)
{
	union any *arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, arg);
	*arg = self->good;
	ASSERT_EQ(0, mprotect(arg, PAGE, PROT_READ));
	fails_at(EFAULT, arg);
	munmap(arg, PAGE);
	call_works();
}

TEST_F(live, bad_ranges_pointer)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *cut = two + PAGE - sizeof(struct vmfork_range) / 2;

	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, munmap(two + PAGE, PAGE));
	put64(&self->arg, self->call->ranges, 0);
	fails(EFAULT);
	self->arg = self->good;
	put64(&self->arg, self->call->ranges, -PAGE);
	fails(EFAULT);
	self->arg = self->good;
	memcpy(cut, self->range, sizeof(self->range[0]) / 2);
	put64(&self->arg, self->call->ranges, (uintptr_t)cut);
	fails(EFAULT);
	call_works();
	munmap(two, PAGE);
}

/* Numbers */

TEST_F(live, number_of_ranges)
{
	put32(&self->arg, self->call->nr_ranges, 0);
	fails(EINVAL);
	self->arg = self->good;
	put32(&self->arg, self->call->nr_ranges, self->call->max_ranges + 1);
	fails(EINVAL);
	self->arg = self->good;
	put32(&self->arg, self->call->nr_ranges, -1U);
	fails(EINVAL);
	call_works();
}

TEST_F(live, as_many_ranges_as_there_may_be)
{
	static struct vmfork_range many[VMFORK_MAX_RANGES];
	uint32_t nr = self->call->max_ranges, i;

	/* Only those to be reset must not overlap; these are just enough. */
	for (i = 0; i < nr; i++)
		many[i] = range_of(self->area.view.addr + i % PAGES * PAGE,
				   PAGE);
	put32(&self->arg, self->call->nr_ranges, nr);
	put64(&self->arg, self->call->ranges, (uintptr_t)many);
	EXPECT_EQ(0, ioctl(self->fd, self->call->number, &self->arg))
		TH_LOG("%s", strerror(errno));
	if (self->call->number == VMFORK_DIFF)
		EXPECT_EQ(1, get32(&self->arg, self->call->nr_ranges));
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

TEST_F(live, descriptor)
{
	int pipes[2], wrong;

	ASSERT_EQ(0, pipe(pipes));
	wrong = self->call->number == VMFORK_DIFF ? EXDEV : EBADF;
	put32(&self->arg, self->call->pidfd, pipes[0]);
	fails(wrong);
	put32(&self->arg, self->call->pidfd, self->dev);
	fails(wrong);
	put32(&self->arg, self->call->pidfd, 1000000);
	fails(EBADF);
	put32(&self->arg, self->call->pidfd, -2U);
	fails(EBADF);
	if (self->call->number == VMFORK_DIFF) {
		put32(&self->arg, self->call->pidfd, -1U);
		fails(EBADF);
	} else {
		put32(&self->arg, self->call->pidfd, pidfd_of(getpid()));
		EXPECT_EQ(0, ioctl(self->fd, self->call->number, &self->arg));
	}
	call_works();
	close(pipes[0]);
	close(pipes[1]);
}

/* Ranges of addresses: what is wrong is said. */
#define range_refused(err, why, where, at) \
	check_range(_metadata, self, err, why, where, at)

static void check_range(struct __test_metadata *_metadata,
			FIXTURE_DATA(live) *self, int err, uint32_t why,
			uint32_t where, uint64_t at)
{
	self->arg = self->good;
	fails(err);
	if (self->call->number == VMFORK_RESET) {
		EXPECT_EQ(why, self->arg.reset.refusal);
		EXPECT_EQ(where, self->arg.reset.refused_range);
		EXPECT_EQ(at, self->arg.reset.refused_addr);
	} else {
		EXPECT_EQ(why, self->arg.prefault.refusal);
		EXPECT_EQ(where, self->arg.prefault.refused_range);
		EXPECT_EQ(at, self->arg.prefault.refused_addr);
	}
}

TEST_F(live, ranges)
{
	struct vmfork_range good = self->range[1], *range = &self->range[1];

	if (self->call->number == VMFORK_DIFF)
		SKIP(return, "its ranges are results");
	range->start++;
	range_refused(EINVAL, VMFORK_UNALIGNED, 1, range->start);
	*range = good;
	range->len = 0;
	range_refused(EINVAL, VMFORK_UNALIGNED, 1, range->start);
	range->len = PAGE + 512;
	range_refused(EINVAL, VMFORK_UNALIGNED, 1, range->start);
	range->len = -PAGE;
	range_refused(EOVERFLOW, VMFORK_OVERFLOW, 1, range->start);
	range->len = 1ULL << 62;
	range_refused(EOVERFLOW, VMFORK_OVERFLOW, 1, range->start);
	*range = good;
	range->start = 0xffff888000000000;	/* the kernel's */
	range_refused(EOVERFLOW, VMFORK_OVERFLOW, 1, range->start);
	*range = good;
	call_works();
}

TEST_F(live, outputs_are_inputs_nowhere)
{
	const struct call *call = self->call;
	union any junk;

	memset(&junk, 0xee, sizeof(junk));
	junk.size = call->size;
	junk.flags = 0;
	memcpy(junk.raw + call->pidfd, self->good.raw + call->pidfd, 4);
	memcpy(junk.raw + call->nr_ranges, self->good.raw + call->nr_ranges,
	       4);
	memcpy(junk.raw + call->ranges, self->good.raw + call->ranges, 8);
	if (call->number == VMFORK_DIFF)
		junk.diff.offset = 0;
	self->good = junk;
	call_works();
	if (call->number == VMFORK_RESET) {
		EXPECT_EQ(0, self->arg.reset.pages_dropped);
		EXPECT_EQ(0, self->arg.reset.pages_pinned);
		EXPECT_EQ(0, self->arg.reset.refusal);
		EXPECT_EQ(0, self->arg.reset.refused_range);
		EXPECT_EQ(0, self->arg.reset.refused_addr);
	} else if (call->number == VMFORK_PREFAULT) {
		EXPECT_GE(PAGES, self->arg.prefault.pages_mapped);
		EXPECT_EQ(0, self->arg.prefault.pages_copied);
		EXPECT_EQ(0, self->arg.prefault.refusal);
		EXPECT_EQ(0, self->arg.prefault.refused_range);
		EXPECT_EQ(0, self->arg.prefault.refused_addr);
	}
}

/* Alone of VMFORK_DIFF */

TEST_F(live, diff_offset)
{
	if (self->call->number != VMFORK_DIFF)
		SKIP(return, "it has none");
	self->arg.diff.offset = 1;
	fails(EINVAL);
	self->arg.diff.offset = PAGE + 512;
	fails(EINVAL);
	/* At the end there is nothing more. */
	self->arg = self->good;
	self->arg.diff.offset = LEN;
	EXPECT_EQ(0, ioctl(self->fd, VMFORK_DIFF, &self->arg));
	EXPECT_EQ(0, self->arg.diff.nr_ranges);
	EXPECT_EQ(0, self->arg.diff.pages);
	EXPECT_EQ(LEN, self->arg.diff.offset);
	call_works();
	EXPECT_EQ(1, self->arg.diff.nr_ranges);
	EXPECT_EQ(LEN, self->arg.diff.offset);
}

TEST_F(live, diff_unwritable_ranges)
{
	struct vmfork_range *range = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE |
					  MAP_ANONYMOUS, -1, 0);

	if (self->call->number != VMFORK_DIFF)
		SKIP(return, "its ranges are no results");
	ASSERT_NE(MAP_FAILED, range);
	self->arg.diff.ranges = (uintptr_t)range;
	fails(EFAULT);
	call_works();
	munmap(range, PAGE);
}

/* A capture ahead: flags and numbers that go with it */

TEST_F(abi, prearm_slice)
{
	/* Without the flag it says nothing. */
	self->cap.slice_ns = 1;
	works();
	self->cap.slice_ns = 1;
	self->cap.flags = VMFORK_CAPTURE_PREARM;
	EXPECT_EQ(0, capture_full(self->dev, &self->cap));
	self->cap.slice_ns = ~0ULL;
	EXPECT_EQ(0, capture_full(self->dev, &self->cap));
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	self->cap.flags = 0;
	self->cap.slice_ns = 0;
	works();
}

/* An older program's structure takes the flag just as well. */
TEST_F(abi, prearm_with_an_older_structure)
{
	static const uint32_t sizes[] = {
		VMFORK_CAPTURE_SIZE_VER0, VMFORK_CAPTURE_SIZE_VER1,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->cap.size = sizes[i];
		self->cap.flags = VMFORK_CAPTURE_PREARM;
		self->cap.ns_longest = 0x1234;
		self->cap.pages_in_place = 0x1234;
		EXPECT_EQ(0, ioctl(self->dev, VMFORK_CAPTURE, &self->cap));
		EXPECT_EQ(0x1234, self->cap.ns_longest);
		EXPECT_EQ(0x1234, self->cap.pages_in_place);
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	}
	self->cap.size = sizeof(self->cap);
	self->cap.flags = 0;
	works();
}

TEST_HARNESS_MAIN
