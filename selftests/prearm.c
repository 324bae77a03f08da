// SPDX-License-Identifier: GPL-2.0
/*
 * Pre-arm: memory of any kind is captured ahead, in slices, while it is in
 * use; the capture that follows takes only what was written since.  (That no
 * write of a running thread or vCPU is lost is in atomicity, races and
 * guest_vcpu_prefix.)
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "balance.h"
#include "kind_variants.h"
#include "lib.h"
#include "live.h"
#include "peer.h"

#define LEN	(8 * MIB)
#define OFFSET	(16 * MIB)

FIXTURE(prearm) {
	struct area area;
	struct peer *peer;
};

KIND_VARIANTS(prearm);

FIXTURE_SETUP(prearm)
{
	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, OFFSET));
}

FIXTURE_TEARDOWN(prearm)
{
	area_free(&self->area);
	peer_kill(self->peer);
}

static int prearm(const struct area *area, uint64_t slice_ns,
		  struct vmfork_capture *cap)
{
	return prearm_range(-1, area->view.addr, area->view.pages * PAGE,
			    area->offset, slice_ns, cap);
}

static int capture(const struct area *area, struct vmfork_capture *cap)
{
	return capture_range(-1, area->view.addr, area->view.pages * PAGE,
			     area->offset, cap);
}

static uint64_t taken(const struct vmfork_capture *cap)
{
	return cap->pages_stolen + cap->pages_copied;
}

/* Every page is accounted for. */
static bool adds_up(const struct area *area, const struct vmfork_capture *cap)
{
	note("%s: stolen %llu, copied %llu, shared %llu, holes %llu, in place %llu, longest %llu ns",
	     kind_name(area->kind), cap->pages_stolen, cap->pages_copied,
	     cap->pages_shared, cap->pages_hole, cap->pages_in_place,
	     cap->ns_longest);
	return taken(cap) + cap->pages_shared + cap->pages_hole +
	       cap->pages_file == area->view.pages;
}

/* Writes to one page of 50; how many that are. */
static size_t scribble(struct view *view, uint64_t seed)
{
	size_t i, nr = 0;

	for (i = seed % 50; i < view->pages; i += 50, nr++) {
		if (nr & 1)
			view_poke(view, i, rnd(&seed) | 1);
		else
			view_fill(view, i, rnd(&seed) | 1);
	}
	return nr;
}

static long check(struct area *area, int fd, const char *what)
{
	return view_check(&area->view, what) + !area_others_right(area) +
	       snapshot_check(fd, area->offset, area->view.pages,
			      area->view.model, what);
}

TEST_F(prearm, leaves_only_what_is_written_since)
{
	struct area *area = &self->area;
	struct vmfork_capture cap;
	size_t written;
	uint64_t begin;
	int fd, fds = count_fds();

	begin = now_ns();
	ASSERT_EQ(0, prearm(area, 0, &cap)) TH_LOG("%s", refusal_text(&cap));
	EXPECT_GE(now_ns() - begin, cap.ns_longest);
	EXPECT_LT(0, cap.ns_longest);
	EXPECT_EQ(VMFORK_OK, cap.refusal);
	EXPECT_EQ(fds, count_fds());
	area_settle(area);
	EXPECT_TRUE(adds_up(area, &cap));
	EXPECT_EQ(0, view_check(&area->view, "pre-armed"));
	EXPECT_TRUE(area_others_right(area));

	written = scribble(&area->view, 1);
	EXPECT_EQ(0, view_check(&area->view, "written"));
	fd = capture(area, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(written, taken(&cap));
	EXPECT_TRUE(adds_up(area, &cap));
	EXPECT_LT(0, cap.ns_longest);
	EXPECT_EQ(0, check(area, fd, "captured"));
	close(fd);
}

TEST_F(prearm, nothing_written)
{
	struct area *area = &self->area;
	struct vmfork_capture cap;
	struct view child;
	int fd;

	ASSERT_EQ(0, prearm(area, 0, &cap)) TH_LOG("%s", refusal_text(&cap));
	area_settle(area);
	fd = capture(area, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(0, taken(&cap));
	EXPECT_TRUE(adds_up(area, &cap));
	EXPECT_EQ(0, check(area, fd, "captured"));
	ASSERT_EQ(0, view_map(&child, self->peer, fd, area->offset,
			      area->view.pages, area->view.model));
	close(fd);
	scribble(&child, 2);
	scribble(&area->view, 3);
	EXPECT_EQ(0, view_check(&child, "a child"));
	EXPECT_EQ(0, view_check(&area->view, "the parent"));
}

TEST_F(prearm, several_passes)
{
	static const uint64_t slices[] = { 1, 0, 1000000000, 50000 };
	struct area *area = &self->area;
	struct vmfork_capture cap;
	size_t written, i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(slices); i++) {
		written = i ? scribble(&area->view, i) : 0;
		ASSERT_EQ(0, prearm(area, slices[i], &cap))
			TH_LOG("pass %zu: %s", i, refusal_text(&cap));
		if (i) {
			EXPECT_EQ(written, taken(&cap)) TH_LOG("pass %zu", i);
		} else {
			area_settle(area);
		}
		EXPECT_TRUE(adds_up(area, &cap));
		EXPECT_EQ(0, view_check(&area->view, "pre-armed"));
	}
	written = scribble(&area->view, 9);
	fd = capture(area, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(written, taken(&cap));
	EXPECT_EQ(0, check(area, fd, "captured"));
	close(fd);
}

struct prearm_arg {
	char *addr;
	size_t len;
	uint64_t offset, slice_ns;
	struct vmfork_capture *out;	/* shared memory */
};

static long do_prearm(int pidfd, const void *arg)
{
	const struct prearm_arg *a = arg;

	return prearm_range(pidfd, a->addr, a->len, a->offset, a->slice_ns,
			    a->out);
}

TEST_F(prearm, by_pidfd)
{
	struct area *area = &self->area;
	struct prearm_arg arg = {
		area->view.addr, area->view.pages * PAGE, area->offset, 1,
		shared_alloc(sizeof(*arg.out)),
	};
	int fd, pidfd = pidfd_of(getpid());
	struct vmfork_capture cap;
	size_t written;

	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, peer_call(self->peer, do_prearm, pidfd, &arg,
			       sizeof(arg)))
		TH_LOG("%s", refusal_text(arg.out));
	area_settle(area);
	EXPECT_TRUE(adds_up(area, arg.out));
	written = scribble(&area->view, 4);
	fd = peer_capture(self->peer, pidfd, arg.addr, arg.len, arg.offset,
			  &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(written, taken(&cap));
	EXPECT_EQ(0, check(area, fd, "captured"));
	close(fd);
	close(pidfd);
}

/* Of what was captured before, it takes what was written since, too. */
TEST_F(prearm, after_a_capture)
{
	struct area *area = &self->area;
	size_t pages = area->view.pages, written;
	struct vmfork_capture cap;
	struct stamp *first;
	int fd[2];

	fd[0] = capture(area, &cap);
	ASSERT_LE(0, fd[0]) TH_LOG("%s", refusal_text(&cap));
	area_settle(area);
	first = model_copy(area->view.model, pages);
	written = scribble(&area->view, 5);
	ASSERT_EQ(0, prearm(area, 1, &cap));
	EXPECT_EQ(written, taken(&cap));
	EXPECT_EQ(pages, cap.pages_in_place);
	written = scribble(&area->view, 6);
	fd[1] = capture(area, &cap);
	ASSERT_LE(0, fd[1]);
	EXPECT_EQ(written, taken(&cap));
	EXPECT_EQ(pages, cap.pages_in_place);
	EXPECT_EQ(0, check(area, fd[1], "the second snapshot"));
	EXPECT_EQ(0, snapshot_check(fd[0], area->offset, pages, first,
				    "the first snapshot"));
	close(fd[0]);
	close(fd[1]);
}

/* A mapping that is in two processes: both keep what is theirs. */
TEST(in_two_processes)
{
	struct vmfork_capture cap;
	struct view theirs;
	struct area area;
	struct peer *peer;
	int fd, i;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, LEN, 0));
	ASSERT_EQ(0, prearm(&area, 1, NULL));
	scribble(&area.view, 1);
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	theirs = area.view;
	theirs.who = peer;
	theirs.model = model_copy(area.view.model, area.view.pages);
	for (i = 0; i < 3; i++) {
		scribble(&theirs, 10 + i);
		scribble(&area.view, 20 + i);
		ASSERT_EQ(0, prearm(&area, 1, &cap))
			TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(0, view_check(&area.view, "the parent"));
		EXPECT_EQ(0, view_check(&theirs, "the forked process"));
	}
	fd = capture(&area, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, check(&area, fd, "captured"));
	EXPECT_EQ(0, view_check(&theirs, "the forked process"));
	close(fd);
	peer_kill(peer);
	area_free(&area);
}

/* Several regions, and parts that are left out. */
TEST(regions)
{
	static const struct stamp zeroes[16];
	static struct vmfork_region region[4];
	struct vmfork_capture cap = {
		.size = sizeof(cap), .flags = VMFORK_CAPTURE_PREARM,
		.pidfd = -1, .nr_regions = 4, .regions = (uintptr_t)region,
		.snapshot_size = 64 * MIB,
	};
	static const enum kind kinds[] = { KIND_THP, KIND_BASE, KIND_MIXED };
	struct area area[3];
	size_t written = 0;
	int dev, fd, i;

	dev = device();
	ASSERT_LE(0, dev);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, area_make(&area[i], kinds[i], LEN,
				       (2 - i) * 2 * LEN));
		region[i].addr = (uintptr_t)area[i].view.addr;
		region[i].len = LEN;
		region[i].offset = area[i].offset;
	}
	region[3].addr = region[1].addr + 100 * PAGE;
	region[3].len = 16 * PAGE;
	region[3].flags = VMFORK_REGION_WIPE;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, capture_full(dev, &cap))
			TH_LOG("%s", refusal_text(&cap));
		EXPECT_EQ(64 * MIB, cap.snapshot_size);
		EXPECT_EQ(16, cap.pages_wiped);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, view_check(&area[i].view, "pre-armed"));
	}
	written = scribble(&area[0].view, 1);
	cap.flags = 0;
	cap.slice_ns = 0;
	fd = capture_full(dev, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(16, cap.pages_wiped);
	EXPECT_EQ(written, taken(&cap));
	EXPECT_EQ(0, snapshot_check(fd, area[1].offset + 100 * PAGE, 16,
				    zeroes, "what was left out"));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, view_check(&area[i].view, "captured"));
	}
	memset(area[1].view.model + 100, 0, 16 * sizeof(struct stamp));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, snapshot_check(fd, area[i].offset, LEN / PAGE,
					    area[i].view.model, "captured"));
	}
	for (i = 0; i < 3; i++)
		area_free(&area[i]);
	close(fd);
	close(dev);
}

/*
 * Slices are short: a thread that wants the mmap lock for writing gets it in
 * between, and never waits for the whole.
 */
struct locker {
	volatile bool stop;
	unsigned int turns;
	uint64_t longest;
};

static void *take_locks(void *arg)
{
	struct locker *locker = arg;
	uint64_t since;
	void *at;

	while (!locker->stop) {
		since = now_ns();
		at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
		munmap(at, PAGE);
		since = now_ns() - since;
		if (since > locker->longest)
			locker->longest = since;
		locker->turns++;
		relax();
	}
	return NULL;
}

TEST(others_get_the_lock_in_between)
{
	struct locker locker = { 0 };
	struct vmfork_capture cap;
	struct area area;
	pthread_t thread;
	unsigned int turns;
	uint64_t whole;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, 256 * MIB, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_locks, &locker));
	while (!locker.turns)
		relax();
	turns = locker.turns;
	whole = now_ns();
	ASSERT_EQ(0, prearm(&area, 1, &cap));
	whole = now_ns() - whole;
	turns = locker.turns - turns;
	locker.stop = true;
	pthread_join(thread, NULL);
	note("the whole took %llu us, the longest slice %llu us, a locker waited %llu us at most, and had %u turns meanwhile",
	     (unsigned long long)whole / 1000, cap.ns_longest / 1000,
	     (unsigned long long)locker.longest / 1000, turns);
	/*
	 * 128 page tables: one slice each, as a slice is at most 1 ns long.  An
	 * emulator with one thread has the CPUs take turns of 10 ms and more,
	 * so that there are not as many turns of the lock.
	 */
	EXPECT_LT(cap.ns_longest, whole / 2);
	EXPECT_LT(0, turns);
	EXPECT_EQ(0, view_check(&area.view, "the memory"));
	area_free(&area);
}

/* What was pre-armed for nothing is all given back. */
TEST(given_back)
{
	struct balance before;
	void *models = model_alloc(0);
	struct area area;
	int i;

	for (i = 0; i < 12; i++) {
		shared_reset(models);
		ASSERT_EQ(0, area_make(&area, i & 1 ? KIND_THP : KIND_BASE,
				       LEN, 0));
		ASSERT_EQ(0, prearm(&area, 1, NULL));
		scribble(&area.view, i);
		ASSERT_EQ(0, prearm(&area, 0, NULL));
		scribble(&area.view, i + 1);
		EXPECT_EQ(0, view_check(&area.view, "the memory"));
		area_free(&area);
		if (i == 3)
			before = balance();
	}
	EXPECT_TRUE(balanced_soon(&before));
}

TEST_HARNESS_MAIN
