// SPDX-License-Identifier: GPL-2.0
/*
 * Files of vmforkfs: how they become snapshots, and what they are then.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <linux/fs.h>

#include "fs.h"
#include "snapshot_file.h"

/* The fixture of snapshot_file.h, and a mount. */
static struct fs fs;

static void fs_begin(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, fs_mount(&fs, NULL));
}

static void fs_end(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, fs_unmount(&fs));
}

#define FS_TEST(name)							\
static void name(struct __test_metadata *_metadata,			\
		 FIXTURE_DATA(file) *self);				\
TEST_F(file, name)							\
{									\
	fs_begin(_metadata);						\
	name(_metadata, self);						\
	fs_end(_metadata);						\
}									\
static void name(struct __test_metadata *_metadata,			\
		 FIXTURE_DATA(file) *self)

#define is_snapshot(fd) check_snapshot(_metadata, self, fd)

/* It is the fixture's snapshot in each respect. */
static void check_snapshot(struct __test_metadata *_metadata,
			   FIXTURE_DATA(file) *self, int fd)
{
	struct view view;
	struct stat st;

	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(SIZE, (size_t)st.st_size);
	EXPECT_EQ(LEN / 512, (size_t)st.st_blocks);
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "a file"));
	EXPECT_EQ(OFFSET, (size_t)lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(SIZE, (size_t)lseek(fd, OFFSET, SEEK_HOLE));
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, SIZE / PAGE, self->model));
	EXPECT_EQ(0, view_check(&view, "a mapping"));
	EXPECT_EQ(0, view_fill(&view, 7, 77));
	EXPECT_EQ(0, view_fill(&view, SIZE / PAGE - 1, 78));
	EXPECT_EQ(0, view_check(&view, "a written mapping"));
	view_unmap(&view);
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "a file"));
}

/* --- FICLONE --- */

FS_TEST(clone)
{
	uint64_t id = fs_id(self->fd);
	int named = fs_name(&fs, "base", self->fd), again;

	ASSERT_LE(0, named);
	is_snapshot(named);
	EXPECT_EQ(id, fs_id(named));
	again = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, again);
	is_snapshot(again);
	close(named);
	close(again);
	/* The name alone keeps it, and can be cloned on. */
	close(self->fd);
	area_free(&self->area);
	self->fd = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, self->fd);
	is_snapshot(self->fd);
	named = fs_name(&fs, "other", self->fd);
	ASSERT_LE(0, named);
	is_snapshot(named);
	EXPECT_EQ(id, fs_id(named));
	close(named);
	close(self->fd);
	self->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* By the descriptor's path, as cp --reflink does */
FS_TEST(clone_of_a_path)
{
	char path[40];
	int from, named;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	from = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, from);
	named = fs_name(&fs, "base", from);
	ASSERT_LE(0, named);
	is_snapshot(named);
	close(from);
	close(named);
}

FS_TEST(clone_errors)
{
	int empty = fs_create(&fs, "empty"), other, named;
	int mem = memfd_create("mem", MFD_CLOEXEC);
	struct file_clone_range part = {
		.src_fd = self->fd, .src_offset = OFFSET, .src_length = PAGE,
	};

	ASSERT_LE(0, empty);
	/* Part of a snapshot is none. */
	EXPECT_EQ(-1, ioctl(empty, FICLONERANGE, &part));
	EXPECT_EQ(EINVAL, errno);
	part.src_offset = 0;
	EXPECT_EQ(-1, ioctl(empty, FICLONERANGE, &part));
	EXPECT_EQ(EINVAL, errno);
	part.src_length = SIZE;
	part.dest_offset = PAGE;
	EXPECT_EQ(-1, ioctl(empty, FICLONERANGE, &part));
	EXPECT_EQ(EINVAL, errno);
	/* What is no snapshot */
	other = fs_create(&fs, "other");
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBUSY, fs_clone(empty, other));
	EXPECT_EQ(-EXDEV, fs_clone(empty, mem));
	EXPECT_EQ(-EXDEV, fs_clone(mem, self->fd));
	EXPECT_EQ(5, write(other, "begun", 5));
	EXPECT_EQ(-EBUSY, fs_clone(other, self->fd));
	EXPECT_EQ(-EBUSY, fs_clone(empty, other));
	close(other);
	/* It is one now. */
	other = fs_open(&fs, "other", O_RDWR);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EPERM, fs_clone(other, self->fd));
	EXPECT_EQ(-EPERM, fs_clone(self->fd, other));
	EXPECT_EQ(-EPERM, fs_clone(self->fd, self->fd));
	/* All of it by its length */
	part.dest_offset = 0;
	EXPECT_EQ(0, ioctl(empty, FICLONERANGE, &part));
	is_snapshot(empty);
	EXPECT_EQ(-EPERM, fs_clone(empty, self->fd));
	/* The right to do it is that of the descriptors. */
	named = fs_create(&fs, "read-only");
	ASSERT_LE(0, named);
	close(named);
	named = fs_open(&fs, "read-only", O_RDONLY);
	EXPECT_EQ(-EBADF, fs_clone(named, self->fd));
	close(named);
	named = fs_open(&fs, "read-only", O_WRONLY);
	EXPECT_EQ(0, fs_clone(named, self->fd));
	EXPECT_EQ(-EBADF, fs_clone(other, named));
	close(named);
	close(mem);
	close(empty);
	close(other);
}

FS_TEST(copy_file_range_shares)
{
	int to = fs_create(&fs, "copy");
	loff_t in = 0, out = 0;

	ASSERT_LE(0, to);
	EXPECT_EQ((ssize_t)SIZE, copy_file_range(self->fd, &in, to, &out,
						 4 * SIZE, 0));
	EXPECT_EQ(fs_id(self->fd), fs_id(to));
	is_snapshot(to);
	close(to);
}

/* Bytes are copied where it is part of one. */
FS_TEST(copy_file_range_of_a_part)
{
	int to = fs_create(&fs, "copy");
	loff_t in = OFFSET, out = 0;

	ASSERT_LE(0, to);
	while ((size_t)out < LEN) {
		ssize_t n = copy_file_range(self->fd, &in, to, &out,
					    LEN - out, 0);

		ASSERT_LT(0, n);
	}
	close(to);
	to = fs_open(&fs, "copy", O_RDONLY);
	EXPECT_EQ(0, snapshot_check(to, 0, LEN / PAGE,
				    self->model + OFFSET / PAGE, "a part"));
	EXPECT_NE(fs_id(self->fd), fs_id(to));
	close(to);
}

/* --- what nobody can change --- */

#define stays(fd) check_stays(_metadata, self, fd)

static void check_stays(struct __test_metadata *_metadata,
			FIXTURE_DATA(file) *self, int fd)
{
	static char buf[PAGE];
	int pipes[2];

	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, pwrite(fd, buf, PAGE, SIZE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ftruncate(fd, SIZE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				OFFSET, PAGE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, fallocate(fd, 0, 0, 2 * SIZE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, sendfile(fd, self->fd, NULL, PAGE));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	EXPECT_EQ(4, write(pipes[1], "pipe", 4));
	EXPECT_EQ(-1, splice(pipes[0], NULL, fd, NULL, 4, 0));
	EXPECT_EQ(EPERM, errno);
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, fsync(fd));
	is_snapshot(fd);
}

FS_TEST(finished_is_immutable)
{
	int named = fs_name(&fs, "base", self->fd), fd;
	char path[FS_PATH_MAX];

	ASSERT_LE(0, named);
	stays(named);
	fd = fs_open(&fs, "base", O_RDWR);
	ASSERT_LE(0, fd);
	stays(fd);
	close(fd);
	EXPECT_EQ(-EPERM, fs_open(&fs, "base", O_RDWR | O_TRUNC));
	EXPECT_EQ(-EEXIST, fs_create(&fs, "base"));
	EXPECT_EQ(-1, truncate(fs_path(&fs, "base", path), 5));
	EXPECT_EQ(EPERM, errno);
	fd = fs_open(&fs, "base", O_WRONLY | O_APPEND);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EPERM, errno);
	close(fd);
	is_snapshot(named);
	close(named);
	/* So is one without a name. */
	stays(self->fd);
}

/* --- what is written --- */

/*
 * The same is done to a memfd, at random places and sizes, and in the end they
 * are the same.
 */
#define WRITTEN	(3 * MIB)

static int write_both(int a, int b, uint64_t *state)
{
	static char buf[20000], zero[20000];
	size_t at = rnd(state) % WRITTEN, len = rnd(state) % sizeof(buf), i;

	switch (rnd(state) % 8) {
	case 0:		/* a hole */
		if (fallocate(a, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      at, len + 1))
			return -errno;
		/* One of memfd's own is not to be relied upon here. */
		for (i = 0; i < len + 1; i += PAGE) {
			size_t n = len + 1 - i < PAGE ? len + 1 - i : PAGE;
			off_t end = lseek(b, 0, SEEK_END);

			if ((off_t)(at + i) >= end)
				break;
			if ((off_t)(at + i + n) > end)
				n = end - at - i;
			if (pwrite(b, zero, n, at + i) != (ssize_t)n)
				return -EIO;
		}
		return 0;
	case 1:		/* shorter, or longer */
		if (rnd(state) % 4)
			at = WRITTEN - at % PAGE;
		return ftruncate(a, at) || ftruncate(b, at) ? -errno : 0;
	default:
		/* Whole pages, now and then */
		if (!(rnd(state) % 4)) {
			at &= ~(PAGE - 1);
			len &= ~(PAGE - 1);
		}
		for (i = 0; i < len; i += 8)
			memcpy(buf + i, &(uint64_t){ rnd(state) }, 8);
		if (pwrite(a, buf, len, at) != (ssize_t)len ||
		    pwrite(b, buf, len, at) != (ssize_t)len)
			return -EIO;
		return 0;
	}
}

#define same_content(a, b) check_same(_metadata, a, b)

static void check_same(struct __test_metadata *_metadata, int a, int b)
{
	static char x[65536], y[65536];
	off_t size = lseek(a, 0, SEEK_END), at;

	ASSERT_EQ(size, lseek(b, 0, SEEK_END));
	for (at = 0; at < size; at += sizeof(x)) {
		ssize_t n = pread(a, x, sizeof(x), at);

		ASSERT_EQ(n, pread(b, y, sizeof(y), at));
		ASSERT_LT(0, n);
		ASSERT_EQ(0, memcmp(x, y, n));
	}
}

FS_TEST(written_as_any_file)
{
	uint64_t state = test_seed(), pages;
	int a, b, i, round;
	struct vmfork_info info;
	struct stat st;
	char name[16];
	off_t at, end;

	(void)self;
	for (round = 0; round < 8; round++) {
		snprintf(name, sizeof(name), "%d", round);
		a = fs_create(&fs, name);
		b = memfd_create("model", MFD_CLOEXEC);
		ASSERT_LE(0, a);
		for (i = 0; i < 100; i++)
			ASSERT_EQ(0, write_both(a, b, &state));
		ASSERT_EQ(1, pwrite(a, "x", 1, 12345));
		ASSERT_EQ(1, pwrite(b, "x", 1, 12345));
		close(a);
		a = fs_open(&fs, name, O_RDONLY);
		ASSERT_LE(0, a);
		same_content(a, b);
		/* Its holes are what it does not hold. */
		ASSERT_EQ(0, fstat(a, &st));
		ASSERT_EQ(0, snapshot_info(a, &info));
		EXPECT_EQ(info.pages * 8, (uint64_t)st.st_blocks);
		for (at = 0, pages = 0; at >= 0 && at < st.st_size; at = end) {
			at = lseek(a, at, SEEK_DATA);
			if (at < 0)
				break;
			end = lseek(a, at, SEEK_HOLE);
			ASSERT_LT(at, end);
			pages += (end - at + PAGE - 1) / PAGE;
		}
		EXPECT_EQ(info.pages, pages);
		close(a);
		close(b);
	}
}

/* Not a multiple of pages: the file says so, the rest of its page is zeroes. */
FS_TEST(odd_size)
{
	int fd = fs_create(&fs, "odd"), other;
	struct vmfork_info info;
	struct stat st;
	char *p, buf[8];

	(void)self;
	ASSERT_LE(0, fd);
	ASSERT_EQ(5, pwrite(fd, "hello", 5, PAGE));
	close(fd);
	fd = fs_open(&fs, "odd", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(PAGE + 5, (size_t)st.st_size);
	EXPECT_EQ(8, st.st_blocks);
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(2 * PAGE, info.snapshot_size);
	EXPECT_EQ(5, pread(fd, buf, 8, PAGE));
	EXPECT_EQ(0, pread(fd, buf, 8, PAGE + 5));
	EXPECT_EQ(PAGE + 5, (size_t)lseek(fd, PAGE, SEEK_HOLE));
	EXPECT_EQ(-1, lseek(fd, PAGE + 5, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, p[0]);
	EXPECT_EQ(0, memcmp(p + PAGE, "hello\0\0", 7));
	EXPECT_EQ(0, p[2 * PAGE - 1]);
	munmap(p, 2 * PAGE);
	other = fs_name(&fs, "clone", fd);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, fstat(other, &st));
	EXPECT_EQ(PAGE + 5, (size_t)st.st_size);
	close(other);
	close(fd);
}

#define not_yet(fd) check_not_yet(_metadata, fd)

static void check_not_yet(struct __test_metadata *_metadata, int fd)
{
	struct vmfork_info info;
	char buf[8];

	EXPECT_EQ(-1, pread(fd, buf, 8, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-EBUSY, snapshot_info(fd, &info));
}

/* With the last of those who may write */
FS_TEST(finished_by_the_last_writer)
{
	int a = fs_create(&fs, "file"), b = fs_open(&fs, "file", O_WRONLY);
	int reader = fs_open(&fs, "file", O_RDONLY), c;
	struct stat st;
	char buf[8];

	(void)self;
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_LE(0, reader);
	ASSERT_EQ(3, write(a, "one", 3));
	ASSERT_EQ(0, fstat(reader, &st));
	EXPECT_EQ(3, st.st_size);
	not_yet(a);
	not_yet(reader);
	c = dup(a);
	close(a);
	ASSERT_EQ(3, pwrite(b, "two", 3, 3));
	close(b);
	not_yet(reader);
	ASSERT_EQ(0, fstat(reader, &st));
	EXPECT_EQ(6, st.st_size);
	EXPECT_EQ(8, st.st_blocks);
	close(c);
	EXPECT_EQ(6, pread(reader, buf, 8, 0));
	EXPECT_EQ(0, memcmp(buf, "onetwo", 6));
	EXPECT_NE(0, fs_id(reader));
	close(reader);
}

/* Of nothing there is no snapshot; truncate(2) opens nothing that is closed. */
FS_TEST(empty_stays_empty)
{
	char path[FS_PATH_MAX], buf[8];
	int fd = fs_create(&fs, "file");
	struct stat st;

	ASSERT_LE(0, fd);
	close(fd);
	fd = fs_open(&fs, "file", O_RDWR | O_TRUNC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, read(fd, buf, 8));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(3, write(fd, "one", 3));
	EXPECT_EQ(0, ftruncate(fd, 0));
	close(fd);
	fd = fs_open(&fs, "file", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fs_clone(fd, self->fd));
	is_snapshot(fd);
	close(fd);

	close(fs_create(&fs, "holes"));
	ASSERT_EQ(0, truncate(fs_path(&fs, "holes", path), 5 * PAGE));
	fd = fs_open(&fs, "holes", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_blocks);
	EXPECT_EQ(8, pread(fd, buf, 8, 4 * PAGE));
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(EPERM, errno);
	close(fd);
}

FS_TEST(written_errors)
{
	int fd = fs_create(&fs, "file");
	char buf[8], *two;

	(void)self;
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pwrite(fd, buf, 8, 128LL << 40));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(-1, ftruncate(fd, (128LL << 40) + 1));
	EXPECT_EQ(EFBIG, errno);
	/* Half of it is there. */
	two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, two);
	munmap(two + PAGE, PAGE);
	EXPECT_EQ(-1, write(fd, two + PAGE, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_GE((ssize_t)PAGE, write(fd, two, 2 * PAGE));
	EXPECT_EQ(0, ftruncate(fd, 0));
	munmap(two, PAGE);
	EXPECT_EQ(-1, fallocate(fd, 0, 0, PAGE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	/* As far out as can be */
	EXPECT_EQ(0, ftruncate(fd, 128LL << 40));
	EXPECT_EQ(8, pwrite(fd, "the end", 8, (128LL << 40) - 8));
	close(fd);
	fd = fs_open(&fs, "file", O_RDONLY);
	EXPECT_EQ(8, pread(fd, buf, 8, (128LL << 40) - 8));
	EXPECT_EQ(0, memcmp(buf, "the end", 8));
	EXPECT_EQ((128LL << 40) - (off_t)PAGE, lseek(fd, 0, SEEK_DATA));
	close(fd);
}

/* --- captures into a file --- */

FS_TEST(capture_into)
{
	int fd = fs_create(&fs, "base"), again;
	struct vmfork_capture cap;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fs_capture(fd, self->area.view.addr, LEN, OFFSET, &cap));
	EXPECT_EQ(cap.id, fs_id(fd));
	is_snapshot(fd);
	stays(fd);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	/* Not a second time */
	EXPECT_EQ(-EPERM, fs_capture(fd, self->area.view.addr, LEN, OFFSET,
				     &cap));
	close(fd);
	again = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, again);
	EXPECT_EQ(-EBADF, fs_capture(again, self->area.view.addr, LEN, OFFSET,
				     &cap));
	is_snapshot(again);
	close(again);
}

FS_TEST(capture_into_errors)
{
	void *addr = self->area.view.addr;
	int fd = fs_create(&fs, "base"), null = open("/dev/null", O_WRONLY);
	int fds = count_fds();
	struct stat st;
	char buf[4];

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, fs_capture(-1, addr, LEN, 0, NULL));
	EXPECT_EQ(-EBADF, fs_capture(9999, addr, LEN, 0, NULL));
	EXPECT_EQ(-EXDEV, fs_capture(null, addr, LEN, 0, NULL));
	EXPECT_EQ(-EPERM, fs_capture(self->fd, addr, LEN, 0, NULL));
	/* A refusal leaves it empty, and as good as before. */
	EXPECT_EQ(-EINVAL, fs_capture(fd, addr, LEN + 1, 0, NULL));
	EXPECT_EQ(-EFAULT, fs_capture(fd, (void *)PAGE, LEN, 0, NULL));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(0, read(fd, buf, 4));
	EXPECT_EQ(3, write(fd, "one", 3));
	EXPECT_EQ(-EBUSY, fs_capture(fd, addr, LEN, 0, NULL));
	EXPECT_EQ(0, ftruncate(fd, 0));
	EXPECT_EQ(0, fs_capture(fd, addr, LEN, OFFSET, NULL));
	EXPECT_EQ(fds, count_fds());
	is_snapshot(fd);
	close(null);
	close(fd);
}

/* --- names --- */

FS_TEST(unnamed_by_tmpfile)
{
	char path[FS_PATH_MAX], proc[40];
	int fd = open(fs.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fs_clone(fd, self->fd));
	is_snapshot(fd);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ASSERT_EQ(0, linkat(AT_FDCWD, proc, AT_FDCWD,
			    fs_path(&fs, "late", path), AT_SYMLINK_FOLLOW));
	close(fd);
	fd = fs_open(&fs, "late", O_RDONLY);
	ASSERT_LE(0, fd);
	is_snapshot(fd);
	close(fd);
}

FS_TEST(links_and_renames)
{
	char a[FS_PATH_MAX], b[FS_PATH_MAX], c[FS_PATH_MAX], d[FS_PATH_MAX];
	int fd = fs_name(&fs, "a", self->fd), other = fs_create(&fs, "c");
	struct stat st;
	char buf[8];

	ASSERT_LE(0, fd);
	fs_path(&fs, "a", a);
	fs_path(&fs, "b", b);
	fs_path(&fs, "c", c);
	fs_path(&fs, "dir", d);
	ASSERT_EQ(3, write(other, "one", 3));
	close(other);
	ASSERT_EQ(0, link(a, b));
	ASSERT_EQ(0, stat(a, &st));
	EXPECT_EQ(2, st.st_nlink);
	EXPECT_EQ(-1, link(a, b));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, unlink(a));
	is_snapshot(fd);
	/* Over another, whose users keep it */
	other = fs_open(&fs, "c", O_RDONLY);
	ASSERT_EQ(0, rename(b, c));
	EXPECT_EQ(3, read(other, buf, 8));
	close(other);
	EXPECT_EQ(-ENOENT, fs_open(&fs, "b", O_RDONLY));
	close(fd);
	fd = fs_open(&fs, "c", O_RDONLY);
	ASSERT_LE(0, fd);
	is_snapshot(fd);
	close(fd);
	/* Into a directory, and swapped */
	ASSERT_EQ(0, mkdir(d, 0755));
	EXPECT_EQ(-1, rename(c, d));
	EXPECT_EQ(EISDIR, errno);
	ASSERT_EQ(0, symlink("c", a));
	ASSERT_EQ(0, syscall(SYS_renameat2, AT_FDCWD, c, AT_FDCWD, d,
			     RENAME_EXCHANGE));
	EXPECT_EQ(-ENOTDIR, fs_open(&fs, "dir", O_RDONLY | O_DIRECTORY));
	fd = fs_open(&fs, "dir", O_RDONLY);
	ASSERT_LE(0, fd);
	is_snapshot(fd);
	close(fd);
	snprintf(b, sizeof(b), "%.90s/in", c);
	ASSERT_EQ(0, rename(d, b));
	EXPECT_EQ(-1, rmdir(c));
	EXPECT_EQ(ENOTEMPTY, errno);
	fd = open(strcat(a, "/in"), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	is_snapshot(fd);
	ASSERT_EQ(0, unlink(b));
	ASSERT_EQ(0, rmdir(c));
	is_snapshot(fd);
	close(fd);
	ASSERT_EQ(0, mkdir(fs_path(&fs, "one", a), 0755));
	ASSERT_EQ(0, mkdir(fs_path(&fs, "two", b), 0755));
	ASSERT_EQ(0, rename(a, b));
	EXPECT_EQ(-1, mknod(a, S_IFIFO | 0600, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, mknod(a, S_IFREG | 0600, 0));
}

static void path_of(int fd, char *path, size_t size)
{
	char proc[40];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, path, size - 1);
	path[n < 0 ? 0 : n] = '\0';
}

FS_TEST(what_proc_shows)
{
	char path[FS_PATH_MAX], shown[256], want[256], maps[65536];
	int fd = fs_name(&fs, "base", self->fd);
	void *p;

	ASSERT_LE(0, fd);
	path_of(fd, shown, sizeof(shown));
	EXPECT_STREQ(fs_path(&fs, "base", path), shown);
	snprintf(want, sizeof(want), "/vmfork:%llu (deleted)",
		 (unsigned long long)fs_id(fd));
	path_of(self->fd, shown, sizeof(shown));
	EXPECT_STREQ(want, shown);
	/* A mapping has the number of its snapshot: it can be moved on. */
	p = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	snprintf(want, sizeof(want), "%lx-%lx r--p 00000000",
		 (unsigned long)p, (unsigned long)p + SIZE);
	ASSERT_LT(0, read_file("/proc/self/maps", maps, sizeof(maps)));
	ASSERT_NE(NULL, strstr(maps, want));
	snprintf(shown, sizeof(shown), "/vmfork:%llu (deleted)\n",
		 (unsigned long long)fs_id(fd));
	strstr(maps, want)[strcspn(strstr(maps, want), "\n") + 1] = '\0';
	EXPECT_NE(NULL, strstr(strstr(maps, want), shown));
	munmap(p, SIZE);
	unlink(path);
	strcat(path, " (deleted)");
	path_of(fd, shown, sizeof(shown));
	EXPECT_STREQ(path, shown);
	close(fd);
}

/* A mapping outlives name, file and descriptor. */
FS_TEST(mapping_outlives_its_name)
{
	int fd = fs_name(&fs, "base", self->fd);
	char path[FS_PATH_MAX];
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, SIZE / PAGE, self->model));
	close(fd);
	ASSERT_EQ(0, unlink(fs_path(&fs, "base", path)));
	close(self->fd);
	area_free(&self->area);
	EXPECT_EQ(0, view_check(&view, "the mapping"));
	self->fd = capture_range(-1, view.addr, SIZE, 0, NULL);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, view_check(&view, "the mapping"));
	view_unmap(&view);
	is_snapshot(self->fd);
}

FS_TEST(what_it_holds)
{
	struct statfs st, before;
	char path[FS_PATH_MAX];
	int fd;

	ASSERT_EQ(0, statfs(fs.dir, &before));
	EXPECT_EQ(VMFORKFS_MAGIC, before.f_type);
	EXPECT_EQ(PAGE, (size_t)before.f_bsize);
	EXPECT_LE(PAGES, before.f_blocks - before.f_bfree);
	/* Another name costs nothing, what is written costs what it is. */
	close(fs_name(&fs, "base", self->fd));
	ASSERT_EQ(0, statfs(fs.dir, &st));
	EXPECT_EQ(before.f_bfree, st.f_bfree);
	fd = fs_create(&fs, "file");
	ASSERT_EQ(4, pwrite(fd, "data", 4, 10 * PAGE));
	ASSERT_EQ(0, fstatfs(fd, &st));
	EXPECT_EQ(before.f_bfree - 1, st.f_bfree);
	close(fd);
	ASSERT_EQ(0, unlink(fs_path(&fs, "file", path)));
	ASSERT_EQ(0, statfs(fs.dir, &st));
	EXPECT_EQ(before.f_bfree, st.f_bfree);
	EXPECT_EQ(-1, setxattr(fs.dir, "user.x", "y", 1, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_HARNESS_MAIN
