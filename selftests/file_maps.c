// SPDX-License-Identifier: GPL-2.0
/*
 * Captures of memory that maps a file privately, as that of a guest does which
 * was started from its memory file: what was not written to is the file's.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "imported.h"

/* A third written to, a third read, a third never touched. */
static int make_view(struct test_file *file, struct view *view, char *at)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	size_t i;

	if (fd < 0)
		return -errno;
	*view = (struct view){ .pages = file->pages };
	view->addr = mmap(at, file->pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | (at ? MAP_FIXED : 0), fd, 0);
	close(fd);
	if (view->addr == MAP_FAILED)
		return -errno;
	view->model = model_copy(file->model, file->pages);
	for (i = 0; i < file->pages; i++) {
		if (i % 3 == 0)
			view_fill(view, i, i + 1);
		else if (i % 3 == 1)
			(void)*(volatile char *)(view->addr + i * PAGE);
	}
	return 0;
}

FIXTURE(maps) {
	struct test_file file;
	struct peer *peer;
	struct view view;
	struct vmfork_capture cap;
};

FIXTURE_VARIANT(maps) { enum file_kind kind; };
FIXTURE_VARIANT_ADD(maps, tmpfs) { .kind = FILE_TMPFS };
FIXTURE_VARIANT_ADD(maps, ext4) { .kind = FILE_EXT4 };
FIXTURE_VARIANT_ADD(maps, fuse) { .kind = FILE_FUSE };

FIXTURE_SETUP(maps)
{
	if (test_file_missing(variant->kind))
		SKIP(return, "%s", test_file_missing(variant->kind));
	ASSERT_EQ(0, test_file_make(&self->file, variant->kind, LEN));
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, make_view(&self->file, &self->view, NULL));
}

FIXTURE_TEARDOWN(maps)
{
	view_unmap(&self->view);
	peer_kill(self->peer);
	test_file_free(&self->file);
}

#define WRITTEN	((PAGES + 2) / 3)

static int capture_view(FIXTURE_DATA(maps) *self)
{
	return capture_range(-1, self->view.addr, LEN, 0, &self->cap);
}

/* Of the file: data that was not written to.  tmpfs fills holes to read them. */
static size_t left_of_file(FIXTURE_DATA(maps) *self)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += i % 3 && (self->file.model[i].fill || self->file.fuse ||
				(i % 3 == 1 && self->file.kind == FILE_TMPFS));
	return nr;
}

TEST_F(maps, captured)
{
	struct vmfork_info info;
	struct view child;
	int fd;

	fd = capture_view(self);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&self->cap));
	EXPECT_EQ(WRITTEN, self->cap.pages_stolen + self->cap.pages_copied);
	EXPECT_EQ(left_of_file(self), self->cap.pages_file);
	EXPECT_EQ(PAGES - WRITTEN - self->cap.pages_file,
		  self->cap.pages_hole);
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(WRITTEN, info.pages);
	EXPECT_EQ(0, info.pages_read);
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->view.model, "read"));
	ASSERT_EQ(0, view_map(&child, self->peer, fd, 0, PAGES,
			      self->view.model));
	EXPECT_EQ(0, view_check(&self->view, "the parent"));
	EXPECT_EQ(0, view_check(&child, "the child"));
	ASSERT_EQ(0, view_poke(&child, 4, 5));
	ASSERT_EQ(0, view_poke(&self->view, 7, 5));
	EXPECT_EQ(0, view_check(&self->view, "the parent, written to"));
	EXPECT_EQ(0, view_check(&child, "the child, written to"));
	view_unmap(&child);
	close(fd);
}

TEST_F(maps, captured_again)
{
	struct stamp *first;
	int fd, again, i;

	fd = capture_view(self);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&self->cap));
	first = model_copy(self->view.model, PAGES);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, view_fill(&self->view, 500 + i, i + 1));
	again = capture_view(self);
	ASSERT_LE(0, again) TH_LOG("%s", refusal_text(&self->cap));
	EXPECT_EQ(PAGES, self->cap.pages_in_place);
	EXPECT_EQ(100, self->cap.pages_stolen + self->cap.pages_copied);
	EXPECT_EQ(0, view_check(&self->view, "the parent"));
	EXPECT_EQ(0, snapshot_check(again, 0, PAGES, self->view.model,
				    "the second"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, first, "the first"));
	close(fd);
	close(again);
}

TEST_F(maps, prearmed)
{
	int fd;

	capture_kind = CAPTURE_PREARMED;
	fd = capture_view(self);
	capture_kind = CAPTURE_FIRST;
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&self->cap));
	EXPECT_EQ(PAGES, self->cap.pages_in_place);
	EXPECT_EQ(0, view_check(&self->view, "the parent"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->view.model, "read"));
	close(fd);
}

/* Parts of it, out of order, and with anonymous memory between them. */
TEST_F(maps, in_parts)
{
	int file = open(self->file.path, O_RDONLY | O_CLOEXEC), fd;
	char *at = reserve(LEN, 0);
	struct stamp *model = model_alloc(700);
	struct vmfork_capture cap;

	ASSERT_LE(0, file);
	ASSERT_NE(NULL, at);
	ASSERT_EQ(at, mmap(at, 700 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_NE(MAP_FAILED, mmap(at, 200 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_FIXED, file, 301 * PAGE));
	ASSERT_NE(MAP_FAILED, mmap(at + 300 * PAGE, 400 * PAGE, PROT_READ,
				   MAP_PRIVATE | MAP_FIXED, file, 0));
	close(file);
	memcpy(model, self->file.model + 301, 200 * sizeof(*model));
	memcpy(model + 300, self->file.model, 400 * sizeof(*model));
	page_fill(at + 250 * PAGE, 99);
	model[250].fill = 99;
	page_fill(at + 50 * PAGE, 98);
	model[50].fill = 98;
	fd = capture_range(-1, at, 700 * PAGE, 0, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(2, cap.pages_stolen + cap.pages_copied);
	EXPECT_EQ(0, snapshot_check(fd, 0, 700, model, "in parts"));
	EXPECT_TRUE(page_is(at + 699 * PAGE, &model[699]));
	EXPECT_TRUE(page_is(at + 199 * PAGE, &model[199]));
	close(fd);
	munmap(at, 700 * PAGE);
}

static long do_make(int fd, const void *arg)
{
	struct view *const *views = arg;
	struct view *shared = views[0];
	struct test_file *file = (void *)views[1];

	(void)fd;
	return make_view(file, shared, NULL);
}

static long do_open_write(int fd, const void *arg)
{
	(void)fd;
	fd = open(arg, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Of another process, whose own file it is no more. */
TEST_F(maps, of_another_process)
{
	struct view *shared = shared_alloc(sizeof(*shared));
	struct test_file *file = shared_alloc(sizeof(*file));
	void *arg[2] = { shared, file };
	struct peer *peer;
	int fd;

	*file = self->file;
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, peer_call(peer, do_make, -1, arg, sizeof(arg)));
	shared->who = peer;
	if (!self->file.fuse)
		ASSERT_EQ(0, unlink(self->file.path));
	fd = capture_range(peer->pidfd, shared->addr, LEN, 0, &self->cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&self->cap));
	EXPECT_EQ(WRITTEN, self->cap.pages_stolen + self->cap.pages_copied);
	EXPECT_EQ(0, view_check(shared, "the other process"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, shared->model, "read"));
	peer_kill(peer);
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, shared->model,
				    "after it is gone"));
	close(fd);
}

/* Captured while somebody could write to it, which then happens. */
TEST_F(maps, changed)
{
	long theirs = peer_call(self->peer, do_open_write, -1, self->file.path,
				strlen(self->file.path) + 1);
	int writer = open(self->file.path, O_RDWR | O_CLOEXEC), fd;
	struct vmfork_info info;

	ASSERT_LE(0, theirs);
	ASSERT_LE(0, writer);
	fd = capture_view(self);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&self->cap));
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(VMFORK_FILE_UNGUARDED, info.file_flags);
	ASSERT_EQ(0, touch_page(self->view.addr + 10 * PAGE, false));
	ASSERT_EQ(0, test_file_write(&self->file, writer, 700, 1));
	if (self->file.fuse)
		self->file.fuse->mtime++;
	EXPECT_EQ(SIGBUS, touch_page(self->view.addr + 700 * PAGE, false));
	/* What was written, and what was read. */
	EXPECT_EQ(0, touch_page(self->view.addr + 9 * PAGE, false));
	EXPECT_EQ(0, touch_page(self->view.addr + 10 * PAGE, false));
	EXPECT_TRUE(page_is(self->view.addr + 9 * PAGE, &self->view.model[9]));
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_TRUE(info.file_flags & VMFORK_FILE_CHANGED);
	close(writer);
	close(fd);
}

/* What there is behind the file's end is a hole. */
TEST_F(maps, beyond_the_end)
{
	int file = open(self->file.path, O_RDONLY | O_CLOEXEC), fd;
	struct vmfork_capture cap;
	char *at;

	ASSERT_LE(0, file);
	at = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file,
		  LEN - 8 * PAGE);
	ASSERT_NE(MAP_FAILED, at);
	close(file);
	fd = capture_range(-1, at, 64 * PAGE, 0, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_TRUE(page_is(at, &self->file.model[PAGES - 8]));
	EXPECT_EQ(0, at[20 * PAGE]);
	close(fd);
	munmap(at, 64 * PAGE);
}

/* Somebody writes to it in a way that can not be noticed. */
TEST_F(maps, mapped_and_written_to)
{
	int file = open(self->file.path, O_RDWR | O_CLOEXEC), fd;
	char *map;

	ASSERT_LE(0, file);
	if (self->file.fuse)
		SKIP(close(file); return, "this file system is not written to");
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(file);
	fd = capture_view(self);
	if (self->file.kind == FILE_TMPFS) {
		EXPECT_EQ(-ETXTBSY, fd);
		EXPECT_EQ(VMFORK_FILE_BUSY, self->cap.refusal);
		EXPECT_EQ((uintptr_t)self->view.addr, self->cap.refused_addr);
		EXPECT_EQ(0, view_check(&self->view, "the memory"));
		munmap(map, LEN);
		fd = capture_view(self);
	} else {
		munmap(map, LEN);
	}
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, view_check(&self->view, "the memory"));
	close(fd);
}

static int mount_overlay(const char *dir)
{
	char path[96], options[256];
	int i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir,
			 ((const char *[]){ "upper", "work", "all" })[i]);
		if (mkdir(path, 0700))
			return -errno;
	}
	snprintf(options, sizeof(options),
		 "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", dir,
		 dir, dir);
	return mount("overlay", path, "overlay", 0, options) ? -errno : 0;
}

/* A container's file: the kernel maps the one below. */
TEST(through_overlayfs)
{
	char dir[] = "/tmp/overlay.XXXXXX", path[64];
	struct test_file file;
	struct vmfork_capture cap;
	struct view view;
	int fd, writer;

	if (test_file_overlay_missing())
		SKIP(return, "%s", test_file_overlay_missing());
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, mount("none", dir, "tmpfs", 0, NULL));
	snprintf(path, sizeof(path), "%s/lower", dir);
	ASSERT_EQ(0, mkdir(path, 0700));
	ASSERT_EQ(0, test_file_make_in(&file, LEN, path));
	ASSERT_EQ(0, mount_overlay(dir));
	snprintf(file.path, sizeof(file.path), "%s/all/file", dir);
	ASSERT_EQ(0, make_view(&file, &view, NULL));
	fd = import_file(&file, O_RDONLY, NULL);
	EXPECT_EQ(-EOPNOTSUPP, fd);
	fd = capture_range(-1, view.addr, LEN, 0, &cap);
	ASSERT_LE(0, fd) TH_LOG("%s", refusal_text(&cap));
	EXPECT_LT(0, cap.pages_file);
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES / 2, view.model, "read"));
	/* Another file has that name then. */
	writer = open(file.path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, writer);
	EXPECT_EQ(1, pwrite(writer, "", 1, LEN / 2));
	close(writer);
	EXPECT_EQ(0, view_check(&view, "the memory"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, view.model, "copied up"));
	view_unmap(&view);
	close(fd);
	snprintf(path, sizeof(path), "%s/all", dir);
	umount2(path, MNT_DETACH);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

/* What was fork(2)ed off maps the file still. */
TEST_F(maps, forked)
{
	struct view other = self->view;
	int fd;

	other.who = peer_start();
	ASSERT_NE(NULL, other.who);
	other.model = model_copy(self->view.model, PAGES);
	fd = capture_view(self);
	ASSERT_LE(0, fd);
	EXPECT_EQ(WRITTEN, self->cap.copied_shared);
	ASSERT_EQ(0, view_fill(&other, 1, 1));
	ASSERT_EQ(0, view_fill(&self->view, 2, 1));
	EXPECT_EQ(0, view_check(&other, "the forked process"));
	EXPECT_EQ(0, view_check(&self->view, "the parent"));
	EXPECT_EQ(0, snapshot_check(fd, 3 * PAGE, PAGES - 3, other.model + 3,
				    "the snapshot"));
	peer_kill(other.who);
	close(fd);
}

/* More than a workqueue has workers. */
#define WAITING	300

static int victim;
static char *stuck_at, *free_at;

static void *capture_stuck(void *arg)
{
	long *ret = arg;
	int fd = capture_range(victim, stuck_at, 16 * PAGE, 0, NULL);

	close(fd);
	*ret = fd < 0 ? fd : 0;
	return NULL;
}

/* Captures another process's memory, and ends. */
static pid_t capture_in_child(int pidfd)
{
	pid_t pid = fork();

	if (!pid)
		_exit(capture_range(pidfd, free_at, PAGE, 0, NULL) < 0);
	return pid;
}

static bool ends_soon(pid_t pid)
{
	uint64_t end = now_ns() + 5000000000ULL * slowness();
	int status;
	pid_t ret;

	while (!(ret = waitpid(pid, &status, WNOHANG)) && now_ns() < end)
		usleep(10000);
	return ret == pid && !status;
}

/*
 * Many wait for a file system that does not answer: whoever has nothing to do
 * with it does not.
 */
TEST(others_wait_for_files)
{
	long rets[WAITING], ended = 0;
	pthread_t threads[WAITING];
	struct peer *stuck, *other;
	struct fusefs *fuse;
	pid_t pid;
	int fd, i;

	if (fusefs_missing())
		SKIP(return, "%s", fusefs_missing());
	fuse = fusefs_start(16 * PAGE);
	ASSERT_NE(NULL, fuse);
	fd = open(fuse->path, O_RDONLY);
	ASSERT_LE(0, fd);
	stuck_at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			fd, 0);
	free_at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, stuck_at);
	ASSERT_NE(MAP_FAILED, free_at);
	*free_at = 1;
	close(fd);
	stuck = peer_start();
	other = peer_start();
	ASSERT_NE(NULL, stuck);
	ASSERT_NE(NULL, other);
	victim = stuck->pidfd;
	munmap(stuck_at, 16 * PAGE);
	fuse->hang_opens = true;
	for (i = 0; i < WAITING; i++) {
		rets[i] = 1;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, capture_stuck,
					    &rets[i]));
	}
	for (i = 0; i < 500 * (int)slowness() && !fuse->remote.hanging; i++)
		usleep(10000);
	EXPECT_LT(0, fuse->remote.hanging);
	usleep(500000 * slowness());
	for (i = 0; i < WAITING; i++)
		ended += rets[i] != 1;
	EXPECT_EQ(0, ended);
	for (i = 0; i < 3; i++) {
		pid = capture_in_child(other->pidfd);
		EXPECT_TRUE(ends_soon(pid));
		kill(pid, SIGKILL);
	}
	fuse->hang_opens = false;
	for (i = 0; i < WAITING; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, rets[i]);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	peer_kill(stuck);
	peer_kill(other);
	fusefs_stop(fuse);
}

TEST_HARNESS_MAIN
