/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One test for each SCENARIO() of a program; included by its one .c file,
 * which has the table.
 */
#ifndef SELFTESTS_SWEEP_HARNESS_H
#define SELFTESTS_SWEEP_HARNESS_H

#include "kselftest_harness.h"
#include "sweep.h"

/* Debian's kernels have no fault injection: nothing to run there at all. */
static void __attribute__((constructor)) need_fault_injection(void)
{
	if (!sweep_missing())
		return;
	printf("TAP version 13\n1..0 # SKIP %s\n", sweep_missing());
	exit(KSFT_SKIP);
}

FIXTURE(sweep) {
	struct sweep s;
};

FIXTURE_VARIANT(sweep) {
	struct scenario sc;
};

/* SCENARIO(name, .setup = ..., .act = ..., ...), see struct scenario */
#define SCENARIO(_name, ...) \
	FIXTURE_VARIANT_ADD(sweep, _name) { \
		.sc = { .name = #_name, __VA_ARGS__ } \
	}

FIXTURE_SETUP(sweep)
{
	const char *missing = sweep_where_missing(variant->sc.where) ?:
			      kind_missing(variant->sc.kind);

	if (!missing && variant->sc.missing)
		missing = variant->sc.missing();
	if (missing)
		SKIP(return, "%s", missing);
}

FIXTURE_TEARDOWN(sweep)
{
}

TEST_F_TIMEOUT(sweep, each_failure, 290)
{
	EXPECT_TRUE(sweep_run(&self->s, &variant->sc));
}

#endif
