/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's kselftest_harness.h, and more time for each test where the
 * kernel is slow: VMFORK_TEST_SLOWNESS in the environment says how many times
 * slower than usual it is.
 */

/* Not guarded: what is next to the quoted name is this file by way of -I. */
#include_next <kselftest_harness.h>

#ifndef SELFTESTS_KSELFTEST_HARNESS_H
#define SELFTESTS_KSELFTEST_HARNESS_H

#include "lib.h"

/* Every test that the program has is known to it by then. */
static inline int run_patiently(int argc, char **argv)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout *= slowness();
	return test_harness_run(argc, argv);
}

#undef TEST_HARNESS_MAIN
#define TEST_HARNESS_MAIN						\
	int main(int argc, char **argv)					\
	{								\
		return run_patiently(argc, argv);			\
	}

#endif
