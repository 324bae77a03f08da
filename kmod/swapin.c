// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bring in what a capture can not take where it is: swapped-out pages, and
 * pages under migration.  Done before the capture, while the process runs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>

#include "piece.h"
#include "ptwalk.h"

#define SWAPIN_BATCH	64

struct swapin {
	unsigned long addrs[SWAPIN_BATCH];
	unsigned int nr;
	unsigned long next;
};

static int swapin_note(struct swapin *s, unsigned long addr, unsigned long next)
{
	s->addrs[s->nr++] = addr;
	s->next = next;
	return s->nr == SWAPIN_BATCH ? VMFORK_WALK_STOP : 0;
}

static int swapin_huge(void *priv, struct mm_struct *mm, pmd_t *pmd,
		       unsigned long addr, unsigned long next)
{
	if (pmd_present(READ_ONCE(*pmd)) || pmd_none(READ_ONCE(*pmd)))
		return 0;
	return swapin_note(priv, addr, next);
}

static int swapin_table(void *priv, struct mm_struct *mm, pmd_t *pmd,
			unsigned long addr, unsigned long next)
{
	spinlock_t *ptl = vmfork_lock_table(mm, pmd);
	pte_t *pte, ent;
	int err = 0;

	if (!ptl)
		return VMFORK_WALK_AGAIN;
	pte = pte_offset_kernel(pmd, addr);
	for (; addr < next && !err; pte++, addr += PAGE_SIZE) {
		ent = ptep_get(pte);
		if (!pte_none(ent) && !pte_present(ent))
			err = swapin_note(priv, addr, addr + PAGE_SIZE);
	}
	spin_unlock(ptl);
	return err;
}

static const struct vmfork_walk_ops swapin_ops = {
	.huge	= swapin_huge,
	.table	= swapin_table,
};

/* The fault itself, as often as it takes: 0 or an enum vmfork_refusal. */
static int swapin_one(struct vmfork_piece *piece, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(piece->mm, addr);
	vm_fault_t fault;

	if (!vma || vma->vm_start > addr || vmfork_check_vma(vma))
		return VMFORK_OK;	/* The capture will see for itself. */
	fault = handle_mm_fault(vma, addr, FAULT_FLAG_REMOTE, NULL);
	if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return VMFORK_POISON;
	if (fault & VM_FAULT_OOM)
		return -ENOMEM;
	if (fault & VM_FAULT_ERROR)
		return VMFORK_SWAPIN;
	return VMFORK_OK;
}

static int swapin_batch(struct vmfork_piece *piece, const struct swapin *s)
{
	unsigned int i;
	int err;

	for (i = 0; i < s->nr; i++) {
		if (fatal_signal_pending(current) || READ_ONCE(*piece->cancel))
			return -EINTR;
		err = swapin_one(piece, s->addrs[i]);
		if (err < 0)
			return err;
		if (err) {
			piece->why->reason = err;
			piece->why->addr = s->addrs[i];
			return vmfork_refusal_errno(err);
		}
	}
	return 0;
}

/**
 * vmfork_piece_swapin() - bring in the swapped-out pages of a piece
 * @piece: not collected
 *
 * Takes the mmap lock for reading, a batch at a time.
 *
 * Return: 0, -EINTR, -ENOMEM, or the errno of a refusal.
 */
int vmfork_piece_swapin(struct vmfork_piece *piece)
{
	unsigned long addr = piece->addr, end = piece->addr + piece->len;
	struct swapin s;
	int err;

	do {
		s.nr = 0;
		s.next = end;
		err = mmap_read_lock_killable(piece->mm);
		if (err)
			return err;
		vmfork_walk(piece->mm, addr, end, &swapin_ops, &s);
		err = swapin_batch(piece, &s);
		mmap_read_unlock(piece->mm);
		addr = s.next;
	} while (!err && s.nr == SWAPIN_BATCH && addr < end);
	return err;
}
