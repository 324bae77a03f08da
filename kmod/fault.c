// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of mappings.
 *
 * A read fault maps the snapshot's own page, read-only, and the pages around
 * it where that can be done.  A write is the kernel's ordinary copy-on-write
 * into an anonymous page; nothing of ours takes part but the ->fault() that
 * finds the original.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>

#include "dirty.h"
#include "fault.h"
#include "mapping.h"
#include "snapshot.h"

#define MIN_WINDOW	16	/* pages around a fault somewhere */
#define MAX_WINDOW	512	/* after faults in order */

static struct page *get_zero_page(struct vmfork_mapping *mapping)
{
	struct page *page = READ_ONCE(mapping->zero);

	if (!page) {
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return NULL;
		/* Others fault here at the same time. */
		if (cmpxchg(&mapping->zero, NULL, page)) {
			put_page(page);
			page = mapping->zero;
		}
	}
	get_page(page);
	return page;
}

static int no_pte(pte_t *pte, unsigned long addr, void *unused)
{
	return 0;
}

/*
 * The kernel maps a PMD-sized folio as a whole as soon as ->fault() returns
 * any page of it for an empty PMD.  Where the tree has only single pages of
 * it, that would show the wrong ones: such a fault needs a page table first.
 */
static int make_page_table(struct vm_fault *vmf)
{
	if (!pmd_none(READ_ONCE(*vmf->pmd)))
		return 0;
	return apply_to_page_range(vmf->vma->vm_mm, vmf->address & PAGE_MASK,
				   PAGE_SIZE, no_pte, NULL);
}

/* The PMD entry of @addr, if there is a table that it is in. */
static pmd_t *pmd_at(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	return pud_none(*pud) ? NULL : pmd_offset(pud, addr);
}

static bool is_table(pmd_t val)
{
	return !pmd_none(val) && pmd_present(val) && !pmd_trans_huge(val);
}

/* The entry of @addr, if there is a page table; that will not go away. */
static pte_t *pte_at(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = pmd_at(mm, addr);

	return pmd && is_table(READ_ONCE(*pmd)) ? pte_offset_kernel(pmd, addr) :
						  NULL;
}

/**
 * vmfork_entry_at() - what a mapping has at an address
 * @mm: its mmap lock is held
 * @addr: the address
 *
 * Return: what it had a moment ago.
 */
enum vmfork_entry vmfork_entry_at(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = pmd_at(mm, addr), val;
	pte_t ent;

	if (!pmd)
		return VMFORK_ENTRY_NONE;
	val = READ_ONCE(*pmd);
	if (pmd_none(val))
		return VMFORK_ENTRY_NONE;
	if (!is_table(val))
		return VMFORK_ENTRY_HUGE;
	ent = ptep_get(pte_offset_kernel(pmd, addr));
	if (pte_none(ent))
		return VMFORK_ENTRY_NONE;
	if (!pte_present(ent) || pte_special(ent) || PageAnon(pte_page(ent)))
		return VMFORK_ENTRY_PRIVATE;
	return VMFORK_ENTRY_SNAPSHOT;
}

/*
 * Up to a run of pages, from @addr on: which of them can be mapped now?  Sets
 * *@skip to how many can not be, before these.
 */
static unsigned int next_batch(struct vm_area_struct *vma, unsigned long addr,
			       unsigned int nr, struct page **pages,
			       unsigned int *skip)
{
	struct vmfork_snapshot *snap = vmfork_vma_snapshot(vma);
	pte_t *pte = pte_at(vma->vm_mm, addr);
	unsigned int i, first = nr;

	vmfork_tree_pages_at(&snap->tree, linear_page_index(vma, addr), nr,
			     pages);
	for (i = 0; i < nr; i++) {
		bool can = pages[i] && !PageHWPoison(pages[i]) &&
			   (!pte || pte_none(ptep_get(pte + i)));

		if (can && first == nr)
			first = i;
		if (!can && first < nr)
			break;
	}
	*skip = first;
	return i - first;
}

/**
 * vmfork_map_pages() - map a range of a mapping whose VMA takes batches
 * @vma: the mmap lock or its own lock is held; its snapshot is finished
 * @addr: where the range begins
 * @end: where it ends
 * @mapped: added to: pages that were mapped
 *
 * Leaves out holes, lost pages, and what is mapped already.
 *
 * Return: 0 or a negative errno.
 */
int vmfork_map_pages(struct vm_area_struct *vma, unsigned long addr,
		     unsigned long end, u64 *mapped)
{
	struct page *pages[VMFORK_RUN_PAGES];
	unsigned long nr, left;
	unsigned int skip;
	u64 index;
	int err;

	while (addr < end) {
		index = linear_page_index(vma, addr);
		nr = VMFORK_RUN_PAGES - (index & (VMFORK_RUN_PAGES - 1));
		nr = min(nr, (end - addr) >> PAGE_SHIFT);
		/* A page table ends in the midst of a run, where it is skewed. */
		nr = min(nr, (pmd_addr_end(addr, end) - addr) >> PAGE_SHIFT);
		left = next_batch(vma, addr, nr, pages, &skip);
		addr += (unsigned long)skip << PAGE_SHIFT;
		if (!left)
			continue;
		nr = left;
		err = vm_insert_pages(vma, addr, pages + skip, &left);
		*mapped += nr - left;
		addr += (nr - left) << PAGE_SHIFT;
		/* Somebody else was there first; it is right in any case. */
		if (err == -EBUSY)
			addr += PAGE_SIZE;
		else if (err)
			return err;
	}
	return 0;
}

/* How many pages around this one; more and more while they come in order. */
static unsigned int choose_window(struct vmfork_mapping *mapping, u64 index)
{
	unsigned int window = MIN_WINDOW;

	if (READ_ONCE(mapping->ahead) == index)
		window = clamp(2 * READ_ONCE(mapping->window), MIN_WINDOW,
			       MAX_WINDOW);
	WRITE_ONCE(mapping->window, window);
	return window;
}

static vm_fault_t fault_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vma);
	unsigned long addr, end;
	unsigned long size = choose_window(mapping, vmf->pgoff) * PAGE_SIZE;
	unsigned long at = vmf->address & PAGE_MASK;
	u64 room = (mapping->snap->size >> PAGE_SHIFT) - vmf->pgoff, mapped = 0;
	int err;

	/* Ahead of a fault in order; around any other, as the kernel does. */
	addr = size > MIN_WINDOW * PAGE_SIZE ? at : at & ~(size - 1);
	addr = max3(addr, vma->vm_start, at & PMD_MASK);
	end = min3(addr + size, vma->vm_end, (at & PMD_MASK) + PMD_SIZE);
	if (room < (end - at) >> PAGE_SHIFT)
		end = at + (room << PAGE_SHIFT);
	err = vmfork_map_pages(vma, addr, end, &mapped);
	WRITE_ONCE(mapping->ahead, linear_page_index(vma, end));
	if (err == -ENOMEM)
		return VM_FAULT_OOM;
	return err ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

static vm_fault_t mapping_fault(struct vm_fault *vmf)
{
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vmf->vma);
	struct vmfork_snapshot *snap = mapping->snap;
	bool batches = vmf->vma->vm_flags & VM_MIXEDMAP;
	struct page *page;
	bool huge;

	if (vmf->pgoff >= snap->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;

	if (vmf->flags & FAULT_FLAG_WRITE)
		vmfork_dirty_mark(READ_ONCE(mapping->dirty), vmf->pgoff);
	page = vmfork_snapshot_get_page(snap, vmf->pgoff, &huge);
	if (!page) {
		page = get_zero_page(mapping);
		if (!page)
			return VM_FAULT_OOM;
	} else if (batches && !(vmf->flags & FAULT_FLAG_WRITE) &&
		   vmfork_snapshot_ready(snap) && !PageHWPoison(page)) {
		put_page(page);
		return fault_around(vmf);
	} else if ((batches || !huge) && PageTransCompound(page) &&
		   make_page_table(vmf)) {
		put_page(page);
		return VM_FAULT_OOM;
	}
	vmf->page = page;
	return 0;
}

/*
 * What there is to do is done in ->fault().  But without this one, the kernel
 * calls that under the mmap lock only.
 */
static vm_fault_t mapping_map_pages(struct vm_fault *vmf, pgoff_t start,
				    pgoff_t end)
{
	return 0;
}

/* fork(2), mremap(2) and splits make a VMA of another. */
static void mapping_open(struct vm_area_struct *vma)
{
	vmfork_dirty_check_vma(vmfork_vma_mapping(vma)->dirty, vma);
}

const struct vm_operations_struct vmfork_mapping_vm_ops = {
	.open		= mapping_open,
	.fault		= mapping_fault,
	.map_pages	= mapping_map_pages,
};
