// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * Captures: find the device, capture into a snapshot or ahead of one, describe
 * a snapshot.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "prearm.h"
#include "vmfork.h"

#define SLICE_NS	1000000ULL

int vmfork_open(void)
{
	int fd = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* A node that somebody made by hand is there without the module. */
	if (errno == ENXIO || errno == ENODEV)
		return -ENOENT;
	return -errno;
}

/*
 * A module that knows a shorter structure takes this one as long as what it
 * does not know is zero, and so it is but for pre-arming.
 */
static int do_capture(int dev, int pidfd, const struct vmfork_region *regions,
		      size_t nr, struct vmfork_capture *arg)
{
	int ret;

	if (nr > UINT32_MAX)
		return -EINVAL;
	arg->size = sizeof(*arg);
	arg->pidfd = pidfd;
	arg->nr_regions = nr;
	arg->regions = (uintptr_t)regions;
	ret = ioctl(dev, VMFORK_CAPTURE, arg);
	return ret < 0 ? -errno : ret;
}

int vmfork_capture_sized(int dev, int pidfd,
			 const struct vmfork_region *regions, size_t nr,
			 uint64_t size, struct vmfork_capture *result)
{
	struct vmfork_capture arg = { .snapshot_size = size };
	int fd = do_capture(dev, pidfd, regions, nr, &arg);

	if (result)
		*result = arg;
	return fd;
}

int vmfork_capture_into(int dev, int pidfd,
			const struct vmfork_region *regions, size_t nr,
			uint64_t size, int file, struct vmfork_capture *result)
{
	struct vmfork_capture arg = {
		.flags = VMFORK_CAPTURE_INTO,
		.snapshot_size = size,
		.into_fd = file,
	};
	int ret;

	/* No file, and nothing that an older module would take for one */
	if (file < 0)
		return -EBADF;
	ret = do_capture(dev, pidfd, regions, nr, &arg);
	if (result)
		*result = arg;
	return ret;
}

int vmfork_capture(int dev, int pidfd, const struct vmfork_region *regions,
		   size_t nr, struct vmfork_capture *result)
{
	return vmfork_capture_sized(dev, pidfd, regions, nr, 0, result);
}

int prearm_sized(int dev, int pidfd, const struct vmfork_region *regions,
		 size_t nr, uint64_t size, uint64_t slice_ns,
		 struct vmfork_capture *result)
{
	/*
	 * The default is said, not left 0: a module that has no pre-arming
	 * has no such field either, and says E2BIG, which means nothing else.
	 */
	struct vmfork_capture arg = {
		.flags = VMFORK_CAPTURE_PREARM,
		.snapshot_size = size,
		.slice_ns = slice_ns ? slice_ns : SLICE_NS,
	};
	int ret = do_capture(dev, pidfd, regions, nr, &arg);

	if (result)
		*result = arg;
	return ret;
}

int vmfork_prearm(int dev, int pidfd, const struct vmfork_region *regions,
		  size_t nr, uint64_t slice_ns, struct vmfork_capture *result)
{
	int ret = prearm_sized(dev, pidfd, regions, nr, 0, slice_ns, result);

	return ret == -E2BIG ? -ENOTTY : ret;
}

int vmfork_info(int snapshot, struct vmfork_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return ioctl(snapshot, VMFORK_INFO, info) < 0 ? -errno : 0;
}
