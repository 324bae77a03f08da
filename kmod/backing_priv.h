/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is inside a backing, for backing.c, stamp.c and fill.c.
 */
#ifndef VMFORK_BACKING_PRIV_H
#define VMFORK_BACKING_PRIV_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/time64.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "backing.h"

/**
 * struct vmfork_stamp - what tells a file that was written to from one that
 *	was not
 * @size: in bytes
 * @mtime: when it was last written to
 * @ctime: when it was last changed in any way
 */
struct vmfork_stamp {
	loff_t size;
	struct timespec64 mtime;
	struct timespec64 ctime;
};

/**
 * struct vmfork_backing - a file, and what was read of it
 * @refs: slots of trees that name its pages, and who works with it
 * @number: by which slots know it
 * @file: opened for reading by nobody else
 * @ra: readahead
 * @owner: who is charged for the pages that were read
 * @stamp: what the file was when it became a backing
 * @guard_lock: held to set @guarded
 * @may_guard: who made it a backing might have kept others from writing to it
 * @guarded: nobody on this machine can open it for writing
 * @denied: nobody can map it to write to it (of tmpfs)
 * @changed: it is not the file any more that it was, and is read no more
 * @errors: reads that failed, for this reason or another
 * @pages: what was read, by index in the file: each is here once, and stays.
 *	Looked up without a lock.
 */
struct vmfork_backing {
	atomic_long_t refs;
	u32 number;
	struct file *file;
	struct file_ra_state ra;
	struct vmfork_owner *owner;
	struct vmfork_stamp stamp;
	struct mutex guard_lock;
	bool may_guard;
	bool guarded;
	bool denied;
	bool changed;
	atomic64_t errors;
	struct xarray pages;
};

int vmfork_stamp_begin(struct vmfork_backing *backing);
void vmfork_stamp_end(struct vmfork_backing *backing);
bool vmfork_stamp_is_quick(const struct vmfork_backing *backing);

#endif /* VMFORK_BACKING_PRIV_H */
