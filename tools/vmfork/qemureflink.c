// SPDX-License-Identifier: GPL-2.0
/*
 * Copies of images that share their blocks.
 *
 * A child that has one needs no overlay, and nobody needs its parent's: that is
 * only there while the copies are made, so that the guest does not have to
 * stop for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"
#include "qemudisk.h"
#include "qemureflink.h"
#include "qemuuser.h"

static bool is_in(const char *path, const char *dir)
{
	const size_t len = strrchr(path, '/') - path;

	return strlen(dir) == len && !strncmp(path, dir, len);
}

/* Return: 0 or errno */
static int clone_to(int to, const char *base)
{
	int error = 0, from = open(base, O_RDONLY | O_CLOEXEC);

	if (from < 0)
		return errno;
	if (ioctl(to, FICLONE, from))
		error = errno;
	close(from);
	return error;
}

static bool is_possible(const struct qemu_disk *disk, const char *dir)
{
	int to, error;

	/* What is below may be named relative to the directory. */
	if (disk->nr_files > 1 && !is_in(disk->base, dir))
		return false;
	to = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (to < 0)
		return false;
	error = clone_to(to, disk->base);
	close(to);
	return !error;
}

void qemu_reflink_find(struct qemu_disks *disks, const char *dir,
		       const struct qemu_user *user)
{
	size_t i;

	if (qemu_user_begin(user))
		return;
	for (i = 0; i < disks->nr; i++)
		disks->disks[i].reflink = is_possible(&disks->disks[i], dir);
	qemu_user_end(user);
}

/* Return: 0 or errno */
static int copy(const char *base, const char *path)
{
	int error, to = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (to < 0)
		return errno;
	error = clone_to(to, base);
	close(to);
	return error;
}

int qemu_reflink_copy(const char *base, const char *path,
		      const struct qemu_user *user)
{
	int error = qemu_user_begin(user);

	if (!error) {
		error = copy(base, path);
		qemu_user_end(user);
	}
	if (!error)
		return DONE;
	return failure(FAILED, error, "%s can not become a copy of %s: %s.",
		       path, base, strerror(error));
}
