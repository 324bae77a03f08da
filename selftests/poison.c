// SPDX-License-Identifier: GPL-2.0
/*
 * Memory errors: a page of a snapshot is lost.  Who asks for it afterwards is
 * told so; nobody else suffers, and no other page changes.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "pages.h"
#include "peer.h"

#define LEN	(4 * MIB)
#define PAGES	(LEN / PAGE)

static sigjmp_buf hit;
static volatile int hit_code;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	hit_code = info->si_code;
	siglongjmp(hit, 1);
}

/* 0 if the page could be touched, else the si_code of the SIGBUS. */
static long do_touch(int fd, const void *arg)
{
	volatile char *const *page = arg;
	struct sigaction bus = {
		.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO,
	};

	(void)fd;
	hit_code = 0;
	sigaction(SIGBUS, &bus, NULL);
	if (!sigsetjmp(hit, 1))
		(void)**page;
	signal(SIGBUS, SIG_DFL);
	return hit_code;
}

static long do_poison(int fd, const void *arg)
{
	char *const *page = arg;

	(void)fd;
	(void)*(volatile char *)*page;
	return madvise(*page, PAGE, MADV_HWPOISON) ? -errno : 0;
}

FIXTURE(poison) {
	struct area area;
	struct peer *victim, *other;
	struct view bad, good;
	char *page;
	int fd;
};

FIXTURE_VARIANT(poison) {
	enum kind kind;
};

FIXTURE_VARIANT_ADD(poison, base) { .kind = KIND_BASE };
FIXTURE_VARIANT_ADD(poison, thp) { .kind = KIND_THP };

#define LOST 300

FIXTURE_SETUP(poison)
{
	const struct stamp *model;
	long err;

	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, 0));
	self->fd = capture_range(-1, self->area.view.addr, LEN, 0, NULL);
	ASSERT_LE(0, self->fd);
	self->victim = peer_start();
	self->other = peer_start();
	ASSERT_NE(NULL, self->other);
	model = self->area.view.model;
	ASSERT_EQ(0, view_map(&self->bad, self->victim, self->fd, 0, PAGES,
			      model));
	ASSERT_EQ(0, view_map(&self->good, self->other, self->fd, 0, PAGES,
			      model));
	/* It has a copy of its own by now. */
	ASSERT_EQ(0, view_poke(&self->good, LOST, 77));

	self->page = self->bad.addr + LOST * PAGE;
	err = peer_call(self->victim, do_poison, -1, &self->page,
			sizeof(self->page));
	if (err == -EINVAL || err == -EPERM)
		SKIP(return, "the kernel can not inject memory errors");
	/*
	 * EBUSY: it is lost, but the kernel could not take it from all;
	 * EHWPOISON: nor split the huge page (Linux 6.12).
	 */
	ASSERT_TRUE(err == 0 || err == -EBUSY || err == -EHWPOISON)
		TH_LOG("%ld", err);
}

FIXTURE_TEARDOWN(poison)
{
	if (!self->other)	/* skipped */
		return;
	peer_kill(self->victim);
	peer_kill(self->other);
	close(self->fd);
	area_free(&self->area);
}

/* Somebody who has not touched the page yet gets SIGBUS. */
TEST_F(poison, who_asks_is_told)
{
	struct peer *late = peer_start();
	struct view view;
	char *page;

	ASSERT_EQ(0, view_map(&view, late, self->fd, 0, PAGES,
			      self->area.view.model));
	page = view.addr + LOST * PAGE;
	EXPECT_EQ(BUS_MCEERR_AR, peer_call(late, do_touch, -1, &page,
					   sizeof(page)));
	/* And nothing worse: it goes on, and so do other pages. */
	page += PAGE;
	EXPECT_EQ(0, peer_call(late, do_touch, -1, &page, sizeof(page)));
	peer_kill(late);
}

/* Whoever has written to the page has it still, and all others are right. */
TEST_F(poison, nobody_else_suffers)
{
	EXPECT_EQ(0, view_check(&self->good, "another child"));
	EXPECT_EQ(0, view_poke(&self->good, LOST, 78));
	EXPECT_EQ(0, view_poke(&self->good, LOST + 1, 79));
	EXPECT_EQ(0, view_check(&self->good, "another child"));
}

TEST_F(poison, the_file_says_so)
{
	char buf[4 * PAGE];

	/* What comes before it is read, then the error. */
	EXPECT_EQ((long)PAGE, pread(self->fd, buf, sizeof(buf),
				    (LOST - 1) * PAGE));
	EXPECT_EQ(-1, pread(self->fd, buf, sizeof(buf), LOST * PAGE));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ((long)sizeof(buf), pread(self->fd, buf, sizeof(buf),
					   (LOST + 1) * PAGE));
	EXPECT_TRUE(page_is(buf, &self->area.view.model[LOST + 1]));
}

/*
 * The page is not used again: as much memory as before, all of it touched, has
 * no such page.
 */
TEST_F(poison, it_is_not_used_again)
{
	struct area area;
	int fd, try;

	view_unmap(&self->bad);
	view_unmap(&self->good);
	close(self->fd);
	self->fd = -1;
	area_free(&self->area);
	for (try = 0; try < 8; try++) {
		ASSERT_EQ(0, area_make(&area, variant->kind, LEN, 0));
		fd = capture_range(-1, area.view.addr, LEN, 0, NULL);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, area.view.model,
					    "new memory"));
		close(fd);
		area_free(&area);
	}
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, 0));
}

/* A capture of a mapping of it shares the page as it is, lost. */
TEST_F(poison, it_is_inherited)
{
	struct vmfork_capture cap;
	char buf[PAGE];
	int fd = capture_range(-1, self->area.view.addr, LEN, 0, &cap);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, buf, sizeof(buf), LOST * PAGE));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ((long)sizeof(buf), pread(fd, buf, sizeof(buf), 0));
	close(fd);
}

TEST_HARNESS_MAIN
