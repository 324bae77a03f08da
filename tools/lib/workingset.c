// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * A working set, applied: what a clone will ask for is there before it asks.
 *
 * It is done in windows, each of about a millisecond: small enough to be
 * stopped between two of them, large enough that the calls do not count.
 * Windows follow one another in the order in which their memory is wanted;
 * within one, what is written is copied first.  What is both read and written
 * is not mapped then, only to be mapped anew, and no huge page is mapped that
 * the copies would split.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/kvm.h>

#include "vmfork.h"

/* Since Linux 6.11; the headers that this is built with may be older. */
#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};

#define KVM_PRE_FAULT_MEMORY	_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

#define PAGE		((uint64_t)4096)
#define WINDOW_PAGES	2048	/* that are mapped */
#define COPY_WEIGHT	8	/* a copied page takes the room of so many */
#define WINDOW_RANGES	1024

/* Where a working set has been applied up to, and under which bounds */
struct progress {
	const struct vmfork_ws_range *ranges;
	size_t nr, at;			/* the range that is under way */
	uint64_t done;			/* bytes of it */
	uint64_t bytes;			/* of all of them */
	uint64_t deadline;		/* CLOCK_MONOTONIC, or 0 */
	const struct vmfork_ws_options *options;
	struct vmfork_ws_result *result;
};

/* What one call of vmfork_prefault() is given */
struct batch {
	size_t nr;
	struct vmfork_range range[WINDOW_RANGES];
	size_t of[WINDOW_RANGES];	/* which range of the working set */
};

struct window {
	struct batch reads, writes;
	uint64_t room;			/* in pages that are mapped */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int check_ranges(const struct vmfork_ws_range *ranges, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (ranges[i].offset % PAGE || ranges[i].len % PAGE ||
		    !ranges[i].len ||
		    ranges[i].offset > VMFORK_MAX_SIZE ||
		    ranges[i].len > VMFORK_MAX_SIZE - ranges[i].offset)
			return -EINVAL;
	}
	return 0;
}

static int check_regions(const struct vmfork_region *regions, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct vmfork_region *region = &regions[i];

		if (region->addr % PAGE || region->len % PAGE ||
		    region->offset % PAGE || !region->len || region->flags ||
		    region->addr + region->len < region->addr ||
		    region->offset + region->len < region->offset)
			return -EINVAL;
	}
	return 0;
}

static int progress_begin(struct progress *progress,
			  const struct vmfork_ws_range *ranges, size_t nr,
			  const struct vmfork_ws_options *options,
			  struct vmfork_ws_result *result)
{
	static const struct vmfork_ws_options no_options;

	memset(result, 0, sizeof(*result));
	memset(progress, 0, sizeof(*progress));
	progress->ranges = ranges;
	progress->nr = nr;
	progress->options = options ? options : &no_options;
	progress->result = result;
	if (progress->options->max_ns)
		progress->deadline = now_ns() + progress->options->max_ns;
	return check_ranges(ranges, nr);
}

/* Return: whether there is more to do, and that is allowed. */
static bool progress_more(struct progress *progress)
{
	const struct vmfork_ws_options *options = progress->options;
	enum vmfork_ws_end *end = &progress->result->end;

	progress->result->ranges_done = progress->at;
	if (progress->at == progress->nr)
		*end = VMFORK_WS_COMPLETE;
	else if (options->stop && options->stop(options->arg))
		*end = VMFORK_WS_STOPPED;
	else if (options->max_bytes &&
		 options->max_bytes - progress->bytes < PAGE)
		*end = VMFORK_WS_BYTES;
	else if (progress->deadline && now_ns() >= progress->deadline)
		*end = VMFORK_WS_TIME;
	else
		return true;
	return false;
}

/* The next part of the working set, of at most @limit bytes, and not 0 */
static uint64_t progress_peek(const struct progress *progress, uint64_t limit)
{
	uint64_t left = progress->ranges[progress->at].len - progress->done;

	if (progress->options->max_bytes)
		limit = smaller(limit, (progress->options->max_bytes -
					progress->bytes) & -PAGE);
	return smaller(left, limit);
}

static void progress_advance(struct progress *progress, uint64_t bytes)
{
	progress->bytes += bytes;
	progress->done += bytes;
	if (progress->done == progress->ranges[progress->at].len) {
		progress->done = 0;
		progress->at++;
	}
}

/* Return: how many bytes of [offset, offset + len) this region has. */
static uint64_t add_region(struct batch *batch,
			   const struct vmfork_region *region, uint64_t offset,
			   uint64_t len, size_t of)
{
	uint64_t end = smaller(offset + len, region->offset + region->len);

	if (offset < region->offset)
		offset = region->offset;
	if (offset >= end)
		return 0;
	batch->range[batch->nr].start = region->addr + (offset - region->offset);
	batch->range[batch->nr].len = end - offset;
	batch->of[batch->nr++] = of;
	return end - offset;
}

/* Take what is next into the window, until it is full. */
static void window_fill(struct window *window, struct progress *progress,
			const struct vmfork_region *regions, size_t nr_regions)
{
	window->reads.nr = 0;
	window->writes.nr = 0;
	window->room = WINDOW_PAGES;
	while (progress->at < progress->nr) {
		const struct vmfork_ws_range *range =
			&progress->ranges[progress->at];
		unsigned int weight = range->write ? COPY_WEIGHT : 1;
		struct batch *batch = range->write ? &window->writes :
						     &window->reads;
		uint64_t len = progress_peek(progress,
					     window->room / weight * PAGE);
		uint64_t inside = 0;
		size_t i;

		if (!len || WINDOW_RANGES - batch->nr < nr_regions)
			break;
		for (i = 0; i < nr_regions; i++)
			inside += add_region(batch, &regions[i],
					     range->offset + progress->done,
					     len, progress->at);
		if (!inside)
			progress->result->pages_outside += len / PAGE;
		else if (inside < len)
			progress->result->pages_outside +=
				(len - inside) / PAGE;
		window->room -= len / PAGE * weight;
		progress_advance(progress, len);
	}
}

static int apply_batch(int fd, int pidfd, const struct batch *batch,
		       unsigned int flags, struct vmfork_ws_result *result)
{
	struct vmfork_prefault one;
	int err;

	if (!batch->nr)
		return 0;
	err = vmfork_prefault(fd, pidfd, batch->range, batch->nr, flags, &one);
	result->pages_mapped += one.pages_mapped;
	result->pages_copied += one.pages_copied;
	if (!err)
		return 0;
	result->refusal = one.refusal;
	if (one.refusal && one.refused_range < batch->nr) {
		result->refused_range = batch->of[one.refused_range];
		result->refused_addr = one.refused_addr;
	}
	return err;
}

int vmfork_ws_apply(int fd, int pidfd, const struct vmfork_region *regions,
		    size_t nr_regions, const struct vmfork_ws_range *ranges,
		    size_t nr, const struct vmfork_ws_options *options,
		    struct vmfork_ws_result *result)
{
	struct vmfork_ws_result unwanted;
	struct progress progress;
	struct window *window;
	int err;

	err = progress_begin(&progress, ranges, nr, options,
			     result ? result : &unwanted);
	if (!err)
		err = check_regions(regions, nr_regions);
	if (!err && nr_regions > VMFORK_MAX_REGIONS)
		err = -EINVAL;
	if (err)
		return err;
	window = malloc(sizeof(*window));
	if (!window)
		return -ENOMEM;
	while (!err && progress_more(&progress)) {
		window_fill(window, &progress, regions, nr_regions);
		err = apply_batch(fd, pidfd, &window->writes,
				  VMFORK_PREFAULT_WRITE, progress.result);
		if (!err)
			err = apply_batch(fd, pidfd, &window->reads, 0,
					  progress.result);
	}
	if (err)
		progress.result->end = VMFORK_WS_FAILED;
	free(window);
	return err;
}

/* Return: 0, also where the guest has no memory; or -errno. */
static int map_second_level(int vcpu, uint64_t gpa, uint64_t len,
			    struct vmfork_ws_result *result)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = len };
	uint64_t left;

	while (range.size) {
		left = range.size;
		if (!ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range)) {
			result->pages_mapped += (left - range.size) / PAGE;
			continue;
		}
		switch (errno) {
		case ENOENT:
			result->pages_outside++;
			range.gpa += PAGE;
			range.size -= PAGE;
			break;
		case EINTR:
			/* Its handler has run; whoever wants to stop says so. */
			break;
		case EINVAL:
			/* What KVM says to a number that it does not know. */
			return -EOPNOTSUPP;
		default:
			return -errno;
		}
	}
	return 0;
}

int vmfork_ws_apply_kvm(int vcpu, const struct vmfork_ws_range *ranges,
			size_t nr, const struct vmfork_ws_options *options,
			struct vmfork_ws_result *result)
{
	struct vmfork_ws_result unwanted;
	struct progress progress;
	int err;

	err = progress_begin(&progress, ranges, nr, options,
			     result ? result : &unwanted);
	if (err)
		return err;
	while (!err && progress_more(&progress)) {
		uint64_t gpa = ranges[progress.at].offset + progress.done;
		uint64_t len = progress_peek(&progress,
					     WINDOW_PAGES / COPY_WEIGHT * PAGE);

		err = map_second_level(vcpu, gpa, len, progress.result);
		if (!err)
			progress_advance(&progress, len);
	}
	if (err)
		progress.result->end = VMFORK_WS_FAILED;
	return err;
}
