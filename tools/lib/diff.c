// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * The difference of two snapshots, however many ranges it has.
 *
 * The kernel gives as many as there is room for, and says where to go on.  A
 * range that it had to end there goes on with the first of the next batch, so
 * the last one of a batch is kept until it is known where that begins.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "vmfork.h"

#define BATCH	1024

struct diff {
	vmfork_range_fn fn;
	void *arg;
	struct vmfork_range last;	/* not yet told, @len 0 if there is none */
};

static int tell_last(struct diff *diff)
{
	if (!diff->last.len)
		return 0;
	return diff->fn(&diff->last, diff->arg);
}

static int take(struct diff *diff, const struct vmfork_range *range)
{
	int ret;

	if (diff->last.len &&
	    diff->last.start + diff->last.len == range->start) {
		diff->last.len += range->len;
		return 0;
	}
	ret = tell_last(diff);
	diff->last = *range;
	return ret;
}

/* Return: -errno, what the callback returned, or 0 */
static int take_batch(int a, struct vmfork_diff *arg, struct diff *diff,
		      const struct vmfork_range *ranges)
{
	uint64_t from = arg->offset;
	uint32_t i;
	int ret = 0;

	arg->nr_ranges = BATCH;
	if (ioctl(a, VMFORK_DIFF, arg) < 0)
		return -errno;
	for (i = 0; i < arg->nr_ranges && !ret; i++)
		ret = take(diff, &ranges[i]);
	/* It would never end. */
	if (!ret && arg->offset <= from)
		return -EIO;
	return ret;
}

static int take_all(int a, int b, unsigned int flags, struct diff *diff,
		    struct vmfork_range *ranges)
{
	struct vmfork_diff arg = {
		.size = sizeof(arg),
		.flags = flags,
		.fd = b,
		.ranges = (uintptr_t)ranges,
	};
	struct stat sa, sb;
	uint64_t end;
	int ret;

	if (fstat(a, &sa) || fstat(b, &sb))
		return -errno;
	end = sa.st_size > sb.st_size ? sa.st_size : sb.st_size;
	do {
		ret = take_batch(a, &arg, diff, ranges);
	} while (!ret && arg.offset < end);
	return ret ? ret : tell_last(diff);
}

int vmfork_diff(int a, int b, unsigned int flags, vmfork_range_fn fn,
		void *arg)
{
	struct diff diff = { .fn = fn, .arg = arg };
	struct vmfork_range *ranges = malloc(BATCH * sizeof(*ranges));
	int ret;

	if (!ranges)
		return -ENOMEM;
	ret = take_all(a, b, flags, &diff, ranges);
	free(ranges);
	return ret;
}
