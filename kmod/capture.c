// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_CAPTURE: what is asked for, and where its snapshot goes: to a
 * descriptor, into a named file, or to mappings alone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>

#include "capture.h"
#include "job.h"
#include "names.h"
#include "snapshot.h"

static void clear_results(struct vmfork_capture *arg)
{
	s32 into_fd = arg->into_fd;
	u64 slice_ns = arg->slice_ns;

	/* All that follows the inputs, but for those that came later. */
	memset_after(arg, 0, snapshot_size);
	arg->slice_ns = slice_ns;
	arg->into_fd = into_fd;
}

static bool flags_are_valid(const struct vmfork_capture *arg)
{
	if (arg->reserved || (arg->into_fd && !(arg->flags & VMFORK_CAPTURE_INTO)))
		return false;
	return !arg->flags || arg->flags == VMFORK_CAPTURE_PREARM ||
	       arg->flags == VMFORK_CAPTURE_INTO;
}

static int get_arg(struct vmfork_job *job, struct vmfork_capture __user *arg,
		   u32 *size)
{
	int err;

	if (get_user(*size, &arg->size))
		return -EFAULT;
	if (*size < VMFORK_CAPTURE_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&job->arg, sizeof(job->arg), arg, *size);
	if (err)
		return err;
	if (!flags_are_valid(&job->arg) || !job->arg.nr_regions ||
	    job->arg.nr_regions > VMFORK_MAX_REGIONS)
		return -EINVAL;
	clear_results(&job->arg);
	job->slice_ns = job->arg.slice_ns ?: NSEC_PER_MSEC;
	return 0;
}

static int get_regions(struct vmfork_job *job)
{
	u32 i, captured = 0;

	job->regions = memdup_user(u64_to_user_ptr(job->arg.regions),
				   array_size(job->arg.nr_regions,
					      sizeof(*job->regions)));
	if (IS_ERR(job->regions)) {
		int err = PTR_ERR(job->regions);

		job->regions = NULL;
		return err;
	}
	for (i = 0; i < job->arg.nr_regions; i++) {
		u64 flags = job->regions[i].flags;

		if (flags & ~VMFORK_REGION_WIPE)
			return -EINVAL;
		captured += !flags;
	}
	return captured ? 0 : -EINVAL;
}

static int put_results(struct vmfork_job *job,
		       struct vmfork_capture __user *arg, u32 size)
{
	job->arg.refusal = job->why.reason;
	if (job->why.reason) {
		job->arg.refused_region = job->why.region;
		job->arg.refused_addr = job->why.addr;
	}
	size = min_t(u32, size, sizeof(job->arg));
	return copy_to_user(arg, &job->arg, size) ? -EFAULT : 0;
}

/* The mappings that were made keep the snapshot. */
static int capture_ahead(struct vmfork_job *job,
			 struct vmfork_capture __user *arg, u32 size)
{
	int err = vmfork_job_run(job);

	if (!err)
		fput(job->file);
	return put_results(job, arg, size) ?: err;
}

static int capture_reserved(struct vmfork_job *job,
			    struct vmfork_capture __user *arg, u32 size)
{
	int err = vmfork_job_run(job);

	if (err) {
		put_results(job, arg, size);
		return err;
	}
	err = put_results(job, arg, size);
	if (!err)
		vmfork_name_commit(job->into,
				   vmfork_file_snapshot(job->file));
	fput(job->file);
	return err;
}

static int capture_into(struct vmfork_job *job,
			struct vmfork_capture __user *arg, u32 size)
{
	int err = -EBADF;

	job->into = fget(job->arg.into_fd);
	if (job->into && job->into->f_mode & FMODE_WRITE)
		err = vmfork_name_reserve(job->into);
	if (err) {
		put_results(job, arg, size);
	} else {
		err = capture_reserved(job, arg, size);
		if (err)
			vmfork_name_cancel(job->into);
	}
	if (job->into)
		fput(job->into);
	return err;
}

static int capture_fd(struct vmfork_job *job,
		      struct vmfork_capture __user *arg, u32 size)
{
	int fd, err;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		put_results(job, arg, size);
		return fd;
	}
	err = vmfork_job_run(job);
	if (err) {
		put_unused_fd(fd);
		put_results(job, arg, size);
		return err;
	}
	err = put_results(job, arg, size);
	if (err) {
		put_unused_fd(fd);
		fput(job->file);
		return err;
	}
	fd_install(fd, job->file);
	return fd;
}

/**
 * vmfork_capture_ioctl() - VMFORK_CAPTURE
 * @arg: see there
 *
 * Return: a file descriptor, 0 for a capture ahead or into a file, or a
 * negative errno.
 */
long vmfork_capture_ioctl(struct vmfork_capture __user *arg)
{
	struct vmfork_job *job;
	u32 size;
	int err;

	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	err = get_arg(job, arg, &size);
	if (err)
		goto out_job;

	/* The structure is good: from here on, failures are explained in it. */
	err = get_regions(job);
	if (err)
		goto out_results;
	if (job->arg.flags & VMFORK_CAPTURE_PREARM)
		err = capture_ahead(job, arg, size);
	else if (job->arg.flags & VMFORK_CAPTURE_INTO)
		err = capture_into(job, arg, size);
	else
		err = capture_fd(job, arg, size);
	goto out_job;

out_results:
	put_results(job, arg, size);
out_job:
	kfree(job->regions);
	kfree(job);
	return err;
}
