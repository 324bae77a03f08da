// SPDX-License-Identifier: GPL-2.0
/*
 * What is read of an import, as memory: who is charged for it, what happens
 * when there is no more, and that KSM may merge what is written there.
 */
#include <sys/wait.h>

#include "balance.h"
#include "cgroup.h"
#include "imported.h"

#define FIRST	"vmfork_first"
#define SECOND	"vmfork_second"
/* A charge is rounded up by 64 pages for each CPU. */
#define NOISE	(64L * 4)
/* What a process needs besides. */
#define ROOM	(256L)

static long do_read_all(int fd, const void *arg)
{
	const struct view *view = arg;

	(void)fd;
	return view_check(view, "read");
}

/* By read(2), from the snapshot. */
static long do_pread_all(int fd, const void *arg)
{
	const struct view *view = arg;

	return snapshot_check(fd, 0, view->pages, view->model, "read(2)");
}

/* Reads all of it as this peer; -EPIPE or such if it did not survive that. */
static long read_by(struct peer *peer, peer_fn how, int fd,
		    const struct view *view)
{
	struct view theirs = *view;

	theirs.who = NULL;
	return peer_call(peer, how, fd, &theirs, sizeof(theirs));
}

FIXTURE(charged) {
	struct test_file file;
	struct peer *first, *second;
	struct view view;		/* of each */
	int fd;
};

FIXTURE_VARIANT(charged) { enum file_kind kind; };
FIXTURE_VARIANT_ADD(charged, tmpfs) { .kind = FILE_TMPFS };
FIXTURE_VARIANT_ADD(charged, ext4) { .kind = FILE_EXT4 };
FIXTURE_VARIANT_ADD(charged, fuse) { .kind = FILE_FUSE };

FIXTURE_SETUP(charged)
{
	if (test_file_missing(variant->kind))
		SKIP(return, "%s", test_file_missing(variant->kind));
	ASSERT_EQ(0, test_file_make(&self->file, variant->kind, LEN));
	self->fd = import_file(&self->file, O_RDONLY, NULL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, view_map(&self->view, NULL, self->fd, 0, PAGES,
			      self->file.model));
	ASSERT_EQ(0, cgroup_make(FIRST));
	ASSERT_EQ(0, cgroup_make(SECOND));
	self->first = peer_start();
	self->second = peer_start();
	ASSERT_NE(NULL, self->first);
	ASSERT_NE(NULL, self->second);
	ASSERT_EQ(0, cgroup_enter(FIRST, self->first->pid));
	ASSERT_EQ(0, cgroup_enter(SECOND, self->second->pid));
	/* The page cache is this process's, and the peers have their stacks. */
	ASSERT_EQ(0, snapshot_check(self->fd, 0, PAGES, self->file.model,
				    "read(2)"));
	ASSERT_EQ(0, read_by(self->first, do_pread_all, self->fd,
			     &self->view));
	ASSERT_EQ(0, read_by(self->second, do_pread_all, self->fd,
			     &self->view));
}

FIXTURE_TEARDOWN(charged)
{
	view_unmap(&self->view);
	peer_kill(self->first);
	peer_kill(self->second);
	close(self->fd);
	cgroup_remove(FIRST);
	cgroup_remove(SECOND);
	test_file_free(&self->file);
}

#define READ_BY(peer, how) read_by(peer, how, self->fd, &self->view)

/* Who reads a page first is charged for it, as long as it is there. */
TEST_F_TIMEOUT(charged, who_reads_first, 120)
{
	long first = cgroup_pages(FIRST), second = cgroup_pages(SECOND);
	long data = self->file.data, dying = cgroup_dying(), now, i;

	ASSERT_LT(0, first);
	ASSERT_EQ(0, READ_BY(self->first, do_read_all));
	now = cgroup_pages(FIRST);
	EXPECT_TRUE(close_to(now, first + data, NOISE))
		TH_LOG("%+ld for %ld", now - first, data);
	ASSERT_EQ(0, READ_BY(self->second, do_read_all));
	now = cgroup_pages(SECOND);
	EXPECT_TRUE(close_to(now, second, NOISE))
		TH_LOG("%+ld", now - second);
	peer_kill(self->first);
	self->first = NULL;
	now = cgroup_pages(FIRST);
	EXPECT_LE(data - NOISE, now);
	peer_kill(self->second);
	self->second = NULL;
	view_unmap(&self->view);
	close(self->fd);
	self->fd = -1;
	for (i = 0; i < 40 && cgroup_pages(FIRST) > NOISE; i++)
		usleep(50000);
	EXPECT_GE(NOISE, cgroup_pages(FIRST));
	EXPECT_EQ(0, cgroup_remove(FIRST));
	EXPECT_EQ(0, cgroup_remove(SECOND));
	for (i = 0; i < 60 && cgroup_dying() > dying; i++)
		settle();
	EXPECT_GE(dying, cgroup_dying());
}

static int limit(const char *name, long pages)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", pages * (long)PAGE);
	return cgroup_set(name, "memory.swap.max", "0") ?:
	       cgroup_set(name, "memory.max", text);
}

/*
 * What there is no memory for is read by read(2) all the same, but can not be
 * kept: then the kernel kills, in this cgroup and nowhere else.  What was kept
 * before is there for the others.
 */
TEST_F_TIMEOUT(charged, too_much, 120)
{
	long first = cgroup_pages(FIRST);
	uint64_t kept;

	ASSERT_EQ(0, limit(FIRST, first + self->file.data / 2));
	ASSERT_EQ(0, READ_BY(self->first, do_pread_all));
	EXPECT_EQ(0, cgroup_event(FIRST, "oom_kill "));
	EXPECT_GT(0, READ_BY(self->first, do_read_all));
	EXPECT_EQ(1, cgroup_event(FIRST, "oom_kill "));
	kept = pages_read(self->fd);
	EXPECT_LT(0, kept);
	EXPECT_GT(self->file.data, kept);
	EXPECT_EQ(0, READ_BY(self->second, do_read_all));
	EXPECT_EQ(self->file.data, pages_read(self->fd));
	EXPECT_EQ(0, cgroup_event(SECOND, "oom_kill "));
}

/* Of the page cache, which can be given back, there is always enough. */
TEST_F_TIMEOUT(charged, reads_in_a_small_room, 120)
{
	int i;

	ASSERT_EQ(0, limit(FIRST, cgroup_pages(FIRST) + ROOM));
	for (i = 0; i < 2; i++) {
		write_file("/proc/sys/vm/drop_caches", "1");
		EXPECT_EQ(0, READ_BY(self->first, do_pread_all));
	}
	EXPECT_EQ(0, cgroup_event(FIRST, "oom_kill "));
	EXPECT_EQ(0, pages_read(self->fd));
}

/* KSM */

#define KSM	"/sys/kernel/mm/ksm/"

static void merge(void)
{
	long scans;
	int i;

	write_file(KSM "pages_to_scan", "20000");
	write_file(KSM "sleep_millisecs", "10");
	write_file(KSM "run", "1");
	scans = read_number(KSM "full_scans");
	for (i = 0; i < 600 && read_number(KSM "full_scans") < scans + 3; i++)
		usleep(50000);
	write_file(KSM "run", "0");
}

/* What was written to in a file's mapping is merged, and captured so. */
TEST_F_TIMEOUT(import, merged, 120)
{
	int file = open(self->file.path, O_RDONLY | O_CLOEXEC), snap, i;
	long before = ksm_merged();
	struct view view;

	ASSERT_LE(0, file);
	if (access(KSM "run", W_OK))
		SKIP(return, "no KSM");
	view = (struct view){
		.pages = PAGES, .model = model_copy(self->file.model, PAGES),
	};
	view.addr = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, file,
			 0);
	ASSERT_NE(MAP_FAILED, view.addr);
	for (i = 0; i < (int)PAGES; i += 3)
		ASSERT_EQ(0, view_fill(&view, i, 1 + i % 2));
	ASSERT_EQ(0, madvise(view.addr, LEN, MADV_MERGEABLE));
	merge();
	EXPECT_LT((long)PAGES / 6, ksm_merged() - before);
	snap = capture_range(-1, view.addr, LEN, 0, NULL);
	ASSERT_LE(0, snap);
	EXPECT_EQ(0, snapshot_check(snap, 0, PAGES, view.model, "merged"));
	EXPECT_EQ(0, view_check(&view, "captured"));
	/* It is merged again, now that it maps the snapshot. */
	for (i = 0; i < (int)PAGES; i += 2)
		ASSERT_EQ(0, view_fill(&view, i, 3 + i % 4));
	merge();
	EXPECT_LT((long)PAGES * 7 / 16, ksm_merged() - before);
	close(snap);
	snap = capture_range(-1, view.addr, LEN, 0, NULL);
	ASSERT_LE(0, snap);
	EXPECT_EQ(0, snapshot_check(snap, 0, PAGES, view.model, "again"));
	EXPECT_EQ(0, view_check(&view, "captured again"));
	view_unmap(&view);
	close(snap);
	close(file);
}

TEST_HARNESS_MAIN
