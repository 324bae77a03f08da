// SPDX-License-Identifier: GPL-2.0
/*
 * Files of vmforkfs.  They have no names, and are on a mount that nobody sees,
 * so that nothing is left of a program that is killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/fs.h>
#include <linux/mount.h>

#include "calls.h"
#include "world.h"

/** names_file() - an empty one, open for reading and writing, or -1 */
int names_file(void)
{
	int fs = syscall(SYS_fsopen, "vmforkfs", FSOPEN_CLOEXEC), mnt = -1;
	int fd = -1;

	if (fs >= 0 && !syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL,
				NULL, 0))
		mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mnt >= 0)
		fd = openat(mnt, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (mnt >= 0)
		close(mnt);
	if (fs >= 0)
		close(fs);
	return fd;
}

/* What can be done to one that is no snapshot yet */
static void mess(int fd, uint64_t state)
{
	static char bytes[5 * PAGE];
	unsigned int i;

	for (i = 0; i < 6; i++, state = state * 6364136223846793005ULL + 1) {
		uint64_t at = (state >> 20) % (ARENA_PAGES * PAGE);
		uint64_t len = (state >> 40) % sizeof(bytes);

		switch ((state >> 60) & 7) {
		case 0:
			result(ftruncate(fd, at));
			break;
		case 1:
			result(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
					 FALLOC_FL_KEEP_SIZE, at, len + 1));
			break;
		case 2:
			result(pread(fd, bytes, len, at));
			break;
		default:
			memset(bytes, state >> 32, sizeof(bytes));
			result(pwrite(fd, bytes, len, at));
			break;
		}
	}
}

/* A snapshot of which nobody knows what is in it */
static long keep_unknown(int fd, uint64_t slot)
{
	unsigned int snap, i;
	struct stat st;

	snap = __atomic_fetch_add(&w.nr_snaps, 1, __ATOMIC_RELAXED);
	if (snap >= NR_SNAPS || fstat(fd, &st)) {
		close(fd);
		return 0;
	}
	w.snap[snap].size = st.st_size;
	for (i = 0; i < ARENA_PAGES; i++)
		w.snap[snap].val[i] = VAL_UNKNOWN;
	return slot_put(slot, fd, FD_SNAP, snap);
}

static long written(int fd, uint64_t slot, uint64_t state)
{
	struct stat st;
	char path[40];
	int again;

	mess(fd, state);
	/* The model knows whole pages only. */
	if (!fstat(fd, &st) && st.st_size % PAGE &&
	    ftruncate(fd, (st.st_size + PAGE - 1) & ~(PAGE - 1)))
		return -errno;
	/* It is finished when it is closed; so have it open otherwise. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	if (again < 0)
		return -errno;
	if (fstat(again, &st) || !st.st_size) {
		close(again);
		return 0;
	}
	return keep_unknown(again, slot);
}

/* name FROM SLOT HOW: a snapshot's file becomes another's, or a written one's */
long call_name(const uint64_t *arg)
{
	struct fd_slot *from = slot_of(arg[0]);
	int fd = names_file(), err;

	if (fd < 0)
		return -EPERM;
	if (arg[2] % 4 == 0)
		return written(fd, arg[1], arg[2]);
	if (arg[2] % 4 == 1)
		mess(fd, arg[2]);
	err = result(ioctl(fd, FICLONE, slot_fd(arg[0])));
	if (err) {
		if (from->type == FD_SNAP && arg[2] % 4 > 1 && err != -EBADF &&
		    err != -EXDEV && !w.lost)
			violation("FICLONE of a snapshot fails with %d", err);
		close(fd);
		return err;
	}
	if (from->type != FD_SNAP) {
		if (!w.lost)
			violation("FICLONE of what is no snapshot succeeds");
		close(fd);
		return 0;
	}
	return slot_put(arg[1], fd, FD_SNAP, from->snap);
}
