// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping: a private mapping of a snapshot in some address space, the
 * captured process's and a child's alike.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "dirty.h"
#include "event.h"
#include "fault.h"
#include "mapping.h"
#include "registry.h"
#include "rights.h"
#include "snapshot.h"
#include "watch.h"

/**
 * vmfork_wants_batches() - are faults to bring their neighbours along
 * @snap: what is mapped; finished
 *
 * Huge pages that are few do not make up for faults one by one.
 *
 * Return: true if so; then huge pages are not mapped as such.
 */
bool vmfork_wants_batches(const struct vmfork_snapshot *snap)
{
	u64 huge = vmfork_tree_huge_folios(&snap->tree) * VMFORK_HUGE_PAGES;

	return !huge || huge * 4 < vmfork_tree_pages(&snap->tree) +
				   vmfork_tree_file_pages(&snap->tree);
}

static struct vmfork_mapping *shown_mapping(struct vmfork_shown *shown)
{
	return container_of(shown, struct vmfork_mapping, shown);
}

static struct vmfork_snapshot *shown_snapshot(struct vmfork_shown *shown)
{
	struct vmfork_mapping *mapping = shown_mapping(shown);
	struct vmfork_snapshot *snap;

	spin_lock(&mapping->lock);
	snap = vmfork_snapshot_get(mapping->snap);
	spin_unlock(&mapping->lock);
	return snap;
}

static void shown_evict(struct vmfork_shown *shown)
{
	struct vmfork_mapping *mapping = shown_mapping(shown);

	vmfork_registry_remove_mapping(mapping);
	vmfork_dirty_stop(mapping->dirty);
	atomic_dec(&mapping->snap->mappings);
	if (mapping->attached)
		vmfork_event_unmapped(mapping->snap, mapping);
	vmfork_snapshot_put(mapping->snap);
	if (mapping->named)
		fput(mapping->named);
	if (mapping->zero)
		put_page(mapping->zero);
	xa_destroy(&mapping->sent_back);
	kfree(mapping);
}

static const struct vmfork_shown_ops shown_ops = {
	.snapshot	= shown_snapshot,
	.evict		= shown_evict,
};

/* Of one's own, or mremap(2) asks where huge pages can be. */
static unsigned long mapping_get_unmapped_area(struct file *file,
					       unsigned long addr,
					       unsigned long len,
					       unsigned long pgoff,
					       unsigned long flags)
{
	struct vmfork_mapping *mapping = file->private_data;
	struct vmfork_over *over = READ_ONCE(mapping->over);

	if (over && over->task == current)
		return over->check(over) ?: addr;
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}

static int mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmfork_mapping *mapping = file->private_data;
	struct vmfork_over *over = READ_ONCE(mapping->over);

	/* Nobody else has the file. */
	if (!over || over->task != current)
		return -ENODEV;
	over->done(over);
	vmfork_mapping_attach(file, vma, vmfork_wants_batches(mapping->snap));
	vm_flags_set(vma, over->vm_flags & VMFORK_KEPT_FLAGS);
	/* It is gone soon, and now others can ask: by mremap(2) of @vma. */
	WRITE_ONCE(mapping->over, NULL);
	return 0;
}

/* Nobody opens it. */
static const struct file_operations mapping_fops = {
	.owner			= THIS_MODULE,
	.mmap			= mapping_mmap,
	.get_unmapped_area	= mapping_get_unmapped_area,
};

/**
 * vmfork_map_like() - map part of a snapshot in the place of a VMA
 * @file: of the snapshot
 * @addr: where
 * @len: length in bytes
 * @index: offset in the snapshot, in pages
 * @vm_flags: of the VMA
 * @flags: MAP_*
 *
 * Return: @addr or an errno, as vm_mmap() returns it.
 */
unsigned long vmfork_map_like(struct file *file, unsigned long addr,
			      unsigned long len, u64 index, vm_flags_t vm_flags,
			      unsigned long flags)
{
	unsigned long prot = 0;

	if (vm_flags & VM_READ)
		prot |= PROT_READ;
	if (vm_flags & VM_WRITE)
		prot |= PROT_WRITE;
	if (vm_flags & VM_EXEC)
		prot |= PROT_EXEC;
	if (vm_flags & VM_NORESERVE)
		flags |= MAP_NORESERVE;
	return vm_mmap(file, addr, len, prot, MAP_PRIVATE | flags,
		       index << PAGE_SHIFT);
}

/**
 * vmfork_mapping_create() - a new mapping, of which nothing is mapped yet
 * @snap: what it maps
 *
 * Return: a file for vmfork_mapping_attach(), or an ERR_PTR().
 */
struct file *vmfork_mapping_create(struct vmfork_snapshot *snap)
{
	struct vmfork_mapping *mapping;
	struct file *file;
	int err;

	mapping = kzalloc(sizeof(*mapping), VMFORK_GFP | __GFP_ACCOUNT);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->shown.ops = &shown_ops;
	mapping->shown.id = snap->shown.id;
	spin_lock_init(&mapping->lock);
	xa_init_flags(&mapping->sent_back, XA_FLAGS_ACCOUNT);
	file = vmfork_snapfs_file(&mapping->shown, snap->size, &mapping_fops);
	if (IS_ERR(file)) {
		kfree(mapping);
		return file;
	}
	mapping->snap = vmfork_snapshot_get(snap);
	atomic_inc(&snap->mappings);
	file->private_data = mapping;
	err = vmfork_registry_add_mapping(mapping, file_inode(file));
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

/**
 * vmfork_mapping_keep() - have a mapping keep the file that it is mapped by
 * @file: of the mapping, of which nothing is mapped yet
 * @named: the snapshot's
 */
void vmfork_mapping_keep(struct file *file, struct file *named)
{
	struct vmfork_mapping *mapping = file->private_data;

	mapping->named = get_file(named);
}

/**
 * vmfork_mapping_track() - note what will be written to a mapping
 * @file: of the mapping, of which nothing is mapped yet
 * @mm: where it will be; held
 * @addr: where it will begin
 * @len: its length in bytes
 * @index: in the snapshot, of @addr
 *
 * If that can not be, it costs a look at every page later, and no more.
 */
void vmfork_mapping_track(struct file *file, struct mm_struct *mm,
			  unsigned long addr, unsigned long len, u64 index)
{
	struct vmfork_mapping *mapping = file->private_data;

	if (mmap_write_lock_killable(mm))
		return;
	mapping->dirty = vmfork_dirty_start(mm, addr, len, index);
	mmap_write_unlock(mm);
}

/* Whom to name when it is gone. */
static void note_process(struct vmfork_mapping *mapping, struct mm_struct *mm)
{
	struct vmfork_process process;

	if (mapping->attached)
		return;
	mapping->attached = true;
	vmfork_process_of(mm, &process);
	mapping->pid = pid_nr(process.pid);
	mapping->uid = process.uid;
	put_pid(process.pid);
}

/**
 * vmfork_mapping_attach() - make a new VMA part of a mapping
 * @file: of the mapping
 * @vma: in the ->mmap() of a snapshot's file
 * @batches: faults bring their neighbours along; otherwise, huge pages are
 *	mapped as such.  VM_MIXEDMAP, which the first needs, has the kernel take
 *	huge mappings for another kind, and lose count of them.
 *
 * VM_DONTEXPAND keeps khugepaged away, which would take the snapshot for a
 * file of its own kind, and VMAs from being merged or grown.
 */
void vmfork_mapping_attach(struct file *file, struct vm_area_struct *vma,
			   bool batches)
{
	if (vma->vm_file != file)
		vma_set_file(vma, file);
	vma->vm_private_data = file->private_data;
	vma->vm_ops = &vmfork_mapping_vm_ops;
	vm_flags_set(vma, VM_DONTEXPAND | (batches ? VM_MIXEDMAP : 0));
	vmfork_watch_open(vma);
	note_process(file->private_data, vma->vm_mm);
}

/**
 * vmfork_vma_mapping() - the mapping that a VMA is part of
 * @vma: any
 *
 * Return: the mapping or NULL.
 */
struct vmfork_mapping *vmfork_vma_mapping(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &vmfork_mapping_vm_ops ? vma->vm_private_data :
						       NULL;
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
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vma);

	return mapping ? mapping->snap : NULL;
}

/* Is @next where @vma ends, in memory and in the snapshot? */
static bool goes_on(struct vm_area_struct *vma,
		    struct vm_area_struct *next)
{
	return next && next->vm_file == vma->vm_file &&
	       next->vm_start == vma->vm_end &&
	       next->vm_pgoff == vma->vm_pgoff + vma_pages(vma);
}

/**
 * vmfork_mapping_extent() - the VMAs of a mapping that lie side by side
 * @vma: one of them; its mmap lock is held for writing
 * @start: where the first one begins
 * @end: where the last one ends
 *
 * Locks them all for writing.
 *
 * Return: true if there are no others, in this mm or in any, nor will there be
 * until the mmap lock is dropped.
 */
bool vmfork_mapping_extent(struct vm_area_struct *vma, unsigned long *start,
			   unsigned long *end)
{
	struct vm_area_struct *other, *at = vma;
	unsigned int nr = 1;

	vma_start_write(vma);
	for (;;) {
		other = find_vma(vma->vm_mm, at->vm_start - 1);
		if (!other || other == at || !goes_on(other, at))
			break;
		at = other;
		vma_start_write(at);
		nr++;
	}
	*start = at->vm_start;
	for (at = vma;; at = other) {
		other = find_vma(vma->vm_mm, at->vm_end);
		if (!other || !goes_on(at, other))
			break;
		vma_start_write(other);
		nr++;
	}
	*end = at->vm_end;
	/* Each VMA holds the file, and only one who has a VMA makes more. */
	return file_count(vma->vm_file) == nr;
}

/**
 * vmfork_mapping_dirty() - where a mapping may have private pages
 * @vma: of the mapping
 * @start: from vmfork_mapping_extent(), which has found no others
 * @end: likewise
 *
 * If it is not known yet, it may have them anywhere, and is noted from now on.
 *
 * Return: where, or NULL if out of memory.
 */
struct vmfork_dirty *vmfork_mapping_dirty(struct vm_area_struct *vma,
					  unsigned long start,
					  unsigned long end)
{
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vma);
	u64 index = vma->vm_pgoff - ((vma->vm_start - start) >> PAGE_SHIFT);

	if (vmfork_dirty_knows(mapping->dirty, vma->vm_mm, start, end, index))
		return mapping->dirty;

	vmfork_dirty_stop(mapping->dirty);
	mapping->dirty = vmfork_dirty_start(vma->vm_mm, start, end - start,
					    index);
	if (mapping->dirty)
		vmfork_dirty_mark_all(mapping->dirty);
	return mapping->dirty;
}

/**
 * vmfork_mapping_move() - have a mapping map another snapshot
 * @vma: one of its VMAs; vmfork_mapping_extent() has found no others but those
 *	that it has locked
 * @snap: the snapshot.  What is mapped must be right for it.
 *
 * Return: the snapshot that it mapped so far; the reference is the caller's.
 */
struct vmfork_snapshot *vmfork_mapping_move(struct vm_area_struct *vma,
					    struct vmfork_snapshot *snap)
{
	struct vmfork_mapping *mapping = vmfork_vma_mapping(vma);
	struct vmfork_snapshot *old;
	struct file *named = NULL;

	spin_lock(&mapping->lock);
	old = mapping->snap;
	mapping->snap = vmfork_snapshot_get(snap);
	atomic_dec(&old->mappings);
	atomic_inc(&snap->mappings);
	if (old != snap)
		swap(named, mapping->named);
	spin_unlock(&mapping->lock);
	if (named)
		fput(named);
	WRITE_ONCE(mapping->shown.id, snap->shown.id);
	i_size_write(file_inode(vma->vm_file), snap->size);
	return old;
}
