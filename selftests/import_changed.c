// SPDX-License-Identifier: GPL-2.0
/*
 * Files that do not stay what they were, under those who have them mapped: what
 * was read stays, what was not is an error, and nothing is ever mixed.
 */
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "imported.h"

#define READ	10	/* was read before the change */
#define UNREAD	700

struct touch_arg { char *at; bool write; };

static long do_touch(int fd, const void *arg)
{
	const struct touch_arg *touch = arg;

	(void)fd;
	return touch_page(touch->at, touch->write);
}

static long touch_there(const struct view *view, size_t page, bool write)
{
	struct touch_arg arg = { view->addr + page * PAGE, write };

	return peer_call(view->who, do_touch, -1, &arg, sizeof(arg));
}

/* What the test's own file system says of the file next. */
static void change_times(struct fusefs *fs)
{
	fs->mtime++;
	fs->ctime++;
}

FIXTURE(changed) {
	struct test_file file;
	struct peer *peer;
	int writer;		/* has it open for writing */
	int fd;
	struct view here, there;
};

FIXTURE_VARIANT(changed) { enum file_kind kind; };
FIXTURE_VARIANT_ADD(changed, tmpfs) { .kind = FILE_TMPFS };
FIXTURE_VARIANT_ADD(changed, ext4) { .kind = FILE_EXT4 };
FIXTURE_VARIANT_ADD(changed, fuse) { .kind = FILE_FUSE };

FIXTURE_SETUP(changed)
{
	struct vmfork_import arg = { 0 };
	static char page[PAGE];

	if (test_file_missing(variant->kind))
		SKIP(return, "%s", test_file_missing(variant->kind));
	ASSERT_EQ(0, test_file_make(&self->file, variant->kind, LEN));
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	self->writer = open(self->file.path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->writer);
	self->fd = import_file(&self->file, O_RDONLY, &arg);
	ASSERT_LE(0, self->fd) TH_LOG("%s", strerror(-self->fd));
	EXPECT_EQ(VMFORK_FILE_UNGUARDED, arg.file_flags);
	ASSERT_EQ(0, view_map(&self->here, NULL, self->fd, 0, PAGES,
			      self->file.model));
	ASSERT_EQ(0, view_map(&self->there, self->peer, self->fd, 0, PAGES,
			      self->file.model));
	ASSERT_EQ(0, touch_page(self->here.addr + READ * PAGE, false));
	/* The kernel has this one in its page cache. */
	ASSERT_EQ((ssize_t)PAGE, pread(self->writer, page, PAGE,
				       (UNREAD + 1) * PAGE));
}

FIXTURE_TEARDOWN(changed)
{
	view_unmap(&self->here);
	peer_kill(self->peer);
	close(self->writer);
	close(self->fd);
	test_file_free(&self->file);
}

/* What was read is there for all; what was not, for nobody. */
#define gone() check_gone(_metadata, self)

static void check_gone(struct __test_metadata *_metadata,
		       FIXTURE_DATA(changed) *self)
{
	static char page[PAGE];
	struct vmfork_info info;
	size_t i;

	EXPECT_EQ(SIGBUS, touch_page(self->here.addr + UNREAD * PAGE, false));
	EXPECT_EQ(SIGBUS, touch_page(self->here.addr + (UNREAD + 1) * PAGE,
				     true));
	EXPECT_EQ(SIGBUS, touch_there(&self->there, UNREAD + 2, true));
	EXPECT_EQ(0, touch_there(&self->there, READ, false));
	EXPECT_TRUE(page_is(self->here.addr + READ * PAGE,
			    &self->file.model[READ]));
	EXPECT_EQ(-1, pread(self->fd, page, PAGE, UNREAD * PAGE));
	EXPECT_EQ(EIO, errno);
	ASSERT_EQ((ssize_t)PAGE, pread(self->fd, page, PAGE, READ * PAGE));
	EXPECT_TRUE(page_is(page, &self->file.model[READ]));
	for (i = 0; i < PAGES; i += 31)
		EXPECT_EQ(i == READ ? 0 : SIGBUS,
			  self->file.model[i].fill || self->file.fuse ?
			  touch_page(self->here.addr + i * PAGE, false) :
			  SIGBUS);
	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	EXPECT_EQ(1, info.pages_read);
	EXPECT_LT(3, info.read_errors);
	EXPECT_TRUE(info.file_flags & VMFORK_FILE_CHANGED);
}

TEST_F(changed, written_to)
{
	ASSERT_EQ(0, test_file_write(&self->file, self->writer, UNREAD, 4711));
	if (self->file.fuse)
		change_times(self->file.fuse);
	gone();
}

/* Who finds out is one who writes to the mapping. */
TEST_F(changed, found_by_a_write)
{
	ASSERT_EQ(0, test_file_write(&self->file, self->writer, UNREAD, 4711));
	if (self->file.fuse)
		change_times(self->file.fuse);
	EXPECT_EQ(SIGBUS, touch_page(self->here.addr + (UNREAD + 1) * PAGE,
				     true));
	gone();
}

/* ...and the times put back as they were. */
TEST_F(changed, times_put_back)
{
	struct timespec times[2];
	struct stat st;

	if (test_file_missing(FILE_FUSE))
		SKIP(return, "%s", test_file_missing(FILE_FUSE));
	if (self->file.fuse)
		SKIP(return, "this file system has no times of its own");
	ASSERT_EQ(0, fstat(self->writer, &st));
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ASSERT_EQ(0, test_file_write(&self->file, self->writer, UNREAD, 4711));
	ASSERT_EQ(0, futimens(self->writer, times));
	gone();
}

TEST_F(changed, truncated)
{
	if (self->file.fuse)
		self->file.fuse->size = UNREAD / 2 * PAGE;
	else
		ASSERT_EQ(0, ftruncate(self->writer, UNREAD / 2 * PAGE));
	gone();
}

TEST_F(changed, grown)
{
	if (self->file.fuse)
		self->file.fuse->size = LEN + 1;
	else
		ASSERT_EQ(0, ftruncate(self->writer, LEN + 1));
	gone();
}

TEST_F(changed, punched)
{
	if (test_file_missing(FILE_FUSE))
		SKIP(return, "%s", test_file_missing(FILE_FUSE));
	if (self->file.fuse)
		SKIP(return, "this file system has no holes");
	if (fallocate(self->writer, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      UNREAD * PAGE, PAGE))
		SKIP(return, "holes can not be punched: %s",
		     strerror(errno));
	gone();
}

/* Through a mapping: of tmpfs, which would set no time at all, there is none. */
TEST_F(changed, by_a_mapping)
{
	char *map;

	if (test_file_missing(FILE_FUSE))
		SKIP(return, "%s", test_file_missing(FILE_FUSE));
	if (self->file.fuse)
		SKIP(return, "this file system is not written to");
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, self->writer,
		   0);
	if (self->file.kind == FILE_TMPFS) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EPERM, errno);
		EXPECT_EQ(0, view_check(&self->here, "not written to"));
		close(self->fd);
		self->fd = -1;
		view_unmap(&self->here);
		peer_kill(self->peer);
		self->peer = NULL;
		usleep(100000);		/* delayed fput */
		map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			   self->writer, 0);
		EXPECT_NE(MAP_FAILED, map) TH_LOG("%s", strerror(errno));
	} else {
		ASSERT_NE(MAP_FAILED, map);
		page_fill(map + UNREAD * PAGE, 4711);
		gone();
	}
	munmap(map, LEN);
}

/* A page that is written to later than it is read does not show it. */
TEST_F(changed, what_was_read_stays)
{
	static char page[PAGE];

	ASSERT_EQ(0, test_file_write(&self->file, self->writer, READ, 4711));
	if (self->file.fuse)
		change_times(self->file.fuse);
	EXPECT_EQ(0, touch_there(&self->there, READ, false));
	ASSERT_EQ((ssize_t)PAGE, pread(self->fd, page, PAGE, READ * PAGE));
	EXPECT_TRUE(page_is(page, &self->file.model[READ]));
	gone();
}

/* The last writer goes: nobody else can come, and the snapshot is safe. */
TEST_F(changed, guarded_later)
{
	struct vmfork_info info;

	close(self->writer);
	ASSERT_EQ(0, touch_page(self->here.addr + UNREAD * PAGE, false));
	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	EXPECT_EQ(0, info.file_flags);
	self->writer = open(self->file.path, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-1, self->writer);
	EXPECT_EQ(ETXTBSY, errno);
	EXPECT_EQ(-1, truncate(self->file.path, 0));
	EXPECT_EQ(0, view_check(&self->here, "here"));
	EXPECT_EQ(0, view_check(&self->there, "there"));
}

/* Written to before the last writer has gone. */
TEST_F(changed, guarded_too_late)
{
	ASSERT_EQ(0, test_file_write(&self->file, self->writer, UNREAD, 4711));
	if (self->file.fuse)
		change_times(self->file.fuse);
	close(self->writer);
	self->writer = -1;
	gone();
}

/* It is not changed by being removed, but its mapping is captured again. */
TEST_F(changed, recaptured)
{
	struct vmfork_capture cap;
	int again;

	ASSERT_EQ(0, view_fill(&self->here, 20, 20));
	ASSERT_EQ(0, test_file_write(&self->file, self->writer, UNREAD, 4711));
	if (self->file.fuse)
		change_times(self->file.fuse);
	EXPECT_EQ(SIGBUS, touch_page(self->here.addr + UNREAD * PAGE, false));
	again = capture_range(-1, self->here.addr, LEN, 0, &cap);
	ASSERT_LE(0, again) TH_LOG("%s", refusal_text(&cap));
	EXPECT_EQ(1, cap.pages_stolen + cap.pages_copied);
	EXPECT_TRUE(page_is(self->here.addr + 20 * PAGE,
			    &self->here.model[20]));
	EXPECT_TRUE(page_is(self->here.addr + READ * PAGE,
			    &self->here.model[READ]));
	EXPECT_EQ(SIGBUS, touch_page(self->here.addr + UNREAD * PAGE, false));
	close(again);
}

/* Nobody writes to it from here on: it is guarded. */

TEST_F(import, can_not_be_written_to)
{
	int fd = import_file(&self->file, O_RDWR, NULL), writer;
	struct view view;

	ASSERT_LE(0, fd);
	writer = open(self->file.path, O_WRONLY | O_CLOEXEC);
	if (writer >= 0) {
		/* Guarded as soon as it is known that nobody else writes. */
		close(writer);
		ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES,
				      self->file.model));
		ASSERT_EQ(0, touch_page(view.addr + READ * PAGE, false));
		view_unmap(&view);
		writer = open(self->file.path, O_WRONLY | O_CLOEXEC);
	}
	EXPECT_EQ(-1, writer);
	EXPECT_EQ(ETXTBSY, errno);
	writer = open(self->file.path, O_RDONLY | O_TRUNC | O_CLOEXEC);
	EXPECT_EQ(-1, writer);
	EXPECT_EQ(-1, truncate(self->file.path, 0));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->file.model, "read"));
	close(fd);
	usleep(100000);		/* delayed fput */
	writer = open(self->file.path, O_WRONLY | O_CLOEXEC);
	EXPECT_LE(0, writer) TH_LOG("%s", strerror(errno));
	close(writer);
}

TEST_F(import, removed)
{
	char other[80];
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct view view;

	ASSERT_LE(0, fd);
	if (self->file.fuse)
		SKIP(close(fd); return, "this file system has one file for ever");
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, touch_page(view.addr + READ * PAGE, false));
	/* Renamed, its mode changed, linked, and removed at last. */
	snprintf(other, sizeof(other), "%s.other", self->file.path);
	ASSERT_EQ(0, rename(self->file.path, other));
	ASSERT_EQ(0, chmod(other, 0400));
	ASSERT_EQ(0, touch_page(view.addr + UNREAD * PAGE, false));
	ASSERT_EQ(0, unlink(other));
	EXPECT_EQ(0, view_check(&view, "removed"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->file.model, "read"));
	view_unmap(&view);
	close(fd);
}

/*
 * Another machine writes to it, which nobody here can keep it from: 9p, mounted
 * twice.  Each page is a message to the host, so there are few.
 */
#define FEW	128UL

FIXTURE(elsewhere) {
	struct test_file file;
	struct view view;
	int fd;
};

FIXTURE_SETUP(elsewhere)
{
	struct vmfork_import arg = { 0 };

	if (test_file_missing(FILE_9P))
		SKIP(return, "%s", test_file_missing(FILE_9P));
	ASSERT_EQ(0, test_file_make(&self->file, FILE_9P, FEW * PAGE));
	self->fd = import_file(&self->file, O_RDONLY, &arg);
	ASSERT_LE(0, self->fd) TH_LOG("%s", strerror(-self->fd));
	EXPECT_EQ(0, arg.file_flags);
	EXPECT_EQ(FEW, arg.pages_file);
	ASSERT_EQ(0, view_map(&self->view, NULL, self->fd, 0, FEW,
			      self->file.model));
}

FIXTURE_TEARDOWN(elsewhere)
{
	view_unmap(&self->view);
	close(self->fd);
	test_file_free(&self->file);
}

TEST_F_TIMEOUT(elsewhere, not_written_to, 120)
{
	EXPECT_EQ(0, view_check(&self->view, "mapped"));
	EXPECT_EQ(FEW, pages_read(self->fd));
	EXPECT_EQ(0, snapshot_check(self->fd, 0, FEW, self->file.model,
				    "read"));
}

TEST_F_TIMEOUT(elsewhere, written_to, 120)
{
	const size_t unread = FEW - 20;
	struct vmfork_info info;
	static char page[PAGE];
	int writer;

	ASSERT_EQ(0, touch_page(self->view.addr + READ * PAGE, false));
	writer = open(self->file.path, O_WRONLY | O_CLOEXEC);
	EXPECT_EQ(-1, writer);
	writer = open(self->file.elsewhere, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, writer) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, test_file_write(&self->file, writer, unread, 4711));
	EXPECT_EQ(0, close(writer));
	EXPECT_EQ(SIGBUS, touch_page(self->view.addr + unread * PAGE, true));
	EXPECT_EQ(SIGBUS, touch_page(self->view.addr + unread * PAGE, false));
	EXPECT_EQ(SIGBUS, touch_page(self->view.addr + (unread + 1) * PAGE,
				     false));
	EXPECT_EQ(-1, pread(self->fd, page, PAGE, unread * PAGE));
	EXPECT_TRUE(page_is(self->view.addr + READ * PAGE,
			    &self->file.model[READ]));
	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	EXPECT_EQ(VMFORK_FILE_CHANGED, info.file_flags);
}

/* Errors */

TEST_F(import, io_error)
{
	static char page[PAGE];
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct remote *remote = self->file.remote;
	struct vmfork_info info;
	struct view here, there;

	ASSERT_LE(0, fd);
	if (!remote)
		SKIP(close(fd); return, "this file system does not fail");
	ASSERT_EQ(0, view_map(&here, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_map(&there, self->peer, fd, 0, PAGES,
			      self->file.model));
	ASSERT_EQ(0, touch_page(here.addr + READ * PAGE, false));
	remote->error = EIO;
	EXPECT_EQ(SIGBUS, touch_page(here.addr + UNREAD * PAGE, false));
	EXPECT_EQ(SIGBUS, touch_page(here.addr + UNREAD * PAGE, true));
	EXPECT_EQ(SIGBUS, touch_there(&there, UNREAD, false));
	EXPECT_EQ(0, touch_there(&there, READ, false));
	EXPECT_EQ(-1, pread(fd, page, PAGE, UNREAD * PAGE));
	EXPECT_EQ(EIO, errno);
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_LT(2, info.read_errors);
	EXPECT_EQ(0, info.file_flags & VMFORK_FILE_CHANGED);
	/* It is over: nothing of it is left. */
	remote->error = 0;
	EXPECT_EQ(0, view_check(&here, "here"));
	EXPECT_EQ(0, view_check(&there, "there"));
	view_unmap(&here);
	view_unmap(&there);
	close(fd);
}

static pid_t import_by_child(const struct test_file *file,
			     const struct stamp *model)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = import_file(file, O_RDONLY, NULL);
	_exit(fd < 0 || snapshot_check(fd, 0, PAGES, model, "imported"));
}

/* 0 if it ended well within two seconds. */
static int soon_over(pid_t pid, int *status)
{
	unsigned int i;

	for (i = 0; i < 100 * slowness() && !waitpid(pid, status, WNOHANG); i++)
		usleep(20000);
	return i == 100 * slowness() ? -ETIMEDOUT : 0;
}

/*
 * A write(2) sets times when it begins.  One that reads what it writes from a
 * server that does not answer is not over for long after that.
 */
TEST_F(import, in_the_middle_of_a_write)
{
	struct test_file from;
	pid_t writer, killed, child;
	int fd, to, status;
	unsigned int i;
	char *source;

	if (test_file_missing(FILE_FUSE))
		SKIP(return, "%s", test_file_missing(FILE_FUSE));
	if (self->file.fuse)
		SKIP(return, "this file system is not there twice");
	ASSERT_EQ(0, test_file_make(&from, FILE_FUSE, LEN));
	fd = open(from.path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	source = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, source);
	ASSERT_EQ(0, touch_page(source, false));
	to = open(self->file.path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, to);
	from.remote->hang = true;
	writer = fork();
	if (!writer)
		_exit(pwrite(to, source, LEN, 0) != LEN);
	for (i = 0; i < 100 * slowness() && !from.remote->hanging; i++)
		usleep(20000);
	ASSERT_LT(0, from.remote->hanging);
	killed = import_by_child(&self->file, from.model);
	child = import_by_child(&self->file, from.model);
	usleep(500000);
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG)) TH_LOG("no wait");
	EXPECT_EQ(0, waitpid(killed, &status, WNOHANG));
	kill(killed, SIGKILL);
	EXPECT_EQ(0, soon_over(killed, &status)) TH_LOG("it can not be killed");
	from.remote->hang = false;
	EXPECT_EQ(writer, waitpid(writer, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("it has not what was written");
	munmap(source, LEN);
	close(to);
	close(fd);
	test_file_free(&from);
}

/* The server does not answer: others go on, and who waits can be killed. */
TEST_F(import, hangs)
{
	int fd = import_file(&self->file, O_RDONLY, NULL), status, i;
	struct remote *remote = self->file.remote;
	struct view view;
	pid_t pid;

	ASSERT_LE(0, fd);
	if (!remote)
		SKIP(close(fd); return, "this file system does not hang");
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, touch_page(view.addr + READ * PAGE, false));
	remote->hang = true;
	pid = fork();
	if (!pid) {
		(void)*(volatile char *)(view.addr + UNREAD * PAGE);
		_exit(0);
	}
	for (i = 0; i < 100 && !remote->hanging; i++)
		usleep(20000);
	ASSERT_LT(0, remote->hanging);
	/* What is there is there, and memory can be mapped and captured. */
	EXPECT_EQ(0, touch_page(view.addr + READ * PAGE, false));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	for (i = 0; i < 100 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(20000);
	EXPECT_GT(100, i) TH_LOG("it can not be killed");
	remote->hang = false;
	EXPECT_EQ(0, view_check(&view, "after that"));
	view_unmap(&view);
	close(fd);
}

static char *hang_at;

static int hang_thread(void *unused)
{
	(void)unused;
	return *(volatile char *)hang_at;
}

/* A thread that waits does not hold the mmap lock. */
TEST_F(import, waits_without_the_mmap_lock)
{
	static char stack[65536] __attribute__((aligned(16)));
	int fd = import_file(&self->file, O_RDONLY, NULL), i, snap, hanging;
	struct remote *remote = self->file.remote;
	struct view view;
	uint64_t begin;
	void *map;

	ASSERT_LE(0, fd);
	if (!remote)
		SKIP(close(fd); return, "this file system does not hang");
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_fill(&view, 3, 3));
	remote->hang = true;
	hang_at = view.addr + UNREAD * PAGE;
	ASSERT_LT(0, clone(hang_thread, stack + sizeof(stack),
			   CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			   CLONE_THREAD | CLONE_SYSVSEM, NULL));
	for (i = 0; i < 100 && !remote->hanging; i++)
		usleep(20000);
	ASSERT_LT(0, remote->hanging);
	/* Readahead of a disk is several. */
	usleep(200000);
	hanging = remote->hanging;
	begin = now_ns();
	map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_NE(MAP_FAILED, map);
	munmap(map, PAGE);
	snap = capture_range(-1, view.addr, LEN, 0, NULL);
	EXPECT_LE(0, snap);
	EXPECT_GT(5000000000ULL * slowness(), now_ns() - begin);
	EXPECT_EQ(hanging, remote->hanging);
	remote->hang = false;
	EXPECT_EQ(0, view_check(&view, "after that"));
	close(snap);
	view_unmap(&view);
	close(fd);
}

TEST_HARNESS_MAIN
