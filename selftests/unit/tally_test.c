// SPDX-License-Identifier: GPL-2.0
/*
 * tools/vmfork/histogram.c and tally.c: nothing that is counted gets lost, and
 * percentiles are as right as they are said to be.
 */
#include <stdlib.h>

#include <linux/vmfork.h>

#include "kselftest_harness.h"
#include "histogram.h"
#include "out.h"
#include "tally.h"

/* Nothing is printed here. */
void out_open(const char *name) { (void)name; }
void out_open_list(const char *name) { (void)name; }
void out_close(void) { }
void out_number(const char *name, uint64_t value) { (void)name; (void)value; }
void out_nanoseconds(const char *name, uint64_t value)
{
	(void)name;
	(void)value;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* From ns to minutes, each order of magnitude alike */
static uint64_t any_time(void)
{
	return (uint64_t)random() >> random() % 31;
}

static bool is_near(uint64_t is, uint64_t wanted)
{
	uint64_t off = is > wanted ? is - wanted : wanted - is;

	return off * 100 <= wanted * 3 || off <= 1;
}

TEST(percentiles_are_right_to_3_percent)
{
	static const unsigned int percents[] = { 1, 50, 90, 99, 100 };
	enum { NR = 1000 };
	unsigned int round, i;

	srandom(1);
	for (round = 0; round < 100; round++) {
		struct histogram histogram = { 0 };
		uint64_t times[NR], sum = 0;

		for (i = 0; i < NR; i++) {
			times[i] = any_time();
			sum += times[i];
			histogram_add(&histogram, times[i]);
		}
		qsort(times, NR, sizeof(times[0]), compare);
		EXPECT_EQ(NR, histogram.count);
		EXPECT_EQ(sum, histogram.sum);
		EXPECT_EQ(times[NR - 1], histogram.max);
		for (i = 0; i < 5; i++) {
			uint64_t is = histogram_percentile(&histogram,
							   percents[i]);
			uint64_t wanted = times[NR * percents[i] / 100 - 1];

			EXPECT_TRUE(is_near(is, wanted)) {
				TH_LOG("p%u is %lu, not %lu", percents[i],
				       is, wanted);
			}
		}
	}
}

TEST(extremes)
{
	struct histogram histogram = { 0 };

	EXPECT_EQ(0, histogram_percentile(&histogram, 50));
	histogram_add(&histogram, 0);
	EXPECT_EQ(0, histogram_percentile(&histogram, 99));
	histogram_add(&histogram, UINT64_MAX / 2);
	EXPECT_EQ(UINT64_MAX / 2, histogram.max);
	EXPECT_EQ(2, histogram.count);
	EXPECT_EQ(0, histogram_percentile(&histogram, 50));
}

static uint64_t all_of(const struct tally *tally)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < tally->nr; i++)
		sum += group_count(&tally->groups[i]);
	return sum;
}

static bool is_ascending(const struct tally *tally)
{
	size_t i;

	for (i = 1; i < tally->nr; i++) {
		if (tally->groups[i - 1].key >= tally->groups[i].key)
			return false;
	}
	return true;
}

TEST(halves_lose_nothing)
{
	struct tally tally = { 0 };
	uint64_t i, shift = 0;

	srandom(2);
	for (i = 0; i < 20000; i++) {
		struct event_fault event = {
			.kind = i % 7 ? i % 5 : EVENT_COW,
			.pages = 1,
			.ns = i,
		};
		uint64_t key = (uint64_t)random() >> shift;
		struct group *group = tally_at(&tally, key);

		ASSERT_NE(NULL, group);
		EXPECT_EQ(key, group->key);
		group_add(group, &event);
		while (tally.nr > 64) {
			tally_halve(&tally);
			shift++;
		}
	}
	EXPECT_EQ(20000, all_of(&tally));
	EXPECT_TRUE(is_ascending(&tally));
	EXPECT_LT(32, tally.nr);
	while (tally.nr > 1)
		tally_halve(&tally);
	EXPECT_EQ(20000, all_of(&tally));
	/* How long those take that the kernel does alone is not known. */
	EXPECT_EQ(20000 - 20000 / 7 - 1, tally.groups[0].took.count);
	EXPECT_EQ(20000 - 20000 / 7 - 1, tally.groups[0].pages);
	tally_free(&tally);
}

TEST(kinds_have_names)
{
	EXPECT_STREQ("read", kind_name(kind_index(VMFORK_FAULT_READ)));
	EXPECT_STREQ("write-hole", kind_name(kind_index(VMFORK_FAULT_WRITE_HOLE)));
	EXPECT_STREQ("cow", kind_name(kind_index(EVENT_COW)));
}

TEST_HARNESS_MAIN
