/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the ABI share: an area of ordinary memory to which
 * something is done that a capture refuses, and the judgement that nothing has
 * changed then.  Included by one .c file of a program.
 */
#ifndef SELFTESTS_ABI_H
#define SELFTESTS_ABI_H

#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "pages.h"

#define LEN	MIB
#define PAGES	(LEN / PAGE)

/* The list of mappings, but for those that grow while a test runs. */
static inline size_t read_maps(char *buf, size_t size)
{
	static char all[65536];
	char *line, *end;
	size_t used = 0;

	if (read_file("/proc/self/maps", all, sizeof(all)) <= 0)
		return 0;
	for (line = all; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (strstr(line, "[heap]") || strstr(line, "[stack]"))
			continue;
		used += snprintf(buf + used, size - used, "%s\n", line);
	}
	return used;
}

FIXTURE(abi) {
	struct area area;
	struct vmfork_capture cap;
	struct vmfork_region region[4];
	int dev;
};

/* Programs may have variants of it: captures with these flags. */
FIXTURE_VARIANT(abi) { uint32_t flags; };

FIXTURE_SETUP(abi)
{
	struct vmfork_region *region = self->region;

	self->dev = device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, area_make(&self->area, KIND_BASE, LEN, 0));
	region[0].addr = (uintptr_t)self->area.view.addr;
	region[0].len = LEN;
	self->cap = (struct vmfork_capture){
		.size = sizeof(self->cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)region,
		.flags = variant ? variant->flags : 0,
	};
}

FIXTURE_TEARDOWN(abi)
{
	area_free(&self->area);
	close(self->dev);
}

/*
 * The capture is refused with @err, and changes nothing.  What the kernel
 * says about it is compared where a @refusal is expected.
 */
#define refused(err, why, where, at) \
	check_refused(_metadata, self, err, why, where, (uintptr_t)(at), true)
#define refused_outright(err) \
	check_refused(_metadata, self, err, VMFORK_OK, 0, 0, true)
/* The same, if an earlier region may have become a mapping by then. */
#define refused_late(err, why, where, at) \
	check_refused(_metadata, self, err, why, where, (uintptr_t)(at), false)

static inline void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(abi) *self, int err, uint32_t why,
			  uint32_t where, uint64_t at, bool same_maps)
{
	static char before[65536], after[65536];
	struct vmfork_capture *cap = &self->cap;
	int fd, fds = count_fds();

	read_maps(before, sizeof(before));
	fd = capture_full(self->dev, cap);
	read_maps(after, sizeof(after));

	EXPECT_EQ(-err, fd) TH_LOG("%s", fd < 0 ? strerror(-fd) : "a fd");
	if (fd >= 0)
		close(fd);
	if (why) {
		EXPECT_EQ(why, cap->refusal);
		EXPECT_EQ(where, cap->refused_region);
		EXPECT_EQ(at, cap->refused_addr);
	}
	EXPECT_EQ(fds, count_fds());
	if (same_maps)
		EXPECT_STREQ(before, after);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

/* Now the same capture works, and is right. */
#define works() check_works(_metadata, self)

static inline void check_works(struct __test_metadata *_metadata,
			FIXTURE_DATA(abi) *self)
{
	struct vmfork_capture *cap = &self->cap;
	uint32_t flags = cap->flags;
	int fd;

	cap->snapshot_size = 0;
	if (flags & VMFORK_CAPTURE_PREARM) {
		ASSERT_EQ(0, capture_full(self->dev, cap))
			TH_LOG("%s", refusal_text(cap));
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
		cap->flags = 0;
	}
	fd = capture_full(self->dev, cap);
	cap->flags = flags;
	ASSERT_LE(0, fd) TH_LOG("%s, %s", strerror(-fd), refusal_text(cap));
	EXPECT_EQ(VMFORK_OK, cap->refusal);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	EXPECT_EQ(0, snapshot_check(fd, self->region[0].offset,
				    self->area.view.pages,
				    self->area.view.model, "the snapshot"));
	close(fd);
}

#endif
