// SPDX-License-Identifier: GPL-2.0
/*
 * A random walk: processes write, capture, pre-arm, reset, fork, drop, unmap,
 * move, prefault and compare at random, thousands of times, and a model says
 * what each page of their memory and of all snapshots must hold then.
 *
 * A seed decides what is done.  VMFORK_TEST_SEED is the seed, and
 * VMFORK_TEST_STEPS how much is done.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "walk.h"

#define CHECK_EVERY	40

static unsigned int steps(void)
{
	const char *text = getenv("VMFORK_TEST_STEPS");

	return text ? strtoul(text, NULL, 0) : 2000;
}

FIXTURE(walk) {
	struct walk *w;
};

FIXTURE_VARIANT(walk) { int advice; };
FIXTURE_VARIANT_ADD(walk, base) { .advice = MADV_NOHUGEPAGE };
FIXTURE_VARIANT_ADD(walk, thp) { .advice = MADV_HUGEPAGE };
FIXTURE_VARIANT_ADD(walk, mixed) { .advice = 0 };

FIXTURE_SETUP(walk)
{
	self->w = calloc(1, sizeof(*self->w));
	ASSERT_NE(NULL, self->w);
	ASSERT_EQ(0, walk_start(self->w, test_seed() + variant->advice,
				variant->advice));
}

FIXTURE_TEARDOWN(walk)
{
	walk_end(self->w);
	free(self->w);
}

/* One of them, at random; what it was. */
static size_t choose(struct walk *w)
{
	size_t i, sum = 0, at;

	for (i = 0; i < nr_walk_ops; i++)
		sum += walk_ops[i].weight;
	at = walk_rnd(w, sum);
	for (i = 0; at >= walk_ops[i].weight; i++)
		at -= walk_ops[i].weight;
	return i;
}

static void say_what_was_done(const struct walk *w)
{
	unsigned int i = w->lines > NR_LINES ? w->lines - NR_LINES : 0;

	note("the last things that were done:");
	for (; i < w->lines; i++)
		note("%u: %s", i, w->line[i % NR_LINES]);
}

TEST_F_TIMEOUT(walk, all_is_as_the_model_says, 140)
{
	unsigned int nr = steps(), *done, i;
	struct walk *w = self->w;
	uint64_t seed = w->seed;
	size_t op;

	note("seed %llu, %u steps", (unsigned long long)test_seed(), nr);
	done = calloc(nr_walk_ops, sizeof(*done));
	ASSERT_NE(NULL, done);
	for (i = 0; i < nr; i++) {
		int ret;

		op = choose(w);
		ret = walk_ops[op].fn(w);
		if (ret < 0 || (i % CHECK_EVERY == CHECK_EVERY - 1 &&
				walk_check(w))) {
			say_what_was_done(w);
			ASSERT_EQ(0, 1) TH_LOG("step %u of seed %llu (%s)", i,
					       (unsigned long long)seed,
					       walk_ops[op].name);
		}
		done[op] += !ret;
	}
	if (walk_check(w)) {
		say_what_was_done(w);
		ASSERT_EQ(0, 1) TH_LOG("the end of seed %llu",
				       (unsigned long long)seed);
	}
	for (op = 0; op < nr_walk_ops; op++) {
		note("%-10s %5u", walk_ops[op].name, done[op]);
		if (nr >= 1000) {
			EXPECT_LT(0, done[op]) TH_LOG("%s", walk_ops[op].name);
		}
	}
	note("captures took %llu pages, shared %llu, %llu in place",
	     (unsigned long long)w->taken, (unsigned long long)w->shared,
	     (unsigned long long)w->in_place);
	EXPECT_LT(0, w->in_place);
	EXPECT_LT(0, w->taken);
	EXPECT_LT(0, w->shared);
	free(done);
}

TEST_HARNESS_MAIN
