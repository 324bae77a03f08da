// SPDX-License-Identifier: GPL-2.0
/*
 * Atomicity: a snapshot is one instant of a running writer.
 *
 * A thread stamps pages in order, round after round, with a rising number.
 * Each snapshot must be a clean prefix of what it did: the pages up to some
 * point carry this round's number, the rest that of the round before.  The
 * writer looks at each page before it stamps it again, so it notices any
 * write that was lost.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "peer.h"

#define PAGES	2048UL
#define LEN	(PAGES * PAGE)
#define WORDS	(PAGE / sizeof(uint64_t))

/*
 * Each page is stamped twice, in its first and in its last word, so a round
 * is 2 * PAGES steps.  @done counts the steps that the writer knows it made.
 */
#define STEPS	(2 * PAGES)

struct writer {
	volatile uint64_t *area;
	volatile uint64_t done;
	volatile uint64_t lost;
	volatile bool stop;
	pthread_t thread;
};

static volatile uint64_t *word_of_step(volatile uint64_t *area, size_t step)
{
	return area + step / 2 * WORDS + (step & 1 ? WORDS - 1 : 0);
}

static void *write_rounds(void *arg)
{
	struct writer *w = arg;
	uint64_t round, seed = test_seed(), burst = 0;
	size_t step;

	for (round = 1; !w->stop; round++) {
		for (step = 0; step < STEPS && !w->stop; step++) {
			volatile uint64_t *word = word_of_step(w->area, step);

			if (*word != round - 1)
				w->lost++;
			*word = round;
			if (*word != round)
				w->lost++;
			w->done++;
			if (!burst--) {
				burst = rnd(&seed) % 256;
				relax();
			}
		}
	}
	return NULL;
}

/* How many steps a snapshot's memory shows, or -1 if it is torn. */
static int64_t steps_shown(volatile uint64_t *area)
{
	uint64_t round = *word_of_step(area, 0);
	size_t step = 1;

	while (step < STEPS && *word_of_step(area, step) == round)
		step++;
	if (step < STEPS && !round)
		goto torn;
	for (size_t rest = step; rest < STEPS; rest++)
		if (*word_of_step(area, rest) != round - 1) {
			step = rest;
			goto torn;
		}
	/* All alike: this round is over, or nothing was written yet. */
	return round ? (int64_t)((round - 1) * STEPS + step) : 0;
torn:
	note("torn at page %zu of round %llu: %llu", step / 2,
	     (unsigned long long)round,
	     (unsigned long long)*word_of_step(area, step));
	return -1;
}

/* The same for a snapshot that nobody maps. */
static int64_t steps_shown_by_pread(int fd, uint64_t offset)
{
	static uint64_t area[PAGES * WORDS];
	size_t at;
	ssize_t n;

	for (at = 0; at < LEN; at += n) {
		n = pread(fd, (char *)area + at, LEN - at, offset + at);
		if (n <= 0)
			return -1;
	}
	return steps_shown(area);
}

static int64_t steps_in(int fd, uint64_t offset, bool mapped)
{
	void *map;
	int64_t steps;

	if (!mapped)
		return steps_shown_by_pread(fd, offset);
	map = map_snapshot(fd, LEN, offset);
	if (!map)
		return -1;
	steps = steps_shown(map);
	munmap(map, LEN);
	return steps;
}

/* These two run in whatever process the writer is to be in. */
struct writer_arg {
	struct writer *writer;
	bool huge;
};

static long writer_start(int fd, const void *arg)
{
	const struct writer_arg *a = arg;
	struct writer *w = a->writer;
	void *area = reserve(LEN, 0);

	(void)fd;
	if (!area || mmap(area, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -ENOMEM;
	if (madvise(area, LEN, a->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		return -errno;
	memset(w, 0, sizeof(*w));
	w->area = area;
	return -pthread_create(&w->thread, NULL, write_rounds, w);
}

static long writer_stop(int fd, const void *arg)
{
	struct writer *w = ((const struct writer_arg *)arg)->writer;

	(void)fd;
	w->stop = true;
	pthread_join(w->thread, NULL);
	munmap((void *)w->area, LEN);
	return w->lost;
}

/* Lets the writer get on by some steps. */
static void let_write(const struct writer *w, uint64_t steps)
{
	uint64_t until = w->done + steps;

	while (w->done < until) {
		relax();
		sched_yield();
	}
}

FIXTURE(atomicity) {
	struct peer *peer;
	struct writer *writer[2];
	uint64_t seed;
};

FIXTURE_VARIANT(atomicity) {
	bool huge;
	bool pidfd;
	bool prearm;		/* before each capture */
};

FIXTURE_VARIANT_ADD(atomicity, base_own) { .huge = false, .pidfd = false };
FIXTURE_VARIANT_ADD(atomicity, base_pidfd) { .huge = false, .pidfd = true };
FIXTURE_VARIANT_ADD(atomicity, thp_own) { .huge = true, .pidfd = false };
FIXTURE_VARIANT_ADD(atomicity, thp_pidfd) { .huge = true, .pidfd = true };
FIXTURE_VARIANT_ADD(atomicity, base_own_prearmed) { .prearm = true };
FIXTURE_VARIANT_ADD(atomicity, thp_pidfd_prearmed) {
	.huge = true, .pidfd = true, .prearm = true
};

FIXTURE_SETUP(atomicity)
{
	int i;

	if (variant->prearm)
		capture_kind = CAPTURE_PREARMED;
	self->seed = test_seed();
	for (i = 0; i < 2; i++)
		self->writer[i] = shared_alloc(sizeof(struct writer));
	if (variant->pidfd) {
		self->peer = peer_start();
		ASSERT_NE(NULL, self->peer);
	}
}

FIXTURE_TEARDOWN(atomicity)
{
	peer_kill(self->peer);
}

/*
 * One capture of the running writer: 0, or what was wrong with it.  What it
 * shows lies between what the writer had done before and after.
 */
static int capture_once(struct writer *w, struct peer *peer, bool mapped,
			struct vmfork_capture *cap)
{
	uint64_t before = w->done, after;
	int64_t shown;
	int fd;

	fd = capture_range(peer ? peer->pidfd : -1, (void *)w->area, LEN, 0,
			   cap);
	if (fd < 0) {
		note("capture: %s", strerror(-fd));
		return fd;
	}
	after = w->done;
	shown = steps_in(fd, 0, mapped);
	close(fd);
	if (shown < 0)
		return -EIO;
	/* The writer may have made one more step than it has counted. */
	if ((uint64_t)shown < before || (uint64_t)shown > after + 1) {
		note("the snapshot shows step %llu, the writer was at %llu to %llu",
		     (unsigned long long)shown, (unsigned long long)before,
		     (unsigned long long)after);
		return -ESTALE;
	}
	return 0;
}

/* Captures in a row, of a writer that never stops. */
TEST_F_TIMEOUT(atomicity, captures_in_a_row, 120)
{
	struct writer_arg arg = { self->writer[0], variant->huge };
	struct writer *w = arg.writer;
	struct vmfork_capture cap;
	int i;

	ASSERT_EQ(0, peer_call(self->peer, writer_start, -1, &arg,
			       sizeof(arg)));
	for (i = 0; i < 60; i++) {
		let_write(w, rnd(&self->seed) % (STEPS + STEPS / 2));
		ASSERT_EQ(0, capture_once(w, self->peer, i & 1, &cap))
			TH_LOG("capture %d", i);
		/* All but the very first are in place. */
		ASSERT_EQ(i || variant->prearm ? PAGES : 0, cap.pages_in_place)
			TH_LOG("capture %d", i);
		ASSERT_EQ(0, w->lost) TH_LOG("capture %d", i);
	}
	let_write(w, 2 * STEPS);
	EXPECT_EQ(0, peer_call(self->peer, writer_stop, -1, &arg,
			       sizeof(arg)));
}

/* The first capture of fresh memory, in its first rounds, again and again. */
TEST_F_TIMEOUT(atomicity, fresh_memory, 120)
{
	struct writer_arg arg = { self->writer[0], variant->huge };
	struct writer *w = arg.writer;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, peer_call(self->peer, writer_start, -1, &arg,
				       sizeof(arg)));
		let_write(w, rnd(&self->seed) % (2 * STEPS));
		ASSERT_EQ(0, capture_once(w, self->peer, i & 1, NULL))
			TH_LOG("area %d", i);
		let_write(w, STEPS);
		ASSERT_EQ(0, peer_call(self->peer, writer_stop, -1, &arg,
				       sizeof(arg))) TH_LOG("area %d", i);
	}
}

/* Two threads capture the same memory at once. */
struct capturer {
	struct writer *writer;
	struct peer *peer;
	int wrong, done;
};

static void *capture_on(void *arg)
{
	struct capturer *c = arg;

	for (c->done = 0; c->done < 20 && !c->wrong; c->done++) {
		let_write(c->writer, 500);
		c->wrong = capture_once(c->writer, c->peer, true, NULL);
	}
	return NULL;
}

TEST_F_TIMEOUT(atomicity, two_capturers, 120)
{
	struct writer_arg arg = { self->writer[0], variant->huge };
	struct capturer c[2] = {
		{ .writer = arg.writer, .peer = self->peer },
		{ .writer = arg.writer, .peer = self->peer },
	};
	pthread_t thread[2];
	int i;

	ASSERT_EQ(0, peer_call(self->peer, writer_start, -1, &arg,
			       sizeof(arg)));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, capture_on,
					    &c[i]));
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, c[i].wrong) TH_LOG("%s", strerror(-c[i].wrong));
		EXPECT_EQ(20, c[i].done);
	}
	EXPECT_EQ(0, peer_call(self->peer, writer_stop, -1, &arg,
			       sizeof(arg)));
}

/* Two writers, two mappings, one snapshot: each mapping is an instant. */
TEST_F_TIMEOUT(atomicity, two_writers, 120)
{
	struct writer_arg arg[2] = {
		{ self->writer[0], variant->huge },
		{ self->writer[1], variant->huge },
	};
	struct vmfork_region region[2] = {};
	uint64_t before[2], after[2];
	int64_t shown;
	int i, j, fd;

	for (j = 0; j < 2; j++) {
		ASSERT_EQ(0, peer_call(self->peer, writer_start, -1, &arg[j],
				       sizeof(arg[j])));
		region[j].addr = (uintptr_t)self->writer[j]->area;
		region[j].len = LEN;
		region[j].offset = j ? 0 : 2 * LEN;
	}
	for (i = 0; i < 20; i++) {
		let_write(self->writer[i & 1], rnd(&self->seed) % STEPS);
		for (j = 0; j < 2; j++)
			before[j] = self->writer[j]->done;
		fd = capture_regions(self->peer ? self->peer->pidfd : -1,
				     region, 2, NULL);
		ASSERT_LE(0, fd) TH_LOG("%s", strerror(-fd));
		for (j = 0; j < 2; j++)
			after[j] = self->writer[j]->done + 1;
		for (j = 0; j < 2; j++) {
			shown = steps_in(fd, region[j].offset, i & 1);
			ASSERT_LE((int64_t)before[j], shown)
				TH_LOG("capture %d", i);
			ASSERT_GE((int64_t)after[j], shown)
				TH_LOG("capture %d", i);
		}
		close(fd);
	}
	for (j = 0; j < 2; j++)
		EXPECT_EQ(0, peer_call(self->peer, writer_stop, -1, &arg[j],
				       sizeof(arg[j])));
}

TEST_HARNESS_MAIN
