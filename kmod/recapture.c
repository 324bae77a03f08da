// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capture a piece again, in place.
 *
 * A piece that is all of a mapping, and keeps its place in the snapshot, needs
 * no new VMA.  What its process has written since the last capture is
 * collected on top of the tree that it maps, only that is unmapped, and the
 * mapping is moved to the new snapshot.  Pages that nobody wrote to stay
 * mapped, by KVM too.  So the cost is that of what changed.
 *
 * The mapping has an address_space of its own: unmapping by it drops nobody
 * else's private pages.  One that fork(2), mremap(2) or munmap(2) have torn
 * apart is captured the other way.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/timekeeping.h>

#include "collect.h"
#include "dirty.h"
#include "mapping.h"
#include "piece.h"
#include "recapture.h"
#include "registry.h"
#include "snapshot.h"

/* Clean pages between two runs are unmapped too if there are at most these. */
#define MAX_GAP	4

/* Pages of @mapping that are to be unmapped; empty if @end is 0. */
struct run {
	struct address_space *mapping;
	u64 first;
	u64 end;
};

static void unmap_run(struct run *run)
{
	if (run->end)
		unmap_mapping_pages(run->mapping, run->first,
				    run->end - run->first, true);
	cond_resched();
}

static void add_to_run(struct run *run, u64 first, u64 end)
{
	if (!run->end || first > run->end + MAX_GAP) {
		unmap_run(run);
		run->first = first;
	}
	run->end = end;
}

static void unmap_collected(struct vmfork_piece *piece,
			    struct address_space *mapping)
{
	u64 index = piece->index, end = index + (piece->len >> PAGE_SHIFT);
	struct run run = { .mapping = mapping };
	unsigned int level;
	unsigned long *slot;
	u64 next;

	while ((slot = vmfork_tree_next_fresh(&piece->tree, &index, end,
					      &level))) {
		if (level) {
			next = index + VMFORK_HUGE_PAGES;
			add_to_run(&run, index, next);
			index = next;
			continue;
		}
		next = min(end, (index | (VMFORK_RUN_PAGES - 1)) + 1);
		for (; index < next; index++, slot++)
			if (*slot & VMFORK_SLOT_FRESH)
				add_to_run(&run, index, index + 1);
	}
	unmap_run(&run);
}

/* All that is left to check, for each VMA. */
static int check_vmas(struct vmfork_piece *piece, struct vm_area_struct *vma)
{
	unsigned long addr = piece->addr, end = addr + piece->len;
	u32 reason = VMFORK_OK;
	int err;

	err = vmfork_piece_check_source(piece, vma);
	if (err)
		return err;

	if (test_bit(MMF_UNSTABLE, &piece->mm->flags))
		reason = VMFORK_DYING;
	while (!reason && addr < end) {
		vma = find_vma(piece->mm, addr);
		reason = vmfork_check_vma(vma);
		if (!reason)
			addr = vma->vm_end;
	}
	return reason ? vmfork_piece_refuse(piece, reason, addr) : 0;
}

/*
 * Set the piece to all of [its address, end) that lies in one mapping.  True
 * if it can be captured in place.
 */
static bool take_extent(struct vmfork_piece *piece, struct vm_area_struct *vma,
			unsigned long end, unsigned long *map_start,
			unsigned long *map_end)
{
	bool whole;

	if (!vma || vma->vm_start > piece->addr || !vmfork_vma_snapshot(vma) ||
	    linear_page_index(vma, piece->addr) != piece->index)
		return false;
	if (!vmfork_mapping_extent(vma, map_start, map_end))
		return false;
	whole = piece->addr == *map_start && end >= *map_end;
	if (!whole && vmfork_vma_snapshot(vma) != piece->snap)
		return false;
	piece->len = min(end, *map_end) - piece->addr;
	return true;
}

/* The mmap lock is held for writing.  Nothing fails once it is collected. */
static int recapture(struct vmfork_piece *piece, unsigned long end,
		     struct vmfork_snapshot **old)
{
	struct vm_area_struct *vma = find_vma(piece->mm, piece->addr);
	unsigned long map_start, map_end;
	struct vmfork_dirty *dirty;
	int err;

	if (!take_extent(piece, vma, end, &map_start, &map_end))
		return -ENOEXEC;
	err = check_vmas(piece, vma);
	if (err)
		return err;
	dirty = vmfork_mapping_dirty(vma, map_start, map_end);
	piece->dirty = dirty;
	vmfork_registry_set_parent(piece->snap, vmfork_vma_snapshot(vma));
	err = vmfork_piece_begin(piece, &vmfork_vma_snapshot(vma)->tree,
				 piece->index);
	if (err)
		return err;

	unmap_collected(piece, vma->vm_file->f_mapping);
	vmfork_piece_commit(piece);
	vmfork_dirty_clear(dirty, piece->addr, piece->addr + piece->len);
	if (vmfork_vma_snapshot(vma) != piece->snap)
		*old = vmfork_mapping_move(vma, piece->snap);
	vmfork_piece_seq_end(piece);
	piece->counts->pages_in_place += piece->len >> PAGE_SHIFT;
	return 0;
}

/**
 * vmfork_piece_recapture() - capture a piece in place, if that can be
 * @piece: checked, and swapped in, a moment ago
 * @end: the piece may be made longer, up to this address
 *
 * Return: 0, or an errno and the memory is as it was; -ENOEXEC if it can not
 * be captured in place.
 */
int vmfork_piece_recapture(struct vmfork_piece *piece, unsigned long end)
{
	struct vmfork_snapshot *old = NULL;
	int err;

	err = mmap_write_lock_killable(piece->mm);
	if (err)
		return err;
	piece->begin_ns = ktime_get_ns();
	err = recapture(piece, end, &old);
	mmap_write_unlock(piece->mm);
	vmfork_piece_held(piece);
	piece->dirty = NULL;
	vmfork_snapshot_put_later(old);
	return err;
}

/* The mmap lock is held for writing. */
static int join(struct vmfork_piece *piece, unsigned long end,
		struct vmfork_snapshot **old)
{
	struct vm_area_struct *vma = find_vma(piece->mm, piece->addr);
	unsigned long map_start, map_end;
	struct vmfork_snapshot *source;
	int err;

	if (!take_extent(piece, vma, end, &map_start, &map_end))
		return -ENOEXEC;
	err = check_vmas(piece, vma);
	if (err)
		return err;
	source = vmfork_vma_snapshot(vma);
	vmfork_tree_begin(&piece->tree, &piece->snap->tree);
	err = vmfork_tree_share(&piece->tree, piece->index, &source->tree,
				piece->index, piece->len >> PAGE_SHIFT);
	if (err) {
		vmfork_tree_destroy(&piece->tree);
		return err;
	}
	vmfork_tree_commit(&piece->snap->tree, &piece->tree);
	vmfork_registry_set_parent(piece->snap, source);
	*old = vmfork_mapping_move(vma, piece->snap);
	return 0;
}

/**
 * vmfork_piece_join() - have a mapping map the new snapshot, which says the same
 * @piece: checked a moment ago
 * @end: the piece is made as long as the mapping, up to this address
 *
 * Then it can be captured in place, part by part.
 *
 * Return: 0 or an errno; -ENOEXEC if it can not be captured in place.
 */
int vmfork_piece_join(struct vmfork_piece *piece, unsigned long end)
{
	struct vmfork_snapshot *old = NULL;
	int err;

	err = mmap_write_lock_killable(piece->mm);
	if (err)
		return err;
	piece->begin_ns = ktime_get_ns();
	err = join(piece, end, &old);
	mmap_write_unlock(piece->mm);
	vmfork_piece_held(piece);
	vmfork_snapshot_put_later(old);
	return err;
}
