// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bring in what a capture can not take where it is: swapped-out pages, and
 * pages under migration.  Done before the capture, while the process runs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>

#include "dirty.h"
#include "mapping.h"
#include "piece.h"
#include "ptwalk.h"
#include "target.h"

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
		err = vmfork_target_check_killed(piece->target);
		if (err)
			return err;
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

/*
 * The next part of [*addr, end) in which something may be swapped out: private
 * pages only are.  False if there is none.
 */
static bool next_part(struct vmfork_piece *piece, unsigned long *addr,
		      unsigned long *part_end, unsigned long end)
{
	struct vm_area_struct *vma = find_vma(piece->mm, *addr);
	struct vmfork_mapping *mapping = vma ? vmfork_vma_mapping(vma) : NULL;

	*part_end = end;
	if (!mapping || vma->vm_start > *addr)
		return *addr < end;
	end = min(end, vma->vm_end);
	*part_end = end;
	if (!vmfork_dirty_knows(mapping->dirty, piece->mm, *addr, end,
				linear_page_index(vma, *addr)))
		return true;
	if (!vmfork_dirty_next(mapping->dirty, addr, part_end, end))
		*addr = end;
	return true;
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
	unsigned long part_end;
	struct swapin s;
	int err;

	do {
		err = mmap_read_lock_killable(piece->mm);
		if (err)
			return err;
		s.nr = 0;
		while (s.nr < SWAPIN_BATCH && addr < end &&
		       next_part(piece, &addr, &part_end, end)) {
			vmfork_walk(piece->mm, addr, part_end, &swapin_ops, &s);
			addr = s.nr < SWAPIN_BATCH ? part_end : s.next;
		}
		err = swapin_batch(piece, &s);
		mmap_read_unlock(piece->mm);
	} while (!err && addr < end);
	return err;
}
