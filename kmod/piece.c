// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capture a piece: one vm_mmap() of the snapshot over it.
 *
 *	vm_mmap()
 *	  mmap_write_lock()
 *	  do_mmap()
 *	    ->get_unmapped_area()	vmfork_piece_collect()
 *	    mmap_region()
 *	      unmaps what was there
 *	      ->mmap()			vmfork_piece_mmap()
 *	  mmap_write_unlock()
 *
 * All of it is one critical section, so no page can be faulted in, copied or
 * written through a new mapping between our walk and the unmapping; a write
 * through an old one goes into the page that we hold already.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/userfaultfd_k.h>

#include "backing.h"
#include "collect.h"
#include "dirty.h"
#include "mapping.h"
#include "owner.h"
#include "piece.h"
#include "registry.h"
#include "snapshot.h"
#include "source.h"
#include "target.h"
#include "trace.h"

/* Can what is not written to be read from the file? */
static bool is_suitable_file(const struct vm_area_struct *vma)
{
	return vmfork_backing_suits(vma->vm_file) &&
	       vma->vm_pgoff + ((vma->vm_end - vma->vm_start) >> PAGE_SHIFT) <=
	       VMFORK_FILE_PAGES;
}

/**
 * vmfork_check_vma() - may this VMA be captured
 * @vma: the mmap lock is held
 *
 * Return: VMFORK_OK or the enum vmfork_refusal that says why not.
 */
u32 vmfork_check_vma(const struct vm_area_struct *vma)
{
	if (!vmfork_vma_snapshot(vma)) {
		if (vma->vm_flags & VM_HUGETLB)
			return VMFORK_HUGETLB;
		if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
			return VMFORK_SPECIAL;
		if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
			return VMFORK_SHARED;
		if (vma->vm_ops && !vma->vm_file)
			return VMFORK_SPECIAL;
		if (vma->vm_ops && !is_suitable_file(vma))
			return VMFORK_FILE;
	}
	if (vma->vm_userfaultfd_ctx.ctx)
		return VMFORK_UFFD;
	if (vma->vm_flags & (VM_LOCKED | VM_LOCKONFAULT))
		return VMFORK_LOCKED;
	if (vma->vm_flags & VM_GROWSDOWN)
		return VMFORK_STACK;
	return VMFORK_OK;
}

/**
 * vmfork_piece_check_source() - may what a VMA maps be built upon
 * @piece: the VMA is that at its address
 * @vma: any; the mmap lock is held for writing
 *
 * Not while somebody else is capturing into it.  This capture's own snapshot is
 * all right at the very place that the piece has in it; anywhere else, somebody
 * has moved there what was captured a moment ago.
 *
 * Return: 0 or the errno of a refusal.
 */
int vmfork_piece_check_source(struct vmfork_piece *piece,
			      struct vm_area_struct *vma)
{
	struct vmfork_snapshot *source = vmfork_vma_snapshot(vma);

	if (!source || vmfork_snapshot_ready(source))
		return 0;
	if (source != piece->snap)
		piece->wait = vmfork_snapshot_get(source);
	else if (linear_page_index(vma, piece->addr) == piece->index)
		return 0;
	return vmfork_piece_refuse(piece, VMFORK_RACE, piece->addr);
}

/*
 * Is the piece still what it was when the capture looked at it?  If its
 * snapshot is not finished, its turn comes later: somebody else is at it.
 */
static int check_piece(struct vmfork_piece *piece, struct vm_area_struct *vma)
{
	u32 reason;

	if (test_bit(MMF_UNSTABLE, &piece->mm->flags))
		return vmfork_piece_refuse(piece, VMFORK_DYING, piece->addr);
	if (!vma || vma->vm_start > piece->addr ||
	    vma->vm_end < piece->addr + piece->len ||
	    (vma->vm_flags ^ piece->vm_flags) & ~VM_SOFTDIRTY)
		return vmfork_piece_refuse(piece, VMFORK_RACE, piece->addr);
	reason = vmfork_check_vma(vma);
	/* Another file, or not the one that it was. */
	if (!reason && vmfork_vma_source(vma) &&
	    !vmfork_source_is_of(piece->source, vma))
		reason = VMFORK_RACE;
	if (reason)
		return vmfork_piece_refuse(piece, reason, piece->addr);
	return vmfork_piece_check_source(piece, vma);
}

static void trace_phase(const struct vmfork_piece *piece, u32 phase, u64 ns)
{
	trace_vmfork_capture_phase(piece->snap->shown.id, piece->target->pid,
				   phase, ns);
}

static void seq_begin(struct vmfork_piece *piece)
{
	/*
	 * As fork(2): a page can not be pinned without the mmap lock between
	 * our look at it and its unmapping.
	 */
	raw_write_seqcount_begin(&piece->mm->write_protect_seq);
	piece->seq_held = true;
}

/**
 * vmfork_piece_seq_end() - allow pages to be pinned without a lock again
 * @piece: any
 */
void vmfork_piece_seq_end(struct vmfork_piece *piece)
{
	if (piece->seq_held)
		raw_write_seqcount_end(&piece->mm->write_protect_seq);
	piece->seq_held = false;
}

/**
 * vmfork_piece_begin() - collect a piece, with pinning held off
 * @piece: checked; the locks of its VMAs are held for writing
 * @source: the tree of what they map, or NULL
 * @source_index: its page at the beginning of the piece
 *
 * Return: 0, and vmfork_piece_seq_end() has to follow; or an errno.
 */
int vmfork_piece_begin(struct vmfork_piece *piece,
		       const struct vmfork_tree *source, u64 source_index)
{
	int err;

	piece->begin_ns = ktime_get_ns();
	seq_begin(piece);
	err = vmfork_collect(piece, source, source_index);
	if (err) {
		vmfork_piece_seq_end(piece);
		return err;
	}
	piece->collected = true;
	piece->collected_ns = ktime_get_ns();
	piece->counts->ns_collect += piece->collected_ns - piece->begin_ns;
	trace_phase(piece, VMFORK_PHASE_COLLECT,
		    piece->collected_ns - piece->begin_ns);
	return 0;
}

/**
 * vmfork_piece_commit() - make what was collected the snapshot's
 * @piece: collected, and unmapped since; the locks are still held
 */
void vmfork_piece_commit(struct vmfork_piece *piece)
{
	u64 begin = ktime_get_ns(), unmap = begin - piece->collected_ns, steal;

	trace_phase(piece, VMFORK_PHASE_UNMAP, unmap);
	vmfork_piece_steal(piece);
	vmfork_tree_commit(&piece->snap->tree, &piece->tree);
	piece->stolen = true;
	steal = ktime_get_ns() - begin;
	trace_phase(piece, VMFORK_PHASE_STEAL, steal);
	piece->counts->ns_unmap += unmap;
	piece->counts->ns_steal += steal;
}

/* What @vma maps, as a tree, and where it begins in that; NULL if nothing. */
static const struct vmfork_tree *source_of(struct vmfork_piece *piece,
					   struct vm_area_struct *vma,
					   u64 *index)
{
	struct vmfork_snapshot *snap = vmfork_vma_snapshot(vma);

	*index = linear_page_index(vma, piece->addr);
	if (snap) {
		vmfork_registry_set_parent(piece->snap, snap);
		return &snap->tree;
	}
	return vmfork_vma_source(vma) ? &piece->source->tree : NULL;
}

/**
 * vmfork_piece_collect() - what get_unmapped_area() does for a capture
 * @piece: the piece
 * @addr: where it is about to be mapped
 * @len: how much of it
 *
 * Return: @addr, or an errno as get_unmapped_area() returns it.
 */
unsigned long vmfork_piece_collect(struct vmfork_piece *piece,
				   unsigned long addr, unsigned long len)
{
	const struct vmfork_tree *source;
	struct vm_area_struct *vma;
	u64 index;
	int err;

	if (WARN_ON_ONCE(addr != piece->addr || len != piece->len))
		return -EINVAL;
	if (piece->collected)
		return addr;

	vma = find_vma(piece->mm, addr);
	err = check_piece(piece, vma);
	if (err)
		return err;

	/* Faults that hold nothing but the VMA's own lock come to an end. */
	vma_start_write(vma);
	source = source_of(piece, vma, &index);
	err = vmfork_piece_begin(piece, source, index);
	return err ?: addr;
}

/* Few pages are huge: faults had better bring their neighbours along. */
static bool wants_batches(const struct vmfork_piece *piece)
{
	const struct vmfork_large_chunk *chunk;
	unsigned long i, huge = 0;

	list_for_each_entry(chunk, &piece->larges, list)
		for (i = 0; i < chunk->nr; i++)
			huge += chunk->larges[i].whole &&
				!chunk->larges[i].copied;
	return huge * HPAGE_PMD_NR * 4 < piece->len >> PAGE_SHIFT;
}

/**
 * vmfork_piece_mmap() - what ->mmap() does for a capture
 * @piece: collected; the kernel has unmapped it
 * @vma: the mapping that takes its place
 *
 * Return: 0.
 */
int vmfork_piece_mmap(struct vmfork_piece *piece, struct vm_area_struct *vma)
{
	struct vmfork_mapping *mapping = piece->mapping->private_data;

	vmfork_piece_seq_end(piece);
	if (!piece->stolen)
		vmfork_piece_commit(piece);
	/* What was written up to now is captured. */
	vmfork_dirty_clear(mapping->dirty, vma->vm_start, vma->vm_end);
	vmfork_mapping_attach(piece->mapping, vma, wants_batches(piece));
	vm_flags_set(vma, piece->vm_flags & VMFORK_KEPT_FLAGS);
	return 0;
}

static unsigned long map_piece(struct vmfork_piece *piece, struct file *file,
			       unsigned long flags)
{
	return vmfork_map_like(file, piece->addr, piece->len, piece->index,
			       piece->vm_flags, flags);
}

static bool still_mapped(struct vmfork_piece *piece)
{
	struct vm_area_struct *vma;

	mmap_read_lock(piece->mm);
	vma = find_vma(piece->mm, piece->addr);
	mmap_read_unlock(piece->mm);
	return vma && vma->vm_start < piece->addr + piece->len;
}

/*
 * The kernel has unmapped the range and then found no memory for the new VMA.
 * The pages are in our hands: map them again, as often as it takes.  Only a
 * process that is dying, or has mapped something else there, goes without;
 * that somebody else who asked for the capture is killed is no reason.
 */
static int map_again(struct vmfork_piece *piece, struct file *file)
{
	unsigned long ret;

	for (;;) {
		if (fatal_signal_pending(current) ||
		    atomic_read(&piece->mm->mm_users) == 1)
			return -EINTR;
		ret = map_piece(piece, file,
				MAP_FIXED_NOREPLACE | MAP_NORESERVE);
		if (!IS_ERR_VALUE(ret))
			return 0;
		if (ret == -EEXIST)
			return vmfork_piece_refuse(piece, VMFORK_RACE,
						   piece->addr);
		msleep(20);
	}
}

/*
 * vm_mmap() has failed, and the mmap lock is not held any more.  fork(2) writes
 * the count too, under that lock: two writers at a time could lose one of their
 * steps, and it would be odd, or even when it must not be, for ever.
 */
static void seq_end_unlocked(struct vmfork_piece *piece)
{
	if (!piece->seq_held)
		return;
	mmap_write_lock(piece->mm);
	vmfork_piece_seq_end(piece);
	mmap_write_unlock(piece->mm);
}

static int recover(struct vmfork_piece *piece, struct file *file, int err)
{
	seq_end_unlocked(piece);
	if (!piece->collected)
		return err;
	if (!piece->stolen && still_mapped(piece)) {
		vmfork_tree_destroy(&piece->tree);
		piece->collected = false;
		return err;
	}
	return map_again(piece, file);
}

/**
 * vmfork_piece_held() - the mmap lock has been dropped
 * @piece: it was held since @piece->begin_ns
 */
void vmfork_piece_held(struct vmfork_piece *piece)
{
	piece->held_ns = ktime_get_ns() - piece->begin_ns;
	piece->counts->ns_longest = max_t(u64, piece->counts->ns_longest,
					  piece->held_ns);
}

/**
 * vmfork_piece_capture() - capture a piece
 * @piece: checked, and swapped in, a moment ago
 * @file: of piece->snap
 *
 * Runs with piece->mm as the current mm.
 *
 * Return: 0, or an errno and the memory is as it was.  -EAGAIN: something has
 * changed since it was checked (or piece->wait has to be finished first).
 */
int vmfork_piece_capture(struct vmfork_piece *piece, struct file *file)
{
	struct vmfork_snapshot *snap = piece->snap;
	unsigned long ret;
	int err = 0;

	if (!piece->mapping) {
		struct file *mapping = vmfork_mapping_create(snap);

		if (IS_ERR(mapping))
			return PTR_ERR(mapping);
		piece->mapping = mapping;
		vmfork_mapping_track(mapping, piece->mm, piece->addr,
				     piece->len, piece->index);
	}

	piece->begin_ns = ktime_get_ns();
	snap->piece = piece;
	WRITE_ONCE(snap->capturer, current);
	ret = map_piece(piece, file, MAP_FIXED);
	vmfork_piece_held(piece);
	if (IS_ERR_VALUE(ret))
		err = recover(piece, file, (int)ret);
	WRITE_ONCE(snap->capturer, NULL);
	snap->piece = NULL;
	return err;
}

/**
 * vmfork_piece_release() - free what a piece needed on its way
 * @piece: captured, or given up
 */
void vmfork_piece_release(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk, *next_chunk;
	struct page *page, *next_page;

	list_for_each_entry_safe(chunk, next_chunk, &piece->larges, list)
		kfree(chunk);
	INIT_LIST_HEAD(&piece->larges);
	list_for_each_entry_safe(page, next_page, &piece->spare, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
	INIT_LIST_HEAD(&piece->spare);
	if (piece->mapping)
		fput(piece->mapping);
	piece->mapping = NULL;
	if (piece->file)
		fput(piece->file);
	piece->file = NULL;
	vmfork_tree_destroy(&piece->tree);
	if (piece->charged)
		vmfork_owner_uncharge(piece->owner, piece->charged);
	piece->charged = 0;
	vmfork_snapshot_put(piece->wait);
	piece->wait = NULL;
}
