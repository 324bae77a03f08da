// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * Names of snapshots.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmfork.h"

int vmfork_name(int snapshot, const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FICLONE, snapshot)) {
		err = -errno;
		unlink(path);
	}
	close(fd);
	return err;
}
