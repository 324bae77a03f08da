// SPDX-License-Identifier: GPL-2.0
/*
 * Races: captures while other threads write, fault, map, unmap, protect,
 * advise, fork and exit in and around the range; while it is being swapped or
 * merged; from several threads and processes at once.
 *
 * Writers count in each page of the *core*, in its first and in its last
 * word, and remember what they wrote in memory that is not captured.  So they
 * notice every write that is lost, and a snapshot can be judged: what a page
 * says in it lies between what its writer remembered before and after.
 * Others disturb: the *zones* before and after the core in any way, the core
 * in ways that change no contents.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "peer.h"
#include "races.h"

static void *write_on(void *arg)
{
	struct worker *w = arg;
	struct race *r = w->race;
	unsigned int burst = 0;

	while (!r->stop) {
		size_t page = rnd(&w->seed) % (CORE / WRITERS) * WRITERS +
			      w->nr;
		volatile uint64_t *word = r->core + page * WORDS;
		uint64_t count = r->wrote[page];

		if (word[0] != count || word[WORDS - 1] != count)
			r->lost++;
		word[0] = count + 1;
		word[WORDS - 1] = count + 1;
		r->wrote[page] = count + 1;
		if (!burst--) {
			burst = rnd(&w->seed) % 64;
			relax();
		}
	}
	return NULL;
}

/* One stage: fresh memory, threads on it, captures for a while. */

static int race_start(struct race *r, uint32_t what, bool huge, uint64_t seed)
{
	static struct worker writers[WRITERS];
	static struct disturb_arg others[NR_DISTURBERS];
	char *room;
	size_t i;

	memset(r, 0, sizeof(*r));
	r->seed = seed;
	/* Guarded, so that nobody's mmap() finds room where a zone was. */
	room = reserve(ROOM * PAGE, HUGE - (ZONE + 1) * PAGE);
	if (!room)
		return -ENOMEM;
	room += PAGE;
	if (mmap(room, ALL * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -ENOMEM;
	madvise(room, ALL * PAGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	r->zone[0] = room;
	r->core = (void *)(room + ZONE * PAGE);
	r->zone[1] = room + (ZONE + CORE) * PAGE;
	r->away = room + (ALL + 1) * PAGE;
	for (i = 0; i < WRITERS; i++) {
		writers[i] = (struct worker){ r, i, seed + i };
		if (pthread_create(&r->thread[r->nr_threads++], NULL, write_on,
				   &writers[i]))
			return -EAGAIN;
	}
	for (i = 0; i < NR_DISTURBERS; i++) {
		if (!(what & 1U << i))
			continue;
		others[i] = (struct disturb_arg){
			{ r, i, seed + 100 + i }, &disturbers[i],
		};
		if (pthread_create(&r->thread[r->nr_threads++], NULL, disturb,
				   &others[i]))
			return -EAGAIN;
	}
	return 0;
}

/* Stops everybody; how many writes were lost, then or before. */
static long race_stop(struct race *r)
{
	size_t page;
	int i;

	r->stop = true;
	for (i = 0; i < r->nr_threads; i++)
		pthread_join(r->thread[i], NULL);
	for (page = 0; page < CORE; page++)
		if (r->core[page * WORDS] != r->wrote[page] ||
		    r->core[page * WORDS + WORDS - 1] != r->wrote[page])
			r->lost++;
	munmap(r->zone[0] - PAGE, ROOM * PAGE);
	return r->lost;
}

/* What a snapshot says of a page, against what its writer knows. */
static bool page_fits(const volatile uint64_t *word, uint64_t before,
		      uint64_t after, size_t page)
{
	uint64_t first = word[0], last = word[WORDS - 1];

	/* One write may be under way: its first word, then its last. */
	if (first >= before && first <= after + 1 &&
	    (last == first || last + 1 == first))
		return true;
	note("core page %zu is %llu and %llu, written %llu to %llu", page,
	     (unsigned long long)first, (unsigned long long)last,
	     (unsigned long long)before, (unsigned long long)after);
	return false;
}

static long check_snapshot(int fd, uint64_t offset, const uint64_t *before,
			   const uint64_t *after, size_t first, size_t nr)
{
	volatile uint64_t *map = map_snapshot(fd, nr * PAGE, offset);
	long wrong = 0;
	size_t i;

	if (!map)
		return -1;
	for (i = 0; i < nr; i++)
		wrong += !page_fits(map + i * WORDS, before[first + i],
				    after[first + i], first + i);
	munmap((void *)map, nr * PAGE);
	return wrong;
}

static bool is_allowed(int err, uint32_t what)
{
	size_t i, j;

	if (err == EAGAIN)
		return true;
	for (i = 0; i < NR_DISTURBERS; i++)
		for (j = 0; what & 1U << i && j < 3; j++)
			if (disturbers[i].allowed[j] == err)
				return true;
	return false;
}

/*
 * A capture of some part: the core, or all of it, or something in the core.
 * Returns 1 if it worked, 0 if it was refused for a good reason, -1 else.
 */
static int capture_some(struct race *r, int pidfd, uint32_t what)
{
	static uint64_t before[CORE], after[CORE];
	size_t first = 0, nr = CORE, skip = 0, i;
	struct vmfork_capture cap;
	int fd;

	switch (rnd(&r->seed) % 4) {
	case 0:
		skip = ZONE;
		break;
	case 1:
		first = rnd(&r->seed) % CORE;
		nr = 1 + rnd(&r->seed) % (CORE - first);
		break;
	}
	for (i = 0; i < CORE; i++)
		before[i] = r->wrote[i];
	fd = capture_range(pidfd, (char *)r->core + (first - skip) * PAGE,
			   (nr + 2 * skip) * PAGE, 0, &cap);
	for (i = 0; i < CORE; i++)
		after[i] = r->wrote[i];
	if (fd < 0) {
		if (is_allowed(-fd, what))
			return 0;
		note("capture: %s, %s", strerror(-fd), refusal_text(&cap));
		return -1;
	}
	if (check_snapshot(fd, skip * PAGE, before, after, first, nr))
		nr = 0;
	close(fd);
	return nr ? 1 : -1;
}

static void run_race(struct __test_metadata *_metadata, uint32_t what,
		     bool huge, unsigned int seconds)
{
	struct race *r = shared_alloc(sizeof(*r));
	uint64_t seed = test_seed(), begin = now_ns(), end, stage;
	unsigned int good = 0, refused = 0;
	uint64_t since, longest = 0, patience;
	int ret;

	end = begin + test_seconds(seconds) * 1000000000ULL;
	/* Longer where a capture takes long: one that works is wanted. */
	patience = begin + 90 * slowness() * 1000000000ULL;
	while (now_ns() < end || (good < ENOUGH && now_ns() < patience)) {
		ASSERT_EQ(0, race_start(r, what, huge, seed++));
		stage = now_ns() + 700000000;
		do {
			since = now_ns();
			ret = capture_some(r, -1, what);
			since = now_ns() - since;
			if (since > longest)
				longest = since;
			ASSERT_LE(0, ret) TH_LOG("seed %llu",
						 (unsigned long long)seed - 1);
			good += ret;
			refused += !ret;
			usleep(rnd(&r->seed) % 2000);
		} while (now_ns() < stage);
		ASSERT_EQ(0, race_stop(r)) TH_LOG("seed %llu",
						  (unsigned long long)seed - 1);
	}
	note("%u captures, %u more refused, at most %llu ms with its check",
	     good, refused, (unsigned long long)longest / 1000000);
	EXPECT_LE(ENOUGH, good);
}

FIXTURE(races) {
	int unused;
};

FIXTURE_VARIANT(races) {
	uint32_t what;
	bool huge;
	unsigned int seconds;
	enum capture_kind how;
};

#define RACE_VARIANT(name, bits, is_huge, time)				\
	FIXTURE_VARIANT_ADD(races, name) {				\
		.what = (bits), .huge = (is_huge), .seconds = (time),	\
	}
#define RACE_CAPTURE_VARIANT(name, bits, is_huge, time)			\
	FIXTURE_VARIANT_ADD(races, name##_in_place) {			\
		.what = (bits), .huge = (is_huge), .seconds = (time),	\
		.how = CAPTURE_IN_PLACE,				\
	};								\
	FIXTURE_VARIANT_ADD(races, name##_prearmed) {			\
		.what = (bits), .huge = (is_huge), .seconds = (time),	\
		.how = CAPTURE_PREARMED,				\
	}
#define B(n) (1U << (n))
#define EVERYTHING ((1U << NR_DISTURBERS) - 1)

RACE_VARIANT(writers_alone, 0, false, 3);
RACE_VARIANT(writers_alone_thp, 0, true, 3);
RACE_VARIANT(fault, B(FAULT) | B(THREAD), false, 2);
RACE_VARIANT(fault_thp, B(FAULT) | B(THREAD), true, 2);
RACE_VARIANT(map, B(MAP) | B(MOVE), false, 3);
RACE_VARIANT(protect, B(PROTECT) | B(LOCK), false, 3);
RACE_VARIANT(protect_thp, B(PROTECT) | B(DISCARD), true, 3);
RACE_VARIANT(discard, B(DISCARD), false, 2);
RACE_VARIANT(huge, B(HUGE_), true, 3);
RACE_VARIANT(khugepaged, B(KHUGEPAGED) | B(DISCARD), true, 3);
RACE_VARIANT(swap, B(SWAP), false, 4);
RACE_VARIANT(swap_thp, B(SWAP) | B(HUGE_), true, 4);
RACE_VARIANT(merge, B(MERGE), false, 3);
RACE_VARIANT(fork, B(FORK), false, 3);
RACE_VARIANT(fork_thp, B(FORK), true, 3);
RACE_VARIANT(gup, B(GUP), false, 3);
RACE_VARIANT(two_captures, B(CAPTURE), false, 3);
RACE_VARIANT(two_captures_thp, B(CAPTURE), true, 3);
RACE_VARIANT(everything, EVERYTHING, false, 6);
RACE_VARIANT(everything_thp, EVERYTHING, true, 6);
RACE_CAPTURE_VARIANT(writers_alone, 0, false, 2);
RACE_CAPTURE_VARIANT(swap, B(SWAP), false, 2);
RACE_CAPTURE_VARIANT(fork_thp, B(FORK), true, 2);
RACE_CAPTURE_VARIANT(everything, EVERYTHING, false, 3);

FIXTURE_SETUP(races)
{
	size_t i;

	capture_kind = variant->how;
	for (i = 0; i < NR_DISTURBERS; i++)
		if (variant->what & B(i) && variant->what != EVERYTHING &&
		    disturbers[i].missing && disturbers[i].missing())
			SKIP(return, "%s", disturbers[i].missing());
}

FIXTURE_TEARDOWN(races)
{
}

TEST_F_TIMEOUT(races, no_write_is_lost, 120)
{
	run_race(_metadata, variant->what, variant->huge, variant->seconds);
}

/* Two processes, each of which captures the other while both write. */

struct mutual_arg {
	struct race *mine, *other;
	unsigned int ms;
	bool huge;
};

static long do_start(int fd, const void *arg)
{
	const struct mutual_arg *a = arg;

	(void)fd;
	return race_start(a->mine, 0, a->huge, test_seed());
}

static long do_stop(int fd, const void *arg)
{
	(void)fd;
	return race_stop(((const struct mutual_arg *)arg)->mine);
}

static long do_captures(int pidfd, const void *arg)
{
	const struct mutual_arg *a = arg;
	uint64_t begin = now_ns(), end = begin + a->ms * 1000000ULL;
	uint64_t patience = begin + 40 * slowness() * 1000000000ULL;
	long good = 0;
	int ret;

	while (now_ns() < end || (good < ENOUGH && now_ns() < patience)) {
		ret = capture_some(a->other, pidfd, 0);
		if (ret < 0)
			return -1;
		good += ret;
		relax();
	}
	return good;
}

FIXTURE(mutual) {
	struct peer *peer[2];
	struct mutual_arg arg[2];
};

FIXTURE_VARIANT(mutual) { bool huge; };
FIXTURE_VARIANT_ADD(mutual, base) { .huge = false };
FIXTURE_VARIANT_ADD(mutual, thp) { .huge = true };

FIXTURE_SETUP(mutual)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->arg[i].mine = shared_alloc(sizeof(struct race));
		self->arg[i].ms = test_seconds(3) * 1000;
		self->arg[i].huge = variant->huge;
		self->peer[i] = peer_start();
		ASSERT_NE(NULL, self->peer[i]);
	}
	for (i = 0; i < 2; i++)
		self->arg[i].other = self->arg[!i].mine;
}

FIXTURE_TEARDOWN(mutual)
{
	peer_kill(self->peer[0]);
	peer_kill(self->peer[1]);
}

TEST_F_TIMEOUT(mutual, captures_of_each_other, 60)
{
	struct mutual_arg *arg = self->arg;
	long good;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, peer_call(self->peer[i], do_start, -1, &arg[i],
				       sizeof(arg[i])));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, peer_send(self->peer[i], do_captures,
				       self->peer[!i]->pidfd, &arg[i],
				       sizeof(arg[i])));
	for (i = 0; i < 2; i++) {
		good = peer_wait(self->peer[i]);
		note("%ld captures", good);
		EXPECT_LE(ENOUGH, good);
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_call(self->peer[i], do_stop, -1, &arg[i],
				       sizeof(arg[i])));
}

TEST_HARNESS_MAIN
