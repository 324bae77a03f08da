// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmod/ranges.c: which regions are refused, and with which errno.
 */
#include <stdint.h>

#include "kselftest_harness.h"
#include "ranges.h"

#define TASK	0x7ffffffff000ULL
#define M	(1ULL << 20)

static int check(const struct vmfork_region *r, u32 nr, u64 *size,
		 struct vmfork_refused *why)
{
	*why = (struct vmfork_refused) {};
	return vmfork_check_regions(r, nr, TASK, size, why);
}

TEST(good)
{
	struct vmfork_region r[] = {
		{ 4 * M, M, 8 * M, 0 }, { 3 * M, M, 0, 0 },
		{ TASK - M, M, 1ULL << 40, 0 },
	};
	struct vmfork_refused why;
	u64 size = 0;

	EXPECT_EQ(0, check(r, 3, &size, &why));
	EXPECT_EQ((1ULL << 40) + M, size);
	size = 1ULL << 41;
	EXPECT_EQ(0, check(r, 3, &size, &why));
	EXPECT_EQ(1ULL << 41, size);
}

TEST(wiped_regions_may_overlap)
{
	struct vmfork_region r[] = {
		{ M, M, 0, VMFORK_REGION_WIPE }, { M, M, 0, 0 },
		{ M + 4096, 2 * M, 0, VMFORK_REGION_WIPE },
	};
	struct vmfork_refused why;
	u64 size = 0;

	EXPECT_EQ(0, check(r, 3, &size, &why));
	EXPECT_EQ(M, size);
}

/* Against a bitmap of pages, for all small sets of wiped ranges. */
TEST(next_kept)
{
	enum { PAGES = 6 };
	struct vmfork_region r[3] = { { 0, PAGES * 4096, 0, 0 } };
	unsigned int a, a_len, b, b_len, page;

	r[1].flags = VMFORK_REGION_WIPE;
	r[2].flags = VMFORK_REGION_WIPE;
	for (a = 0; a < PAGES; a++)
	for (a_len = 1; a_len <= PAGES; a_len++)
	for (b = 0; b < PAGES; b++)
	for (b_len = 1; b_len <= PAGES; b_len++) {
		u64 addr = 0, end;

		r[1].addr = a * 4096;
		r[1].len = a_len * 4096;
		r[2].addr = b * 4096;
		r[2].len = b_len * 4096;
		page = 0;
		while (vmfork_next_kept(r, 3, PAGES * 4096, &addr, &end)) {
			ASSERT_LT(addr, end);
			ASSERT_LE(end, PAGES * 4096);
			for (; page * 4096 < addr; page++)
				ASSERT_TRUE((page >= a && page < a + a_len) ||
					    (page >= b && page < b + b_len));
			for (; page * 4096 < end; page++)
				ASSERT_FALSE((page >= a && page < a + a_len) ||
					     (page >= b && page < b + b_len));
			addr = end;
		}
		for (; page < PAGES; page++)
			ASSERT_TRUE((page >= a && page < a + a_len) ||
				    (page >= b && page < b + b_len));
	}
}

TEST(refused)
{
	static const struct {
		struct vmfork_region r;
		u64 size;
		int err;
		u32 reason;
	} t[] = {
		{ { 1, M, 0, 0 }, 0, -EINVAL, VMFORK_UNALIGNED },
		{ { M, 0, 0, 0 }, 0, -EINVAL, VMFORK_UNALIGNED },
		{ { M, 4095, 0, 0 }, 0, -EINVAL, VMFORK_UNALIGNED },
		{ { M, M, 512, 0 }, 0, -EINVAL, VMFORK_UNALIGNED },
		{ { M, M, M, VMFORK_REGION_WIPE }, 0, -EINVAL,
		  VMFORK_UNALIGNED },
		{ { TASK, M, 0, VMFORK_REGION_WIPE }, 0, -EOVERFLOW,
		  VMFORK_OVERFLOW },
		{ { TASK, M, 0, 0 }, 0, -EOVERFLOW, VMFORK_OVERFLOW },
		{ { TASK - 4096, 8192, 0, 0 }, 0, -EOVERFLOW,
		  VMFORK_OVERFLOW },
		{ { M, -4096ULL, 0, 0 }, 0, -EOVERFLOW, VMFORK_OVERFLOW },
		{ { -4096ULL, 8192, 0, 0 }, 0, -EOVERFLOW, VMFORK_OVERFLOW },
		{ { M, M, -4096ULL, 0 }, 0, -EOVERFLOW, VMFORK_OVERFLOW },
		{ { M, M, VMFORK_MAX_SIZE, 0 }, 0, -EOVERFLOW,
		  VMFORK_OVERFLOW },
		{ { M, 2 * M, 0, 0 }, M, -EOVERFLOW, VMFORK_OVERFLOW },
		{ { M, M, M, 0 }, M, -EOVERFLOW, VMFORK_OVERFLOW },
	};
	struct vmfork_refused why;
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		u64 size = t[i].size;

		EXPECT_EQ(t[i].err, check(&t[i].r, 1, &size, &why))
			TH_LOG("case %u", i);
		EXPECT_EQ(t[i].reason, why.reason) TH_LOG("case %u", i);
		EXPECT_EQ(t[i].r.addr, why.addr);
		EXPECT_EQ(t[i].size, size);
	}
}

TEST(overlaps)
{
	struct vmfork_region r[3] = {
		{ 10 * M, M, 0, 0 }, { 20 * M, M, M, 0 },
		{ 30 * M, M, 2 * M, 0 },
	};
	struct vmfork_refused why;
	u64 size = 0;

	EXPECT_EQ(0, check(r, 3, &size, &why));
	r[2].addr = 10 * M + M - 4096;
	size = 0;
	EXPECT_EQ(-EEXIST, check(r, 3, &size, &why));
	EXPECT_EQ(2, why.region);
	r[2].addr = 11 * M;		/* touches, does not overlap */
	size = 0;
	EXPECT_EQ(0, check(r, 3, &size, &why));
	r[2].offset = M - 4096;
	size = 0;
	EXPECT_EQ(-EEXIST, check(r, 3, &size, &why));
	EXPECT_EQ(VMFORK_OVERLAP, why.reason);
}

TEST(ranges)
{
	struct vmfork_range r[3] = {
		{ 10 * M, M }, { 20 * M, M }, { 30 * M, M },
	};
	struct vmfork_refused why;
	const u64 limit = 1ULL << 47;

	EXPECT_EQ(0, vmfork_check_ranges(r, 3, true, limit, &why));
	r[2].start = 11 * M;		/* touches, does not overlap */
	EXPECT_EQ(0, vmfork_check_ranges(r, 3, true, limit, &why));
	r[2].start -= 4096;
	EXPECT_EQ(0, vmfork_check_ranges(r, 3, false, limit, &why));
	EXPECT_EQ(-EEXIST, vmfork_check_ranges(r, 3, true, limit, &why));
	EXPECT_EQ(2, why.region);
	EXPECT_EQ(11 * M - 4096, why.addr);
	r[1].start++;
	EXPECT_EQ(-EINVAL, vmfork_check_ranges(r, 3, true, limit, &why));
	EXPECT_EQ(1, why.region);
	r[1] = (struct vmfork_range){ 20 * M, 0 };
	EXPECT_EQ(-EINVAL, vmfork_check_ranges(r, 3, true, limit, &why));
	r[1] = (struct vmfork_range){ limit - M, M };
	EXPECT_EQ(0, vmfork_check_ranges(r, 2, true, limit, &why));
	r[1].len += 4096;
	EXPECT_EQ(-EOVERFLOW, vmfork_check_ranges(r, 2, true, limit, &why));
	r[1] = (struct vmfork_range){ limit, 4096 };
	EXPECT_EQ(-EOVERFLOW, vmfork_check_ranges(r, 2, true, limit, &why));
	r[1] = (struct vmfork_range){ 4096, -4096ULL };
	EXPECT_EQ(-EOVERFLOW, vmfork_check_ranges(r, 2, true, limit, &why));
	EXPECT_EQ(VMFORK_OVERFLOW, why.reason);
}

TEST(each_refusal_has_its_errno)
{
	u32 i, j;

	EXPECT_EQ(0, vmfork_refusal_errno(VMFORK_OK));
	for (i = VMFORK_UNALIGNED; i <= VMFORK_FILE_BUSY; i++) {
		EXPECT_GT(0, vmfork_refusal_errno(i));
		for (j = VMFORK_UNALIGNED; j < i; j++)
			EXPECT_NE(vmfork_refusal_errno(j),
				  vmfork_refusal_errno(i));
	}
	EXPECT_EQ(-EINVAL, vmfork_refusal_errno(VMFORK_FILE_BUSY + 1));
}

TEST_HARNESS_MAIN
