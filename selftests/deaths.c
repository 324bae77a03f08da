// SPDX-License-Identifier: GPL-2.0
/*
 * Deaths: any process may die at any instant, in a capture of itself or of
 * another, or in the middle of a fault, and changes nothing for the others.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "live.h"
#include "peer.h"

#define LEN	(4 * MIB)
#define PAGES	(LEN / PAGE)

/*
 * The test's own area, of which peers know the place and the model, and a
 * snapshot of it.
 */
FIXTURE(deaths) {
	struct area area;
	struct view *shared;	/* the area's view, for others to see */
	uint64_t seed;
	int fd;
	int pidfd;
	unsigned int rounds;
};

FIXTURE_VARIANT(deaths) { enum kind kind; };
KIND_VARIANT(deaths, base, KIND_BASE);
KIND_VARIANT(deaths, thp, KIND_THP);

FIXTURE_SETUP(deaths)
{
	self->seed = test_seed();
	self->rounds = test_seconds(3) * 15;
	self->pidfd = pidfd_of(getpid());
	ASSERT_LE(0, self->pidfd);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, 0));
	self->shared = shared_alloc(sizeof(struct view));
	*self->shared = self->area.view;
	self->fd = capture_range(-1, self->area.view.addr, LEN, 0, NULL);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(deaths)
{
	area_free(&self->area);
	close(self->fd);
	close(self->pidfd);
}

/* How a process ends. */
enum end { BY_SIGNAL, BY_EXIT, BY_EXEC, NR_ENDS };

static void end_here(enum end end)
{
	int null;

	if (end == BY_SIGNAL)
		kill(getpid(), SIGKILL);
	if (end == BY_EXEC) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 1);
		dup2(null, 2);
		execl("/proc/self/exe", "deaths", "-l", NULL);
	}
	_exit(0);
}

/* A thread that ends its process after a while. */
struct fuse {
	unsigned int us;
	enum end end;
};

static void *burn(void *arg)
{
	struct fuse *fuse = arg;

	usleep(fuse->us);
	end_here(fuse->end);
	return NULL;
}

static void light(uint64_t *seed, unsigned int most)
{
	static struct fuse fuse;
	pthread_t thread;

	fuse.us = rnd(seed) % most;
	fuse.end = rnd(seed) % NR_ENDS;
	if (pthread_create(&thread, NULL, burn, &fuse))
		_exit(1);
}

/*
 * Forks a process that does @fn until it ends itself, at a moment and in a way
 * that @seed says.
 */
static pid_t doomed(FIXTURE_DATA(deaths) *self,
		    void (*fn)(FIXTURE_DATA(deaths) *self, uint64_t *seed))
{
	uint64_t seed = rnd(&self->seed);
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	fn(self, &seed);
	_exit(1);
}

static void reap(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	/* A crash is not one of the ways. */
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		note("a process died of signal %d", WTERMSIG(status));
}

static long all_right(FIXTURE_DATA(deaths) *self)
{
	return view_check(&self->area.view, "the memory") +
	       snapshot_check(self->fd, 0, PAGES, self->shared->model,
			      "the snapshot");
}

/* Captures its own memory, which is shared with the test by fork(2). */
static void capture_itself(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	int fd;

	light(seed, 4000);
	for (;;) {
		size_t page = rnd(seed) % PAGES;

		self->area.view.addr[page * PAGE + 8] = 1;
		fd = capture_range(-1, self->area.view.addr, LEN, 0, NULL);
		if (fd >= 0)
			close(fd);
		relax();
	}
}

TEST_F_TIMEOUT(deaths, capturing_itself, 60)
{
	unsigned int i;

	for (i = 0; i < self->rounds; i++)
		reap(doomed(self, capture_itself));
	EXPECT_EQ(0, all_right(self));
}

/* Captures the test's memory, over and over. */
static void capture_test(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	int fd;

	light(seed, 6000);
	for (;;) {
		fd = capture_range(self->pidfd, self->area.view.addr, LEN, 0,
				   NULL);
		if (fd >= 0)
			close(fd);
		relax();
	}
}

TEST_F_TIMEOUT(deaths, capturing_another, 60)
{
	struct view *view = &self->area.view;
	unsigned int i, j;
	pid_t pid;

	/* The model goes its own way from the snapshot's. */
	view->model = model_copy(view->model, PAGES);
	for (i = 0; i < self->rounds; i++) {
		pid = doomed(self, capture_test);
		for (j = 0; j < 100; j++) {
			view_fill(view, rnd(&self->seed) % PAGES,
				  rnd(&self->seed) | 1);
			relax();
		}
		reap(pid);
		ASSERT_EQ(0, all_right(self)) TH_LOG("round %u", i);
	}
}

/* Waits to be captured, and writes meanwhile; all else is up to the fuse. */
static void be_captured(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	char *addr = self->area.view.addr;

	light(seed, 12000);
	for (;;) {
		size_t page = rnd(seed) % PAGES;

		/* A page never has anything but its stamp, or this. */
		memset(addr + page * PAGE, 0x55, PAGE);
		relax();
	}
}

/* Each page is the model's, or all 0x55; the one being written may be both. */
static long mixed_pages(int fd, const struct stamp *model)
{
	static unsigned char page[PAGE];
	long mixed = 0;
	size_t i, j;

	for (i = 0; i < PAGES; i++) {
		if (pread(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			return -1;
		for (j = 0; j < PAGE && page[j] == 0x55; j++)
			;
		mixed += j < PAGE && !page_is(page, &model[i]);
	}
	return mixed;
}

TEST_F_TIMEOUT(deaths, being_captured, 90)
{
	struct vmfork_capture cap;
	unsigned int i, good = 0, dead = 0;
	int fd, pidfd;
	pid_t pid;

	for (i = 0; i < self->rounds; i++) {
		pid = doomed(self, be_captured);
		pidfd = pidfd_of(pid);
		ASSERT_LE(0, pidfd);
		for (;;) {
			fd = capture_range(pidfd, self->area.view.addr, LEN, 0,
					   &cap);
			if (fd < 0)
				break;
			good++;
			ASSERT_GE(1, mixed_pages(fd, self->shared->model));
			close(fd);
			relax();
		}
		/* An exec leaves nothing at that address. */
		if (fd == -EFAULT) {
			ASSERT_EQ(VMFORK_UNMAPPED, cap.refusal);
		} else if (fd != -EAGAIN) {
			ASSERT_EQ(-ESRCH, fd) TH_LOG("%s", refusal_text(&cap));
		}
		dead++;
		close(pidfd);
		kill(pid, SIGKILL);
		reap(pid);
	}
	note("%u captures of %u processes that died", good, dead);
	EXPECT_LT(0, good);
	EXPECT_EQ(0, all_right(self));
}

/* A child: maps the snapshot, reads and writes all of it in no order. */
static void fault_about(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	volatile char *map;

	light(seed, 6000);
	for (;;) {
		map = map_snapshot(self->fd, LEN, 0);
		for (int i = 0; map && i < 1000; i++) {
			size_t at = rnd(seed) % PAGES * PAGE;

			if (rnd(seed) & 3)
				(void)map[at];
			else
				map[at] = 1;
			relax();
		}
		munmap((void *)map, LEN);
	}
}

TEST_F_TIMEOUT(deaths, in_a_fault, 60)
{
	unsigned int i, j;
	pid_t pid[3];

	for (i = 0; i < self->rounds; i++) {
		for (j = 0; j < 3; j++)
			pid[j] = doomed(self, fault_about);
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
		for (j = 0; j < 3; j++)
			reap(pid[j]);
	}
	EXPECT_EQ(0, all_right(self));
}

/*
 * What is done to a mapping that is in one process only, by another one that
 * dies in the middle of it.
 */
static void capture_it(FIXTURE_DATA(deaths) *self)
{
	int fd = capture_range(self->pidfd, self->area.view.addr, LEN, 0,
			       NULL);

	if (fd >= 0)
		close(fd);
}

static void prearm_it(FIXTURE_DATA(deaths) *self)
{
	prearm_range(self->pidfd, self->area.view.addr, LEN, 0, 1, NULL);
}

static void prefault_it(FIXTURE_DATA(deaths) *self)
{
	prefault_range(self->pidfd, self->area.view.addr, LEN, 0, NULL);
}

static void prefault_it_to_write(FIXTURE_DATA(deaths) *self)
{
	prefault_range(self->pidfd, self->area.view.addr, LEN,
		       VMFORK_PREFAULT_WRITE, NULL);
}

static void (*const live_calls[])(FIXTURE_DATA(deaths) *self) = {
	capture_it, prearm_it, prefault_it, prefault_it_to_write,
};

static void call_on(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	size_t last = rnd(seed) % ARRAY_SIZE(live_calls);

	light(seed, 6000);
	for (;;) {
		/* Mostly the same one, so that it dies in it. */
		if (!(rnd(seed) % 8))
			last = rnd(seed) % ARRAY_SIZE(live_calls);
		live_calls[last](self);
		relax();
	}
}

TEST_F_TIMEOUT(deaths, in_a_call_on_a_mapping, 90)
{
	struct view *view = &self->area.view;
	unsigned int i, j;
	pid_t pid;

	view->model = model_copy(view->model, PAGES);
	ASSERT_EQ(0, madvise(view->addr, LEN, MADV_DONTFORK));
	for (i = 0; i < self->rounds; i++) {
		pid = doomed(self, call_on);
		for (j = 0; j < 100; j++) {
			view_fill(view, rnd(&self->seed) % PAGES,
				  rnd(&self->seed) | 1);
			relax();
		}
		reap(pid);
		ASSERT_EQ(0, all_right(self)) TH_LOG("round %u", i);
	}
}

/* Of a reset some of it may be done: each page is old or new. */
static void reset_on(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	light(seed, 6000);
	for (;;) {
		reset_range(self->fd, self->pidfd, self->area.view.addr, LEN,
			    NULL);
		relax();
	}
}

TEST_F_TIMEOUT(deaths, in_a_reset, 90)
{
	struct view *view = &self->area.view;
	static const struct stamp new = { .fill = 0x4e4557 };
	unsigned int i, j;
	size_t page;

	ASSERT_EQ(0, madvise(view->addr, LEN, MADV_DONTFORK));
	for (i = 0; i < self->rounds; i++) {
		for (j = 0; j < 200; j++)
			page_fill(view->addr + rnd(&self->seed) % PAGES * PAGE,
				  new.fill);
		reap(doomed(self, reset_on));
		for (page = 0; page < PAGES; page++) {
			char *at = view->addr + page * PAGE;

			ASSERT_TRUE(page_is(at, &self->shared->model[page]) ||
				    page_is(at, &new))
				TH_LOG("round %u, page %zu", i, page);
		}
		ASSERT_EQ(0, reset_range(self->fd, -1, view->addr, LEN, NULL));
		ASSERT_EQ(0, all_right(self)) TH_LOG("round %u", i);
	}
}

/* The capturer and the captured die, whoever is first. */
static void capture_parent(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	int pidfd = pidfd_of(getppid()), fd;

	light(seed, 10000);
	for (;;) {
		fd = capture_range(pidfd, self->area.view.addr, LEN, 0, NULL);
		if (fd >= 0)
			close(fd);
		relax();
	}
}

static void be_captured_by_child(FIXTURE_DATA(deaths) *self, uint64_t *seed)
{
	doomed(self, capture_parent);
	be_captured(self, seed);
}

TEST_F_TIMEOUT(deaths, both, 60)
{
	unsigned int i;

	/* Orphans end themselves soon, and come to the test to be buried. */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (i = 0; i < self->rounds; i++)
		reap(doomed(self, be_captured_by_child));
	while (wait(NULL) > 0)
		;
	EXPECT_EQ(0, all_right(self));
}

TEST_HARNESS_MAIN
