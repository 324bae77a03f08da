// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of VMFORK_IMPORT, of whatever has a descriptor.  What is in a file is
 * not known to the model, but that it is a snapshot.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "argument.h"
#include "calls.h"

static bool may_be(long err)
{
	switch (err) {
	case -EINVAL: case -E2BIG: case -EFAULT: case -ENOMEM: case -EINTR:
	case -EBADF: case -EOPNOTSUPP: case -ENODATA: case -EOVERFLOW:
	case -ETXTBSY: case -EMFILE: case -ENFILE: case -ENOTTY:
	case -EACCES: case -EPERM: case -EIO:
		return true;
	default:
		return false;
	}
}

static long keep(int fd, uint64_t slot, const struct vmfork_import *out)
{
	unsigned int snap, i;
	struct stat st;

	snap = __atomic_fetch_add(&w.nr_snaps, 1, __ATOMIC_RELAXED);
	if (snap >= NR_SNAPS || fstat(fd, &st)) {
		close(fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || st.st_size % PAGE ||
	    (out && (uint64_t)st.st_size != out->snapshot_size))
		violation("an import's size is %llx",
			  (unsigned long long)st.st_size);
	w.snap[snap].size = st.st_size;
	for (i = 0; i < ARENA_PAGES; i++)
		w.snap[snap].val[i] = VAL_UNKNOWN;
	return slot_put(slot, fd, FD_SNAP, snap);
}

/* import SLOT FROM OFFSET LEN PLACE PAGE */
long call_import(const uint64_t *arg)
{
	static union argument buf;
	struct vmfork_import out;
	int dev = device_fd(), fd;
	bool readable;
	void *at;

	memset(&buf, 0, sizeof(buf));
	buf.import = (struct vmfork_import){
		.size = sizeof(buf.import), .fd = slot_fd(arg[1]),
		.offset = length(arg[2]), .len = length(arg[3]),
	};
	argument_flip(&buf);
	at = argument_put(arg[4], arg[5], &buf, sizeof(buf.import));
	fd = result(ioctl(dev, VMFORK_IMPORT, at));
	if (fd < 0) {
		if (!may_be(fd))
			violation("VMFORK_IMPORT fails with %d", fd);
		return fd;
	}
	readable = !guarded_copy(&out, at, sizeof(out)) && !w.lost &&
		   !w.nr_flips && !arg[4];
	if (readable && out.pages_file + out.pages_hole !=
	    out.snapshot_size / PAGE)
		violation("VMFORK_IMPORT counts %llu pages, and %llu holes",
			  (unsigned long long)out.pages_file,
			  (unsigned long long)out.pages_hole);
	return keep(fd, arg[0], readable ? &out : NULL);
}
