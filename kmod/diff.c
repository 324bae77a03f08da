// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_DIFF: the ranges in which two snapshots differ.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>

#include "diff.h"
#include "snapshot.h"

/**
 * struct diff - a comparison under way
 * @a: the one snapshot
 * @b: the other
 * @end: of the larger, in pages
 * @arg: the ioctl's argument
 * @user: where the ranges go
 * @nr: ranges written
 * @run: a range that may still become longer, in bytes; empty if @run.len is 0
 */
struct diff {
	struct vmfork_snapshot *a;
	struct vmfork_snapshot *b;
	u64 end;
	struct vmfork_diff arg;
	struct vmfork_range __user *user;
	u32 nr;
	struct vmfork_range run;
};

static bool is_zero(struct page *page)
{
	void *at = kmap_local_page(page);
	bool zero = !memchr_inv(at, 0, PAGE_SIZE);

	kunmap_local(at);
	return zero;
}

static bool is_same(struct page *a, struct page *b)
{
	void *at_a = kmap_local_page(a), *at_b = kmap_local_page(b);
	bool same = !memcmp(at_a, at_b, PAGE_SIZE);

	kunmap_local(at_b);
	kunmap_local(at_a);
	return same;
}

static int pages_differ(struct page *a, struct page *b)
{
	if ((a && PageHWPoison(a)) || (b && PageHWPoison(b)))
		return -EHWPOISON;
	if (a && b)
		return !is_same(a, b);
	return !is_zero(a ?: b);
}

/* Do two pages have other contents?  1, 0 or a negative errno. */
static int contents_differ(const struct diff *d, u64 index)
{
	struct vmfork_spot a, b;
	int err, err_a, err_b, ret;

	err = vmfork_snapshot_borrow(d->a, index, &a);
	if (err)
		return err;
	err = vmfork_snapshot_borrow(d->b, index, &b);
	if (err) {
		vmfork_spot_done(&a);
		return err;
	}
	ret = a.page || b.page ? pages_differ(a.page, b.page) : 0;
	err_a = vmfork_spot_done(&a);
	err_b = vmfork_spot_done(&b);
	return err_a ?: err_b ?: ret;
}

static int flush_run(struct diff *d)
{
	if (!d->run.len)
		return 0;
	if (copy_to_user(d->user + d->nr, &d->run, sizeof(d->run)))
		return -EFAULT;
	d->nr++;
	d->arg.pages += d->run.len >> PAGE_SHIFT;
	d->run.len = 0;
	return 0;
}

/* Is there no place for a range that begins at @start? */
static bool is_full(const struct diff *d, u64 start)
{
	return d->nr + !!d->run.len == d->arg.nr_ranges &&
	       (!d->run.len || d->run.start + d->run.len != start);
}

static int add(struct diff *d, u64 first, u64 nr)
{
	u64 start = first << PAGE_SHIFT;
	int err;

	if (d->run.len && d->run.start + d->run.len == start) {
		d->run.len += nr << PAGE_SHIFT;
		return 0;
	}
	err = flush_run(d);
	d->run.start = start;
	d->run.len = nr << PAGE_SHIFT;
	return err;
}

/* Compare as far as there is place; sets @arg.offset to where to go on. */
static int compare(struct diff *d)
{
	u64 index = d->arg.offset >> PAGE_SHIFT, next;
	bool contents = d->arg.flags & VMFORK_DIFF_CONTENTS;
	int err = 0, differs = 1;

	while (!err && index < d->end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		index = vmfork_tree_next_diff(&d->a->tree, &d->b->tree, index,
					      d->end, &next);
		if (index >= d->end)
			break;
		if (contents) {
			differs = contents_differ(d, index);
			if (differs < 0)
				return differs;
			next = index + 1;
			cond_resched();
		}
		if (differs && is_full(d, index << PAGE_SHIFT))
			break;
		if (differs)
			err = add(d, index, next - index);
		index = next;
	}
	d->arg.offset = min(index, d->end) << PAGE_SHIFT;
	return err ?: flush_run(d);
}

static int get_arg(struct diff *d, struct vmfork_diff __user *arg, u32 *size)
{
	int err;

	if (get_user(*size, &arg->size))
		return -EFAULT;
	if (*size < VMFORK_DIFF_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&d->arg, sizeof(d->arg), arg, *size);
	if (err)
		return err;
	if (d->arg.flags & ~VMFORK_DIFF_CONTENTS || !d->arg.nr_ranges ||
	    d->arg.nr_ranges > VMFORK_MAX_RANGES || d->arg.offset & ~PAGE_MASK)
		return -EINVAL;
	d->arg.pages = 0;
	d->user = u64_to_user_ptr(d->arg.ranges);
	return 0;
}

/**
 * vmfork_diff_ioctl() - VMFORK_DIFF
 * @snap: of the file that it is called on; finished
 * @arg: see there
 *
 * Return: 0 or a negative errno.
 */
long vmfork_diff_ioctl(struct vmfork_snapshot *snap,
		       struct vmfork_diff __user *arg)
{
	struct diff d = { .a = snap };
	struct file *other;
	u32 size;
	int err;

	err = get_arg(&d, arg, &size);
	if (err)
		return err;
	other = fget(d.arg.fd);
	if (!other)
		return -EBADF;
	d.b = vmfork_file_snapshot(other);
	if (!d.b)
		err = -EXDEV;
	else if (!(other->f_mode & FMODE_READ))
		err = -EBADF;
	if (!err) {
		d.end = max(d.a->size, d.b->size) >> PAGE_SHIFT;
		err = compare(&d);
	}
	fput(other);
	if (err)
		return err;
	d.arg.nr_ranges = d.nr;
	size = min_t(u32, size, sizeof(d.arg));
	return copy_to_user(arg, &d.arg, size) ? -EFAULT : 0;
}
