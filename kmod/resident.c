// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a range of a mapping has in its page tables.
 *
 * A capture wants the mmap lock for writing, and its process is paused until
 * it gets it.  So the lock is given back every so often, and it is not waited
 * for long: somebody may hold it for ever.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "mapping.h"
#include "private.h"
#include "ptwalk.h"
#include "resident.h"

#define AT_ONCE		(256UL << 20)	/* bytes, under one hold of the lock */
#define ATTEMPTS	20		/* to get it */

/**
 * struct counting - a count under way
 * @resident: the result
 * @zero: what holes of the mapping read as, or NULL; counted as nothing
 */
struct counting {
	struct vmfork_resident *resident;
	const struct page *zero;
};

static int count_huge(void *priv, struct mm_struct *mm, pmd_t *pmd,
		      unsigned long addr, unsigned long next)
{
	struct counting *counting = priv;
	pmd_t val = READ_ONCE(*pmd);

	if (pmd_present(val) && pmd_trans_huge(val))
		counting->resident->shared += (next - addr) >> PAGE_SHIFT;
	return 0;
}

static int count_table(void *priv, struct mm_struct *mm, pmd_t *pmd,
		       unsigned long addr, unsigned long next)
{
	struct counting *counting = priv;
	spinlock_t *ptl = vmfork_lock_table(mm, pmd);
	pte_t *pte, ent;

	if (!ptl)
		return VMFORK_WALK_AGAIN;
	pte = pte_offset_kernel(pmd, addr);
	for (; addr < next; pte++, addr += PAGE_SIZE) {
		ent = ptep_get(pte);
		if (pte_none(ent))
			continue;
		if (vmfork_is_private(ent))
			counting->resident->private++;
		else if (pte_page(ent) != counting->zero)
			counting->resident->shared++;
	}
	spin_unlock(ptl);
	return 0;
}

static const struct vmfork_walk_ops count_ops = {
	.huge	= count_huge,
	.table	= count_table,
};

static bool lock(struct mm_struct *mm)
{
	unsigned int i;

	for (i = 0; i < ATTEMPTS; i++) {
		if (mmap_read_trylock(mm))
			return true;
		if (fatal_signal_pending(current))
			return false;
		usleep_range(500, 1000);
	}
	return false;
}

/* What there is of the mapping in [addr, end); the mmap lock is held. */
static void count_vmas(struct mm_struct *mm, const struct inode *inode,
		       unsigned long addr, unsigned long end,
		       struct vmfork_resident *resident)
{
	struct vm_area_struct *vma;

	while (addr < end) {
		struct counting counting = { .resident = resident };

		vma = find_vma(mm, addr);
		if (!vma || vma->vm_start >= end)
			return;
		addr = max(addr, vma->vm_start);
		if (vmfork_vma_mapping(vma) &&
		    file_inode(vma->vm_file) == inode) {
			counting.zero = READ_ONCE(vmfork_vma_mapping(vma)->zero);
			vmfork_walk(mm, addr, min(end, vma->vm_end),
				    &count_ops, &counting);
		}
		addr = vma->vm_end;
	}
}

/**
 * vmfork_resident_count() - count what a range has in its page tables
 * @mm: whose; need have no users any more
 * @inode: of the mapping; what is not of that is left out
 * @addr: where the range begins
 * @end: where it ends
 * @resident: out
 *
 * Return: 0; -ESRCH if the process is gone, -EBUSY if it was changing its
 * memory all the while, -EINTR.
 */
int vmfork_resident_count(struct mm_struct *mm, const struct inode *inode,
			  unsigned long addr, unsigned long end,
			  struct vmfork_resident *resident)
{
	unsigned long next;
	int err = 0;

	resident->private = 0;
	resident->shared = 0;
	if (!mmget_not_zero(mm))
		return -ESRCH;
	for (; addr < end; addr = next) {
		next = min(end, addr + AT_ONCE);
		if (!lock(mm)) {
			err = fatal_signal_pending(current) ? -EINTR : -EBUSY;
			break;
		}
		count_vmas(mm, inode, addr, next, resident);
		mmap_read_unlock(mm);
		cond_resched();
	}
	/* If it was the last one, all memory goes: not in this task's time. */
	mmput_async(mm);
	return err;
}
