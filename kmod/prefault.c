// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_PREFAULT: ranges of mappings are mapped, or copied, at once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>

#include "fault.h"
#include "mapping.h"
#include "prefault.h"
#include "ranges.h"
#include "snapshot.h"
#include "target.h"
#include "trace.h"

#define CHUNK	PMD_SIZE	/* done while the mmap lock is held once */

/**
 * struct prefault - a prefault under way
 * @list: in @under_way
 * @task: that does it
 * @arg: the ioctl's argument and results
 * @ranges: @arg.nr_ranges of them
 * @target: whose memory is filled
 * @why: what was refused
 * @snapshot: number of the first one that the range under way maps, or 0
 */
struct prefault {
	struct list_head list;
	struct task_struct *task;
	struct vmfork_prefault arg;
	struct vmfork_range *ranges;
	struct vmfork_target target;
	struct vmfork_refused why;
	u64 snapshot;
};

static LIST_HEAD(under_way);
static DEFINE_SPINLOCK(under_way_lock);

/**
 * vmfork_is_prefaulting() - is the current task prefaulting
 *
 * Return: true if so: what it faults in is not what anybody asked for.
 */
bool vmfork_is_prefaulting(void)
{
	struct prefault *prefault;
	bool found = false;

	if (list_empty_careful(&under_way))
		return false;
	spin_lock(&under_way_lock);
	list_for_each_entry(prefault, &under_way, list)
		found |= prefault->task == current;
	spin_unlock(&under_way_lock);
	return found;
}

static int refuse(struct prefault *prefault, u32 reason, u64 addr)
{
	prefault->why.reason = reason;
	prefault->why.addr = addr;
	return vmfork_refusal_errno(reason);
}

static int check_fault(struct prefault *prefault, vm_fault_t fault, u64 addr)
{
	if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return refuse(prefault, VMFORK_POISON, addr);
	if (fault & VM_FAULT_OOM)
		return -ENOMEM;
	if (fault & VM_FAULT_ERROR)
		return -EFAULT;
	return 0;
}

/* Copy a page, or [addr, *next), if there is none to be copied. */
static int copy_one(struct prefault *prefault, struct vm_area_struct *vma,
		    unsigned long addr, unsigned long *next)
{
	vm_fault_t fault;
	int err;

	*next = addr + PAGE_SIZE;
	if (vmfork_entry_at(vma->vm_mm, addr) == VMFORK_ENTRY_PRIVATE)
		return 0;
	fault = handle_mm_fault(vma, addr, FAULT_FLAG_REMOTE | FAULT_FLAG_WRITE,
				NULL);
	err = check_fault(prefault, fault, addr);
	if (!err &&
	    vmfork_entry_at(vma->vm_mm, addr) == VMFORK_ENTRY_PRIVATE)
		prefault->arg.pages_copied++;
	return err;
}

/* Map the page at an address, or as a whole the huge page that it lies in. */
static int map_one(struct prefault *prefault, struct vm_area_struct *vma,
		   unsigned long addr, unsigned long *next)
{
	struct vmfork_snapshot *snap = vmfork_vma_snapshot(vma);
	u64 index = linear_page_index(vma, addr), data;
	u64 last = min(index + ((*next - addr) >> PAGE_SHIFT),
		       snap->size >> PAGE_SHIFT);
	vm_fault_t fault;
	int err;

	if (index >= last)
		return 0;
	data = vmfork_tree_next(&snap->tree, index, last, true);
	if (data != index) {
		*next = addr + ((data - index) << PAGE_SHIFT);
		return 0;
	}
	*next = addr + PAGE_SIZE;
	if (vmfork_entry_at(vma->vm_mm, addr) != VMFORK_ENTRY_NONE)
		return 0;
	fault = handle_mm_fault(vma, addr, FAULT_FLAG_REMOTE, NULL);
	err = check_fault(prefault, fault, addr);
	if (err)
		return err;
	switch (vmfork_entry_at(vma->vm_mm, addr)) {
	case VMFORK_ENTRY_HUGE:
		prefault->arg.pages_mapped += HPAGE_PMD_NR;
		*next = (addr & PMD_MASK) + PMD_SIZE;
		break;
	case VMFORK_ENTRY_SNAPSHOT:
		prefault->arg.pages_mapped++;
		break;
	default:
		break;
	}
	return 0;
}

/* The mmap lock is held for reading. */
static int fill_vma(struct prefault *prefault, struct vm_area_struct *vma,
		    unsigned long addr, unsigned long end)
{
	bool write = prefault->arg.flags & VMFORK_PREFAULT_WRITE;
	struct vmfork_snapshot *snap = vmfork_vma_snapshot(vma);
	unsigned long next;
	int err = 0;
	u64 room;

	room = snap->size >> PAGE_SHIFT;
	room -= min_t(u64, room, linear_page_index(vma, addr));
	if (room < (end - addr) >> PAGE_SHIFT)
		end = addr + (room << PAGE_SHIFT);
	if (!write && vma->vm_flags & VM_MIXEDMAP)
		return vmfork_map_pages(vma, addr, end,
					&prefault->arg.pages_mapped);
	for (; !err && addr < end; addr = next) {
		next = end;
		err = write ? copy_one(prefault, vma, addr, &next) :
			      map_one(prefault, vma, addr, &next);
		cond_resched();
	}
	return err;
}

/* Part of [addr, end), up to *next. */
static int fill_locked(struct prefault *prefault, unsigned long addr,
		       unsigned long end, unsigned long *next)
{
	struct vm_area_struct *vma = find_vma(prefault->target.mm, addr);
	bool write = prefault->arg.flags & VMFORK_PREFAULT_WRITE;
	struct vmfork_snapshot *snap;

	if (!vma || vma->vm_start > addr)
		return refuse(prefault, VMFORK_UNMAPPED, addr);
	snap = vmfork_vma_snapshot(vma);
	if (!snap)
		return refuse(prefault, VMFORK_NO_MAPPING, addr);
	if (!prefault->snapshot)
		prefault->snapshot = snap->shown.id;
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return -EACCES;
	*next = min3(end, vma->vm_end, (addr & ~(CHUNK - 1)) + CHUNK);
	/* It is being captured into: that has no need of company. */
	if (!vmfork_snapshot_ready(snap))
		return refuse(prefault, VMFORK_RACE, addr);
	return fill_vma(prefault, vma, addr, *next);
}

/* The snapshot that is mapped at an address, with a reference, or NULL. */
static struct vmfork_snapshot *get_mapped(struct prefault *prefault, u64 addr,
					  u64 *index, u64 *nr)
{
	struct vmfork_snapshot *snap = NULL;
	struct vm_area_struct *vma;
	u64 room;

	vma = find_vma(prefault->target.mm, addr);
	if (vma && vma->vm_start <= addr)
		snap = vmfork_vma_snapshot(vma);
	if (!snap || !vmfork_snapshot_ready(snap) ||
	    !vmfork_tree_file_pages(&snap->tree))
		return NULL;
	*index = linear_page_index(vma, addr);
	room = snap->size >> PAGE_SHIFT;
	room -= min(room, *index);
	*nr = min3(room, *nr, (u64)(vma->vm_end - addr) >> PAGE_SHIFT);
	return vmfork_snapshot_get(snap);
}

/* Pages of files are read while the mmap lock is not held. */
static int read_ahead(struct prefault *prefault, u64 addr, u64 end)
{
	u64 index, nr = (min(end, (addr & ~(CHUNK - 1)) + CHUNK) - addr) >>
			PAGE_SHIFT;
	struct vmfork_snapshot *snap;
	int err;

	err = mmap_read_lock_killable(prefault->target.mm);
	if (err)
		return err;
	snap = get_mapped(prefault, addr, &index, &nr);
	mmap_read_unlock(prefault->target.mm);
	if (snap)
		err = vmfork_snapshot_fill(snap, index, nr);
	vmfork_snapshot_put(snap);
	return err;
}

static int fill_range(struct prefault *prefault,
		      const struct vmfork_range *range)
{
	u64 addr = range->start, end = addr + range->len;
	struct mm_struct *mm = prefault->target.mm;
	unsigned long next = addr;
	int err = 0;

	for (; !err && addr < end; addr = next) {
		err = vmfork_target_check_killed(&prefault->target);
		if (!err && !(prefault->arg.flags & VMFORK_PREFAULT_WRITE))
			err = read_ahead(prefault, addr, end);
		if (!err)
			err = mmap_read_lock_killable(mm);
		if (err)
			break;
		err = fill_locked(prefault, addr, end, &next);
		mmap_read_unlock(mm);
		cond_resched();
	}
	return err;
}

static int fill_range_traced(struct prefault *prefault,
			     const struct vmfork_range *range)
{
	struct vmfork_prefault before = prefault->arg, *arg = &prefault->arg;
	u64 begin;
	int err;

	if (!trace_vmfork_prefault_enabled())
		return fill_range(prefault, range);
	begin = ktime_get_ns();
	prefault->snapshot = 0;
	err = fill_range(prefault, range);
	trace_vmfork_prefault(prefault->snapshot, prefault->target.pid, err,
			      arg->flags, range->start, range->len,
			      arg->pages_mapped - before.pages_mapped,
			      arg->pages_copied - before.pages_copied,
			      ktime_get_ns() - begin);
	return err;
}

/* With the target's mm as the current mm. */
static int run_prefault(void *arg)
{
	struct prefault *prefault = arg;
	int err = 0;
	u32 i;

	prefault->task = current;
	spin_lock(&under_way_lock);
	list_add(&prefault->list, &under_way);
	spin_unlock(&under_way_lock);
	for (i = 0; !err && i < prefault->arg.nr_ranges; i++) {
		prefault->why.region = i;
		err = fill_range_traced(prefault, &prefault->ranges[i]);
	}
	spin_lock(&under_way_lock);
	list_del(&prefault->list);
	spin_unlock(&under_way_lock);
	return err;
}

static int get_arg(struct prefault *prefault,
		   struct vmfork_prefault __user *arg, u32 *size)
{
	int err;

	if (get_user(*size, &arg->size))
		return -EFAULT;
	if (*size < VMFORK_PREFAULT_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&prefault->arg, sizeof(prefault->arg), arg,
				    *size);
	if (err)
		return err;
	if (prefault->arg.flags & ~VMFORK_PREFAULT_WRITE ||
	    !prefault->arg.nr_ranges ||
	    prefault->arg.nr_ranges > VMFORK_MAX_RANGES)
		return -EINVAL;
	/* All that follows the inputs. */
	memset_after(&prefault->arg, 0, ranges);
	return 0;
}

static int do_prefault(struct prefault *prefault)
{
	size_t size = array_size(prefault->arg.nr_ranges,
				 sizeof(*prefault->ranges));
	int err;

	prefault->ranges = vmemdup_user(u64_to_user_ptr(prefault->arg.ranges),
					size);
	if (IS_ERR(prefault->ranges)) {
		err = PTR_ERR(prefault->ranges);
		prefault->ranges = NULL;
		return err;
	}
	err = vmfork_target_get(&prefault->target, prefault->arg.pidfd);
	if (err == -ESRCH)
		return refuse(prefault, VMFORK_DYING, 0);
	if (err)
		return err;
	err = vmfork_check_ranges(prefault->ranges, prefault->arg.nr_ranges,
				  false, prefault->target.mm->task_size ?:
				  TASK_SIZE_MAX, &prefault->why);
	if (!err)
		err = vmfork_target_run(&prefault->target, run_prefault,
					prefault);
	vmfork_target_put(&prefault->target);
	return err;
}

/**
 * vmfork_prefault_ioctl() - VMFORK_PREFAULT
 * @arg: see there
 *
 * Return: 0 or a negative errno.
 */
long vmfork_prefault_ioctl(struct vmfork_prefault __user *arg)
{
	struct prefault prefault = {};
	u32 size;
	int err;

	err = get_arg(&prefault, arg, &size);
	if (err)
		return err;
	err = do_prefault(&prefault);
	prefault.arg.refusal = prefault.why.reason;
	if (prefault.why.reason) {
		prefault.arg.refused_range = prefault.why.region;
		prefault.arg.refused_addr = prefault.why.addr;
	}
	size = min_t(u32, size, sizeof(prefault.arg));
	if (copy_to_user(arg, &prefault.arg, size) && !err)
		err = -EFAULT;
	kvfree(prefault.ranges);
	return err;
}
