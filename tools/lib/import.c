// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * Imports: a snapshot of a file.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmfork.h"

int vmfork_import(int dev, int fd, uint64_t offset, uint64_t len,
		  struct vmfork_import *result)
{
	struct vmfork_import arg = {
		.size = sizeof(arg), .fd = fd, .offset = offset, .len = len,
	};
	int ret = ioctl(dev, VMFORK_IMPORT, &arg);

	if (ret < 0)
		ret = -errno;
	if (result)
		*result = arg;
	return ret;
}
