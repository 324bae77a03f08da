// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk over the page tables of a user mm.
 *
 * The kernel's own walkers are not exported; this one uses the inline helpers
 * only.  The mmap lock is held, for reading or writing: so no page table of
 * an anonymous or private mapping goes away under the walk (what frees them,
 * khugepaged too, takes the lock for writing).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/sched.h>

#include "ptwalk.h"

static int walk_pmd(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		    unsigned long next, const struct vmfork_walk_ops *ops,
		    void *priv)
{
	pmd_t val;
	int err;

	do {
		cond_resched();
		val = READ_ONCE(*pmd);
		if (pmd_none(val))
			return 0;
		if (!pmd_present(val) || pmd_trans_huge(val) ||
		    pmd_devmap(val))
			err = ops->huge(priv, mm, pmd, addr, next);
		else
			err = ops->table(priv, mm, pmd, addr, next);
	} while (err == VMFORK_WALK_AGAIN);
	return err;
}

/**
 * vmfork_walk() - visit the entries of a range
 * @mm: its mmap lock is held
 * @addr: where the range begins
 * @end: where it ends
 * @ops: what to do
 * @priv: for @ops
 *
 * Return: 0, or what an operation ended the walk with.
 */
int vmfork_walk(struct mm_struct *mm, unsigned long addr, unsigned long end,
		const struct vmfork_walk_ops *ops, void *priv)
{
	unsigned long next;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	int err;

	for (; addr < end; addr = next) {
		pgd = pgd_offset(mm, addr);
		next = pgd_addr_end(addr, end);
		if (pgd_none(*pgd))
			continue;
		p4d = p4d_offset(pgd, addr);
		next = p4d_addr_end(addr, end);
		if (p4d_none(*p4d))
			continue;
		pud = pud_offset(p4d, addr);
		next = pud_addr_end(addr, end);
		if (pud_none(*pud))
			continue;
		next = pmd_addr_end(addr, end);
		err = walk_pmd(mm, pmd_offset(pud, addr), addr, next, ops,
			       priv);
		if (err)
			return err;
	}
	return 0;
}

/**
 * vmfork_lock_table() - lock the page table that a PMD entry points to
 * @mm: its mmap lock is held
 * @pmd: the entry
 *
 * Return: the lock, held; NULL if the entry is no page table any more.
 */
spinlock_t *vmfork_lock_table(struct mm_struct *mm, pmd_t *pmd)
{
	pmd_t val = READ_ONCE(*pmd);
	spinlock_t *ptl;

	if (pmd_none(val) || !pmd_present(val) || pmd_trans_huge(val) ||
	    pmd_devmap(val))
		return NULL;
	ptl = pte_lockptr(mm, &val);
	spin_lock(ptl);
	if (likely(pmd_same(val, READ_ONCE(*pmd))))
		return ptl;
	spin_unlock(ptl);
	return NULL;
}
