// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that make file descriptors, and that map and read snapshots.  What
 * else can be done to a file is in fileops.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "calls.h"
#include "world.h"

static int any_flags(uint64_t bits)
{
	int flags = bits & 3;

	if (bits & 4)
		flags |= O_DIRECT;
	if (bits & 8)
		flags |= O_APPEND;
	if (bits & 16)
		flags |= O_TRUNC;
	if (bits & 32)
		flags |= O_SYNC;
	if (bits & 64)
		flags |= O_NOATIME;
	if (bits & 128)
		flags |= O_PATH;
	if (bits & 256)
		flags |= O_CREAT;
	if (bits & 512)
		flags |= O_DIRECTORY;
	if (bits & 1024)
		flags |= O_TMPFILE;
	if (bits & 2048)
		flags |= O_EXCL;
	return flags | O_CLOEXEC | O_NONBLOCK;
}

static long open_other(uint64_t slot, int fd)
{
	return slot_put(slot, fd < 0 ? -errno : fd, FD_OTHER, 0);
}

/* By its name in /proc; what has no right to do so gets no descriptor. */
static long reopen(uint64_t slot, uint64_t from, uint64_t flags)
{
	struct fd_slot *s = slot_of(from);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", slot_fd(from));
	fd = open(path, any_flags(flags), 0600);
	if (fd < 0)
		return -errno;
	/* O_PATH reads nothing, so it is not looked at as a snapshot. */
	return slot_put(slot, fd, (flags & (128 | 1024)) ? FD_OTHER : s->type,
			s->snap);
}

/* The file of a mapping, by its name in /proc */
static long open_mapped(uint64_t slot, uint64_t page, uint64_t pages)
{
	char path[96];

	pages = clip(&page, pages);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)page_addr(page),
		 (unsigned long)page_addr(page + pages));
	return open_other(slot, open(path, O_RDONLY | O_CLOEXEC));
}

/* open SLOT WHAT ARG ARG2 */
long call_open(const uint64_t *arg)
{
	int fd;

	switch (arg[1] % 8) {
	case 0:
		fd = open(VMFORK_DEVICE, any_flags(arg[2] & 3) | O_RDWR);
		return slot_put(arg[0], fd < 0 ? -errno : fd, FD_DEVICE, 0);
	case 1:
		return reopen(arg[0], arg[2], arg[3]);
	case 2:
		return open_mapped(arg[0], arg[2], arg[3]);
	case 3:
		return open_other(arg[0], memfd_create("fuzz", MFD_CLOEXEC));
	case 4:
		return open_other(arg[0], open("/dev/null", O_RDWR |
					       O_CLOEXEC));
	case 5:
		return open_other(arg[0], open("/proc/self/pagemap", O_RDONLY |
					       O_CLOEXEC));
	case 6:
		fd = open(VMFORK_DEVICE, any_flags(arg[2]) & ~O_CREAT);
		return slot_put(arg[0], fd < 0 ? -errno : fd,
				arg[2] & 128 ? FD_OTHER : FD_DEVICE, 0);
	default:
		return open_other(arg[0], open("/tmp", O_TMPFILE | O_RDWR |
					       O_CLOEXEC, 0600));
	}
}

long call_close(const uint64_t *arg)
{
	struct fd_slot *s = slot_of(arg[0]);

	if (!s->type)
		return -EBADF;
	s->type = FD_CLOSED;
	return result(close(s->fd));
}

/* Through a socket, as it would go to another process */
static int pass(int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pair[2], got = -1;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair))
		return -errno;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(pair[0], &msg, 0) < 0 ||
	    recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC) < 0)
		got = -errno;
	else if (CMSG_FIRSTHDR(&msg))
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(got));
	close(pair[0]);
	close(pair[1]);
	return got;
}

/* dup TO FROM HOW */
long call_dup(const uint64_t *arg)
{
	struct fd_slot from = *slot_of(arg[1]);
	int fd;

	if (!from.type)
		return -EBADF;
	if (arg[2] % 3 == 0)
		fd = result(fcntl(from.fd, F_DUPFD_CLOEXEC, 3));
	else if (arg[2] % 3 == 1)
		fd = pass(from.fd);
	else
		fd = result(dup3(from.fd, 200 + arg[0] % NR_FDS, O_CLOEXEC));
	if (fd == slot_of(arg[0])->fd && slot_of(arg[0])->type)
		slot_of(arg[0])->type = FD_CLOSED;
	return slot_put(arg[0], fd, from.type, from.snap);
}

static const int attach_flags[] = {
	MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_GROWSDOWN, MAP_STACK,
	MAP_NONBLOCK, MAP_SYNC, MAP_HUGETLB,
};

/* Somewhere, used a little, and away again */
static long attach_anywhere(int fd, uint64_t len, int prot, int flags,
			    uint64_t offset)
{
	char *at = mmap(NULL, len, prot, flags & ~MAP_FIXED, fd, offset);
	volatile char *last;

	if (at == MAP_FAILED)
		return -errno;
	last = at + (len - 1) / PAGE * PAGE;
	if (guard_begin()) {
		(void)*(volatile char *)at;
		*(volatile char *)at = 1;
	}
	guard_end();
	if (guard_begin())
		(void)*last;
	guard_end();
	return result(munmap(at, len));
}

/*
 * attach SLOT PAGE PAGES OFFSET PROT FLAGS: map it.  FLAGS: bits 0 to 7 as
 * above, 8 shared, 9 anywhere, 10 not over other mappings
 */
long call_attach(const uint64_t *arg)
{
	uint64_t page = arg[1], pages = clip(&page, arg[2]);
	struct fd_slot *s = slot_of(arg[0]);
	uint64_t offset = length(arg[3]);
	int prot = arg[4] % 8, flags = MAP_FIXED, i;
	void *at;

	for (i = 0; i < 8; i++)
		if (arg[5] >> i & 1)
			flags |= attach_flags[i];
	if (arg[5] & 256)
		flags |= (flags & MAP_SYNC) ? MAP_SHARED_VALIDATE : MAP_SHARED;
	else
		flags |= MAP_PRIVATE;
	if (arg[5] & 512)
		return attach_anywhere(slot_fd(arg[0]), length(arg[2]), prot,
				       flags, offset);
	if (arg[5] & 1024)
		flags = (flags & ~MAP_FIXED) | MAP_FIXED_NOREPLACE;
	at = mmap(page_addr(page), pages * PAGE, prot, flags,
		  slot_fd(arg[0]), offset);
	if (at == MAP_FAILED) {
		if (errno == ENOMEM)
			model_unknown(page, pages);
		return -errno;
	}
	if (s->type == FD_SNAP && flags & MAP_SHARED)
		violation("a snapshot was mapped MAP_SHARED");
	if (s->type == FD_SNAP && !(flags & (MAP_HUGETLB | MAP_GROWSDOWN)))
		model_snap(page, pages, prot, s->snap, offset / PAGE);
	else
		model_unknown(page, pages);
	return 0;
}

/* How many whole pages were read into the arena, and the model of them */
static void model_read(uint64_t page, uint64_t pages, const struct fd_slot *s,
		       uint64_t offset, ssize_t n)
{
	uint64_t i, whole = n > 0 ? n / PAGE : 0;

	for (i = 0; i < pages; i++) {
		struct page_model *p = &w.page[page + i];
		bool ours = p->kind == PAGE_ANON || p->kind == PAGE_SNAP;

		if (ours && i < whole && s->type == FD_SNAP &&
		    !(offset % PAGE) && offset / PAGE + i < ARENA_PAGES)
			p->val = w.snap[s->snap].val[offset / PAGE + i];
		else if (ours && (i > whole || (i == whole && n >= 0 &&
						!(n % PAGE))))
			;		/* not reached */
		else
			model_unknown(page + i, 1);
	}
}

/* readinto SLOT PAGE PAGES OFFSET HOW: memory of the arena is the buffer */
long call_read_into(const uint64_t *arg)
{
	uint64_t page = arg[1], pages = clip(&page, arg[2]);
	uint64_t offset = length(arg[3]);
	struct fd_slot *s = slot_of(arg[0]);
	struct iovec iov[2] = {
		{ page_addr(page), pages / 2 * PAGE },
		{ page_addr(page + pages / 2), (pages - pages / 2) * PAGE },
	};
	ssize_t n;

	if (!s->type)
		return -EBADF;
	if (arg[4] % 2)
		n = preadv2(s->fd, iov, 2, offset, arg[4] / 2 % 32);
	else
		n = pread(s->fd, page_addr(page), pages * PAGE, offset);
	n = result(n);
	/* EFAULT may have come after a part of a page. */
	model_read(page, pages, s, offset, n);
	return n < 0 ? n : 0;
}
