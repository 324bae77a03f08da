// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of mappings.
 *
 * A read fault maps the snapshot's own page, read-only, and the pages around
 * it where that can be done.  A write is the kernel's ordinary copy-on-write
 * into an anonymous page; nothing of ours takes part but the ->fault() that
 * finds the original.
 *
 * A page of a file is read first: bring.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/timekeeping.h>

#include "backing.h"
#include "bring.h"
#include "dirty.h"
#include "fault.h"
#include "mapping.h"
#include "pages.h"
#include "prefault.h"
#include "snapshot.h"
#include "trace.h"
#include "watch.h"

#define MAX_WINDOW	512	/* after faults in order */

static unsigned int fault_around = MAX_WINDOW;

static int set_fault_around(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, MAX_WINDOW);
}

static const struct kernel_param_ops fault_around_ops = {
	.set	= set_fault_around,
	.get	= param_get_uint,
};

module_param_cb(fault_around, &fault_around_ops, &fault_around, 0644);
MODULE_PARM_DESC(fault_around,
		 "The most pages that a read fault maps, 1 to 512 (1: each first touch of a page is a fault of its own)");

unsigned int vmfork_fault_around(void)
{
	return READ_ONCE(fault_around);
}

/**
 * struct outcome - what a fault was served with
 * @page: of the snapshot; NULL for a hole
 * @imported: it is a file's
 * @huge: the kernel maps all of its 2 MiB folio
 * @pages: pages that are mapped now; @huge says it better
 * @first: where in the snapshot the pages begin that could have been, in pages
 * @span: how many these are
 *
 * The snapshot keeps @page, and the lock of the VMA the snapshot.
 */
struct outcome {
	struct page *page;
	bool imported;
	bool huge;
	u64 pages;
	u64 first;
	u32 span;
};

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

/* What there is in a page table, by way of the PMD entry of @addr. */
static enum vmfork_entry entry_of(pmd_t *pmd, unsigned long addr)
{
	pmd_t val = READ_ONCE(*pmd);
	pte_t ent;

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

/**
 * vmfork_entry_at() - what a mapping has at an address
 * @mm: its mmap lock is held
 * @addr: the address
 *
 * Return: what it had a moment ago.
 */
enum vmfork_entry vmfork_entry_at(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = pmd_at(mm, addr);

	return pmd ? entry_of(pmd, addr) : VMFORK_ENTRY_NONE;
}

/* The page of a slot, if it is there without being read. */
static struct page *page_of(unsigned long slot)
{
	if (slot & VMFORK_SLOT_FILE)
		return vmfork_backing_find(vmfork_backing_of(slot),
					   vmfork_slot_file_at(slot));
	return vmfork_slot_page(slot);
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
	unsigned long slots[VMFORK_RUN_PAGES];
	unsigned int i, first = nr;

	vmfork_tree_slots_at(&snap->tree, linear_page_index(vma, addr), nr,
			     slots);
	for (i = 0; i < nr; i++) {
		bool can;

		pages[i] = page_of(slots[i]);
		can = pages[i] && !PageHWPoison(pages[i]) &&
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
 * Leaves out holes, lost pages, pages of files that were not read, and what is
 * mapped already.
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
	unsigned int window = VMFORK_MIN_WINDOW;

	if (READ_ONCE(mapping->ahead) == index)
		window = clamp(2 * READ_ONCE(mapping->window), VMFORK_MIN_WINDOW,
			       MAX_WINDOW);
	window = min(window, vmfork_fault_around());
	WRITE_ONCE(mapping->window, window);
	return window;
}

/* Where a window begins that is aligned, as far as its size can be. */
static unsigned long window_at(unsigned long at, unsigned int window)
{
	return at & ~(rounddown_pow_of_two(window) * PAGE_SIZE - 1);
}

static vm_fault_t read_around(struct vm_fault *vmf, struct outcome *outcome)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vma);
	unsigned long addr, end, at = vmf->address & PAGE_MASK;
	unsigned int window = choose_window(mapping, vmf->pgoff);
	u64 room = (mapping->snap->size >> PAGE_SHIFT) - vmf->pgoff;
	int err;

	/* Ahead of a fault in order; around any other, as the kernel does. */
	addr = window > VMFORK_MIN_WINDOW ? at : window_at(at, window);
	addr = max3(addr, vma->vm_start, at & PMD_MASK);
	end = min3(addr + window * PAGE_SIZE, vma->vm_end,
		   (at & PMD_MASK) + PMD_SIZE);
	if (room < (end - at) >> PAGE_SHIFT)
		end = at + (room << PAGE_SHIFT);
	outcome->pages = 0;
	outcome->first = linear_page_index(vma, addr);
	outcome->span = (end - addr) >> PAGE_SHIFT;
	err = vmfork_map_pages(vma, addr, end, &outcome->pages);
	WRITE_ONCE(mapping->ahead, linear_page_index(vma, end));
	if (err == -ENOMEM)
		return VM_FAULT_OOM;
	return err ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

/*
 * Is the kernel to map the whole folio of @page, for which the tree has one
 * slot?  That it would not, it need not find out by itself: so all kernels do
 * the same.
 */
static bool maps_huge(struct vm_fault *vmf, struct page *page)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & PMD_MASK;
	struct folio *folio = page_folio(page);
	u64 size = vmfork_vma_snapshot(vma)->size >> PAGE_SHIFT;

	return vmfork_fault_around() >= HPAGE_PMD_NR &&
	       start >= vma->vm_start && start + PMD_SIZE <= vma->vm_end &&
	       IS_ALIGNED((vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff,
			  HPAGE_PMD_NR) &&
	       !vma_thp_disabled(vma, vma->vm_flags) &&
	       !folio_test_has_hwpoisoned(folio) &&
	       folio->index + HPAGE_PMD_NR <= size &&
	       pmd_none(READ_ONCE(*vmf->pmd));
}

/* Before anything else: @spot is what the snapshot has, and has its page. */
static vm_fault_t find_page(struct vm_fault *vmf, struct vmfork_spot *spot)
{
	vm_fault_t ret = 0;

	vmfork_snapshot_look(vmfork_vma_snapshot(vmf->vma), vmf->pgoff, spot);
	if (!spot->backing)
		return 0;
	if (!spot->page)
		ret = vmfork_bring(vmf, spot);
	/* The slot holds it, and the VMA's lock that, if there was no retry. */
	vmfork_backing_put(spot->backing);
	return ret;
}

/* Over the limit of whom it would be charged to, a page is not in the store. */
static bool is_shared(const struct vmfork_spot *spot)
{
	return !spot->backing ||
	       vmfork_backing_find(spot->backing, spot->at) == spot->page;
}

static vm_fault_t serve(struct vm_fault *vmf, struct outcome *outcome)
{
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vmf->vma);
	struct vmfork_snapshot *snap = mapping->snap;
	bool batches = vmf->vma->vm_flags & VM_MIXEDMAP;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct vmfork_spot spot;
	struct page *page;
	vm_fault_t ret;

	if (vmf->pgoff >= snap->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;

	if (write)
		vmfork_dirty_mark(READ_ONCE(mapping->dirty), vmf->pgoff);
	ret = find_page(vmf, &spot);
	if (ret & (VM_FAULT_ERROR | VM_FAULT_RETRY))
		return ret;
	page = spot.page;
	outcome->page = page;
	outcome->imported = spot.backing;
	if (!page) {
		page = get_zero_page(mapping);
		if (!page)
			return VM_FAULT_OOM;
	} else if (batches && !write && vmfork_snapshot_ready(snap) &&
		   !PageHWPoison(page) && is_shared(&spot)) {
		put_page(page);
		return read_around(vmf, outcome);
	} else if (!write && PageTransCompound(page)) {
		outcome->huge = !batches && spot.huge && maps_huge(vmf, page);
		if (!outcome->huge && make_page_table(vmf)) {
			put_page(page);
			return VM_FAULT_OOM;
		}
	}
	vmf->page = page;
	return ret;
}

static void tell(const struct vm_fault *vmf, const struct outcome *outcome,
		 u64 begin)
{
	const struct vmfork_mapping *mapping = vmfork_vma_mapping(vmf->vma);
	struct page *page = outcome->page;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	u32 kind, flags = 0, pages = outcome->pages, span = outcome->span;
	u64 first = outcome->first;
	u64 ns = ktime_get_ns() - begin;

	if (!page) {
		kind = write ? VMFORK_FAULT_WRITE_HOLE : VMFORK_FAULT_READ_HOLE;
	} else if (write) {
		kind = VMFORK_FAULT_WRITE;
	} else if (outcome->huge) {
		kind = VMFORK_FAULT_READ_HUGE;
		pages = HPAGE_PMD_NR;
		first = round_down(first, HPAGE_PMD_NR);
		span = HPAGE_PMD_NR;
	} else {
		kind = VMFORK_FAULT_READ;
	}
	if (outcome->imported)
		flags |= VMFORK_FAULT_IMPORTED;
	else if (page && vmfork_page_is_copy(page))
		flags |= VMFORK_FAULT_COPIED;
	trace_vmfork_fault(mapping->snap->shown.id, mapping->ino,
			   vmf->address & PAGE_MASK,
			   (u64)vmf->pgoff << PAGE_SHIFT, kind, flags, pages,
			   ns, first << PAGE_SHIFT, span);
}

/* Nobody else has mapped the page meanwhile. */
static bool is_first(const struct vm_fault *vmf)
{
	return entry_of(vmf->pmd, vmf->address) == VMFORK_ENTRY_NONE;
}

static bool is_event(const struct vm_fault *vmf, vm_fault_t ret,
		     const struct outcome *outcome)
{
	if (vmfork_is_prefaulting())
		return false;
	if (ret & VM_FAULT_NOPAGE)
		return outcome->pages;
	/* The kernel will make an error of a lost page. */
	return !(ret & VM_FAULT_ERROR) &&
	       !(outcome->page && PageHWPoison(outcome->page)) &&
	       is_first(vmf);
}

static void count_fault(const struct vm_fault *vmf, vm_fault_t ret)
{
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vmf->vma);

	if (ret & VM_FAULT_ERROR)
		return;
	if (vmf->flags & FAULT_FLAG_WRITE)
		atomic_long_inc(&mapping->faults_write);
	else
		atomic_long_inc(&mapping->faults_read);
}

static vm_fault_t mapping_fault(struct vm_fault *vmf)
{
	struct outcome outcome = { .pages = 1, .first = vmf->pgoff, .span = 1 };
	vm_fault_t ret;
	u64 begin = 0;

	if (trace_vmfork_fault_enabled())
		begin = ktime_get_ns();
	ret = serve(vmf, &outcome);
	if (ret & VM_FAULT_RETRY)
		return ret;	/* Without a lock on the VMA. */
	count_fault(vmf, ret);
	if (trace_vmfork_cow_enabled() && vmf->flags & FAULT_FLAG_WRITE &&
	    is_first(vmf))
		vmfork_watch_explain(vmf->vma->vm_mm, vmf->address & PAGE_MASK);
	if (trace_vmfork_fault_enabled() && begin && is_event(vmf, ret, &outcome))
		tell(vmf, &outcome, begin);
	return ret;
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
	vmfork_watch_open(vma);
}

const struct vm_operations_struct vmfork_mapping_vm_ops = {
	.open		= mapping_open,
	.close		= vmfork_watch_close,
	.fault		= mapping_fault,
	.map_pages	= mapping_map_pages,
};
