// SPDX-License-Identifier: GPL-2.0
/*
 * Captured again, in place: memory that is a mapping of a snapshot costs what
 * was written since, its clean pages stay mapped, and all that was captured
 * before stays as it was.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "balance.h"
#include "recapture.h"
#include "tiny_guest.h"

TEST_F(recapture, costs_what_was_written)
{
	struct area *area = &self->area;
	struct vmfork_capture cap;
	size_t written;
	int fd, i;

	for (i = 0; i < 4; i++) {
		/* The third one follows the second, with no write between. */
		written = i == 2 ? 0 : scribble(&area->view, i);
		fd = capture(area, &cap);
		ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
		in_place(&cap, &area->view, written);
		EXPECT_EQ(0, check(area, fd, "again"));
		close(fd);
	}
	EXPECT_EQ(0, snapshot_check(self->fd, area->offset, area->view.pages,
				    self->first, "the first snapshot"));
}

/* The first capture is not in place: there was nothing of ours yet. */
TEST(first_is_not_in_place)
{
	struct vmfork_capture cap;
	struct area area;
	int fd;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, LEN, 0));
	fd = capture(&area, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, cap.pages_in_place);
	close(fd);
	area_free(&area);
}

/* How far from a write what the kernel unmaps may reach. */
static bool is_clean(size_t page, size_t end)
{
	size_t phase = (page + STEP - START) % STEP;

	return page >= end + STEP || (phase > 4 && phase < STEP - 4);
}

TEST_F(recapture, clean_pages_stay_mapped)
{
	static uint64_t before[PAGES], after[PAGES];
	const uint64_t bits = PM_PRESENT | PM_PFN;
	struct view *view = &self->area.view;
	size_t i, written, clean = 0;
	struct vmfork_capture cap;
	int fd;

	written = scribble(view, 1);
	/* All is mapped, once it was read. */
	ASSERT_EQ(0, view_check(view, "before"));
	ASSERT_EQ(view->pages, pagemap_read(view->addr, view->pages, before));
	fd = capture(&self->area, &cap);
	ASSERT_LE(0, fd);
	ASSERT_EQ(view->pages, pagemap_read(view->addr, view->pages, after));
	in_place(&cap, view, written);
	for (i = 0; i < view->pages; i++) {
		if (!is_clean(i, view->pages * 3 / 4))
			continue;
		clean++;
		ASSERT_TRUE(before[i] & PM_PRESENT) TH_LOG("page %zu", i);
		ASSERT_EQ(before[i] & bits, after[i] & bits)
			TH_LOG("page %zu", i);
	}
	EXPECT_LT(view->pages * 3 / 4, clean);
	/* What was written is not: it must not be written in place now. */
	for (i = START; i < view->pages * 3 / 4; i += STEP) {
		EXPECT_FALSE(before[i] == after[i] && after[i] & PM_PRESENT)
			TH_LOG("page %zu", i);
	}
	EXPECT_EQ(0, check(&self->area, fd, "after"));
	scribble(view, 2);
	EXPECT_EQ(0, view_check(view, "written again"));
	close(fd);
}

/* Each generation has a child, and all of them write. */
#define GENERATIONS	4

TEST_F(recapture, generations)
{
	struct peer *who[GENERATIONS] = { self->one, NULL, self->two,
					  self->one };
	struct area *area = &self->area;
	size_t pages = area->view.pages;
	struct stamp *model[GENERATIONS];
	struct view child[GENERATIONS];
	struct vmfork_capture cap;
	int fd[GENERATIONS], i, j, pidfd = pidfd_of(getpid());

	ASSERT_LE(0, pidfd);
	fd[0] = dup(self->fd);
	model[0] = self->first;
	for (i = 0; i < GENERATIONS; i++) {
		if (i) {
			fd[i] = peer_capture(i & 1 ? NULL : self->one, pidfd,
					     area->view.addr, pages * PAGE,
					     area->offset, &cap);
			ASSERT_LE(0, fd[i]) TH_LOG("%s", refusal_text(&cap));
			EXPECT_EQ(pages, cap.pages_in_place);
			model[i] = model_copy(area->view.model, pages);
		}
		ASSERT_EQ(0, view_map(&child[i], who[i], fd[i], area->offset,
				      pages, model[i]));
		scribble(&child[i], 100 + i);
		scribble(&area->view, i);
		view_fill(&area->view, pages - 1 - i, i + 1);
	}
	for (i = 0; i < GENERATIONS; i++) {
		EXPECT_EQ(0, view_check(&child[i], "a child"))
			TH_LOG("generation %d", i);
		EXPECT_EQ(0, snapshot_check(fd[i], area->offset, pages,
					    model[i], "a snapshot"));
	}
	EXPECT_EQ(0, view_check(&area->view, "the parent"));
	/* They go in another order than they came. */
	for (i = 0; i < GENERATIONS; i++) {
		close(fd[(i + 2) % GENERATIONS]);
		view_unmap(&child[(i * 3) % GENERATIONS]);
		EXPECT_EQ(0, view_check(&area->view, "the parent"));
		for (j = 0; j < GENERATIONS; j++)
			if (child[j].addr) {
				EXPECT_EQ(0, view_check(&child[j], "a child"))
					TH_LOG("generation %d", j);
			}
	}
	EXPECT_TRUE(area_others_right(area));
}

/* A child is no other thing than the parent. */
TEST_F(recapture, a_child)
{
	struct area *area = &self->area;
	size_t pages = area->view.pages, written;
	struct peer *who[] = { NULL, self->one };
	struct vmfork_capture cap;
	struct view child;
	int i, j, fd;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, view_map(&child, who[i], self->fd, area->offset,
				      pages, self->first));
		for (j = 0; j < 3; j++) {
			written = scribble(&child, i * 3 + j);
			fd = peer_capture(who[i], -1, child.addr, pages * PAGE,
					  area->offset, &cap);
			ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
			in_place(&cap, &child, written);
			EXPECT_EQ(0, snapshot_check(fd, area->offset, pages,
						    child.model, "its own"));
			EXPECT_EQ(0, view_check(&child, "the child"));
			close(fd);
		}
		view_unmap(&child);
	}
	EXPECT_EQ(0, view_check(&area->view, "the parent"));
	EXPECT_EQ(0, snapshot_check(self->fd, area->offset, pages, self->first,
				    "the first snapshot"));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Signals that only interrupt: EINTR and nothing changed, or a capture. */
TEST_F(recapture, interrupted)
{
	struct itimerval often = {
		.it_interval = { .tv_usec = 1500 }, .it_value = { .tv_usec = 1 },
	}, never = { 0 };
	struct sigaction act = { .sa_handler = on_alarm };
	struct area *area = &self->area;
	unsigned int good = 0, none = 0;
	struct vmfork_capture cap;
	uint64_t seed = test_seed();
	int i, fd;

	ASSERT_EQ(0, sigaction(SIGALRM, &act, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	for (i = 0; i < 60; i++) {
		scribble(&area->view, rnd(&seed));
		fd = capture(area, &cap);
		if (fd == -EINTR) {
			none++;
			continue;
		}
		if (fd < 0)
			break;
		good++;
		close(fd);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	ASSERT_EQ(60, i) TH_LOG("%s, %s", strerror(-fd), refusal_text(&cap));
	note("%u captures, %u interrupted", good, none);
	fd = capture(area, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, check(area, fd, "in the end"));
	close(fd);
}

/* What it costs to keep a snapshot of memory that nobody has written to. */
TEST(untouched_costs_nothing)
{
	struct vmfork_capture cap;
	struct area area;
	int fd[101], i;
	long before;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, 16 * MIB, 0));
	fd[0] = capture(&area, &cap);
	ASSERT_LE(0, fd[0]);
	settle();
	before = free_pages();
	for (i = 1; i < 101; i++) {
		fd[i] = capture(&area, &cap);
		ASSERT_LE(0, fd[i]);
	}
	EXPECT_EQ(0, cap.pages_stolen + cap.pages_copied);
	EXPECT_EQ(area.view.pages, cap.pages_shared);
	settle();
	before -= free_pages();
	EXPECT_GE(2 * BALANCE_NOISE, before)
		TH_LOG("100 snapshots took %ld pages", before);
	for (i = 0; i < 101; i++)
		close(fd[i]);
	EXPECT_EQ(0, view_check(&area.view, "the memory"));
	area_free(&area);
}

/* What limits a process is of no matter where nothing is mapped anew. */
TEST_F(recapture, under_limits)
{
	static const int which[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK };
	struct rlimit was[ARRAY_SIZE(which)], none = { 0 };
	struct area *area = &self->area;
	struct vmfork_capture cap;
	size_t written, i;
	int fd;

	written = scribble(&area->view, 3);
	for (i = 0; i < ARRAY_SIZE(which); i++) {
		ASSERT_EQ(0, getrlimit(which[i], &was[i]));
		none.rlim_max = was[i].rlim_max;
		ASSERT_EQ(0, setrlimit(which[i], &none));
	}
	fd = capture(area, &cap);
	for (i = 0; i < ARRAY_SIZE(which); i++)
		setrlimit(which[i], &was[i]);
	ASSERT_LE(0, fd) TH_LOG("%s", strerror(-fd));
	in_place(&cap, &area->view, written);
	EXPECT_EQ(0, check(area, fd, "under limits"));
	close(fd);
}

/*
 * Memory is given back at once: a snapshot that goes takes with it what nobody
 * else holds, and that alone.
 */
TEST(dropped_pages_are_free)
{
	long mine = 64 * MIB / PAGE, before, after;
	struct area area;
	size_t page;
	int fd[2];

	ASSERT_EQ(0, area_make(&area, KIND_BASE, 64 * MIB, 0));
	fd[0] = capture(&area, NULL);
	ASSERT_LE(0, fd[0]);
	for (page = 0; page < area.view.pages; page += 2)
		view_fill(&area.view, page, page + 1);
	fd[1] = capture(&area, NULL);
	ASSERT_LE(0, fd[1]);
	settle();
	before = free_pages();
	/* Half of it is the second one's, too. */
	close(fd[0]);
	settle();
	after = free_pages();
	EXPECT_TRUE(close_to(after - before, mine / 2, 2 * BALANCE_NOISE))
		TH_LOG("%ld pages were given back", after - before);
	EXPECT_EQ(0, check(&area, fd[1], "the second snapshot"));
	/* It is mapped still: closing it gives nothing back. */
	settle();
	before = free_pages();
	close(fd[1]);
	settle();
	EXPECT_TRUE(close_to(free_pages(), before, BALANCE_NOISE));
	EXPECT_EQ(0, view_check(&area.view, "the memory"));
	area_free(&area);
	settle();
	after = free_pages();
	EXPECT_TRUE(close_to(after - before, mine, 2 * BALANCE_NOISE))
		TH_LOG("%ld pages were given back", after - before);
}

/* A chain of which only the newest is kept does not grow. */
static long chain(struct area *area, int links, int *newest)
{
	uint64_t seed = test_seed();
	int i, j, fd;

	for (i = 0; i < links; i++) {
		for (j = 0; j < 8; j++)
			view_poke(&area->view, rnd(&seed) % (LEN / PAGE),
				  rnd(&seed) | 1);
		fd = capture(area, NULL);
		if (fd < 0)
			return fd;
		close(*newest);
		*newest = fd;
	}
	return 0;
}

FIXTURE(chain) {
	struct area area;
	int newest;
};

FIXTURE_VARIANT(chain) { enum kind kind; };
KIND_VARIANT(chain, base, KIND_BASE);
KIND_VARIANT(chain, thp, KIND_THP);

FIXTURE_SETUP(chain)
{
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, 0));
	self->newest = capture(&self->area, NULL);
	ASSERT_LE(0, self->newest);
}

FIXTURE_TEARDOWN(chain)
{
	close(self->newest);
	area_free(&self->area);
}

TEST_F_TIMEOUT(chain, does_not_grow, 120)
{
	struct balance before;
	size_t i;

	/*
	 * A huge page of which one page was replaced stays in whole until all
	 * of it is replaced: begin where all of them are.
	 */
	for (i = 0; i < self->area.view.pages; i++)
		view_poke(&self->area.view, i, i + 1);
	ASSERT_EQ(0, chain(&self->area, 100, &self->newest));
	before = balance();
	ASSERT_EQ(0, chain(&self->area, 2000, &self->newest));
	EXPECT_TRUE(balanced_soon(&before));
	EXPECT_EQ(0, check(&self->area, self->newest, "the newest"));
}

/* How often KVM has mapped a page for a guest. */
static long kvm_faults(void)
{
	return read_number("/sys/kernel/debug/kvm/pf_fixed");
}

static int guest_reads(size_t page, uint32_t *value)
{
	int ret = tiny_guest_will_read(page * PAGE);

	ret = ret ?: tiny_guest_run();
	*value = tiny_guest_value();
	return ret;
}

/* The guest's clean pages stay mapped for it, too. */
TEST(kvm_keeps_clean_pages)
{
	struct view view = { .pages = PAGES / 2 };
	struct vmfork_capture cap;
	struct area area;
	uint32_t value, want;
	long faults;
	size_t i;
	int fd;

	if (tiny_guest_missing())
		SKIP(return, "%s", tiny_guest_missing());
	if (kvm_faults() < 0)
		SKIP(return, "no statistics of KVM in debugfs");
	ASSERT_EQ(0, area_make(&area, KIND_BASE, LEN / 2, 0));
	fd = capture(&area, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, tiny_guest_start(LEN / 2));
	view.addr = tiny_guest_map(fd);
	ASSERT_NE(NULL, view.addr);
	close(fd);
	view.model = area.view.model;
	for (i = 0; i < view.pages; i += 16) {
		ASSERT_EQ(0, guest_reads(i, &value)) TH_LOG("page %zu", i);
	}
	for (i = 0; i < view.pages; i += 256)
		view_poke(&view, i, 0x1234500000000 + i);
	for (i = 0; i < view.pages; i += 16) {
		ASSERT_EQ(0, guest_reads(i, &value)) TH_LOG("page %zu", i);
	}

	fd = capture_range(-1, view.addr, LEN / 2, 0, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(view.pages, cap.pages_in_place);
	EXPECT_EQ(view.pages / 256, cap.pages_stolen + cap.pages_copied);
	faults = kvm_faults();
	for (i = 0; i < view.pages; i += 16) {
		ASSERT_EQ(0, guest_reads(i, &value)) TH_LOG("page %zu", i);
		memcpy(&want, view.addr + i * PAGE, sizeof(want));
		ASSERT_EQ(want, value) TH_LOG("page %zu", i);
	}
	faults = kvm_faults() - faults;
	EXPECT_LE(faults, (long)view.pages / 256 + 2)
		TH_LOG("%ld faults of the guest", faults);
	EXPECT_EQ(0, view_check(&view, "the guest's memory"));
	close(fd);
	tiny_guest_unmap();
	area_free(&area);
}

TEST_HARNESS_MAIN
