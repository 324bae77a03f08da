// SPDX-License-Identifier: GPL-2.0
/*
 * What can not be imported, and what is said then; and the limits of what an
 * import may hold.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "balance.h"
#include "imported.h"

#define refused(err, fd, offset, len) \
	check_refused(_metadata, err, fd, offset, len)

static void check_refused(struct __test_metadata *_metadata, int err, int fd,
			  uint64_t offset, uint64_t len)
{
	int fds = count_fds(), ret;

	ret = import_fd(fd, offset, len, NULL);
	EXPECT_EQ(-err, ret) TH_LOG("%s", ret < 0 ? strerror(-ret) : "a fd");
	if (ret >= 0)
		close(ret);
	EXPECT_EQ(fds, count_fds());
}

static void refused_path(struct __test_metadata *_metadata, int err,
			 const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	ASSERT_LE(0, fd) TH_LOG("%s: %s", path, strerror(errno));
	check_refused(_metadata, err, fd, 0, 0);
	close(fd);
}

TEST(what_is_no_file)
{
	int pair[2], snap;
	void *at;

	refused(EBADF, -1, 0, 0);
	refused(EBADF, 12345, 0, 0);
	refused_path(_metadata, EOPNOTSUPP, "/tmp", O_RDONLY | O_DIRECTORY);
	refused_path(_metadata, EOPNOTSUPP, "/dev/zero", O_RDONLY);
	refused_path(_metadata, EOPNOTSUPP, VMFORK_DEVICE, O_RDWR);
	refused_path(_metadata, EOPNOTSUPP, "/proc/self/maps", O_RDONLY);
	refused_path(_metadata, EOPNOTSUPP, "/sys/kernel/uevent_seqnum",
		     O_RDONLY);
	if (scratch_disk())
		refused_path(_metadata, EOPNOTSUPP, scratch_disk(), O_RDONLY);
	ASSERT_EQ(0, mkfifo("/tmp/vmfork-fifo", 0600));
	refused_path(_metadata, EOPNOTSUPP, "/tmp/vmfork-fifo", O_RDONLY);
	unlink("/tmp/vmfork-fifo");
	ASSERT_EQ(0, pipe(pair));
	refused(EOPNOTSUPP, pair[0], 0, 0);
	refused(EBADF, pair[1], 0, 0);
	close(pair[0]);
	close(pair[1]);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	refused(EOPNOTSUPP, pair[0], 0, 0);
	close(pair[0]);
	close(pair[1]);
	/* A snapshot is one already. */
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(at, 1, PAGE);
	snap = capture_range(-1, at, PAGE, 0, NULL);
	ASSERT_LE(0, snap);
	refused(EOPNOTSUPP, snap, 0, 0);
	munmap(at, PAGE);
	close(snap);
}

TEST_F(import, what_it_is_open_for)
{
	refused_path(_metadata, EBADF, self->file.path, O_PATH);
	refused_path(_metadata, EBADF, self->file.path, O_WRONLY);
}

TEST_F(import, empty)
{
	int fd = open(self->file.path, O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	if (self->file.fuse)
		self->file.fuse->size = 0;
	else
		ASSERT_EQ(0, ftruncate(fd, 0));
	close(fd);
	fd = open(self->file.path, O_RDONLY | O_CLOEXEC);
	refused(ENODATA, fd, 0, 0);
	refused(ENODATA, fd, 0, PAGE);
	close(fd);
}

TEST_F(import, ranges)
{
	int fd = open(self->file.path, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	refused(EINVAL, fd, 1, 0);
	refused(EINVAL, fd, 2048, PAGE);
	refused(EINVAL, fd, 0, 1);
	refused(EINVAL, fd, PAGE, PAGE - 1);
	refused(EOVERFLOW, fd, LEN, 0);
	refused(EOVERFLOW, fd, LEN, PAGE);
	refused(EOVERFLOW, fd, 0, LEN + PAGE);
	refused(EOVERFLOW, fd, PAGE, LEN);
	refused(EOVERFLOW, fd, ~0ULL & ~4095, PAGE);
	refused(EOVERFLOW, fd, PAGE, ~0ULL);
	close(fd);
}

/* The largest file that there can be, of nothing but holes. */
TEST_F(import, sparse)
{
	int fd = open(self->file.path, O_RDWR | O_CLOEXEC), snap;
	/* ext4 may have blocks where other files have extents. */
	uint64_t size = 1ULL << (self->file.kind == FILE_TMPFS ? 41 : 40);
	struct vmfork_import arg;
	static char page[PAGE];

	ASSERT_LE(0, fd);
	if (self->file.fuse)
		SKIP(close(fd); return, "this file system has no holes");
	ASSERT_EQ(0, ftruncate(fd, size)) TH_LOG("%s", strerror(errno));
	snap = import_fd(fd, 0, 0, &arg);
	ASSERT_LE(0, snap) TH_LOG("%s", strerror(-snap));
	EXPECT_EQ(size, arg.snapshot_size);
	EXPECT_EQ(self->file.data, arg.pages_file);
	EXPECT_EQ(size / PAGE - self->file.data, arg.pages_hole);
	ASSERT_EQ((ssize_t)PAGE, pread(snap, page, PAGE, size - PAGE));
	EXPECT_EQ(0, page[0]);
	EXPECT_EQ(0, snapshot_check(snap, 0, PAGES, self->file.model, "read"));
	close(snap);
	close(fd);
}

/* Somebody writes in a way that sets no times. */
TEST_F(import, mapped_and_written_to)
{
	int fd = open(self->file.path, O_RDWR | O_CLOEXEC), snap;
	char *map, byte;

	ASSERT_LE(0, fd);
	if (self->file.fuse)
		SKIP(close(fd); return, "this file system is not written to");
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[PAGE] ^= 1;
	if (self->file.kind == FILE_TMPFS) {
		refused(ETXTBSY, fd, 0, 0);
	} else {
		/* It does set them, from now on. */
		snap = import_fd(fd, 0, 0, NULL);
		ASSERT_LE(0, snap);
		EXPECT_EQ(1, pread(snap, &byte, 1, PAGE));
		EXPECT_EQ(map[PAGE], byte);
		map[PAGE] ^= 1;
		EXPECT_EQ(-1, pread(snap, &byte, 1, 9 * PAGE));
		close(snap);
	}
	munmap(map, LEN);
	close(fd);
}

/* Other users */

static long as_user(int fd, const void *arg)
{
	const struct test_file *file = arg;
	struct vmfork_import import;
	int snap;

	if (syscall(SYS_setresgid, 1000, 1000, 1000) ||
	    syscall(SYS_setresuid, 1000, 1000, 1000))
		return -errno;
	snap = open(file->path, O_RDONLY | O_CLOEXEC);
	if (snap >= 0) {
		close(snap);
		return -EISCONN;
	}
	/* What somebody has opened for him. */
	snap = import_fd(fd, 0, 0, &import);
	if (snap < 0)
		return snap;
	if (import.file_flags != VMFORK_FILE_UNGUARDED)
		return -EKEYREJECTED;
	if (snapshot_check(snap, 0, PAGES, file->model, "another user's"))
		return -EIO;
	return 0;
}

static long call_as_user(int fd, const void *arg)
{
	int status;
	pid_t pid;

	/* /dev/vmfork is root's. */
	if (chmod(VMFORK_DEVICE, 0666))
		return -errno;
	pid = fork();
	if (!pid)
		_exit(-as_user(fd, arg));
	waitpid(pid, &status, 0);
	chmod(VMFORK_DEVICE, 0600);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* Who may only read a file can not keep its owner from writing to it. */
TEST_F(import, of_another_user)
{
	int fd, writer;

	if (self->file.fuse)
		SKIP(return, "this file system has no owners");
	ASSERT_EQ(0, chmod(self->file.path, 0600));
	fd = open(self->file.path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, call_as_user(fd, &self->file));
	writer = open(self->file.path, O_WRONLY | O_CLOEXEC);
	EXPECT_LE(0, writer);
	close(writer);
	close(fd);
}

/* Limits */

/* What is over the limit is not shared, and as right as ever. */
TEST_F(import, over_quota)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	struct vmfork_range range = { .len = LEN };
	struct vmfork_prefault arg = {
		.size = sizeof(arg), .pidfd = -1, .nr_ranges = 1,
		.ranges = (uintptr_t)&range,
	};
	struct view here, there;

	ASSERT_LE(0, fd);
	set_max_bytes(100 * PAGE);
	ASSERT_EQ(0, view_map(&here, NULL, fd, 0, PAGES, self->file.model));
	ASSERT_EQ(0, view_map(&there, self->peer, fd, 0, PAGES,
			      self->file.model));
	EXPECT_EQ(0, view_check(&here, "here"));
	EXPECT_EQ(0, view_check(&there, "there"));
	EXPECT_EQ(100, pages_read(fd));
	/* Nothing that would be thrown away is read ahead. */
	range.start = (uintptr_t)here.addr;
	EXPECT_EQ(-1, ioctl(fd, VMFORK_PREFAULT, &arg));
	EXPECT_EQ(EDQUOT, errno);
	EXPECT_EQ(100, pages_read(fd));
	set_max_bytes(0);
	EXPECT_EQ(0, ioctl(fd, VMFORK_PREFAULT, &arg));
	EXPECT_EQ(0, view_check(&here, "here, again"));
	view_unmap(&here);
	view_unmap(&there);
	close(fd);
}

/* All of it is given back. */
TEST_F(import, balance)
{
	struct balance was;
	struct view here, there;
	int fd, i;

	for (i = 0; i < 2; i++) {
		if (i)
			was = balance();
		fd = import_file(&self->file, O_RDONLY, NULL);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, view_map(&here, NULL, fd, 0, PAGES,
				      self->file.model));
		ASSERT_EQ(0, view_map(&there, self->peer, fd, 0, PAGES,
				      self->file.model));
		EXPECT_EQ(0, view_check(&here, "here"));
		ASSERT_EQ(0, view_poke(&there, 8, 8));
		EXPECT_EQ(0, view_check(&there, "there"));
		view_unmap(&here);
		view_unmap(&there);
		close(fd);
	}
	EXPECT_TRUE(balanced_soon(&was));
}

TEST_HARNESS_MAIN
