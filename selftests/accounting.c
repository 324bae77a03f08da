// SPDX-License-Identifier: GPL-2.0
/*
 * Accounting: after everything is closed, memory, slab, RSS counters, THP
 * statistics and memcg charges are back where they were; and while it is
 * open, what nobody has written to costs nothing per child.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "balance.h"
#include "cgroup.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define LEN	(16 * MIB)
#define PAGES	((long)(LEN / PAGE))
#define ROUNDS	4

/* A whole family lives and dies: everything is used, nothing may remain. */
FIXTURE(balance) {
	int unused;
};

FIXTURE_VARIANT(balance) {
	enum kind kind;
	enum capture_kind how;
};

KIND_VARIANT(balance, base, KIND_BASE);
KIND_VARIANT(balance, thp, KIND_THP);
KIND_VARIANT(balance, thp_part, KIND_THP_PART);
KIND_VARIANT(balance, thp_edge, KIND_THP_EDGE);
KIND_VARIANT(balance, mixed, KIND_MIXED);
KIND_VARIANT(balance, forked_thp, KIND_FORKED_THP);
KIND_VARIANT(balance, swap_thp, KIND_SWAP_THP);
KIND_VARIANT(balance, hole, KIND_HOLE);
CAPTURE_VARIANT(balance, base, KIND_BASE);
CAPTURE_VARIANT(balance, thp, KIND_THP);
CAPTURE_VARIANT(balance, mixed, KIND_MIXED);

FIXTURE_SETUP(balance)
{
	capture_kind = variant->how;
	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
}

FIXTURE_TEARDOWN(balance)
{
}

/* Models are not given back: each round takes the same ones again. */
static struct stamp *spare_models;

static long live_and_die(enum kind kind)
{
	struct view child, grandchild;
	struct peer *one, *two;
	struct area area;
	int fd[3], i;
	long wrong, pages;

	one = peer_start();
	two = peer_start();
	if (!one || !two || area_make(&area, kind, LEN, 0))
		return -1;
	pages = area.view.pages;
	fd[0] = capture_range(-1, area.view.addr, area.len, area.offset, NULL);
	if (fd[0] < 0 || view_map(&child, one, fd[0], area.offset, pages,
				  area.view.model))
		return -1;
	for (i = 0; i < pages; i += 9) {
		view_fill(&child, i, i + 1);
		view_poke(&area.view, i, i + 2);
	}
	wrong = view_check(&child, "the child");
	wrong += view_check(&area.view, "the parent");
	fd[1] = peer_capture(one, -1, child.addr, area.len, area.offset, NULL);
	fd[2] = capture_range(-1, area.view.addr, area.len, area.offset, NULL);
	if (fd[1] < 0 || fd[2] < 0 ||
	    view_map(&grandchild, two, fd[1], area.offset, pages, child.model))
		return -1;
	view_fill(&grandchild, pages / 2, 1);
	wrong += view_check(&grandchild, "the grandchild");
	view_unmap(&child);
	for (i = 0; i < 3; i++)
		close(fd[i]);
	area_free(&area);
	peer_kill(one);
	peer_kill(two);
	return wrong;
}

TEST_F_TIMEOUT(balance, all_is_given_back, 60)
{
	struct balance before;
	int i;

	spare_models = model_alloc(0);
	/* The first one fills caches that stay. */
	ASSERT_EQ(0, live_and_die(variant->kind));
	before = balance();
	for (i = 0; i < ROUNDS; i++) {
		shared_reset(spare_models);
		ASSERT_EQ(0, live_and_die(variant->kind));
	}
	EXPECT_TRUE(balanced_soon(&before));
}

/* Many captures of little memory: not even a few bytes may remain of each. */
TEST(many_captures)
{
	struct balance before;
	struct area area;
	int i, fd, none;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, 16 * PAGE, 0));
	for (i = 0; i < 1100; i++) {
		if (i == 100)
			before = balance();
		view_poke(&area.view, i % 16, i + 1);
		fd = capture_range(-1, area.view.addr, area.len, 0, NULL);
		ASSERT_LE(0, fd);
		close(fd);
		/* And some that fail. */
		none = capture_range(-1, area.view.addr, 64 * MIB, 0, NULL);
		ASSERT_EQ(-EFAULT, none);
	}
	EXPECT_EQ(0, view_check(&area.view, "the memory"));
	/* What the last one holds, the first hundred's last one held too. */
	EXPECT_TRUE(balanced_soon(&before));
	area_free(&area);
}

/* A process's own counters, in kB. */
struct rss {
	long anon, file, shmem;
};

/*
 * Before 6.2 a task keeps its counts to itself for 64 faults, and one that
 * brings its neighbours along counts many pages.
 */
static void publish_counts(void)
{
	size_t i, len = 128 * PAGE;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return;
	madvise(mem, len, MADV_NOHUGEPAGE);
	for (i = 0; i < len; i += PAGE)
		mem[i] = 1;
	munmap(mem, len);
}

static struct rss rss(void)
{
	static char text[8192];
	struct rss r = { -1, -1, -1 };
	char *at;

	publish_counts();
	if (read_file("/proc/self/status", text, sizeof(text)) < 0)
		return r;
	at = strstr(text, "RssAnon:");
	if (!at || sscanf(at, "RssAnon: %ld kB RssFile: %ld kB RssShmem: %ld",
			  &r.anon, &r.file, &r.shmem) != 3)
		r.anon = -1;
	return r;
}

/* The kernel may count in batches of so much for each CPU, in kB. */
#define RSS_NOISE (64 * 4 * 4L)

FIXTURE(rss) {
	int unused;
};

FIXTURE_VARIANT(rss) { enum kind kind; };
KIND_VARIANT(rss, base, KIND_BASE);
KIND_VARIANT(rss, thp, KIND_THP);

FIXTURE_SETUP(rss)
{
}

FIXTURE_TEARDOWN(rss)
{
}

TEST_F(rss, counters_come_back)
{
	long kb = LEN >> 10, shared;
	struct rss before, now;
	struct area area;
	struct view view;
	int fd, i;

	/* The models are touched first: they are shared memory. */
	ASSERT_EQ(0, area_make(&area, variant->kind, LEN, 0));
	area_free(&area);
	before = rss();
	ASSERT_LE(0, before.anon);
	shared_reset(area.view.model);
	ASSERT_EQ(0, area_make(&area, variant->kind, LEN, 0));
	EXPECT_TRUE(close_to(rss().anon, before.anon + kb, RSS_NOISE));

	fd = capture_range(-1, area.view.addr, LEN, 0, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, view_check(&area.view, "the parent"));
	now = rss();
	/* Nothing is the process's own any more, all of it is mapped. */
	EXPECT_TRUE(close_to(now.anon, before.anon, RSS_NOISE))
		TH_LOG("anon %ld, was %ld", now.anon, before.anon);
	shared = now.file + now.shmem - before.file - before.shmem;
	EXPECT_TRUE(close_to(shared, kb, RSS_NOISE + kb / 16))
		TH_LOG("shared %+ld", shared);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, area.view.model));
	for (i = 0; i < PAGES / 2; i++)
		view_poke(&view, i, i + 1);
	now = rss();
	EXPECT_TRUE(close_to(now.anon, before.anon + kb / 2, RSS_NOISE))
		TH_LOG("anon %ld, was %ld", now.anon, before.anon);
	view_unmap(&view);
	area_free(&area);
	close(fd);
	now = rss();
	EXPECT_TRUE(close_to(now.anon, before.anon, RSS_NOISE));
	EXPECT_TRUE(close_to(now.file + now.shmem, before.file + before.shmem,
			     RSS_NOISE + kb / 16))
		TH_LOG("file %ld, was %ld; shmem %ld, was %ld", now.file,
		       before.file, now.shmem, before.shmem);
}

/* What is not written costs nothing: page tables alone. */
FIXTURE(cost) {
	struct peer *peer[8];
	struct area area;
	int fd;
};

FIXTURE_VARIANT(cost) { enum kind kind; };
KIND_VARIANT(cost, base, KIND_BASE);
KIND_VARIANT(cost, thp, KIND_THP);
KIND_VARIANT(cost, hole, KIND_HOLE);

FIXTURE_SETUP(cost)
{
	int i;

	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, 0));
	self->fd = capture_range(-1, self->area.view.addr, LEN, 0, NULL);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < 8; i++) {
		self->peer[i] = peer_start();
		ASSERT_NE(NULL, self->peer[i]);
	}
}

FIXTURE_TEARDOWN(cost)
{
	int i;

	for (i = 0; i < 8; i++)
		peer_kill(self->peer[i]);
	area_free(&self->area);
	close(self->fd);
}

TEST_F(cost, of_a_child_that_reads)
{
	long per_child = LEN / HUGE + 64, was, is;
	void *models = shared_alloc(8 * (PAGES + 4) * sizeof(struct stamp));
	struct view view[8], small;
	int i;

	/* The models' memory is there; have the peers do it with one page. */
	shared_reset(models);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, view_map(&small, self->peer[i], self->fd, 0, 1,
				      self->area.view.model));
		EXPECT_EQ(0, view_check(&small, "one page"));
	}
	settle();
	was = free_pages();
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, view_map(&view[i], self->peer[i], self->fd, 0,
				      PAGES, self->area.view.model));
		EXPECT_EQ(0, view_check(&view[i], "a child"));
	}
	settle();
	is = free_pages();
	note("%ld pages for each child of %ld", (was - is) / 8, PAGES);
	EXPECT_GE(8 * per_child, was - is);
}

/* A capture of what has changed a little costs what has changed. */
TEST_F(cost, of_a_capture_again)
{
	long was, is;
	int fd[4], i, j;

	EXPECT_EQ(0, view_check(&self->area.view, "the parent"));
	settle();
	was = free_pages();
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 100; j++)
			view_poke(&self->area.view, i * 100 + j, j + 1);
		fd[i] = capture_range(-1, self->area.view.addr, LEN, 0, NULL);
		ASSERT_LE(0, fd[i]);
	}
	EXPECT_EQ(0, view_check(&self->area.view, "the parent"));
	settle();
	is = free_pages();
	note("%ld pages for each capture of 100 changed ones", (was - is) / 4);
	EXPECT_GE(4 * (100 + 64) + BALANCE_NOISE, was - is);
	for (i = 0; i < 4; i++)
		close(fd[i]);
}

/* memcg */

static long do_area(int fd, const void *arg)
{
	enum kind kind = *(const enum kind *)arg;
	struct area area;

	(void)fd;
	return area_make(&area, kind, LEN, 0) ? -1 : (long)area.view.addr;
}

static long do_read(int fd, const void *arg)
{
	const struct view *view = arg;
	volatile char *addr = view->addr;
	size_t i;

	(void)fd;
	for (i = 0; i < view->pages; i++)
		(void)addr[i * PAGE];
	return 0;
}

static long do_write(int fd, const void *arg)
{
	const struct view *view = arg;
	size_t i;

	(void)fd;
	for (i = 0; i < view->pages; i++)
		view->addr[i * PAGE] = i;
	return 0;
}

FIXTURE(memcg) {
	struct peer *parent, *child;
};

FIXTURE_VARIANT(memcg) { enum kind kind; };
KIND_VARIANT(memcg, base, KIND_BASE);
KIND_VARIANT(memcg, thp, KIND_THP);

FIXTURE_SETUP(memcg)
{
	if (cgroup_make("vmfork_parent") || cgroup_make("vmfork_child"))
		SKIP(return, "no cgroup2 with the memory controller on " CGROUPS);
	self->parent = peer_start();
	self->child = peer_start();
	ASSERT_NE(NULL, self->parent);
	ASSERT_NE(NULL, self->child);
	ASSERT_EQ(0, cgroup_enter("vmfork_parent", self->parent->pid));
	ASSERT_EQ(0, cgroup_enter("vmfork_child", self->child->pid));
}

FIXTURE_TEARDOWN(memcg)
{
	peer_kill(self->parent);
	peer_kill(self->child);
	cgroup_remove("vmfork_parent");
	cgroup_remove("vmfork_child");
}

/* A charge is rounded up by 64 pages for each CPU. */
#define MEMCG_NOISE (64L * 4)

TEST_F(memcg, who_pays)
{
	long parent, child, dying = cgroup_dying(), try;
	struct view view = { .pages = LEN / PAGE }, part;
	static const struct stamp none[LEN / PAGE];
	int fd;

	view.who = self->parent;
	view.addr = (char *)peer_call(self->parent, do_area, -1,
				      &variant->kind, sizeof(variant->kind));
	ASSERT_LT(0, (long)view.addr);
	parent = cgroup_pages("vmfork_parent");
	child = cgroup_pages("vmfork_child");
	EXPECT_LE(PAGES, parent);

	/* Nothing is charged twice, whoever captures and whoever reads. */
	fd = capture_range(self->parent->pidfd, view.addr, LEN, 0, NULL);
	ASSERT_LE(0, fd);
	peer_call(view.who, do_read, -1, &view, sizeof(view));
	EXPECT_TRUE(close_to(cgroup_pages("vmfork_parent"), parent, MEMCG_NOISE))
		TH_LOG("%+ld", cgroup_pages("vmfork_parent") - parent);
	ASSERT_EQ(0, view_map(&view, self->child, fd, 0, LEN / PAGE, none));
	peer_call(view.who, do_read, -1, &view, sizeof(view));
	EXPECT_TRUE(close_to(cgroup_pages("vmfork_child"), child, MEMCG_NOISE))
		TH_LOG("%+ld", cgroup_pages("vmfork_child") - child);

	/* The child pays for what it writes. */
	part = view;
	part.pages = PAGES / 2;
	peer_call(view.who, do_write, -1, &part, sizeof(part));
	EXPECT_TRUE(close_to(cgroup_pages("vmfork_child"), child + PAGES / 2,
			     MEMCG_NOISE))
		TH_LOG("%+ld", cgroup_pages("vmfork_child") - child);

	/* Stolen pages stay charged to who first touched them... */
	peer_kill(self->parent);
	self->parent = NULL;
	EXPECT_TRUE(close_to(cgroup_pages("vmfork_parent"), PAGES,
			     MEMCG_NOISE + (parent - PAGES)))
		TH_LOG("%ld", cgroup_pages("vmfork_parent"));
	/* ...as long as the snapshot lives. */
	close(fd);
	view_unmap(&view);
	for (try = 0; try < 40; try++) {
		if (cgroup_pages("vmfork_parent") <= MEMCG_NOISE)
			break;
		usleep(50000);
	}
	EXPECT_GE(MEMCG_NOISE, cgroup_pages("vmfork_parent"));
	peer_kill(self->child);
	self->child = NULL;
	EXPECT_GE(2 * MEMCG_NOISE, cgroup_pages("vmfork_child"));

	/* Nothing is left that would keep the cgroups from going. */
	EXPECT_EQ(0, cgroup_remove("vmfork_parent"));
	EXPECT_EQ(0, cgroup_remove("vmfork_child"));
	for (try = 0; try < 60 && cgroup_dying() > dying; try++)
		settle();
	EXPECT_GE(dying, cgroup_dying());
}

TEST_HARNESS_MAIN
