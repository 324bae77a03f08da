// SPDX-License-Identifier: GPL-2.0
/*
 * I/O in flight: pages that somebody else holds a reference on while they are
 * captured.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../uring.h"
#include "guest.h"
#include "shot.h"

#define DISK_PER_GUEST	(8 * MIB)
#define PIPE_PAGES	16

static int whole(struct guest *g, int pidfd, const char *what)
{
	struct plan plan = PLAN_WHOLE(g->b);
	static struct shot shot;
	int ret = did(what, shot_take(&shot, g->b, pidfd, &plan, what));

	if (!ret)
		pool_put(&shot);
	return ret;
}

/* A page on its way may be of any time since it was sent, but whole or torn. */
static void check_sent(struct guest *g, const uint64_t *words, size_t page,
		       const char *what)
{
	uint64_t head = words[0], tail = words[PAGE_WORDS - 1];

	/* Torn: it was written while it was read. */
	if (head != tail || g->b->tag[page] == TAG_TORN)
		return;
	if (pattern_wrong(words, g->b->seed, head, page) != PAGE_WORDS)
		fail("%s: %s", what, describe(words, g->b->tag[page], page));
	if (head && !IS_COMMON(head) && TAG_OBJECT(head) != g->b->object &&
	    head != g->b->inherited[page] &&
	    g->b->inherited[page] != TAG_TORN)
		fail("%s, a stranger's: %s", what,
		     describe(words, g->b->tag[page], page));
}

/* The pipe holds the pages themselves. */
void trick_splice(struct guest *g)
{
	static uint64_t buf[PIPE_PAGES * PAGE_WORDS];
	size_t first, nr, page;
	struct iovec iov;
	ssize_t n, got = 0;
	int fds[2], ret;

	part_draw(g, &first, &nr, PIPE_PAGES);
	if (nr > PIPE_PAGES)
		nr = PIPE_PAGES;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		give_up("pipe", -errno);
	iov = (struct iovec){ page_at(g, first), nr * PAGE };
	n = vmsplice(fds[1], &iov, 1, 0);
	did("vmsplice", n < 0 ? -errno : 0);
	ret = whole(g, -1, "capture: in a pipe");
	expect_errno("capture with pages in a pipe", ret,
		     ALLOWED(MAY_BE_REFUSED, EBUSY), shot_refusal());
	while (n > got) {
		ssize_t part = read(fds[0], (char *)buf + got, n - got);

		if (part <= 0)
			fail("a pipe lost pages: %zd of %zd", got, n);
		got += part;
	}
	for (page = 0; n > 0 && page < (size_t)n / PAGE; page++)
		check_sent(g, buf + page * PAGE_WORDS, first + page, "a pipe");
	close(fds[0]);
	close(fds[1]);
}

static int disk_open(void)
{
	const char *path = scratch_disk();
	int fd = path ? open(path, O_RDWR | O_DIRECT | O_CLOEXEC) : -ENODEV;

	return fd < 0 && fd != -ENODEV ? -errno : fd;
}

static off_t disk_at(struct guest *g, size_t page)
{
	return g->self->nr * DISK_PER_GUEST + page * PAGE;
}

void trick_disk_write(struct guest *g)
{
	static uint64_t buf[32 * PAGE_WORDS] __attribute__((aligned(4096)));
	size_t first, nr, page;
	int fd = disk_open();
	ssize_t n;

	if (fd < 0)
		return;
	part_draw(g, &first, &nr, 32);
	if (nr > 32)
		nr = 32;
	n = pwrite(fd, page_at(g, first), nr * PAGE, disk_at(g, first));
	did("O_DIRECT write", n < 0 ? -errno : 0);
	if (n > 0)
		n = pread(fd, buf, n, disk_at(g, first));
	for (page = 0; n > 0 && page < (size_t)n / PAGE; page++)
		check_sent(g, buf + page * PAGE_WORDS, first + page, "a disk");
	close(fd);
}

/*
 * The disk writes the guest's memory, while others may capture it.  Before 6.5
 * O_DIRECT does not pin, and what the disk writes after a capture may be lost:
 * the documentation says so.
 */
void trick_disk_read(struct guest *g)
{
	static uint64_t buf[32 * PAGE_WORDS] __attribute__((aligned(4096)));
	struct board *b = g->b;
	uint64_t tag[32];
	size_t first, nr, page;
	ssize_t n;
	int fd;

	if (!kernel_is(6, 5))
		return;
	fd = disk_open();
	if (fd < 0)
		return;
	part_draw(g, &first, &nr, 32);
	if (nr > 32)
		nr = 32;
	for (page = 0; page < nr; page++) {
		tag[page] = TAG(b->object, ++b->gen);
		pattern_fill(buf + page * PAGE_WORDS, b->seed, tag[page],
			     first + page);
	}
	n = pwrite(fd, buf, nr * PAGE, disk_at(g, first));
	if (n == (ssize_t)(nr * PAGE)) {
		/* Sectors come in no order: until it is over, all goes. */
		b->plain = 0;
		board_lose(b, first, nr);
		for (page = 0; page < nr; page++)
			b->intent[first + page] = tag[page];
		n = pread(fd, page_at(g, first), nr * PAGE,
			  disk_at(g, first));
		if (n != (ssize_t)(nr * PAGE))
			fail("O_DIRECT read: %s", strerror(errno));
		did("O_DIRECT read", 0);
		for (page = 0; page < nr; page++)
			b->tag[first + page] = tag[page];
		board_check(b, g->map, first, nr, "read from disk, a guest");
	}
	close(fd);
}

/* Pinned for as long as it is registered; nobody may take it then. */
void trick_pin(struct guest *g)
{
	size_t first, nr;
	struct uring ring;
	int ret;

	ret = uring_open(&ring);
	if (ret) {
		did("io_uring", ret);
		return;
	}
	part_draw(g, &first, &nr, 16);
	if (nr > 16)
		nr = 16;
	ret = did("io_uring: pin", uring_pin(&ring, page_at(g, first),
					     nr * PAGE));
	if (!ret) {
		ret = whole(g, -1, "capture: pinned");
		if (ret != -EBUSY)
			expect_errno("capture of pinned memory",
				     ret ?: -ENODATA, ALLOWED(MAY_BE_REFUSED),
				     shot_refusal());
		uring_unpin(&ring);
	}
	uring_close(&ring);
}
