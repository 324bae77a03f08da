// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults wait for pages of files.
 *
 * That is done without the mmap lock, if the kernel allows it, and the fault is
 * taken again.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/xarray.h>

#include "backing.h"
#include "bring.h"
#include "fault.h"
#include "mapping.h"
#include "snapshot.h"

/*
 * How many pages of a file to read: one, or more and more while they are wanted
 * in order, but for a few that were there already, or are holes.
 */
static u64 read_window(struct vmfork_mapping *mapping, u64 index)
{
	unsigned int window = 1;

	if (index - READ_ONCE(mapping->read_next) < VMFORK_MIN_WINDOW)
		window = clamp(2 * READ_ONCE(mapping->read_window), 1U,
			       vmfork_fault_around());
	WRITE_ONCE(mapping->read_window, window);
	return window;
}

/* As much of that as is of the same file, one page after the other. */
static u64 pages_to_read(struct vmfork_mapping *mapping, u64 index)
{
	u64 nr = read_window(mapping, index), first = index;
	struct vmfork_snapshot *snap = mapping->snap;
	unsigned long slot;

	if (nr > 1 && vmfork_snapshot_ready(snap)) {
		nr = min(nr, (snap->size >> PAGE_SHIFT) - index);
		nr = vmfork_tree_next_file(&snap->tree, &first, index + nr,
					   &slot);
	} else {
		nr = 1;
	}
	WRITE_ONCE(mapping->read_next, index + nr);
	return nr;
}

/* Read into the store; or, for a copy that the kernel makes, just look. */
static int bring_page(struct vmfork_spot *spot, u64 nr, bool write, bool nowait)
{
	if (!write)
		return vmfork_backing_fill(spot->backing, spot->at, nr, nowait,
					   &spot->page);
	spot->page = vmfork_backing_borrow_locked(spot->backing, spot->at,
						  nowait);
	return PTR_ERR_OR_ZERO(spot->page);
}

/*
 * It has to be waited for, and nothing of the fault is held any more.  Whether
 * it succeeds will be seen when the fault is taken again.
 */
static vm_fault_t bring_unlocked(struct vmfork_spot *spot, u64 nr, bool write)
{
	struct page *page;
	int err = 0;

	if (write)
		page = vmfork_backing_borrow(spot->backing, spot->at, false);
	else
		err = vmfork_backing_fill(spot->backing, spot->at, nr, false,
					  &page);
	if (!err && !IS_ERR(page))
		put_page(page);
	return VM_FAULT_RETRY | VM_FAULT_MAJOR;
}

/*
 * May the task wait for this page without the lock, and take the fault again?
 * That once: who fills page tables ahead (mlock(2), MAP_POPULATE, and on some
 * kernels MADV_POPULATE_*) comes again as if for the first time, for ever.
 */
static bool may_send_back(struct vmfork_mapping *mapping, u64 index)
{
	void *entry = xa_mk_value(index);

	if (xa_load(&mapping->sent_back, current->pid) == entry) {
		xa_erase(&mapping->sent_back, current->pid);
		return false;
	}
	return !xa_is_err(xa_store(&mapping->sent_back, current->pid, entry,
				   VMFORK_GFP | __GFP_ACCOUNT));
}

vm_fault_t vmfork_bring(struct vm_fault *vmf, struct vmfork_spot *spot)
{
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vmf->vma);
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	u64 nr = 1;
	int err;

	if (!write)
		nr = pages_to_read(mapping, vmf->pgoff);
	err = bring_page(spot, nr, write, true);
	if (err == -EAGAIN) {
		bool first = fault_flag_allow_retry_first(vmf->flags);

		if (first && vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
			return VM_FAULT_RETRY;
		if (first && may_send_back(mapping, vmf->pgoff)) {
			release_fault_lock(vmf);
			return bring_unlocked(spot, nr, write);
		}
		err = bring_page(spot, nr, write, false);
	}
	if (err)
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	return write ? VM_FAULT_LOCKED : 0;
}
