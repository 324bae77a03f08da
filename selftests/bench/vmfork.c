// SPDX-License-Identifier: GPL-2.0
/* vmfork's calls. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib.h"
#include "vmfork.h"

static int device_fd = -1;

static int control(void)
{
	if (device_fd < 0)
		device_fd = device();
	if (device_fd < 0)
		exit(1);
	return device_fd;
}

void vmfork_close(void)
{
	if (device_fd >= 0)
		close(device_fd);
	device_fd = -1;
}

/* What @ioctl returned; errors that are no way to say "I do not know it" end. */
static int result(int ret, const char *what, unsigned int refusal)
{
	if (ret >= 0)
		return ret;
	if (errno != ENOTTY && errno != EINVAL)
		err(1, "%s (refusal %u)", what, refusal);
	return -errno;
}

static int capture(const struct memory *mem, unsigned int flags, size_t size,
		   struct vmfork_capture *cap)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)mem->start,
		.len = mem->size,
	};

	*cap = (struct vmfork_capture) {
		.size = sizeof(*cap),
		.flags = flags,
		.pidfd = -1,
		.nr_regions = 1,
		.regions = (uintptr_t)&region,
		.snapshot_size = size,
	};
	return ioctl(control(), VMFORK_CAPTURE, cap);
}

int vmfork_capture_sized(const struct memory *mem, size_t size,
			 struct vmfork_capture *cap)
{
	int snapshot = capture(mem, 0, size, cap);

	if (snapshot < 0)
		err(1, "VMFORK_CAPTURE (refusal %u)", cap->refusal);
	return snapshot;
}

int vmfork_capture(const struct memory *mem, struct vmfork_capture *cap)
{
	return vmfork_capture_sized(mem, 0, cap);
}

int vmfork_prearm(const struct memory *mem, struct vmfork_capture *cap)
{
	return result(capture(mem, VMFORK_CAPTURE_PREARM, 0, cap),
		      "VMFORK_CAPTURE_PREARM", cap->refusal);
}

int vmfork_reset(int snapshot, const struct memory *mem)
{
	struct vmfork_range range = {
		.start = (uintptr_t)mem->start,
		.len = mem->size,
	};
	struct vmfork_reset reset = {
		.size = sizeof(reset),
		.pidfd = -1,
		.nr_ranges = 1,
		.ranges = (uintptr_t)&range,
	};

	return result(ioctl(snapshot, VMFORK_RESET, &reset), "VMFORK_RESET",
		      reset.refusal);
}

int vmfork_prefault(const void *start, size_t size, bool write)
{
	struct vmfork_range range = {
		.start = (uintptr_t)start,
		.len = size,
	};
	struct vmfork_prefault prefault = {
		.size = sizeof(prefault),
		.flags = write ? VMFORK_PREFAULT_WRITE : 0,
		.pidfd = -1,
		.nr_ranges = 1,
		.ranges = (uintptr_t)&range,
	};

	return result(ioctl(control(), VMFORK_PREFAULT, &prefault),
		      "VMFORK_PREFAULT", prefault.refusal);
}

long vmfork_diff(int snapshot, int other)
{
	static struct vmfork_range ranges[VMFORK_MAX_RANGES];
	struct vmfork_diff diff = {
		.size = sizeof(diff),
		.fd = other,
		.ranges = (uintptr_t)ranges,
	};
	long pages = 0;
	int ret;

	do {
		diff.nr_ranges = VMFORK_MAX_RANGES;
		ret = result(ioctl(snapshot, VMFORK_DIFF, &diff),
			     "VMFORK_DIFF", 0);
		if (ret)
			return ret;
		pages += diff.pages;
	} while (diff.nr_ranges == VMFORK_MAX_RANGES);
	return pages;
}

/* In a capture of THPs, a page that was no huge page would be no THP. */
void check_capture(const struct vmfork_capture *cap, size_t pages,
		   enum kind kind)
{
	size_t huge = kind == KIND_THP ? pages : 0;

	if (cap->pages_stolen + cap->pages_copied != pages)
		errx(1, "captured %llu pages of %zu",
		     cap->pages_stolen + cap->pages_copied, pages);
	if (cap->pages_huge != huge)
		errx(1, "captured %llu pages in huge pages, expected %zu",
		     (unsigned long long)cap->pages_huge, huge);
}
