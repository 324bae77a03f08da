// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel has unmapped a range, and then has no memory for the VMA that is
 * to take its place: not once, as in a sweep, but for a long time.  The pages
 * are in the hands of the capture then, which has to wait with them, whatever
 * happens to whoever asked for it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "sweep.h"

#define PAGES	64UL
#define LEN	(PAGES * PAGE)
#define VMAS	"vm_area_struct"

static void __attribute__((constructor)) need_fault_injection(void)
{
	const char *missing = sweep_missing() ?:
			      sweep_where_missing(SWEEP_WORKER);

	if (!missing)
		return;
	printf("TAP version 13\n1..0 # SKIP %s\n", missing);
	exit(KSFT_SKIP);
}

FIXTURE(stuck) {
	struct view view;
};

/* A VMA of its own: nothing has to be split or merged, and fail early. */
FIXTURE_SETUP(stuck)
{
	char *room = reserve(LEN + 2 * PAGE, 0);
	size_t i;

	ASSERT_NE(NULL, room);
	self->view.addr = room + PAGE;
	self->view.pages = PAGES;
	self->view.model = model_alloc(PAGES);
	ASSERT_EQ(0, mprotect(self->view.addr, LEN, PROT_READ | PROT_WRITE));
	for (i = 0; i < PAGES; i++)
		view_fill(&self->view, i, i + 1);
}

FIXTURE_TEARDOWN(stuck)
{
	sweep_fail_cache(NULL);
}

static bool mapped(const struct view *view)
{
	unsigned char in_core[PAGES];

	return !mincore(view->addr, LEN, in_core);
}

/* Becomes @want in time? */
static bool is_mapped_soon(const struct view *view, bool want)
{
	uint64_t until = now_ns() + 60ULL * 1000000000;

	while (mapped(view) != want) {
		if (now_ns() > until)
			return false;
		usleep(20000);
	}
	return true;
}

struct remote_arg {
	const void *addr;
};

static long do_capture(int pidfd, const void *arg)
{
	const struct remote_arg *r = arg;

	return capture_range(pidfd, r->addr, LEN, 0, NULL);
}

/* Another process has asked for it, and is killed in the middle. */
TEST_F_TIMEOUT(stuck, a_killed_caller_takes_nothing_along, 200)
{
	struct remote_arg arg = { .addr = self->view.addr };
	struct peer *peer = peer_start();
	int pidfd = pidfd_of(getpid()), i;

	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, sweep_fail_cache(VMAS));
	ASSERT_EQ(0, peer_send(peer, do_capture, pidfd, &arg, sizeof(arg)));
	ASSERT_TRUE(is_mapped_soon(&self->view, false))
		TH_LOG("it did not get that far");
	ASSERT_EQ(0, kill(peer->pid, SIGKILL));
	for (i = 0; i < 20; i++) {
		usleep(20000);
		EXPECT_FALSE(mapped(&self->view));
	}
	ASSERT_EQ(0, sweep_fail_cache(NULL));
	ASSERT_TRUE(is_mapped_soon(&self->view, true))
		TH_LOG("the memory is lost");
	EXPECT_EQ(0, view_check(&self->view, "the memory"));
	EXPECT_EQ(0, view_poke(&self->view, 3, 4));
	peer_kill(peer);
	EXPECT_EQ(0, view_check(&self->view, "the memory, later"));
	close(pidfd);
}

static void *relent(void *arg)
{
	struct view *view = arg;
	bool gone = is_mapped_soon(view, false);

	usleep(200000);
	sweep_fail_cache(NULL);
	return gone ? arg : NULL;
}

/* The process has asked for it itself, and gets what it asked for, late. */
TEST_F_TIMEOUT(stuck, memory_comes_back, 200)
{
	struct vmfork_capture cap;
	pthread_t thread;
	void *gone;
	int fd;

	ASSERT_EQ(0, pthread_create(&thread, NULL, relent, &self->view));
	ASSERT_EQ(0, sweep_fail_cache(VMAS));
	fd = capture_range(-1, self->view.addr, LEN, 0, &cap);
	pthread_join(thread, &gone);
	EXPECT_NE(NULL, gone) TH_LOG("it did not get that far");
	ASSERT_LE(0, fd) TH_LOG("%s", strerror(-fd));
	EXPECT_EQ(PAGES, cap.pages_stolen + cap.pages_copied);
	EXPECT_EQ(0, view_check(&self->view, "the memory"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->view.model,
				    "the snapshot"));
	view_poke(&self->view, 5, 6);
	EXPECT_EQ(0, view_check(&self->view, "the memory, written to"));
	close(fd);
}

/* It is killed while it waits: nobody is left who could miss the memory. */
TEST_F_TIMEOUT(stuck, a_killed_process_dies, 200)
{
	struct remote_arg arg = { .addr = self->view.addr };
	unsigned char in_core;
	struct peer *peer;
	int status;

	peer = peer_start();
	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, sweep_fail_cache(VMAS));
	/* The peer's own copy of the memory, which it has from fork(2) */
	ASSERT_EQ(0, peer_send(peer, do_capture, -1, &arg, sizeof(arg)));
	usleep(500000);
	EXPECT_EQ(0, waitpid(peer->pid, &status, WNOHANG))
		TH_LOG("it does not wait for memory");
	ASSERT_EQ(0, kill(peer->pid, SIGKILL));
	EXPECT_EQ(peer->pid, waitpid(peer->pid, &status, 0));
	ASSERT_EQ(0, sweep_fail_cache(NULL));
	EXPECT_EQ(0, mincore(self->view.addr, PAGE, &in_core));
	EXPECT_EQ(0, view_check(&self->view, "the memory"));
	close(peer->pidfd);
	close(peer->sock);
}

TEST_HARNESS_MAIN
