// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork slow: to which part time goes, which causes are told, and that there
 * is a sentence for each.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vmfork.h>

#include "kselftest_harness.h"
#include "slow.h"

TEST(one_part_for_each_state)
{
	static const struct {
		__u32 state;
		enum slow_part part;
	} cases[] = {
		{ 0, SLOW_OTHER },
		{ SLOW_IN_EXIT, SLOW_EXITS },
		{ SLOW_IN_GUEST, SLOW_GUEST },
		{ SLOW_IN_EXIT | SLOW_IN_KVM_FAULT, SLOW_KVM_FAULTS },
		{ SLOW_IN_EXIT | SLOW_IN_KVM_FAULT | SLOW_IN_FAULT,
		  SLOW_FAULTS },
		{ SLOW_IN_KVM_FAULT | SLOW_IN_COPY, SLOW_COPIES },
		{ SLOW_IN_KVM_FAULT | SLOW_IN_LOCK, SLOW_LOCKS },
		{ SLOW_IN_COPY | SLOW_IN_MMAP_LOCK | SLOW_IN_SLEEP,
		  SLOW_MMAP_LOCK },
		{ SLOW_IN_EXIT | SLOW_IN_SLEEP, SLOW_HALTED },
		{ SLOW_IN_SLEEP, SLOW_ASLEEP },
		{ SLOW_IN_FAULT | SLOW_IN_SLEEP, SLOW_FAULTS },
		{ SLOW_IN_FAULT | SLOW_IN_QUEUE, SLOW_NO_CPU },
		{ SLOW_IN_LOCK | SLOW_IN_QUEUE, SLOW_NO_CPU },
		{ SLOW_IN_UNKNOWN | SLOW_IN_SLEEP, SLOW_ASLEEP },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_EQ(cases[i].part, slow_part(cases[i].state));
	/* Whatever comes, it is one of them. */
	for (i = 0; i < 1024; i++)
		EXPECT_GT(SLOW_NR_PARTS, slow_part(i));
}

/* With vCPUs, only theirs; without, all threads' */
TEST(sum)
{
	struct slow_life lives[3] = {
		{ 1, { .start = 10, .end = 110, .ns = { [SLOW_GUEST] = 60,
			[SLOW_FAULTS] = 40 }, .times = { [SLOW_FAULTS] = 2 } } },
		{ 2, { .start = 20, .end = 70, .ns = { [SLOW_FAULTS] = 50 },
			.times = { [SLOW_FAULTS] = 5 } } },
		{ 3, { .start = 0, .end = 1000, .ns = { [SLOW_OTHER] = 1000 } } },
	};
	struct slow_result result = { .lives = lives, .nr = 3, .nr_vcpus = 2 };
	struct slow_sum total = slow_add_up(&result);

	EXPECT_EQ(150, total.wall);
	EXPECT_EQ(90, total.ns[SLOW_FAULTS]);
	EXPECT_EQ(7, total.times[SLOW_FAULTS]);
	EXPECT_EQ(0, total.ns[SLOW_OTHER]);
	result.nr_vcpus = 0;
	total = slow_add_up(&result);
	EXPECT_EQ(1150, total.wall);
	EXPECT_EQ(1000, total.ns[SLOW_OTHER]);
}

TEST(causes)
{
	struct slow_sum total = { .wall = 1000, .ns = { [SLOW_GUEST] = 90,
		[SLOW_KVM_FAULTS] = 300, [SLOW_FAULTS] = 400,
		[SLOW_COPIES] = 100, [SLOW_OTHER] = 110 } };
	enum slow_part found[SLOW_NR_PARTS];

	ASSERT_EQ(4, slow_causes(&total, found));
	EXPECT_EQ(SLOW_FAULTS, found[0]);
	EXPECT_EQ(SLOW_KVM_FAULTS, found[1]);
	EXPECT_EQ(SLOW_OTHER, found[2]);
	EXPECT_EQ(SLOW_COPIES, found[3]);
	/* The largest is told in any case. */
	total.wall = 100000;
	ASSERT_EQ(1, slow_causes(&total, found));
	EXPECT_EQ(SLOW_FAULTS, found[0]);
	memset(&total, 0, sizeof(total));
	EXPECT_EQ(0, slow_causes(&total, found));
}

TEST(a_sentence_for_each)
{
	struct slow_life life = { 1, { .end = 1 } };
	struct slow_result result = { .lives = &life, .nr = 1 };
	unsigned int part;
	char text[512];

	for (part = 0; part < SLOW_NR_PARTS; part++) {
		ASSERT_NE(NULL, slow_part_name(part));
		slow_advise(&result, part, text, sizeof(text));
		EXPECT_LT(30, strlen(text));
		EXPECT_GT(sizeof(text) - 1, strlen(text));
		EXPECT_EQ('.', text[strlen(text) - 1]);
	}
	/* Huge pages are proposed only where there are none. */
	result.process.faults[VMFORK_FAULT_READ] = 100;
	EXPECT_NE(NULL, strstr(slow_advise(&result, SLOW_FAULTS, text,
					   sizeof(text)), "MADV_HUGEPAGE"));
	result.process.faults[VMFORK_FAULT_READ_HUGE] = 100;
	EXPECT_EQ(NULL, strstr(slow_advise(&result, SLOW_FAULTS, text,
					   sizeof(text)), "MADV_HUGEPAGE"));
	EXPECT_NE(NULL, strstr(text, "working set"));
}

TEST_HARNESS_MAIN
