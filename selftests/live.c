// SPDX-License-Identifier: GPL-2.0
/* The ioctls on memory that is, or becomes, a mapping of a snapshot. */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"
#include "live.h"

int prearm_range(int pidfd, const void *addr, size_t len, uint64_t offset,
		 uint64_t slice_ns, struct vmfork_capture *out)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)addr, .len = len, .offset = offset,
	};
	struct vmfork_capture cap = {
		.size = sizeof(cap),
		.flags = VMFORK_CAPTURE_PREARM,
		.pidfd = pidfd,
		.nr_regions = 1,
		.regions = (uintptr_t)&region,
		.slice_ns = slice_ns,
	};
	int dev, ret;

	dev = device();
	if (dev < 0)
		return dev;
	ret = capture_full(dev, &cap);
	close(dev);
	if (out)
		*out = cap;
	return ret;
}

int reset_full(int fd, struct vmfork_reset *reset)
{
	int ret = ioctl(fd, VMFORK_RESET, reset);

	return ret < 0 ? -errno : ret;
}

int reset_ranges(int fd, int pidfd, const struct vmfork_range *ranges,
		 unsigned int nr, struct vmfork_reset *out)
{
	struct vmfork_reset reset = {
		.size = sizeof(reset),
		.pidfd = pidfd,
		.nr_ranges = nr,
		.ranges = (uintptr_t)ranges,
	};
	int ret = reset_full(fd, &reset);

	if (out)
		*out = reset;
	return ret;
}

int reset_range(int fd, int pidfd, const void *addr, size_t len,
		struct vmfork_reset *out)
{
	struct vmfork_range range = range_of(addr, len);

	return reset_ranges(fd, pidfd, &range, 1, out);
}

int prefault_full(int file, struct vmfork_prefault *prefault)
{
	int ret = ioctl(file, VMFORK_PREFAULT, prefault);

	return ret < 0 ? -errno : ret;
}

int prefault_ranges(int pidfd, const struct vmfork_range *ranges,
		    unsigned int nr, uint32_t flags,
		    struct vmfork_prefault *out)
{
	struct vmfork_prefault prefault = {
		.size = sizeof(prefault),
		.flags = flags,
		.pidfd = pidfd,
		.nr_ranges = nr,
		.ranges = (uintptr_t)ranges,
	};
	int dev, ret;

	dev = device();
	if (dev < 0)
		return dev;
	ret = prefault_full(dev, &prefault);
	close(dev);
	if (out)
		*out = prefault;
	return ret;
}

int prefault_range(int pidfd, const void *addr, size_t len, uint32_t flags,
		   struct vmfork_prefault *out)
{
	struct vmfork_range range = range_of(addr, len);

	return prefault_ranges(pidfd, &range, 1, flags, out);
}

int diff_full(int fd, struct vmfork_diff *diff)
{
	int ret = ioctl(fd, VMFORK_DIFF, diff);

	return ret < 0 ? -errno : ret;
}

/* Takes what one call gave into the map; pages, or -EILSEQ. */
static long take_ranges(const struct vmfork_diff *diff,
			const struct vmfork_range *ranges, uint64_t *after,
			bool *differs, size_t pages)
{
	uint64_t sum = 0, at;
	unsigned int i;

	for (i = 0; i < diff->nr_ranges; i++) {
		const struct vmfork_range *r = &ranges[i];
		uint64_t end = r->start + r->len;

		if (r->start % PAGE || r->len % PAGE || !r->len ||
		    end / PAGE > pages || end > diff->offset ||
		    (i ? r->start <= *after : r->start < *after)) {
			note("diff: range %u is %llx, %llx, after %llx, up to %llx",
			     i, r->start, r->len,
			     (unsigned long long)*after, diff->offset);
			return -EILSEQ;
		}
		for (at = r->start; at < end; at += PAGE)
			differs[at / PAGE] = true;
		sum += r->len / PAGE;
		*after = end;
	}
	if (sum != diff->pages) {
		note("diff: %llu pages in the ranges, %llu are said",
		     (unsigned long long)sum, diff->pages);
		return -EILSEQ;
	}
	return sum;
}

static uint64_t larger_size(int fd, int other)
{
	struct stat one = { 0 }, two = { 0 };

	fstat(fd, &one);
	fstat(other, &two);
	return one.st_size > two.st_size ? one.st_size : two.st_size;
}

long diff_pages(int fd, int other, uint32_t flags, unsigned int at_a_time,
		bool *differs, size_t pages)
{
	static struct vmfork_range ranges[VMFORK_MAX_REGIONS];
	uint64_t size = larger_size(fd, other), after = 0, from;
	struct vmfork_diff diff = {
		.size = sizeof(diff), .flags = flags, .fd = other,
		.ranges = (uintptr_t)ranges,
	};
	long sum = 0, ret;

	memset(differs, 0, pages * sizeof(*differs));
	do {
		from = diff.offset;
		diff.nr_ranges = at_a_time;
		ret = diff_full(fd, &diff);
		if (ret < 0)
			return ret;
		if (diff.nr_ranges > at_a_time || diff.offset <= from ||
		    diff.offset > size) {
			note("diff: %u ranges, %llx to %llx of %llx",
			     diff.nr_ranges, (unsigned long long)from,
			     diff.offset, (unsigned long long)size);
			return -EILSEQ;
		}
		ret = take_ranges(&diff, ranges, &after, differs, pages);
		if (ret < 0)
			return ret;
		sum += ret;
	} while (diff.offset < size);
	return sum;
}
