// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot's descriptor is a file: what reads files reads it, what opens
 * files opens it, and nothing writes to it.  Mapping it: snapshot_maps.c.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "snapshot_file.h"

TEST_F(file, stat)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_EQ(SIZE, (size_t)st.st_size);
	EXPECT_EQ(LEN / 512, (size_t)st.st_blocks);
	EXPECT_EQ(0, st.st_mode & 0077);
	EXPECT_EQ(geteuid(), st.st_uid);
}

TEST_F(file, fdinfo)
{
	char path[40], text[1024], line[64];
	struct vmfork_info info;

	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, read_file(path, text, sizeof(text)));
	snprintf(line, sizeof(line), "vmfork-id:\t%llu\n", info.id);
	EXPECT_NE(NULL, strstr(text, line)) TH_LOG("%s", text);
	snprintf(line, sizeof(line), "vmfork-pages:\t%llu\n", info.pages);
	EXPECT_NE(NULL, strstr(text, line)) TH_LOG("%s", text);
}

/* read */

TEST_F(file, read_and_seek)
{
	static char buf[2 * PAGE] __attribute__((aligned(4096)));
	int fd = self->fd;

	EXPECT_EQ(OFFSET, (size_t)lseek(fd, OFFSET, SEEK_SET));
	EXPECT_EQ((ssize_t)PAGE, read(fd, buf, PAGE));
	EXPECT_TRUE(page_is(buf, &self->model[OFFSET / PAGE]));
	EXPECT_EQ(OFFSET + PAGE, (size_t)lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(SIZE - PAGE, (size_t)lseek(fd, -(off_t)PAGE, SEEK_END));
	/* Only one page is left. */
	EXPECT_EQ((ssize_t)PAGE, read(fd, buf, 2 * PAGE));
	EXPECT_TRUE(page_is(buf, &self->model[SIZE / PAGE - 1]));
	EXPECT_EQ(0, read(fd, buf, 1));
	EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(file, pread_in_parts)
{
	static char whole[4 * PAGE], part[4 * PAGE];
	static const struct { size_t at, len; } parts[] = {
		{ 0, 1 }, { 4095, 2 }, { 100, 8000 }, { 4096, 4096 },
		{ 8191, 1 }, { 1, 16383 },
	};
	size_t i;

	ASSERT_EQ((ssize_t)sizeof(whole), pread(self->fd, whole, sizeof(whole),
						OFFSET + 5 * PAGE));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		ASSERT_EQ((ssize_t)parts[i].len,
			  pread(self->fd, part, parts[i].len,
				OFFSET + 5 * PAGE + parts[i].at));
		EXPECT_EQ(0, memcmp(part, whole + parts[i].at, parts[i].len));
	}
	/* Across the border of the hole. */
	ASSERT_EQ(20, pread(self->fd, part, 20, OFFSET - 10));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, part[i]);
	EXPECT_EQ(10, pread(self->fd, part, 100, SIZE - 10));
	EXPECT_EQ(0, pread(self->fd, part, 100, SIZE));
	EXPECT_EQ(0, pread(self->fd, part, 100, SIZE + MIB));
	EXPECT_EQ(0, pread(self->fd, part, 0, OFFSET));
}

TEST_F(file, preadv)
{
	static char a[PAGE], b[2 * PAGE], c[PAGE];
	struct iovec iov[] = { { a, 100 }, { b, 2 * PAGE - 100 }, { c, PAGE } };

	ASSERT_EQ(3 * (ssize_t)PAGE, preadv(self->fd, iov, 3, OFFSET));
	memcpy(a + 100, b, PAGE - 100);
	EXPECT_TRUE(page_is(a, &self->model[OFFSET / PAGE]));
	EXPECT_TRUE(page_is(b + PAGE - 100, &self->model[OFFSET / PAGE + 1]));
	EXPECT_TRUE(page_is(c, &self->model[OFFSET / PAGE + 2]));
}

TEST_F(file, read_into_bad_memory)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t n;

	ASSERT_NE(MAP_FAILED, two);
	munmap(two + PAGE, PAGE);
	EXPECT_EQ(-1, pread(self->fd, two + PAGE, PAGE, OFFSET));
	EXPECT_EQ(EFAULT, errno);
	n = pread(self->fd, two + PAGE / 2, PAGE, OFFSET);
	EXPECT_GE((ssize_t)PAGE / 2, n);
	munmap(two, PAGE);
}

TEST_F(file, seek_data_and_hole)
{
	int fd = self->fd;

	EXPECT_EQ(OFFSET, (size_t)lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(OFFSET, (size_t)lseek(fd, PAGE + 5, SEEK_DATA));
	EXPECT_EQ(OFFSET + 77, (size_t)lseek(fd, OFFSET + 77, SEEK_DATA));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(9, lseek(fd, 9, SEEK_HOLE));
	/* The end of a file counts as a hole. */
	EXPECT_EQ(SIZE, (size_t)lseek(fd, OFFSET, SEEK_HOLE));
	EXPECT_EQ(-1, lseek(fd, SIZE, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(fd, SIZE, SEEK_HOLE));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(fd, SIZE + 1, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
}

/* Copies out of it: into a file, by each call that can. */

static void check_copy(struct __test_metadata *_metadata,
		       FIXTURE_DATA(file) *self, int to)
{
	EXPECT_EQ(SIZE, (size_t)lseek(to, 0, SEEK_END));
	EXPECT_EQ(0, snapshot_check(to, 0, SIZE / PAGE, self->model,
				    "the copy"));
	EXPECT_EQ(0, file_check(self));
}

TEST_F(file, sendfile)
{
	int to = memfd_create("copy", MFD_CLOEXEC);
	off_t at = 0;

	ASSERT_LE(0, to);
	while (sendfile(to, self->fd, &at, SIZE) > 0)
		;
	EXPECT_EQ(SIZE, (size_t)at);
	check_copy(_metadata, self, to);
	close(to);
}

TEST_F(file, splice)
{
	int to = memfd_create("copy", MFD_CLOEXEC), pipes[2];
	loff_t at = 0;
	ssize_t n;

	ASSERT_LE(0, to);
	ASSERT_EQ(0, pipe(pipes));
	while ((n = splice(self->fd, &at, pipes[1], NULL, 65536, 0)) > 0)
		while (n > 0) {
			ssize_t out = splice(pipes[0], NULL, to, NULL, n, 0);

			ASSERT_LT(0, out);
			n -= out;
		}
	EXPECT_EQ(0, n);
	check_copy(_metadata, self, to);
	close(to);
	close(pipes[0]);
	close(pipes[1]);
}

/* What sits in a pipe stays as it was when somebody writes to his copy. */
TEST_F(file, splice_is_stable)
{
	static char buf[PAGE];
	loff_t at = OFFSET;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((ssize_t)PAGE, splice(self->fd, &at, pipes[1], NULL, PAGE,
					0));
	view_fill(&self->area.view, 0, 12345);
	ASSERT_EQ((ssize_t)PAGE, read(pipes[0], buf, PAGE));
	EXPECT_TRUE(page_is(buf, &self->model[OFFSET / PAGE]));
	close(pipes[0]);
	close(pipes[1]);
}

/*
 * The kernel offers this between files of one file system only, and says so:
 * cp and others then read and write.
 */
TEST_F(file, copy_file_range)
{
	int to = memfd_create("copy", MFD_CLOEXEC);
	loff_t at = 0;

	ASSERT_LE(0, to);
	EXPECT_EQ(-1, copy_file_range(self->fd, &at, to, NULL, SIZE, 0));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(0, file_check(self));
	close(to);
}

/* Writes: there are none */

TEST_F(file, is_read_only)
{
	char x[] = "x";
	struct iovec iov = { x, 1 };
	int fd = self->fd, from = memfd_create("from", MFD_CLOEXEC), pipes[2];
	loff_t at = OFFSET;

#define not_permitted(call)						\
	do {								\
		errno = 0;						\
		EXPECT_EQ(-1, (call)) TH_LOG(#call);			\
		EXPECT_EQ(EPERM, errno) TH_LOG(#call);			\
	} while (0)

	not_permitted(pwrite(fd, x, 1, OFFSET));
	not_permitted(pwritev(fd, &iov, 1, OFFSET));
	not_permitted(write(fd, x, 1));
	not_permitted(pwrite(fd, x, 1, SIZE));
	not_permitted(ftruncate(fd, 0));
	not_permitted(ftruncate(fd, SIZE));
	not_permitted(ftruncate(fd, 2 * SIZE));
	not_permitted(fallocate(fd, 0, 0, SIZE));
	not_permitted(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				    FALLOC_FL_KEEP_SIZE, OFFSET, PAGE));
	ASSERT_EQ(0, ftruncate(from, PAGE));
	not_permitted(sendfile(fd, from, NULL, PAGE));
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(4, write(pipes[1], "data", 4));
	not_permitted(splice(pipes[0], NULL, fd, &at, 4, 0));
	EXPECT_EQ(0, file_check(self));
	EXPECT_EQ(SIZE, (size_t)lseek(fd, 0, SEEK_END));
	close(pipes[0]);
	close(pipes[1]);
	close(from);
}

TEST_F(file, shared_mappings)
{
	not_permitted((long)mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
				 self->fd, OFFSET));
	not_permitted((long)mmap(NULL, LEN, PROT_READ, MAP_SHARED, self->fd,
				 OFFSET));
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				   MAP_SHARED_VALIDATE, self->fd, OFFSET));
	EXPECT_EQ(0, file_check(self));
}

/* The same file, opened again by its path */

static int reopen(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

TEST_F(file, open_again)
{
	static const int modes[] = { O_RDONLY, O_RDWR };
	struct vmfork_info info, again;
	struct view view;
	struct stat st, st2;
	int i, fd;

	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	ASSERT_EQ(0, fstat(self->fd, &st));
	for (i = 0; i < 2; i++) {
		fd = reopen(self->fd, modes[i]);
		ASSERT_LE(0, fd) TH_LOG("%s", strerror(errno));
		ASSERT_EQ(0, fstat(fd, &st2));
		EXPECT_EQ(st.st_ino, st2.st_ino);
		EXPECT_EQ(st.st_dev, st2.st_dev);
		ASSERT_EQ(0, snapshot_info(fd, &again));
		EXPECT_EQ(info.id, again.id);
		EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model,
					    "opened again"));
		ASSERT_EQ(0, view_map(&view, NULL, fd, OFFSET, PAGES,
				      self->area.view.model));
		close(fd);
		view_fill(&view, 3, 333);
		EXPECT_EQ(0, view_check(&view, "a mapping of it"));
		view_unmap(&view);
	}
	errno = 0;
	fd = reopen(self->fd, O_RDWR | O_TRUNC);
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, file_check(self));
}

/* From another process, by the path that a VMM would be given. */
static long do_open_and_map(int fd, const void *arg)
{
	struct { char path[64]; } const *of = arg;
	void *map;

	fd = open(of->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	map = map_snapshot(fd, LEN, OFFSET);
	close(fd);
	return map ? (long)map : -EIO;
}

TEST_F(file, open_from_another_process)
{
	struct { char path[64]; } of;
	struct view view = self->area.view;

	snprintf(of.path, sizeof(of.path), "/proc/%d/fd/%d", getpid(),
		 self->fd);
	view.who = self->peer;
	view.addr = (char *)peer_call(self->peer, do_open_and_map, -1, &of,
				      sizeof(of));
	ASSERT_LT(0, (long)view.addr);
	EXPECT_EQ(0, view_check(&view, "mapped by path"));
}

TEST_HARNESS_MAIN
