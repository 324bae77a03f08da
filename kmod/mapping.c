// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping: a private mapping of a snapshot in some address space, the
 * captured process's and a child's alike.
 *
 * A read fault maps the snapshot's own page, read-only.  A write is the
 * kernel's ordinary copy-on-write into an anonymous page; nothing of ours
 * takes part but the ->fault() that finds the original.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/slab.h>

#include "mapping.h"
#include "snapshot.h"

/**
 * struct vmfork_mapping - what the VMAs of one mmap(2) share
 * @refs: held by each VMA: fork(2), mremap(2) and splits make more of them
 * @zero: what holes read as.  One for each mapping: the kernel's own can not
 *	be returned by ->fault(), and one for everybody would overflow its
 *	reference count.
 */
struct vmfork_mapping {
	refcount_t refs;
	struct page *zero;
};

/**
 * vmfork_mapping_alloc() - a new mapping, of nothing yet
 * @gfp: for its memory
 *
 * Return: one reference, or NULL.
 */
struct vmfork_mapping *vmfork_mapping_alloc(gfp_t gfp)
{
	struct vmfork_mapping *mapping;

	mapping = kzalloc(sizeof(*mapping), gfp | __GFP_ACCOUNT);
	if (mapping)
		refcount_set(&mapping->refs, 1);
	return mapping;
}

/**
 * vmfork_mapping_put() - drop a reference
 * @mapping: may be NULL
 */
void vmfork_mapping_put(struct vmfork_mapping *mapping)
{
	if (!mapping || !refcount_dec_and_test(&mapping->refs))
		return;
	if (mapping->zero)
		put_page(mapping->zero);
	kfree(mapping);
}

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

static vm_fault_t mapping_fault(struct vm_fault *vmf)
{
	struct vmfork_snapshot *snap = vmfork_vma_snapshot(vmf->vma);
	struct page *page;
	bool huge;

	if (vmf->pgoff >= snap->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;

	page = vmfork_snapshot_get_page(snap, vmf->pgoff, &huge);
	if (!page) {
		page = get_zero_page(vmf->vma->vm_private_data);
		if (!page)
			return VM_FAULT_OOM;
	} else if (!huge && PageTransCompound(page) && make_page_table(vmf)) {
		put_page(page);
		return VM_FAULT_OOM;
	}
	vmf->page = page;
	return 0;
}

static void mapping_open(struct vm_area_struct *vma)
{
	struct vmfork_mapping *mapping = vma->vm_private_data;

	refcount_inc(&mapping->refs);
}

static void mapping_close(struct vm_area_struct *vma)
{
	vmfork_mapping_put(vma->vm_private_data);
}

static const struct vm_operations_struct mapping_vm_ops = {
	.open	= mapping_open,
	.close	= mapping_close,
	.fault	= mapping_fault,
};

/**
 * vmfork_mapping_attach() - make a new VMA a mapping
 * @mapping: its reference becomes the VMA's
 * @vma: in its file's ->mmap()
 *
 * VM_DONTEXPAND keeps khugepaged away, which would take the snapshot for a
 * file of its own kind, and VMAs from being merged or grown.
 */
void vmfork_mapping_attach(struct vmfork_mapping *mapping,
			   struct vm_area_struct *vma)
{
	vma->vm_private_data = mapping;
	vma->vm_ops = &mapping_vm_ops;
	vm_flags_set(vma, VM_DONTEXPAND);
}

/**
 * vmfork_vma_snapshot() - the snapshot that a VMA maps
 * @vma: any; the mmap lock or its own lock is held
 *
 * Return: the snapshot, which lives as long as the VMA, or NULL if @vma is
 * no mapping.
 */
struct vmfork_snapshot *vmfork_vma_snapshot(const struct vm_area_struct *vma)
{
	if (vma->vm_ops != &mapping_vm_ops)
		return NULL;
	return vmfork_file_snapshot(vma->vm_file);
}
