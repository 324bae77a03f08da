// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * The ioctls: find the device, capture into a snapshot, describe a snapshot.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmfork.h"

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

int vmfork_capture_sized(int dev, int pidfd,
			 const struct vmfork_region *regions, size_t nr,
			 uint64_t size, struct vmfork_capture *result)
{
	struct vmfork_capture arg = {
		.size = sizeof(arg),
		.pidfd = pidfd,
		.nr_regions = nr,
		.regions = (uintptr_t)regions,
		.snapshot_size = size,
	};
	int fd;

	if (nr > UINT32_MAX)
		return -EINVAL;
	fd = ioctl(dev, VMFORK_CAPTURE, &arg);
	if (fd < 0)
		fd = -errno;
	if (result)
		*result = arg;
	return fd;
}

int vmfork_capture(int dev, int pidfd, const struct vmfork_region *regions,
		   size_t nr, struct vmfork_capture *result)
{
	return vmfork_capture_sized(dev, pidfd, regions, nr, 0, result);
}

int vmfork_info(int snapshot, struct vmfork_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return ioctl(snapshot, VMFORK_INFO, info) < 0 ? -errno : 0;
}
