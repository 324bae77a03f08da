// SPDX-License-Identifier: GPL-2.0
/*
 * Lifetime: whatever goes first, the parent, the snapshot's descriptor or a
 * child, the others keep what they have; and the module stays while any of
 * it is there.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define LEN	(4 * MIB)
#define PAGES	(LEN / PAGE)

/* Things that can go, in any order. */
enum { PARENT, FD, CHILD, SECOND_FD, GRANDCHILD, NR_THINGS };

/*
 * The parent is a process of its own here, so that it can exit.  The child
 * maps the first snapshot and is captured; the grandchild maps the second.
 */
FIXTURE(lifetime) {
	struct peer *peer[NR_THINGS];
	struct view view[NR_THINGS];
	struct stamp *model[NR_THINGS];
	int fd[NR_THINGS];
};

FIXTURE_VARIANT(lifetime) {
	enum kind kind;
	enum capture_kind how;
};

KIND_VARIANT(lifetime, base, KIND_BASE);
KIND_VARIANT(lifetime, thp, KIND_THP);
CAPTURE_VARIANT(lifetime, base, KIND_BASE);
CAPTURE_VARIANT(lifetime, thp, KIND_THP);

struct make_arg {
	struct area *area;	/* shared memory */
	enum kind kind;
};

/*
 * In the parent: its area is made there.  The model that it makes for that is
 * in room that the test will use for others, so it goes into the test's own.
 */
static long do_make(int fd, const void *arg)
{
	const struct make_arg *make = arg;
	struct area *area = make->area;
	struct stamp *model = area->view.model;
	int ret;

	(void)fd;
	ret = area_make(area, make->kind, LEN, 0);
	if (ret)
		return ret;
	memcpy(model, area->view.model, PAGES * sizeof(*model));
	area->view.model = model;
	return 0;
}

static void scribble(struct view *view, uint64_t seed)
{
	size_t i;

	for (i = 0; i < PAGES / 8; i++)
		view_fill(view, rnd(&seed) % PAGES, rnd(&seed) | 1);
}

static int family_make(FIXTURE_DATA(lifetime) *self, enum kind kind)
{
	struct make_arg make = {
		.area = shared_alloc(sizeof(struct area)), .kind = kind,
	};
	int ret;

	make.area->view.model = model_alloc(PAGES);
	self->peer[PARENT] = peer_start();
	self->peer[CHILD] = peer_start();
	self->peer[GRANDCHILD] = peer_start();
	ret = peer_call(self->peer[PARENT], do_make, -1, &make, sizeof(make));
	if (ret)
		return ret;
	self->view[PARENT] = make.area->view;
	self->view[PARENT].who = self->peer[PARENT];

	self->fd[FD] = capture_range(self->peer[PARENT]->pidfd,
				     self->view[PARENT].addr, LEN, 0, NULL);
	if (self->fd[FD] < 0)
		return self->fd[FD];
	self->model[FD] = model_copy(self->view[PARENT].model, PAGES);
	ret = view_map(&self->view[CHILD], self->peer[CHILD], self->fd[FD], 0,
		       PAGES, self->model[FD]);
	if (ret)
		return ret;
	scribble(&self->view[PARENT], 1);
	scribble(&self->view[CHILD], 2);
	self->fd[SECOND_FD] = capture_range(self->peer[CHILD]->pidfd,
					    self->view[CHILD].addr, LEN, 0,
					    NULL);
	if (self->fd[SECOND_FD] < 0)
		return self->fd[SECOND_FD];
	self->model[SECOND_FD] = model_copy(self->view[CHILD].model, PAGES);
	ret = view_map(&self->view[GRANDCHILD], self->peer[GRANDCHILD],
		       self->fd[SECOND_FD], 0, PAGES, self->model[SECOND_FD]);
	scribble(&self->view[CHILD], 3);
	scribble(&self->view[GRANDCHILD], 4);
	return ret;
}

FIXTURE_SETUP(lifetime)
{
	capture_kind = variant->how;
	ASSERT_EQ(0, family_make(self, variant->kind));
}

static void let_go(FIXTURE_DATA(lifetime) *self, int what)
{
	if (what == FD || what == SECOND_FD) {
		close(self->fd[what]);
		self->fd[what] = 0;
	} else if (self->peer[what]) {
		peer_kill(self->peer[what]);
		self->peer[what] = NULL;
	}
}

FIXTURE_TEARDOWN(lifetime)
{
	int i;

	for (i = 0; i < NR_THINGS; i++)
		if (self->peer[i] || self->fd[i])
			let_go(self, i);
}

static const char * const name[NR_THINGS] = {
	"the parent", "the snapshot", "the child", "the second snapshot",
	"the grandchild",
};

static long check_rest(FIXTURE_DATA(lifetime) *self)
{
	long wrong = 0;
	int i;

	for (i = 0; i < NR_THINGS; i++) {
		if (self->peer[i])
			wrong += view_check(&self->view[i], name[i]);
		else if (self->fd[i])
			wrong += snapshot_check(self->fd[i], 0, PAGES,
						self->model[i], name[i]);
	}
	return wrong;
}

/* In the given order; after each step the rest is whole and writable. */
static void go_in_order(struct __test_metadata *_metadata,
			FIXTURE_DATA(lifetime) *self, const int *order)
{
	int i, j;

	for (i = 0; i < NR_THINGS; i++) {
		EXPECT_EQ(0, check_rest(self));
		let_go(self, order[i]);
		for (j = 0; j < NR_THINGS; j++)
			if (self->peer[j])
				scribble(&self->view[j], 10 * i + j);
		EXPECT_EQ(0, check_rest(self)) TH_LOG("%s is gone",
						      name[order[i]]);
	}
}

#define ORDER_TEST(test, ...)						\
	TEST_F(lifetime, test)						\
	{								\
		static const int order[NR_THINGS] = { __VA_ARGS__ };	\
									\
		go_in_order(_metadata, self, order);			\
	}

ORDER_TEST(eldest_first, PARENT, FD, CHILD, SECOND_FD, GRANDCHILD)
ORDER_TEST(youngest_first, GRANDCHILD, SECOND_FD, CHILD, FD, PARENT)
ORDER_TEST(descriptors_first, FD, SECOND_FD, PARENT, CHILD, GRANDCHILD)
ORDER_TEST(middle_first, CHILD, FD, SECOND_FD, GRANDCHILD, PARENT)
ORDER_TEST(processes_first, PARENT, CHILD, GRANDCHILD, FD, SECOND_FD)
ORDER_TEST(descriptors_last, GRANDCHILD, PARENT, CHILD, SECOND_FD, FD)

/* The module */

static long try_unload(void)
{
	return syscall(SYS_delete_module, "vmfork", O_NONBLOCK) ? -errno : 0;
}

/* Busy, whichever way the kernel says it. */
static bool stays(void)
{
	long ret = try_unload();

	if (ret != -EWOULDBLOCK && ret != -EBUSY)
		note("delete_module: %s", strerror(-ret));
	return ret == -EWOULDBLOCK || ret == -EBUSY;
}

/*
 * Each thing by itself keeps the module: the device, a descriptor, a mapping
 * in the captured process, a mapping in another.  (That it goes when nothing
 * is left is seen by the test VM, after all tests.)
 */
TEST(module_stays)
{
	struct area area;
	struct view view;
	struct peer *peer;
	int dev, fd, pipes[2];

	if (access("/sys/module/vmfork/refcnt", F_OK))
		SKIP(return, "vmfork is built in, or unloading is not possible");
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	dev = device();
	ASSERT_LE(0, dev);
	EXPECT_TRUE(stays()) TH_LOG("the device is open");
	ASSERT_EQ(0, area_make(&area, KIND_BASE, MIB, 0));
	fd = capture_range(-1, area.view.addr, MIB, 0, NULL);
	ASSERT_LE(0, fd);
	close(dev);
	EXPECT_TRUE(stays()) TH_LOG("a snapshot and a mapping");
	close(fd);
	EXPECT_TRUE(stays()) TH_LOG("the captured process's mapping");
	fd = capture_range(-1, area.view.addr, MIB, 0, NULL);
	ASSERT_LE(0, fd);
	munmap(area.view.addr, MIB);
	EXPECT_TRUE(stays()) TH_LOG("a descriptor");
	ASSERT_EQ(0, view_map(&view, peer, fd, 0, MIB / PAGE,
			      area.view.model));
	close(fd);
	EXPECT_TRUE(stays()) TH_LOG("a child's mapping");
	EXPECT_EQ(0, view_check(&view, "the child"));

	/* Pages of a snapshot in a pipe need no module, nor do they lose it. */
	fd = peer_capture(peer, -1, view.addr, MIB, 0, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((ssize_t)PAGE, splice(fd, &(loff_t){ 0 }, pipes[1], NULL,
					PAGE, 0));
	close(fd);
	peer_kill(peer);
	close(pipes[0]);
	close(pipes[1]);
}

/* A private copy that a child wrote outlives everything it came from. */
TEST(written_pages_stay)
{
	struct area area;
	struct view view;
	size_t page;
	int fd;

	ASSERT_EQ(0, area_make(&area, KIND_THP, LEN, 0));
	fd = capture_range(-1, area.view.addr, LEN, 0, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, area.view.model));
	close(fd);
	for (page = 0; page < PAGES; page++)
		view_fill(&view, page, page + 1);
	area_free(&area);
	EXPECT_EQ(0, view_check(&view, "the child"));
	view_unmap(&view);
}

/*
 * The descriptor travels: sent over a socket, held in flight only, received
 * by somebody who never saw the parent.
 */
static long do_map_later(int fd, const void *arg)
{
	struct view mine = *(const struct view *)arg;
	long wrong;

	mine.addr = map_snapshot(fd, mine.pages * PAGE, 0);
	if (!mine.addr)
		return -1;
	wrong = view_check(&mine, "the receiver");
	view_unmap(&mine);
	return wrong;
}

TEST(descriptor_in_flight)
{
	struct peer *peer = peer_start();
	struct area area;
	int fd;

	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, area_make(&area, KIND_BASE, LEN, 0));
	fd = capture_range(-1, area.view.addr, LEN, 0, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kill(peer->pid, SIGSTOP));
	ASSERT_EQ(0, peer_send(peer, do_map_later, fd, &area.view,
			       sizeof(area.view)));
	close(fd);
	area_free(&area);
	ASSERT_EQ(0, kill(peer->pid, SIGCONT));
	EXPECT_EQ(0, peer_wait(peer));
	peer_kill(peer);
}

TEST_HARNESS_MAIN
