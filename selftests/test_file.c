// SPDX-License-Identifier: GPL-2.0
/*
 * Files to import, or to map.
 *
 * ext4 is on a loop device whose disk is a file on tmpfs, or on NBD.  9p is a
 * directory of the VM's host, mounted by both of its tags.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fusefs.h"
#include "lib.h"
#include "nbd.h"
#include "test_file.h"

#define TMPFS_DIR	"/tmp/vmfork-tmpfs"
#define EXT4_DIR	"/tmp/vmfork-ext4"
#define EXT4_DISK	TMPFS_DIR "/disk"
#define SHARE_ONE	"/tmp/vmfork-one"
#define SHARE_TWO	"/tmp/vmfork-two"
#define EXT4_SIZE	(48 * MIB)

static uint64_t seed = 77;

static int mount_tmpfs(void)
{
	mkdir(TMPFS_DIR, 0700);
	/* Over an older one, if that could not go yet. */
	return mount("none", TMPFS_DIR, "tmpfs", 0, NULL) ? -errno : 0;
}

static int mount_ext4(void)
{
	int ret = mount_tmpfs();

	if (ret)
		return ret;
	mkdir(EXT4_DIR, 0700);
	if (system("truncate -s 48M " EXT4_DISK " && mke2fs -F -b 4096 "
		   EXT4_DISK " >/dev/null 2>&1 && mount -t ext4 -o loop "
		   EXT4_DISK " " EXT4_DIR)) {
		umount2(TMPFS_DIR, MNT_DETACH);
		return -EIO;
	}
	return 0;
}

static void unmount_ext4(void)
{
	umount2(EXT4_DIR, MNT_DETACH);
	umount2(TMPFS_DIR, MNT_DETACH);
}

static int mount_nbd(struct test_file *file)
{
	file->nbd = nbd_start(EXT4_SIZE);
	if (!file->nbd)
		return -EIO;
	file->remote = &file->nbd->remote;
	mkdir(EXT4_DIR, 0700);
	return system("mke2fs -F -b 4096 " NBD_DISK " >/dev/null 2>&1 && "
		      "mount -t ext4 " NBD_DISK " " EXT4_DIR) ? -EIO : 0;
}

/* The disk goes after the file system, whose last file may be closed late. */
static void unmount_nbd(struct test_file *file)
{
	int i;

	for (i = 0; i < 250 && umount(EXT4_DIR) && errno == EBUSY; i++)
		usleep(20000);
	if (i == 250)
		note("somebody has a file on " NBD_DISK " open");
	nbd_stop(file->nbd);
}

/* Nothing is kept of what a file is, nor anything of it once it is closed. */
#define OPTIONS_9P	"trans=virtio,version=9p2000.L,cache=none,msize=65536"

static void unmount_9p(void)
{
	umount2(SHARE_ONE, MNT_DETACH);
	umount2(SHARE_TWO, MNT_DETACH);
}

static int mount_9p(void)
{
	mkdir(SHARE_ONE, 0700);
	mkdir(SHARE_TWO, 0700);
	/* What a test left behind that did not end in order. */
	unmount_9p();
	if (mount("one", SHARE_ONE, "9p", 0, OPTIONS_9P))
		return -errno;
	if (!mount("two", SHARE_TWO, "9p", 0, OPTIONS_9P))
		return 0;
	umount2(SHARE_ONE, MNT_DETACH);
	return -errno;
}

/* It is a small one, and has no modules. */
static bool is_debug_kernel(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.release, "-debug");
}

const char *test_file_overlay_missing(void)
{
	if (!system("modprobe overlay 2>/dev/null; "
		    "grep -qw overlay /proc/filesystems"))
		return NULL;
	return is_debug_kernel() ? "the debug kernel has no overlayfs" :
				   "this kernel has no overlayfs";
}

static const char *missing_9p(void)
{
	static int there = -1;

	if (there < 0) {
		there = system("modprobe 9pnet_virtio 2>/dev/null; modprobe 9p "
			       "2>/dev/null; cat /sys/bus/virtio/devices/*/mount_tag "
			       "2>/dev/null | grep -q two") == 0;
	}
	return there ? NULL : "no directory of the host is shared by 9p";
}

const char *test_file_missing(enum file_kind kind)
{
	static int ext4 = -1;

	if (kind == FILE_FUSE && fusefs_missing())
		return is_debug_kernel() ? "the debug kernel has no FUSE" :
					   fusefs_missing();
	if (kind == FILE_FUSE)
		return NULL;
	if (kind == FILE_TMPFS)
		return NULL;
	if (kind == FILE_9P && missing_9p())
		return is_debug_kernel() ? "the debug kernel has no 9p" :
					   missing_9p();
	if (kind == FILE_9P)
		return NULL;
	if (kind == FILE_NBD && nbd_missing())
		return is_debug_kernel() ? "the debug kernel has no NBD" :
					   nbd_missing();
	if (ext4 < 0) {
		ext4 = system("modprobe loop 2>/dev/null; modprobe ext4 "
			      "2>/dev/null; grep -qw ext4 /proc/filesystems && "
			      "test -e /dev/loop0") == 0;
	}
	if (ext4)
		return NULL;
	return is_debug_kernel() ? "the debug kernel has no ext4" :
				   "this kernel has no ext4, or no loop devices";
}

int test_file_write(struct test_file *file, int fd, size_t page, uint64_t fill)
{
	static char buf[PAGE] __attribute__((aligned(4096)));

	page_fill(buf, fill);
	if (file->fuse) {
		memcpy(file->fuse->data + page * PAGE, buf, PAGE);
		return 0;
	}
	return pwrite(fd, buf, PAGE, page * PAGE) == (ssize_t)PAGE ? 0 :
	       errno ? -errno : -EIO;
}

/* Data, but for each 16th page, and for a long hole in the middle. */
static bool is_hole(const struct test_file *file, size_t page)
{
	return page % 16 == 5 ||
	       (page >= file->pages / 2 && page < file->pages * 5 / 8);
}

static int fill(struct test_file *file, int fd)
{
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < file->pages; i++) {
		if (is_hole(file, i)) {
			file->data += !file->holes;
			continue;
		}
		file->data++;
		file->model[i] = (struct stamp){ .fill = rnd(&seed) | 1 };
		ret = test_file_write(file, fd, i, file->model[i].fill);
	}
	return ret;
}

static int make_fuse(struct test_file *file, size_t len)
{
	file->fuse = fusefs_start(len);
	if (!file->fuse)
		return -EIO;
	file->remote = &file->fuse->remote;
	strcpy(file->path, file->fuse->path);
	strcpy(file->elsewhere, file->path);
	return fill(file, -1);
}

static int make_local(struct test_file *file, size_t len, const char *dir)
{
	int fd, ret;

	snprintf(file->path, sizeof(file->path), "%s/file", dir);
	if (file->kind == FILE_9P)
		strcpy(file->elsewhere, SHARE_TWO "/file");
	else
		strcpy(file->elsewhere, file->path);
	fd = open(file->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = ftruncate(fd, len) ? -errno : fill(file, fd);
	/* What is read later is read from the disk. */
	if (!ret && (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)))
		ret = -EIO;
	close(fd);
	return ret;
}

int test_file_make_in(struct test_file *file, size_t len, const char *dir)
{
	*file = (struct test_file){
		.kind = FILE_TMPFS, .pages = len / PAGE, .holes = true,
	};
	file->model = model_alloc(file->pages);
	return make_local(file, len, dir);
}

int test_file_make(struct test_file *file, enum file_kind kind, size_t len)
{
	int ret = 0;

	*file = (struct test_file){ .kind = kind, .pages = len / PAGE };
	file->holes = kind != FILE_9P && kind != FILE_FUSE;
	file->model = model_alloc(file->pages);
	switch (kind) {
	case FILE_TMPFS:
		ret = mount_tmpfs() ?: make_local(file, len, TMPFS_DIR);
		break;
	case FILE_EXT4:
		ret = mount_ext4() ?: make_local(file, len, EXT4_DIR);
		break;
	case FILE_NBD:
		ret = mount_nbd(file) ?: make_local(file, len, EXT4_DIR);
		break;
	case FILE_9P:
		ret = mount_9p() ?: make_local(file, len, SHARE_ONE);
		break;
	case FILE_FUSE:
		ret = make_fuse(file, len);
		break;
	}
	if (ret)
		note("a file: %s", strerror(-ret));
	return ret;
}

void test_file_free(struct test_file *file)
{
	unlink(file->path);
	if (file->kind == FILE_TMPFS)
		umount2(TMPFS_DIR, MNT_DETACH);
	else if (file->kind == FILE_EXT4)
		unmount_ext4();
	else if (file->kind == FILE_NBD)
		unmount_nbd(file);
	else if (file->kind == FILE_9P)
		unmount_9p();
	fusefs_stop(file->fuse);
}
