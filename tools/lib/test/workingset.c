// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * Working sets: what the library asks the module and KVM for, in which order,
 * and where it ends.  ioctl() below is both of them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/kvm.h>

#include <vmfork.h>

#include "expect.h"

#define DEVICE	1000
#define VCPU	2000
#define PAGE	4096ULL
#define MIB	(1ULL << 20)
#define ADDR	0x7f0000000000ULL

/* --- the module and KVM ------------------------------------------------------ */

struct asked {
	uint64_t start, len;
	int write;
};

static struct {
	struct asked range[16];		/* the first that were asked for */
	unsigned int nr, calls;
	uint64_t bytes;
	int error;			/* of the call number @fails, from 1 */
	unsigned int fails;
	uint64_t hole;			/* where the guest has no memory */
	int interrupted;		/* how often */
} kernel;

/* As the structure of newer headers has it */
struct pre_fault {
	uint64_t gpa, size, flags, padding[5];
};

static void note(uint64_t start, uint64_t len, int write)
{
	if (kernel.nr < 16)
		kernel.range[kernel.nr] = (struct asked){ start, len, write };
	kernel.nr++;
	kernel.bytes += len;
}

static int prefault(struct vmfork_prefault *arg)
{
	const struct vmfork_range *range =
		(const struct vmfork_range *)(uintptr_t)arg->ranges;
	int write = arg->flags & VMFORK_PREFAULT_WRITE;
	uint32_t i;

	EXPECT(arg->size == sizeof(*arg) && arg->pidfd == 77);
	EXPECT(arg->nr_ranges && arg->nr_ranges <= VMFORK_MAX_RANGES);
	kernel.calls++;
	if (kernel.calls == kernel.fails) {
		arg->refusal = VMFORK_POISON;
		arg->refused_range = arg->nr_ranges - 1;
		arg->refused_addr = range[arg->nr_ranges - 1].start;
		errno = kernel.error;
		return -1;
	}
	for (i = 0; i < arg->nr_ranges; i++) {
		note(range[i].start, range[i].len, write);
		if (write)
			arg->pages_copied += range[i].len / PAGE;
		else
			arg->pages_mapped += range[i].len / PAGE;
	}
	return 0;
}

/* At most 4 pages at a time, as a huge page or a signal may end it. */
static int pre_fault_memory(struct pre_fault *range)
{
	uint64_t len = range->size < 4 * PAGE ? range->size : 4 * PAGE;

	EXPECT(range->size && !range->flags);
	kernel.calls++;
	if (kernel.calls == kernel.fails) {
		errno = kernel.error;
		return -1;
	}
	if (kernel.interrupted) {
		kernel.interrupted--;
		errno = EINTR;
		return -1;
	}
	if (kernel.hole && range->gpa <= kernel.hole &&
	    range->gpa + len > kernel.hole)
		len = kernel.hole - range->gpa;
	if (!len) {
		errno = ENOENT;
		return -1;
	}
	note(range->gpa, len, 0);
	range->gpa += len;
	range->size -= len;
	return 0;
}

/* In place of ioctl(2) */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd == DEVICE && request == VMFORK_PREFAULT)
		return prefault(arg);
	EXPECT(fd == VCPU && request == _IOWR(KVMIO, 0xd5, struct pre_fault));
	return pre_fault_memory(arg);
}

static struct vmfork_ws_result result;

static int apply(const struct vmfork_region *regions, size_t nr_regions,
		 const struct vmfork_ws_range *ranges, size_t nr,
		 const struct vmfork_ws_options *options)
{
	memset(&kernel.range, 0, sizeof(kernel.range));
	kernel.nr = 0;
	kernel.calls = 0;
	kernel.bytes = 0;
	return vmfork_ws_apply(DEVICE, 77, regions, nr_regions, ranges, nr,
			       options, &result);
}

static int apply_kvm(const struct vmfork_ws_range *ranges, size_t nr,
		     const struct vmfork_ws_options *options)
{
	kernel.nr = 0;
	kernel.calls = 0;
	kernel.bytes = 0;
	return vmfork_ws_apply_kvm(VCPU, ranges, nr, options, &result);
}

static int was(unsigned int i, uint64_t start, uint64_t len, int write)
{
	return kernel.range[i].start == start && kernel.range[i].len == len &&
	       kernel.range[i].write == write;
}

/* --- what is asked for ------------------------------------------------------- */

static const struct vmfork_region whole = {
	.addr = ADDR, .len = 64 * MIB, .offset = 0,
};

static void check_order(void)
{
	static const struct vmfork_ws_range ws[] = {
		{ 5 * PAGE, PAGE, false }, { 9 * PAGE, 2 * PAGE, true },
		{ 3 * PAGE, PAGE, false }, { 5 * PAGE, PAGE, true },
	};

	/* one window: what is written first, each kind in its order */
	EXPECT(!apply(&whole, 1, ws, 4, NULL));
	EXPECT(kernel.calls == 2 && kernel.nr == 4);
	EXPECT(was(0, ADDR + 9 * PAGE, 2 * PAGE, 1));
	EXPECT(was(1, ADDR + 5 * PAGE, PAGE, 1));
	EXPECT(was(2, ADDR + 5 * PAGE, PAGE, 0));
	EXPECT(was(3, ADDR + 3 * PAGE, PAGE, 0));
	EXPECT(result.pages_mapped == 2 && result.pages_copied == 3);
	EXPECT(result.ranges_done == 4 && result.end == VMFORK_WS_COMPLETE);
	EXPECT(!result.pages_outside);

	/* nothing to do */
	EXPECT(!apply(&whole, 1, ws, 0, NULL) && !kernel.calls);
	EXPECT(!apply(&whole, 1, ws, 1, NULL) && kernel.calls == 1);
}

/* Two parts of a snapshot, and what is in neither of them */
static void check_regions(void)
{
	static const struct vmfork_region regions[] = {
		{ .addr = ADDR, .len = 4 * PAGE, .offset = 8 * PAGE },
		{ .addr = ADDR + MIB, .len = 4 * PAGE, .offset = 100 * PAGE },
	};
	static const struct vmfork_ws_range ws[] = {
		{ 6 * PAGE, 4 * PAGE, false },
		{ 11 * PAGE, 100 * PAGE, false },
		{ 200 * PAGE, PAGE, true },
	};

	EXPECT(!apply(regions, 2, ws, 3, NULL));
	EXPECT(kernel.nr == 3);
	EXPECT(was(0, ADDR, 2 * PAGE, 0));
	EXPECT(was(1, ADDR + 3 * PAGE, PAGE, 0));
	EXPECT(was(2, ADDR + MIB, 4 * PAGE, 0));
	EXPECT(result.pages_outside == 2 + 95 + 1);
	EXPECT(result.end == VMFORK_WS_COMPLETE && result.ranges_done == 3);
}

static void check_arguments(void)
{
	struct vmfork_ws_range ws = { PAGE, PAGE, false };
	struct vmfork_region region = whole;

	ws.offset = 1;
	EXPECT(apply(&whole, 1, &ws, 1, NULL) == -EINVAL);
	ws.offset = PAGE;
	ws.len = 0;
	EXPECT(apply(&whole, 1, &ws, 1, NULL) == -EINVAL);
	ws.len = 5;
	EXPECT(apply(&whole, 1, &ws, 1, NULL) == -EINVAL);
	ws.len = -PAGE;
	EXPECT(apply(&whole, 1, &ws, 1, NULL) == -EINVAL);
	EXPECT(apply_kvm(&ws, 1, NULL) == -EINVAL);
	ws.offset = -PAGE;
	ws.len = 2 * PAGE;
	EXPECT(apply(&whole, 1, &ws, 1, NULL) == -EINVAL);
	ws.offset = 0;
	region.addr++;
	EXPECT(apply(&region, 1, &ws, 1, NULL) == -EINVAL);
	region = whole;
	region.len = 0;
	EXPECT(apply(&region, 1, &ws, 1, NULL) == -EINVAL);
	region.len = -PAGE;
	EXPECT(apply(&region, 1, &ws, 1, NULL) == -EINVAL);
	region = whole;
	region.flags = VMFORK_REGION_WIPE;
	EXPECT(apply(&region, 1, &ws, 1, NULL) == -EINVAL);
	EXPECT(!kernel.calls);
}

/* --- how far ----------------------------------------------------------------- */

static int asked_to_stop, stop_at;

static bool stop(void *arg)
{
	EXPECT(arg == &kernel);
	return ++asked_to_stop == stop_at;
}

static void check_bounds(void)
{
	static const struct vmfork_ws_range ws[] = {
		{ 0, 32 * MIB, false }, { 32 * MIB, 16 * MIB, true },
	};
	struct vmfork_ws_options options = { .max_bytes = 3 * MIB + 5 };

	/* in windows of 8 MiB that are mapped, or 1 MiB that is copied */
	EXPECT(!apply(&whole, 1, ws, 2, NULL));
	EXPECT(kernel.calls == 4 + 16 && kernel.bytes == 48 * MIB);
	EXPECT(was(1, ADDR + 8 * MIB, 8 * MIB, 0));

	EXPECT(!apply(&whole, 1, ws, 2, &options));
	EXPECT(kernel.bytes == 3 * MIB && result.end == VMFORK_WS_BYTES);
	EXPECT(!result.ranges_done);
	options.max_bytes = 33 * MIB;
	EXPECT(!apply(&whole, 1, ws, 2, &options));
	EXPECT(kernel.bytes == 33 * MIB && result.ranges_done == 1);
	EXPECT(result.pages_copied == MIB / PAGE);
	options.max_bytes = 48 * MIB;
	EXPECT(!apply(&whole, 1, ws, 2, &options));
	EXPECT(result.end == VMFORK_WS_COMPLETE);
	options.max_bytes = 10;
	EXPECT(!apply(&whole, 1, ws, 2, &options) && !kernel.calls);
	EXPECT(result.end == VMFORK_WS_BYTES);

	/* asked before each window, and before the first */
	options = (struct vmfork_ws_options){ .stop = stop, .arg = &kernel };
	asked_to_stop = 0;
	stop_at = 3;
	EXPECT(!apply(&whole, 1, ws, 2, &options));
	EXPECT(kernel.calls == 2 && result.end == VMFORK_WS_STOPPED);
	asked_to_stop = 0;
	stop_at = 1;
	EXPECT(!apply(&whole, 1, ws, 2, &options) && !kernel.calls);
	asked_to_stop = 0;
	stop_at = 0;
	EXPECT(!apply(&whole, 1, ws, 2, &options) && asked_to_stop == 20);
	EXPECT(result.end == VMFORK_WS_COMPLETE);

	/* A nanosecond is over before the first window. */
	options = (struct vmfork_ws_options){ .max_ns = 1 };
	EXPECT(!apply(&whole, 1, ws, 2, &options) && !kernel.calls);
	EXPECT(result.end == VMFORK_WS_TIME);
	options.max_ns = 3600ULL * 1000000000;
	EXPECT(!apply(&whole, 1, ws, 2, &options));
	EXPECT(result.end == VMFORK_WS_COMPLETE);
}

/* So many ranges that no call could take them all */
static void check_many(void)
{
	const size_t nr = 100000;
	struct vmfork_ws_range *ws = calloc(nr, sizeof(*ws));
	struct vmfork_region all = { .addr = ADDR, .len = 1ULL << 40 };
	size_t i;

	EXPECT(ws);
	if (!ws)
		return;
	for (i = 0; i < nr; i++) {
		ws[i].offset = 2 * i * PAGE;
		ws[i].len = PAGE;
		ws[i].write = i % 2;
	}
	EXPECT(!apply(&all, 1, ws, nr, NULL));
	EXPECT(kernel.nr == nr && kernel.bytes == nr * PAGE);
	EXPECT(result.pages_mapped == nr / 2 && result.pages_copied == nr / 2);
	free(ws);
}

static void check_failures(void)
{
	static const struct vmfork_ws_range ws[] = {
		{ 0, 8 * MIB, false }, { 8 * MIB, MIB, true },
		{ 9 * MIB, MIB, true },
	};

	kernel.fails = 2;
	kernel.error = EHWPOISON;
	EXPECT(apply(&whole, 1, ws, 3, NULL) == -EHWPOISON);
	EXPECT(result.end == VMFORK_WS_FAILED && result.ranges_done == 1);
	EXPECT(result.refusal == VMFORK_POISON && result.refused_range == 1);
	EXPECT(result.refused_addr == ADDR + 8 * MIB);
	EXPECT(result.pages_mapped == 8 * MIB / PAGE && !result.pages_copied);

	/* an older module has a name of its own for it */
	kernel.fails = 1;
	kernel.error = ENOTTY;
	EXPECT(apply(&whole, 1, ws, 3, NULL) == -ENOTTY);
	kernel.fails = 0;
}

/* --- KVM --------------------------------------------------------------------- */

static void check_kvm(void)
{
	static const struct vmfork_ws_range ws[] = {
		{ 16 * PAGE, 10 * PAGE, false }, { 0, PAGE, true },
	};
	struct vmfork_ws_options options = { .stop = stop, .arg = &kernel };

	EXPECT(!apply_kvm(ws, 2, NULL));
	EXPECT(kernel.nr == 4 && was(0, 16 * PAGE, 4 * PAGE, 0));
	EXPECT(was(2, 24 * PAGE, 2 * PAGE, 0) && was(3, 0, PAGE, 0));
	EXPECT(result.pages_mapped == 11 && result.end == VMFORK_WS_COMPLETE);

	/* a page where there is no memory, and a signal now and then */
	kernel.hole = 17 * PAGE;
	kernel.interrupted = 3;
	EXPECT(!apply_kvm(ws, 2, NULL));
	EXPECT(result.pages_mapped == 10 && result.pages_outside == 1);
	kernel.hole = 0;

	/* none of this by a KVM that does not know it, or can not do it */
	kernel.fails = 1;
	kernel.error = EINVAL;
	EXPECT(apply_kvm(ws, 2, NULL) == -EOPNOTSUPP);
	EXPECT(kernel.calls == 1 && result.end == VMFORK_WS_FAILED);
	kernel.error = EOPNOTSUPP;
	EXPECT(apply_kvm(ws, 2, NULL) == -EOPNOTSUPP && kernel.calls == 1);
	kernel.error = EIO;
	EXPECT(apply_kvm(ws, 2, NULL) == -EIO);
	kernel.fails = 0;

	asked_to_stop = 0;
	stop_at = 2;
	EXPECT(!apply_kvm(ws, 2, &options));
	EXPECT(result.end == VMFORK_WS_STOPPED && result.ranges_done == 1);
	EXPECT(result.pages_mapped == 10);
}

int main(void)
{
	check_order();
	check_regions();
	check_arguments();
	check_bounds();
	check_many();
	check_failures();
	check_kvm();
	return failures != 0;
}
