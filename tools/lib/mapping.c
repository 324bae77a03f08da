// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * What is done to mappings where they are: put back to a snapshot, filled
 * ahead of their use.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "vmfork.h"

int vmfork_reset(int snapshot, int pidfd, const struct vmfork_range *ranges,
		 size_t nr, struct vmfork_reset *result)
{
	struct vmfork_reset arg = {
		.size = sizeof(arg),
		.pidfd = pidfd,
		.nr_ranges = nr,
		.ranges = (uintptr_t)ranges,
	};
	int ret = -EINVAL;

	if (nr <= UINT32_MAX)
		ret = ioctl(snapshot, VMFORK_RESET, &arg) < 0 ? -errno : 0;
	if (result)
		*result = arg;
	return ret;
}

int vmfork_prefault(int fd, int pidfd, const struct vmfork_range *ranges,
		    size_t nr, unsigned int flags,
		    struct vmfork_prefault *result)
{
	struct vmfork_prefault arg = {
		.size = sizeof(arg),
		.flags = flags,
		.pidfd = pidfd,
		.nr_ranges = nr,
		.ranges = (uintptr_t)ranges,
	};
	int ret = -EINVAL;

	if (nr <= UINT32_MAX)
		ret = ioctl(fd, VMFORK_PREFAULT, &arg) < 0 ? -errno : 0;
	if (result)
		*result = arg;
	return ret;
}
