/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A piece: the part of a region that lies in one VMA, captured in one
 * critical section of the mmap lock.
 */
#ifndef VMFORK_PIECE_H
#define VMFORK_PIECE_H

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/vmfork.h>

#include "ranges.h"
#include "tree.h"

struct file;
struct vmfork_dirty;
struct vmfork_owner;
struct vmfork_snapshot;
struct vmfork_source;
struct vmfork_target;

/**
 * struct vmfork_large - a large folio that was collected, whole or in part
 * @folio: referenced @refs times, once for each slot that it is in
 * @addr: of the first page of it that was collected
 * @index: in the snapshot, of the folio's first page, collected or not
 * @refs: our references
 * @maps: the mappings of it that the walk has seen, each one reference
 * @whole: it was collected as one huge page
 * @nr: pages of it that were collected
 * @exclusive: only this process had it when it was collected
 * @copied: why it could not be stolen; NULL if it was.  One of the counters
 *	of struct vmfork_capture
 */
struct vmfork_large {
	struct folio *folio;
	unsigned long addr;
	u64 index;
	unsigned int refs;
	unsigned int maps;
	unsigned int nr;
	bool exclusive;
	bool whole;
	u64 *copied;
};

/* So little of it was collected that it should not be held as a whole. */
static inline bool vmfork_large_is_part(const struct vmfork_large *large)
{
	return large->nr * 2 < folio_nr_pages(large->folio);
}

/* A page of large folios, in the order of their addresses. */
#define VMFORK_LARGE_PER_CHUNK	((PAGE_SIZE - 32) / sizeof(struct vmfork_large))

struct vmfork_large_chunk {
	struct list_head list;
	unsigned long nr;
	struct vmfork_large larges[VMFORK_LARGE_PER_CHUNK];
};

/**
 * struct vmfork_piece - a piece and how far its capture has come
 * @snap: captured into
 * @tree: what the snapshot's tree will be when the piece is captured
 * @mm: captured from
 * @addr: where it begins
 * @len: its length in bytes
 * @index: its first page in the snapshot
 * @vm_flags: what the VMA must still be when its turn comes
 * @wiped: it is MADV_WIPEONFORK memory, and left as it is
 * @remapped: it is a mapping of a snapshot already
 * @counts: the capture's results, which the piece adds to
 * @why: why it was refused
 * @target: who may be killed
 * @file: that it maps privately, referenced, or NULL
 * @source: what is known of that file; of the capture
 * @mapping: file of the mapping that takes the piece's place, made before
 * @dirty: where it may have private pages, if that is known
 * @larges: struct vmfork_large_chunk
 * @spare: pages for copies, allocated before the unmapping
 * @smalls: small pages that were collected
 * @suspects: pages that look as if they had to be copied
 * @pinned: pages that are pinned for DMA
 * @busy: exclusive pages that somebody holds a reference on
 * @unsettled: some small page is not simply mapped once and held by us
 * @owner: who is charged for the pages
 * @charged: pages that it is charged for, and that are not the tree's yet
 * @patience: how often @busy and @pinned may still ask for a retry
 * @wait: a snapshot that has to be finished first; a reference
 * @seq_held: mm->write_protect_seq is held
 * @begin_ns: when collecting began
 * @collected: the pages are in the tree
 * @stolen: ->mmap() was called, they are the snapshot's own
 * @spin_ns: how long it may still look whether references go away
 * @collected_ns: when collecting was over
 * @held_ns: how long the mmap lock was held
 */
struct vmfork_piece {
	struct vmfork_snapshot *snap;
	struct vmfork_tree tree;
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long len;
	u64 index;
	vm_flags_t vm_flags;
	bool wiped;
	bool remapped;
	struct vmfork_capture *counts;
	struct vmfork_refused *why;
	const struct vmfork_target *target;
	struct file *file;
	struct vmfork_source *source;
	struct file *mapping;
	const struct vmfork_dirty *dirty;
	struct list_head larges;
	struct list_head spare;
	u64 smalls;
	u64 suspects;
	u64 pinned;
	u64 busy;
	bool unsettled;
	struct vmfork_owner *owner;
	u64 charged;
	unsigned int patience;
	struct vmfork_snapshot *wait;
	bool seq_held;
	bool collected;
	bool stolen;
	u64 spin_ns;
	u64 begin_ns;
	u64 collected_ns;
	u64 held_ns;
};

int vmfork_piece_begin(struct vmfork_piece *piece,
		       const struct vmfork_tree *source, u64 source_index);
int vmfork_piece_capture(struct vmfork_piece *piece, struct file *file);
unsigned long vmfork_piece_collect(struct vmfork_piece *piece,
				   unsigned long addr, unsigned long len);
int vmfork_piece_mmap(struct vmfork_piece *piece, struct vm_area_struct *vma);
void vmfork_piece_release(struct vmfork_piece *piece);
void vmfork_piece_commit(struct vmfork_piece *piece);
void vmfork_piece_held(struct vmfork_piece *piece);
void vmfork_piece_seq_end(struct vmfork_piece *piece);
void vmfork_piece_steal(struct vmfork_piece *piece);
u32 vmfork_check_vma(const struct vm_area_struct *vma);
int vmfork_piece_check_source(struct vmfork_piece *piece,
			      struct vm_area_struct *vma);
int vmfork_piece_swapin(struct vmfork_piece *piece);

#endif /* VMFORK_PIECE_H */
