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

struct vmfork_mapping;
struct vmfork_owner;
struct vmfork_snapshot;

/**
 * struct vmfork_large - a large folio that was collected, whole or in part
 * @folio: referenced @refs times, once for each slot that it is in
 * @addr: of the first page of it that was collected
 * @index: in the snapshot, of the folio's first page, collected or not
 * @refs: our references
 * @maps: the mappings of it that the walk has seen, each one reference
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
 * @mm: captured from
 * @addr: where it begins
 * @len: its length in bytes
 * @index: its first page in the snapshot
 * @vm_flags: what the VMA must still be when its turn comes
 * @wiped: it is MADV_WIPEONFORK memory, and left as it is
 * @counts: the capture's results, which the piece adds to
 * @why: why it was refused
 * @cancel: set when the caller was killed while another task captures
 * @mapping: for the new VMA, allocated before
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
 * @wait: a snapshot that has to be finished first; a file reference
 * @seq_held: mm->write_protect_seq is held
 * @collected: the pages are in the tree
 * @stolen: ->mmap() was called, they are the snapshot's own
 * @spin_ns: how long it may still look whether references go away
 * @collected_ns: when collecting was over
 */
struct vmfork_piece {
	struct vmfork_snapshot *snap;
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long len;
	u64 index;
	vm_flags_t vm_flags;
	bool wiped;
	struct vmfork_capture *counts;
	struct vmfork_refused *why;
	const bool *cancel;
	struct vmfork_mapping *mapping;
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
	struct file *wait;
	bool seq_held;
	bool collected;
	bool stolen;
	u64 spin_ns;
	u64 collected_ns;
};

int vmfork_piece_capture(struct vmfork_piece *piece, struct file *file);
unsigned long vmfork_piece_collect(struct vmfork_piece *piece,
				   unsigned long addr, unsigned long len);
int vmfork_piece_mmap(struct vmfork_piece *piece, struct vm_area_struct *vma);
void vmfork_piece_release(struct vmfork_piece *piece);
void vmfork_piece_steal(struct vmfork_piece *piece);
u32 vmfork_check_vma(const struct vm_area_struct *vma);
int vmfork_piece_swapin(struct vmfork_piece *piece);

#endif /* VMFORK_PIECE_H */
