// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_RESET: mappings read as a snapshot again.
 *
 * In place: private pages are dropped, and so are those of the old snapshot
 * that are other ones in the new; the mapping is moved to the new one.  Where
 * fork(2), mremap(2) or munmap(2) have torn the mapping apart, or only part of
 * it is put to another snapshot, that is mapped over it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>

#include "dirty.h"
#include "event.h"
#include "mapping.h"
#include "piece.h"
#include "private.h"
#include "ranges.h"
#include "reset.h"
#include "snapshot.h"
#include "target.h"
#include "trace.h"
#include "turn.h"

#define REMAP_MS	20	/* between attempts to map what has to be */

/**
 * struct reset - a reset under way
 * @arg: the ioctl's argument and results
 * @ranges: @arg.nr_ranges of them
 * @snap: the snapshot
 * @target: whose memory is reset
 * @why: what was refused
 * @found: private pages
 * @from: number of the snapshot that the first range mapped
 */
struct reset {
	struct vmfork_reset arg;
	struct vmfork_range *ranges;
	struct vmfork_snapshot *snap;
	struct vmfork_target target;
	struct vmfork_refused why;
	struct vmfork_private found;
	u64 from;
};

static int refuse(struct reset *reset, u32 reason, u64 addr)
{
	reset->why.reason = reason;
	reset->why.addr = addr;
	return vmfork_refusal_errno(reason);
}

static u32 check_vma(struct reset *reset, struct vm_area_struct *vma,
		     unsigned long addr)
{
	struct vmfork_snapshot *snap;

	if (!vma || vma->vm_start > addr)
		return VMFORK_UNMAPPED;
	snap = vmfork_vma_snapshot(vma);
	if (!snap)
		return VMFORK_NO_MAPPING;
	if (!reset->from)
		reset->from = snap->shown.id;
	if (snap->size != reset->snap->size)
		return VMFORK_SIZE;
	return vmfork_check_vma(vma);
}

/* The mmap lock is held. */
static int check_vmas(struct reset *reset, unsigned long addr,
		      unsigned long end)
{
	struct mm_struct *mm = reset->target.mm;
	struct vm_area_struct *vma;
	u32 reason = VMFORK_OK;

	if (test_bit(MMF_UNSTABLE, &mm->flags))
		reason = VMFORK_DYING;
	while (!reason && addr < end) {
		vma = find_vma(mm, addr);
		reason = check_vma(reset, vma, addr);
		if (!reason)
			addr = vma->vm_end;
	}
	return reason ? refuse(reset, reason, addr) : 0;
}

/* Everything that can be refused is, before anything is reset. */
static int check_range(struct reset *reset, const struct vmfork_range *range)
{
	struct mm_struct *mm = reset->target.mm;
	int err = mmap_read_lock_killable(mm);

	if (err)
		return err;
	err = check_vmas(reset, range->start, range->start + range->len);
	mmap_read_unlock(mm);
	return err;
}

static void unmap(struct vm_area_struct *vma, unsigned long addr,
		  unsigned long end)
{
	unmap_mapping_pages(vma->vm_file->f_mapping,
			    linear_page_index(vma, addr),
			    (end - addr) >> PAGE_SHIFT, true);
	cond_resched();
}

/* Unmap the pages of [addr, end) that the new snapshot has other ones for. */
static void unmap_changed(struct reset *reset, struct vm_area_struct *vma,
			  unsigned long addr, unsigned long end)
{
	struct vmfork_snapshot *old = vmfork_vma_snapshot(vma);
	u64 index = linear_page_index(vma, addr), next;
	u64 last = index + ((end - addr) >> PAGE_SHIFT);

	for (;; index = next) {
		index = vmfork_tree_next_diff(&old->tree, &reset->snap->tree,
					      index, last, &next);
		if (index >= last)
			break;
		unmap_mapping_pages(vma->vm_file->f_mapping, index,
				    next - index, true);
		reset->arg.pages_changed += next - index;
		cond_resched();
	}
}

/* The private pages of [addr, end); none of them may be pinned. */
static int count_private(struct reset *reset, const struct vmfork_dirty *dirty,
			 unsigned long addr, unsigned long end)
{
	struct vmfork_private *found = &reset->found;

	found->pages = 0;
	found->pinned = 0;
	found->nr_runs = 0;
	found->more = 0;
	vmfork_private_count(reset->target.mm, dirty, addr, end, found);
	if (found->pinned) {
		reset->arg.pages_pinned = found->pinned;
		return refuse(reset, VMFORK_PINNED, found->pinned_addr);
	}
	reset->arg.pages_dropped += found->pages;
	return 0;
}

/* What was counted last. */
static void drop_private(struct reset *reset, struct vm_area_struct *vma,
			 const struct vmfork_dirty *dirty, unsigned long end)
{
	struct vmfork_private *found = &reset->found;
	unsigned int i;

	do {
		for (i = 0; i < found->nr_runs; i++)
			unmap(vma, found->runs[i].addr, found->runs[i].end);
	} while (vmfork_private_next(reset->target.mm, dirty, end, found));
}

/* The mapping has no VMAs but those in [map_start, map_end), all locked. */
static int reset_in_place(struct reset *reset, struct vm_area_struct *vma,
			  unsigned long addr, unsigned long end,
			  struct vmfork_dirty *dirty,
			  struct vmfork_snapshot **old)
{
	struct mm_struct *mm = reset->target.mm;
	int err;

	err = check_vmas(reset, addr, end);
	if (err)
		return err;
	/* As fork(2): nothing is pinned without the mmap lock meanwhile. */
	raw_write_seqcount_begin(&mm->write_protect_seq);
	err = count_private(reset, dirty, addr, end);
	if (err)
		goto out;
	drop_private(reset, vma, dirty, end);
	if (vmfork_vma_snapshot(vma) != reset->snap) {
		unmap_changed(reset, vma, addr, end);
		*old = vmfork_mapping_move(vma, reset->snap);
	}
	vmfork_dirty_clear(dirty, addr, end);
out:
	raw_write_seqcount_end(&mm->write_protect_seq);
	return err;
}

/**
 * struct patch - what is to be mapped over: a VMA, or part of it
 * @over: for the mapping
 * @reset: that it is for
 * @addr: where it begins
 * @len: its length in bytes
 * @index: in the snapshot, of @addr
 * @seq_held: mm->write_protect_seq is held
 */
struct patch {
	struct vmfork_over over;
	struct reset *reset;
	unsigned long addr;
	unsigned long len;
	u64 index;
	bool seq_held;
};

static void patch_seq_end(struct patch *patch)
{
	if (patch->seq_held)
		raw_write_seqcount_end(&patch->reset->target.mm->write_protect_seq);
	patch->seq_held = false;
}

/* Is it still what it was?  Nothing of it may be pinned. */
static int patch_check(struct vmfork_over *over)
{
	struct patch *patch = container_of(over, struct patch, over);
	struct mm_struct *mm = patch->reset->target.mm;
	struct vm_area_struct *vma = find_vma(mm, patch->addr);
	u32 reason = check_vma(patch->reset, vma, patch->addr);
	int err;

	if (reason)
		return refuse(patch->reset, reason, patch->addr);
	if (vma->vm_end < patch->addr + patch->len ||
	    linear_page_index(vma, patch->addr) != patch->index ||
	    (vma->vm_flags ^ over->vm_flags) & ~VM_SOFTDIRTY)
		return refuse(patch->reset, VMFORK_RACE, patch->addr);
	vma_start_write(vma);
	raw_write_seqcount_begin(&mm->write_protect_seq);
	patch->seq_held = true;
	err = count_private(patch->reset, NULL, patch->addr,
			    patch->addr + patch->len);
	if (err)
		patch_seq_end(patch);
	return err;
}

static void patch_done(struct vmfork_over *over)
{
	patch_seq_end(container_of(over, struct patch, over));
}

/* After a failure: has the kernel unmapped what was there? */
static bool is_gone(struct patch *patch)
{
	struct mm_struct *mm = patch->reset->target.mm;
	struct vm_area_struct *vma;
	bool gone;

	mmap_write_lock(mm);
	patch_seq_end(patch);
	vma = find_vma(mm, patch->addr);
	gone = !vma || vma->vm_start >= patch->addr + patch->len;
	mmap_write_unlock(mm);
	return gone;
}

/* Nothing was there any more: nothing is to be checked, or pinned. */
static int no_check(struct vmfork_over *over)
{
	return 0;
}

/*
 * The range was unmapped, and then there was no memory for the mapping: it has
 * to be mapped, as often as it takes, unless the process is dying or has mapped
 * something else there.
 */
static int patch_again(struct patch *patch, struct file *file)
{
	struct vmfork_mapping *mapping = file->private_data;
	struct mm_struct *mm = patch->reset->target.mm;
	unsigned long ret;

	patch->over.check = no_check;
	for (;;) {
		WRITE_ONCE(mapping->over, &patch->over);
		if (fatal_signal_pending(current) ||
		    atomic_read(&mm->mm_users) == 1 ||
		    test_bit(MMF_UNSTABLE, &mm->flags))
			return -EINTR;
		ret = vmfork_map_like(file, patch->addr, patch->len,
				      patch->index, patch->over.vm_flags,
				      MAP_FIXED_NOREPLACE | MAP_NORESERVE);
		if (!IS_ERR_VALUE(ret))
			return 0;
		if (ret == -EEXIST)
			return refuse(patch->reset, VMFORK_RACE, patch->addr);
		msleep(REMAP_MS);
	}
}

static int map_over(struct reset *reset, struct patch *patch)
{
	struct file *file = vmfork_mapping_create(reset->snap);
	struct vmfork_mapping *mapping;
	unsigned long ret;
	int err = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	mapping = file->private_data;
	patch->reset = reset;
	patch->over.check = patch_check;
	patch->over.done = patch_done;
	patch->over.task = current;
	WRITE_ONCE(mapping->over, &patch->over);
	ret = vmfork_map_like(file, patch->addr, patch->len, patch->index,
			      patch->over.vm_flags, MAP_FIXED);
	if (IS_ERR_VALUE(ret)) {
		err = (int)ret;
		if (is_gone(patch))
			err = patch_again(patch, file);
	}
	WRITE_ONCE(mapping->over, NULL);
	fput(file);
	return err;
}

/*
 * Reset what lies at @addr, up to @end: sets *@next to how far that was, and
 * @patch if it has to be done by a new mapping.
 */
static int reset_locked(struct reset *reset, unsigned long addr,
			unsigned long end, unsigned long *next,
			struct patch *patch, struct vmfork_snapshot **old)
{
	struct mm_struct *mm = reset->target.mm;
	struct vm_area_struct *vma = find_vma(mm, addr);
	unsigned long map_start, map_end;
	u32 reason = check_vma(reset, vma, addr);
	bool alone, whole;

	if (reason)
		return refuse(reset, reason, addr);
	alone = vmfork_mapping_extent(vma, &map_start, &map_end);
	whole = addr == map_start && end >= map_end;
	if (alone && vmfork_snapshot_ready(vmfork_vma_snapshot(vma)) &&
	    (whole || vmfork_vma_snapshot(vma) == reset->snap)) {
		*next = min(end, map_end);
		return reset_in_place(reset, vma, addr, *next,
				      vmfork_mapping_dirty(vma, map_start,
							   map_end), old);
	}
	*next = min(end, vma->vm_end);
	patch->addr = addr;
	patch->len = *next - addr;
	patch->index = linear_page_index(vma, addr);
	patch->over.vm_flags = vma->vm_flags;
	return 0;
}

static int reset_range(struct reset *reset, const struct vmfork_range *range)
{
	u64 addr = range->start, end = addr + range->len;
	struct mm_struct *mm = reset->target.mm;
	struct vmfork_snapshot *old;
	unsigned long next = addr;
	struct patch patch;
	int err = 0;

	for (; !err && addr < end; addr = next) {
		old = NULL;
		patch = (struct patch) {};
		err = vmfork_target_check_killed(&reset->target);
		if (!err)
			err = mmap_write_lock_killable(mm);
		if (err)
			break;
		err = reset_locked(reset, addr, end, &next, &patch, &old);
		mmap_write_unlock(mm);
		vmfork_snapshot_put_later(old);
		if (!err && patch.len)
			err = map_over(reset, &patch);
	}
	return err;
}

/* With the target's mm as the current mm. */
static int run_reset(void *arg)
{
	struct reset *reset = arg;
	struct vmfork_turn *turn;
	int err = 0;
	u32 i;

	turn = vmfork_turn_begin(reset->target.mm);
	if (IS_ERR(turn))
		return PTR_ERR(turn);
	for (i = 0; !err && i < reset->arg.nr_ranges; i++) {
		reset->why.region = i;
		err = check_range(reset, &reset->ranges[i]);
	}
	for (i = 0; !err && i < reset->arg.nr_ranges; i++) {
		reset->why.region = i;
		err = reset_range(reset, &reset->ranges[i]);
	}
	vmfork_turn_end(turn);
	return err;
}

static int get_arg(struct reset *reset, struct vmfork_reset __user *arg,
		   u32 *size)
{
	int err;

	if (get_user(*size, &arg->size))
		return -EFAULT;
	if (*size < VMFORK_RESET_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&reset->arg, sizeof(reset->arg), arg,
				    *size);
	if (err)
		return err;
	if (reset->arg.flags || !reset->arg.nr_ranges ||
	    reset->arg.nr_ranges > VMFORK_MAX_REGIONS)
		return -EINVAL;
	/* All that follows the inputs. */
	memset_after(&reset->arg, 0, ranges);
	return 0;
}

static int run_traced(struct reset *reset)
{
	u64 begin;
	int err;

	if (!trace_vmfork_reset_enabled())
		return vmfork_target_run(&reset->target, run_reset, reset);
	begin = ktime_get_ns();
	err = vmfork_target_run(&reset->target, run_reset, reset);
	trace_vmfork_reset(reset->snap->shown.id, reset->from,
			   reset->target.pid, err, reset->arg.pages_dropped,
			   reset->arg.pages_changed, ktime_get_ns() - begin);
	return err;
}

static int do_reset(struct reset *reset)
{
	size_t size = array_size(reset->arg.nr_ranges, sizeof(*reset->ranges));
	int err;

	reset->ranges = memdup_user(u64_to_user_ptr(reset->arg.ranges), size);
	if (IS_ERR(reset->ranges)) {
		err = PTR_ERR(reset->ranges);
		reset->ranges = NULL;
		return err;
	}
	err = vmfork_target_get(&reset->target, reset->arg.pidfd);
	if (err == -ESRCH)
		return refuse(reset, VMFORK_DYING, 0);
	if (err)
		return err;
	err = vmfork_check_ranges(reset->ranges, reset->arg.nr_ranges, true,
				  reset->target.mm->task_size ?: TASK_SIZE_MAX,
				  &reset->why);
	if (!err)
		err = run_traced(reset);
	vmfork_target_put(&reset->target);
	return err;
}

/**
 * vmfork_reset_ioctl() - VMFORK_RESET
 * @file: of a snapshot
 * @arg: see there
 *
 * Return: 0 or a negative errno.
 */
long vmfork_reset_ioctl(struct file *file, struct vmfork_reset __user *arg)
{
	struct reset *reset = kzalloc(sizeof(*reset), GFP_KERNEL);
	u32 size;
	int err;

	if (!reset)
		return -ENOMEM;
	reset->snap = vmfork_file_snapshot(file);
	err = get_arg(reset, arg, &size);
	if (err)
		goto out;
	err = do_reset(reset);
	if (!err)
		vmfork_event_reset(reset->snap, reset->from, &reset->target,
				   reset->arg.pages_dropped);
	reset->arg.refusal = reset->why.reason;
	if (reset->why.reason) {
		reset->arg.refused_range = reset->why.region;
		reset->arg.refused_addr = reset->why.addr;
	}
	size = min_t(u32, size, sizeof(reset->arg));
	if (copy_to_user(arg, &reset->arg, size) && !err)
		err = -EFAULT;
out:
	kfree(reset->ranges);
	kfree(reset);
	return err;
}
