// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of VMFORK_DIFF, and whether the snapshots differ where it says.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "argument.h"
#include "calls.h"

#define MAX_RANGES	64
#define MAX_ROUNDS	200	/* of snapshots that nobody knows all of */

/* What two snapshots must, or must not, be at a page: -1 if nobody knows */
static int must_differ(unsigned int a, unsigned int b, uint64_t page)
{
	uint64_t in[2] = { VAL_ZERO, VAL_ZERO };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		const struct snap_model *s = &w.snap[i ? b : a];

		if (page < s->size / PAGE)
			in[i] = s->val[page];
	}
	if ((in[0] | in[1]) & (VAL_UNKNOWN | VAL_MAY_BE_ZERO))
		return -1;
	return in[0] != in[1];
}

/* Without @contents a page may be another one, and hold the same. */
static void check_pages(unsigned int a, unsigned int b, uint64_t from,
			uint64_t to, bool differ, bool contents)
{
	int must;

	for (; from < to && from < ARENA_PAGES; from++) {
		must = must_differ(a, b, from);
		if (must < 0 || must == differ || (differ && !contents))
			continue;
		violation("snapshots %u and %u %s at page %lx, and are said %s",
			  a, b, must ? "differ" : "are the same",
			  (unsigned long)from, differ ? "to" : "not to");
	}
}

struct walk {
	unsigned int a, b;
	bool contents;
	uint64_t at;		/* page; all before it was looked at */
	uint64_t size;		/* of the larger one, in bytes */
};

static void check_range(struct walk *d, const struct vmfork_range *r)
{
	uint64_t from = r->start / PAGE, to = from + r->len / PAGE;

	if (!r->len || (r->start | r->len) % PAGE || from < d->at ||
	    r->start + r->len > d->size || (d->at && from == d->at))
		violation("a diff gives [%llx, %llx) after %llx of %llx",
			  (unsigned long long)r->start,
			  (unsigned long long)(r->start + r->len),
			  (unsigned long long)d->at * PAGE,
			  (unsigned long long)d->size);
	check_pages(d->a, d->b, d->at, from, false, d->contents);
	check_pages(d->a, d->b, from, to, true, d->contents);
	d->at = to;
}

/* Return: where the ranges end, in pages */
static void check_answer(struct walk *d, const struct vmfork_diff *diff,
			 const struct vmfork_range *range, unsigned int room)
{
	uint64_t pages = 0;
	unsigned int i;

	if (diff->nr_ranges > room)
		violation("a diff gives %u ranges of %u", diff->nr_ranges,
			  room);
	for (i = 0; i < diff->nr_ranges; i++) {
		check_range(d, &range[i]);
		pages += range[i].len / PAGE;
	}
	if (pages != diff->pages || diff->offset % PAGE ||
	    diff->offset / PAGE < d->at || diff->offset > d->size)
		violation("a diff ends at %llx with %llu pages, not %llu",
			  (unsigned long long)diff->offset,
			  (unsigned long long)diff->pages,
			  (unsigned long long)pages);
	check_pages(d->a, d->b, d->at, diff->offset / PAGE, false,
		    d->contents);
}

static bool may_fail(int err)
{
	/* A file may have changed since it was captured. */
	return err == EINTR || err == ENOMEM || err == EIO ||
	       (err == EHWPOISON && w.poison);
}

/* All of it, a few ranges at a time; the model says what is right. */
static void compare(int fd, struct walk *d, int other, unsigned int room)
{
	struct vmfork_range range[MAX_RANGES];
	struct vmfork_diff diff = { .size = sizeof(diff), .fd = other };
	unsigned int round;
	int err;

	diff.flags = d->contents ? VMFORK_DIFF_CONTENTS : 0;
	diff.ranges = (uintptr_t)range;
	for (round = 0; round < MAX_ROUNDS; round++) {
		uint64_t before = diff.offset;

		diff.nr_ranges = room;
		err = ioctl(fd, VMFORK_DIFF, &diff) ? errno : 0;
		if (err == EBADF || may_fail(err))
			return;		/* Not open for reading, or so. */
		if (err)
			violation("VMFORK_DIFF fails with errno %d", err);
		check_answer(d, &diff, range, room);
		if (diff.offset == d->size)
			return;
		if (diff.nr_ranges != room || diff.offset <= before)
			violation("a diff stops at %llx with %u ranges of %u",
				  (unsigned long long)diff.offset,
				  diff.nr_ranges, room);
	}
}

/* Any structure, anywhere */
static long call_once(const uint64_t *arg)
{
	static union argument buf;
	static struct vmfork_range range[MAX_RANGES];
	struct fd_slot *s = slot_of(arg[0]);
	long ret;
	void *at;

	memset(&buf, 0, sizeof(buf));
	buf.diff = (struct vmfork_diff){
		.size = sizeof(buf.diff), .flags = arg[2],
		.fd = slot_fd(arg[1]), .nr_ranges = arg[3] % (MAX_RANGES + 1),
		.offset = length(arg[4]),
	};
	buf.diff.ranges = (uintptr_t)argument_put(arg[5] / 16, arg[4] + 4,
						  range, sizeof(range) / 2);
	if (buf.diff.nr_ranges > MAX_RANGES / 2)
		buf.diff.nr_ranges = MAX_RANGES / 2;
	argument_flip(&buf);
	/* As many as it likes, but where there is nothing else. */
	if (buf.diff.nr_ranges > MAX_RANGES / 2)
		buf.diff.ranges = ARENA - 16 * PAGE;
	at = argument_put(arg[5], arg[4], &buf, sizeof(buf.diff));
	ret = result(ioctl(slot_fd(arg[0]), VMFORK_DIFF, at));
	if (!ret && s->type != FD_SNAP)
		violation("VMFORK_DIFF of what is no snapshot succeeds");
	if (ret && s->type == FD_SNAP && ret != -EINVAL && ret != -E2BIG &&
	    ret != -EFAULT && ret != -EBADF && ret != -EXDEV &&
	    !may_fail(-ret))
		violation("VMFORK_DIFF fails with %ld", ret);
	return ret;
}

/* diff SLOT SLOT FLAGS NR OFFSET PLACES: rightly, where PLACES is 0 */
long call_diff(const uint64_t *arg)
{
	const struct fd_slot *a = slot_of(arg[0]), *b = slot_of(arg[1]);
	struct walk d = {
		.a = a->snap, .b = b->snap, .contents = arg[2] & 1,
		.size = w.snap[a->snap].size,
	};

	if (arg[5] || w.nr_flips || a->type != FD_SNAP || b->type != FD_SNAP ||
	    w.lost || shared->written[w.index])
		return call_once(arg);
	if (w.snap[b->snap].size > d.size)
		d.size = w.snap[b->snap].size;
	compare(a->fd, &d, b->fd, 1 + arg[3] % MAX_RANGES);
	return 0;
}
