// SPDX-License-Identifier: GPL-2.0
/* vmforkfs for tests, see fs.h. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "fs.h"
#include "lib.h"

int fs_mount(struct fs *fs, const char *options)
{
	static unsigned int nr;
	int ret;

	snprintf(fs->mount, sizeof(fs->mount), "/tmp/vmforkfs.XXXXXX");
	if (!mkdtemp(fs->mount))
		return -errno;
	if (mount("none", fs->mount, "vmforkfs", 0, options)) {
		ret = -errno;
		rmdir(fs->mount);
		return ret;
	}
	snprintf(fs->dir, sizeof(fs->dir), "%.40s/test.%d.%u", fs->mount,
		 getpid(), nr++);
	if (!mkdir(fs->dir, 0755))
		return 0;
	ret = -errno;
	umount(fs->mount);
	rmdir(fs->mount);
	return ret;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int fs_unmount(struct fs *fs)
{
	int tries;

	nftw(fs->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	/* Somebody who was killed may still be going. */
	for (tries = 0; umount(fs->mount); tries++) {
		if (errno != EBUSY || tries == 50)
			return -errno;
		usleep(20000);
	}
	return rmdir(fs->mount) ? -errno : 0;
}

const char *fs_path(const struct fs *fs, const char *name, char *path)
{
	snprintf(path, FS_PATH_MAX, "%.58s/%.40s", fs->dir, name);
	return path;
}

int fs_open(const struct fs *fs, const char *name, int flags)
{
	char path[FS_PATH_MAX];
	int fd = open(fs_path(fs, name, path), flags | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int fs_create(const struct fs *fs, const char *name)
{
	return fs_open(fs, name, O_RDWR | O_CREAT | O_EXCL);
}

int fs_clone(int to, int from)
{
	return ioctl(to, FICLONE, from) ? -errno : 0;
}

int fs_name(const struct fs *fs, const char *name, int from)
{
	int fd = fs_create(fs, name), ret;

	if (fd < 0)
		return fd;
	ret = fs_clone(fd, from);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int fs_capture(int to, const void *addr, size_t len, uint64_t offset,
	       struct vmfork_capture *out)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)addr, .len = len, .offset = offset,
	};
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region,
		.flags = VMFORK_CAPTURE_INTO, .into_fd = to,
	};
	int dev = device(), ret;

	if (dev < 0)
		return dev;
	ret = ioctl(dev, VMFORK_CAPTURE, &cap) < 0 ? -errno : 0;
	close(dev);
	if (out)
		*out = cap;
	return ret;
}

uint64_t fs_id(int fd)
{
	struct vmfork_info info;

	return snapshot_info(fd, &info) ? 0 : info.id;
}
