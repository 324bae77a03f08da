// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private pages of a mapping, as page tables tell: anonymous pages, and
 * what has become of them in swap or under migration.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>

#include "dirty.h"
#include "private.h"
#include "ptwalk.h"

static struct page *anon_page(pte_t ent)
{
	struct page *page;

	if (pte_special(ent))
		return NULL;
	page = pte_page(ent);
	return PageAnon(page) ? page : NULL;
}

/**
 * vmfork_is_private() - is what a mapping has at some address its own
 * @ent: the entry
 *
 * Return: true if so, in swap or not.
 */
bool vmfork_is_private(pte_t ent)
{
	/* A special one is a zero page that KSM put in place of a private one. */
	if (pte_none(ent))
		return false;
	return !pte_present(ent) || pte_special(ent) || anon_page(ent);
}

/* Huge pages of a mapping are the snapshot's. */
static int skip_huge(void *priv, struct mm_struct *mm, pmd_t *pmd,
		     unsigned long addr, unsigned long next)
{
	return 0;
}

static void note_run(struct vmfork_private *found, unsigned long addr)
{
	struct vmfork_run *last = &found->runs[found->nr_runs];

	if (found->more)
		return;
	if (found->nr_runs && last[-1].end == addr) {
		last[-1].end += PAGE_SIZE;
		return;
	}
	if (found->nr_runs == VMFORK_PRIVATE_RUNS) {
		found->more = addr;
		return;
	}
	last->addr = addr;
	last->end = addr + PAGE_SIZE;
	found->nr_runs++;
}

static int count_table(void *priv, struct mm_struct *mm, pmd_t *pmd,
		       unsigned long addr, unsigned long next)
{
	struct vmfork_private *found = priv;
	spinlock_t *ptl = vmfork_lock_table(mm, pmd);
	struct page *page;
	pte_t *pte, ent;

	if (!ptl)
		return VMFORK_WALK_AGAIN;
	pte = pte_offset_kernel(pmd, addr);
	for (; addr < next; pte++, addr += PAGE_SIZE) {
		ent = ptep_get(pte);
		if (!vmfork_is_private(ent))
			continue;
		found->pages++;
		note_run(found, addr);
		page = pte_present(ent) ? anon_page(ent) : NULL;
		if (!page || !PageAnonExclusive(page) ||
		    !folio_maybe_dma_pinned(page_folio(page)))
			continue;
		if (!found->pinned)
			found->pinned_addr = addr;
		found->pinned++;
	}
	spin_unlock(ptl);
	return 0;
}

/* As count_table(), for pages that were counted. */
static int run_table(void *priv, struct mm_struct *mm, pmd_t *pmd,
		     unsigned long addr, unsigned long next)
{
	struct vmfork_private *found = priv;
	spinlock_t *ptl = vmfork_lock_table(mm, pmd);
	pte_t *pte;

	if (!ptl)
		return VMFORK_WALK_AGAIN;
	pte = pte_offset_kernel(pmd, addr);
	for (; addr < next && !found->more; pte++, addr += PAGE_SIZE)
		if (vmfork_is_private(ptep_get(pte)))
			note_run(found, addr);
	spin_unlock(ptl);
	return found->more ? VMFORK_WALK_STOP : 0;
}

static const struct vmfork_walk_ops run_ops = {
	.huge	= skip_huge,
	.table	= run_table,
};

static const struct vmfork_walk_ops count_ops = {
	.huge	= skip_huge,
	.table	= count_table,
};

/**
 * vmfork_private_count() - count the private pages of a range
 * @mm: its mmap lock is held for writing, and mm->write_protect_seq
 * @dirty: where to look; NULL for everywhere
 * @addr: where the range begins
 * @end: where it ends
 * @found: added to
 *
 * Return: 0.
 */
int vmfork_private_count(struct mm_struct *mm, const struct vmfork_dirty *dirty,
			 unsigned long addr, unsigned long end,
			 struct vmfork_private *found)
{
	unsigned long run_end = end;
	int err = 0;

	for (; !err && addr < end; addr = run_end) {
		if (dirty && !vmfork_dirty_next(dirty, &addr, &run_end, end))
			break;
		err = vmfork_walk(mm, addr, run_end, &count_ops, found);
	}
	return err;
}

/**
 * vmfork_private_next() - find more runs
 * @mm: its mmap lock is held for writing
 * @dirty: where to look; NULL for everywhere
 * @end: of the range
 * @found: its runs are replaced by those that it had no place for; @pages and
 *	@pinned stay
 *
 * Return: false if there are no more.
 */
bool vmfork_private_next(struct mm_struct *mm, const struct vmfork_dirty *dirty,
			 unsigned long end, struct vmfork_private *found)
{
	unsigned long addr = found->more, run_end = end;

	found->nr_runs = 0;
	found->more = 0;
	for (; addr && addr < end && !found->more; addr = run_end) {
		if (dirty && !vmfork_dirty_next(dirty, &addr, &run_end, end))
			break;
		vmfork_walk(mm, addr, run_end, &run_ops, found);
	}
	return found->nr_runs;
}
