// SPDX-License-Identifier: GPL-2.0
/*
 * Everything else that can be done to a file.  None of it may change what a
 * snapshot holds, which is checked when the program ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/swap.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/fiemap.h>

#include "calls.h"
#include "world.h"

#ifndef SYS_cachestat
#define SYS_cachestat	451
#endif

static char buf[16 * PAGE];

static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static uint64_t some_len(uint64_t a)
{
	return a % (sizeof(buf) + 1);
}

static long op_read(int fd, uint64_t a, uint64_t b)
{
	return pread(fd, buf, some_len(b), length(a));
}

static long op_read_vectors(int fd, uint64_t a, uint64_t b)
{
	struct iovec iov[3] = {
		{ buf, b % PAGE }, { NULL, 0 }, { buf + PAGE, 3 * PAGE },
	};

	return preadv2(fd, iov, 3, b & 1 ? -1 : (off_t)length(a), b >> 8 % 64);
}

static long op_write(int fd, uint64_t a, uint64_t b)
{
	return pwrite(fd, buf, some_len(b), length(a));
}

static long op_write_vectors(int fd, uint64_t a, uint64_t b)
{
	struct iovec iov = { buf, some_len(b) };

	return pwritev2(fd, &iov, 1, b & 1 ? -1 : (off_t)length(a),
			b >> 8 % 64);
}

static long op_seek(int fd, uint64_t a, uint64_t b)
{
	return lseek(fd, length(a), b % 6);
}

static long op_readahead(int fd, uint64_t a, uint64_t b)
{
	return readahead(fd, length(a), length(b));
}

static long op_advise(int fd, uint64_t a, uint64_t b)
{
	return syscall(SYS_fadvise64, fd, length(a), length(b), b % 8);
}

static long op_truncate(int fd, uint64_t a, uint64_t b)
{
	return b & 1 ? truncate(path_of(fd), length(a)) :
		       ftruncate(fd, length(a));
}

static long op_allocate(int fd, uint64_t a, uint64_t b)
{
	return fallocate(fd, b % 128, length(a), PAGE + b % 8 * PAGE);
}

static long op_splice_out(int fd, uint64_t a, uint64_t b)
{
	loff_t at = length(a);

	return splice(fd, b & 1 ? NULL : &at, pipe_end(1), NULL, some_len(b),
		      SPLICE_F_NONBLOCK | (b >> 8 & 15));
}

static long op_splice_in(int fd, uint64_t a, uint64_t b)
{
	loff_t at = length(a);

	return splice(pipe_end(0), NULL, fd, b & 1 ? NULL : &at, some_len(b),
		      SPLICE_F_NONBLOCK | (b >> 8 & 15));
}

static long op_tee(int fd, uint64_t a, uint64_t b)
{
	return tee(fd, pipe_end(1), length(a), SPLICE_F_NONBLOCK | (b & 15));
}

static long op_send(int fd, uint64_t a, uint64_t b)
{
	off_t at = length(a);

	return sendfile(b & 2 ? plain_file() : pipe_end(1), fd,
			b & 1 ? NULL : &at, some_len(b));
}

static long op_send_in(int fd, uint64_t a, uint64_t b)
{
	off_t at = length(a);

	return sendfile(fd, plain_file(), &at, some_len(b));
}

static long op_copy_out(int fd, uint64_t a, uint64_t b)
{
	off_t at = length(a);

	return copy_file_range(fd, &at, plain_file(), NULL, some_len(b), 0);
}

static long op_copy_in(int fd, uint64_t a, uint64_t b)
{
	off_t at = length(a);

	return copy_file_range(plain_file(), NULL, fd, &at, some_len(b), 0);
}

static long op_copy_self(int fd, uint64_t a, uint64_t b)
{
	off_t from = length(a), to = length(b);

	return copy_file_range(fd, &from, fd, &to, PAGE, b & 1);
}

static long op_clone(int fd, uint64_t a, uint64_t b)
{
	int other = b & 1 ? plain_file() : slot_fd(a);

	return b & 2 ? ioctl(fd, FICLONE, other) : ioctl(other, FICLONE, fd);
}

static long op_dedupe(int fd, uint64_t a, uint64_t b)
{
	struct {
		struct file_dedupe_range head;
		struct file_dedupe_range_info info;
	} range = {
		{ length(a), PAGE, 1, 0, 0 },
		{ slot_fd(b), length(b), 0, 0, 0 },
	};

	return ioctl(fd, FIDEDUPERANGE, &range);
}

static long op_sync(int fd, uint64_t a, uint64_t b)
{
	switch (a % 4) {
	case 0: return fsync(fd);
	case 1: return fdatasync(fd);
	case 2: return sync_file_range(fd, length(b), PAGE, b % 8);
	default: return syncfs(fd);
	}
}

static long op_seals(int fd, uint64_t a, uint64_t b)
{
	return b & 1 ? fcntl(fd, F_GET_SEALS) :
		       fcntl(fd, F_ADD_SEALS, (int)(a % 64));
}

static long op_lease(int fd, uint64_t a, uint64_t b)
{
	return fcntl(fd, b & 1 ? F_GETLEASE : F_SETLEASE, (int)(a % 4));
}

static long op_lock(int fd, uint64_t a, uint64_t b)
{
	struct flock lock = {
		.l_type = a % 4, .l_whence = b % 4, .l_start = length(b),
		.l_len = b % 7,
	};

	switch (a % 5) {
	case 0: return fcntl(fd, F_SETLK, &lock);
	case 1: return fcntl(fd, F_GETLK, &lock);
	case 2: return fcntl(fd, F_OFD_SETLK, &lock);
	default: return flock(fd, (b % 16) | LOCK_NB);
	}
}

static long op_status(int fd, uint64_t a, uint64_t b)
{
	switch (b % 8) {
	case 0: return fcntl(fd, F_SETFL, (int)a & (O_APPEND | O_ASYNC |
				O_DIRECT | O_NOATIME | O_NONBLOCK));
	case 1: return fcntl(fd, F_GETFL);
	case 2: return fcntl(fd, F_SETOWN, getpid());
	case 3: return fcntl(fd, F_SETPIPE_SZ, (int)length(a));
	case 4: return fcntl(fd, F_NOTIFY, (int)a & 0x3f);
	case 5: return fcntl(fd, 1036 /* F_SET_RW_HINT */, &a);
	case 6: return fcntl(fd, 1035 /* F_GET_RW_HINT */, &a);
	default: return fcntl(fd, F_GETSIG);
	}
}

static long op_xattr(int fd, uint64_t a, uint64_t b)
{
	static const char *const name[] = {
		"user.a", "trusted.a", "security.selinux", "security.capability",
		"system.posix_acl_access", "", "x", "user.",
	};

	switch (a % 4) {
	case 0: return fsetxattr(fd, name[b % 8], buf, b % 100, b % 3);
	case 1: return fgetxattr(fd, name[b % 8], buf, b % 100);
	case 2: return flistxattr(fd, buf, b % 100);
	default: return fremovexattr(fd, name[b % 8]);
	}
}

static long op_mode(int fd, uint64_t a, uint64_t b)
{
	return b & 1 ? chmod(path_of(fd), a % 07777) :
		       fchmod(fd, a % 07777);
}

static long op_owner(int fd, uint64_t a, uint64_t b)
{
	return fchown(fd, a % 3 - 1, b % 3 - 1);
}

static long op_times(int fd, uint64_t a, uint64_t b)
{
	struct timespec ts[2] = { { a, b % 2000000000 }, { b, UTIME_NOW } };

	return futimens(fd, ts);
}

static long op_stat(int fd, uint64_t a, uint64_t b)
{
	struct statfs sfs;
	struct statx sx;

	return b & 1 ? fstatfs(fd, &sfs) :
		       statx(fd, "", AT_EMPTY_PATH | (a & 0x6000), b, &sx);
}

static long op_handle(int fd, uint64_t a, uint64_t b)
{
	struct {
		struct file_handle head;
		char room[128];
	} handle = { .head.handle_bytes = a % 129 };
	int mount, got;

	if (name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH |
			      (b & 0x200)))
		return -1;
	got = open_by_handle_at(fd, &handle.head, O_RDONLY);
	if (got >= 0)
		close(got);
	return got;
}

static long op_link(int fd, uint64_t a, uint64_t b)
{
	long ret;

	(void)a;
	if (b & 1)
		ret = linkat(AT_FDCWD, path_of(fd), AT_FDCWD, "/tmp/fuzz.link",
			     AT_SYMLINK_FOLLOW);
	else
		ret = linkat(fd, "", AT_FDCWD, "/tmp/fuzz.link",
			     AT_EMPTY_PATH);
	if (!ret)
		unlink("/tmp/fuzz.link");
	return ret;
}

static long op_watch(int fd, uint64_t a, uint64_t b)
{
	int in, ret;

	if (b & 1) {
		in = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
		ret = fanotify_mark(in, FAN_MARK_ADD | (a & 0x110), FAN_ACCESS |
				    FAN_MODIFY | FAN_OPEN | FAN_CLOSE, fd,
				    b & 2 ? NULL : path_of(fd));
	} else {
		in = inotify_init1(IN_NONBLOCK);
		ret = inotify_add_watch(in, path_of(fd), a % 0xfff);
	}
	if (ret >= 0 && pread(fd, buf, PAGE, 0) > 0)
		ret = read(in, buf, sizeof(buf));
	if (in >= 0)
		close(in);
	return ret;
}

static long op_aio(int fd, uint64_t a, uint64_t b)
{
	struct iocb cb = {
		.aio_fildes = fd, .aio_lio_opcode = b % 9,
		.aio_buf = (uintptr_t)buf, .aio_nbytes = some_len(a),
		.aio_offset = length(b),
	}, *list = &cb;
	struct timespec zero = { 0, 0 };
	struct io_event event;
	aio_context_t ctx = 0;
	long ret;

	if (syscall(SYS_io_setup, 4, &ctx))
		return -1;
	/* Whoever captures the ring will be told what it is. */
	w.region[3] = (struct vmfork_region){
		.addr = ctx, .len = PAGE,
	};
	ret = syscall(SYS_io_submit, ctx, 1, &list);
	if (ret == 1)
		syscall(SYS_io_getevents, ctx, 0, 1, &event, &zero);
	if (b & 64)
		return ret;		/* The process's end is its end. */
	syscall(SYS_io_destroy, ctx);
	return ret;
}

static long op_poll(int fd, uint64_t a, uint64_t b)
{
	struct epoll_event event = { .events = a };
	struct pollfd p = { fd, a, 0 };
	int ep, ret;

	if (b & 1)
		return poll(&p, 1, 0);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ret = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
	close(ep);
	return ret;
}

/* In a child, which gets nowhere, or is a program that dies */
static long op_exec(int fd, uint64_t a, uint64_t b)
{
	char name[] = "x", *argv[] = { name, NULL };
	pid_t pid;

	(void)a;
	if (b & 1)
		fchmod(fd, 0700);
	pid = fork();
	if (!pid) {
		syscall(SYS_execveat, fd, "", argv, argv, AT_EMPTY_PATH);
		_exit(0);
	}
	return pid < 0 ? -1 : waitpid(pid, NULL, 0) - pid;
}

static long op_swap(int fd, uint64_t a, uint64_t b)
{
	(void)a;
	if (swapon(path_of(fd), b & 0x7fff))
		return -1;
	swapoff(path_of(fd));
	violation("swapon of a file of the fuzzer");
}

static long op_mount(int fd, uint64_t a, uint64_t b)
{
	int tree;

	(void)a;
	if (b & 1)
		return mount(path_of(fd), "/tmp", NULL, MS_BIND, NULL);
	/* OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC */
	tree = syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | 1 | O_CLOEXEC);
	if (tree >= 0)
		close(tree);
	return tree;
}

static long op_module(int fd, uint64_t a, uint64_t b)
{
	return syscall(SYS_finit_module, fd, "", (a ^ b) & 7);
}

static long op_map_ioctl(int fd, uint64_t a, uint64_t b)
{
	static const unsigned int cmd[] = {
		FIONREAD, FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR,
		FS_IOC_FSSETXATTR, FIGETBSZ, FIBMAP, FIOASYNC, FS_IOC_FIEMAP,
		FIOQSIZE, FS_IOC_GETVERSION, FIONBIO,
	};

	memset(buf, 0, PAGE);
	memcpy(buf, &b, sizeof(b));
	return ioctl(fd, cmd[a % (sizeof(cmd) / sizeof(cmd[0]))], buf);
}

static long op_cache(int fd, uint64_t a, uint64_t b)
{
	uint64_t range[2] = { length(a), length(b) };

	return syscall(SYS_cachestat, fd, range, buf, 0);
}

static long op_use_directory(int fd, uint64_t a, uint64_t b)
{
	(void)a;
	switch (b % 4) {
	case 0: return fchdir(fd);
	case 1: return openat(fd, "x", O_RDONLY);
	case 2: return syscall(SYS_getdents64, fd, buf, PAGE);
	default: return unlinkat(fd, "x", 0);
	}
}

static long op_readlink(int fd, uint64_t a, uint64_t b)
{
	char path[64];
	int info;
	long ret;

	(void)a;
	if (b & 1)
		return readlink(path_of(fd), buf, PAGE);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -1;
	ret = read(info, buf, PAGE);
	close(info);
	return ret;
}

/* What the kernel says of our memory, while it is as it is */
static long op_proc(int fd, uint64_t a, uint64_t b)
{
	static const char *const file[] = {
		"smaps", "maps", "numa_maps", "smaps_rollup", "status",
		"statm", "pagemap", "oom_score",
	};
	char path[64];
	long ret = 0, n;

	(void)fd;
	if (b & 1) {
		int clear = open("/proc/self/clear_refs", O_WRONLY);

		ret = write(clear, &"12345"[a % 5], 1);
		close(clear);
		return ret;
	}
	snprintf(path, sizeof(path), "/proc/self/%s", file[a % 8]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (a % 8 == 6)
		lseek(fd, ARENA / PAGE * 8, SEEK_SET);
	do {
		n = read(fd, buf, sizeof(buf));
		ret += n > 0 ? n : 0;
	} while (n > 0 && ret < 4 * (long)sizeof(buf));
	close(fd);
	return ret;
}

static long (*const ops[])(int fd, uint64_t a, uint64_t b) = {
	op_read, op_read_vectors, op_write, op_write_vectors, op_seek,
	op_readahead, op_advise, op_truncate, op_allocate, op_splice_out,
	op_splice_in, op_tee, op_send, op_send_in, op_copy_out, op_copy_in,
	op_copy_self, op_clone, op_dedupe, op_sync, op_seals, op_lease,
	op_lock, op_status, op_xattr, op_mode, op_owner, op_times, op_stat,
	op_handle, op_link, op_watch, op_aio, op_poll, op_exec, op_swap,
	op_mount, op_module, op_map_ioctl, op_cache, op_use_directory,
	op_readlink, op_proc, op_seek, op_proc, op_read,
};

_Static_assert(sizeof(ops) / sizeof(ops[0]) == NR_FILE_OPS,
	       "file operations in the table of calls");

/* file SLOT OP A B */
long call_file(const uint64_t *arg)
{
	struct fd_slot *s = slot_of(arg[0]);
	unsigned int op = arg[1] % NR_FILE_OPS;
	long ret = result(ops[op](slot_fd(arg[0]), arg[2], arg[3]));

	if (s->type == FD_SNAP && ret > 0 &&
	    (ops[op] == op_write || ops[op] == op_write_vectors ||
	     ops[op] == op_splice_in || ops[op] == op_send_in ||
	     ops[op] == op_copy_in || ops[op] == op_copy_self))
		violation("file operation %u wrote %ld bytes to a snapshot",
			  op, ret);
	return ret < 0 ? ret : 0;
}
