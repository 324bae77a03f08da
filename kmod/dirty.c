// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a mapping may have private pages: a bit for each run of 16 pages, set
 * before a page in it becomes private.  So that a capture or a reset looks at
 * what was written to, and at nothing else.
 *
 * A page of a private file mapping becomes private
 *
 * - by a write to a page that is not mapped: ->fault() is called for it;
 * - by a write to a page that is mapped read-only: the kernel copies it without
 *   a call of ours, but tells the mmu notifiers first (MMU_NOTIFY_CLEAR).
 *
 * A bit may be set for no reason: page tables tell in the end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>

#include "dirty.h"
#include "tree.h"

/*
 * 2 MiB of bits, for 1 TiB.  What is larger is sparse, most likely: its page
 * tables tell as quickly.
 */
#define MAX_BITS	(16UL * 1024 * 1024)

#define RUN_SIZE	(VMFORK_RUN_PAGES << PAGE_SHIFT)

/**
 * struct vmfork_dirty - the bits of one mapping in one mm
 * @notifier: on the range of addresses
 * @addr: where the range begins
 * @end: where it ends
 * @index: in the snapshot, of @addr
 * @known: the bits can be relied on
 * @nr: number of bits
 * @bits: of the run that @addr lies in, and all that follow
 */
struct vmfork_dirty {
	struct mmu_interval_notifier notifier;
	unsigned long addr;
	unsigned long end;
	u64 index;
	bool known;
	unsigned long nr;
	unsigned long bits[];
};

/* The bit of an address, which may be @end. */
static unsigned long bit_of(const struct vmfork_dirty *dirty,
			    unsigned long addr)
{
	u64 index = dirty->index + ((addr - dirty->addr) >> PAGE_SHIFT);

	return (index >> VMFORK_RUN_SHIFT) - (dirty->index >> VMFORK_RUN_SHIFT);
}

/* Where the run of a bit begins. */
static unsigned long addr_of(const struct vmfork_dirty *dirty,
			     unsigned long bit)
{
	unsigned long skew = (dirty->index & (VMFORK_RUN_PAGES - 1)) <<
			     PAGE_SHIFT;

	return bit ? dirty->addr - skew + bit * RUN_SIZE : dirty->addr;
}

static void mark_bit(struct vmfork_dirty *dirty, unsigned long bit)
{
	/* Most are set already: do not fight for the cache line. */
	if (!test_bit(bit, dirty->bits))
		set_bit(bit, dirty->bits);
}

static bool dirty_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *range,
			     unsigned long seq)
{
	struct vmfork_dirty *dirty = container_of(notifier, struct vmfork_dirty,
						  notifier);
	unsigned long begin = max(range->start, dirty->addr);
	unsigned long last = min(range->end, dirty->end) - 1, bit;

	mmu_interval_set_seq(notifier, seq);
	if (range->event == MMU_NOTIFY_CLEAR)
		for (bit = bit_of(dirty, begin); bit <= bit_of(dirty, last);
		     bit++)
			mark_bit(dirty, bit);
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate	= dirty_invalidate,
};

/**
 * vmfork_dirty_start() - begin to note what is written to
 * @mm: whose memory it is; held, and its mmap lock held for writing
 * @addr: where the mapping begins, or will begin
 * @len: its length in bytes
 * @index: in the snapshot, of @addr
 *
 * If it is mapped already, the locks of its VMAs are held for writing too, and
 * vmfork_dirty_mark_all() has to follow.
 *
 * Return: what vmfork_dirty_stop() takes, or NULL if it can not be noted.
 */
struct vmfork_dirty *vmfork_dirty_start(struct mm_struct *mm,
					unsigned long addr, unsigned long len,
					u64 index)
{
	u64 last = index + (len >> PAGE_SHIFT) - 1;
	struct vmfork_dirty *dirty;
	unsigned long nr;

	nr = (last >> VMFORK_RUN_SHIFT) - (index >> VMFORK_RUN_SHIFT) + 1;
	if (nr > MAX_BITS)
		return NULL;
	dirty = kvzalloc(struct_size(dirty, bits, BITS_TO_LONGS(nr)),
			 VMFORK_GFP | __GFP_ACCOUNT);
	if (!dirty)
		return NULL;
	dirty->addr = addr;
	dirty->end = addr + len;
	dirty->index = index;
	dirty->nr = nr;
	dirty->known = true;
	if (mmu_interval_notifier_insert_locked(&dirty->notifier, mm, addr, len,
						&notifier_ops)) {
		kvfree(dirty);
		return NULL;
	}
	/* It is told of nothing before what is going on elsewhere is over. */
	mmu_interval_read_begin(&dirty->notifier);
	return dirty;
}

/**
 * vmfork_dirty_stop() - note it no more
 * @dirty: nobody uses it; may be NULL
 *
 * May sleep.  Its mm may be gone by now.
 */
void vmfork_dirty_stop(struct vmfork_dirty *dirty)
{
	if (!dirty)
		return;
	mmu_interval_notifier_remove(&dirty->notifier);
	kvfree(dirty);
}

/**
 * vmfork_dirty_mark() - a page is about to become private
 * @dirty: of its mapping; may be NULL
 * @index: in the snapshot
 */
void vmfork_dirty_mark(struct vmfork_dirty *dirty, u64 index)
{
	unsigned long bit;

	if (!dirty)
		return;
	bit = (index >> VMFORK_RUN_SHIFT) - (dirty->index >> VMFORK_RUN_SHIFT);
	if (bit < dirty->nr)
		mark_bit(dirty, bit);
}

/**
 * vmfork_dirty_mark_all() - any page may be private
 * @dirty: of its mapping; the locks of its VMAs are held for writing
 */
void vmfork_dirty_mark_all(struct vmfork_dirty *dirty)
{
	bitmap_fill(dirty->bits, dirty->nr);
}

/**
 * vmfork_dirty_check_vma() - a VMA of the mapping was made from another one
 * @dirty: of its mapping; may be NULL
 * @vma: the new one; its mmap lock is held for writing
 *
 * If it is at another address, then what is written to it there is not noted,
 * and it may be moved back.  (A child of fork(2) has an mm of its own.)
 */
void vmfork_dirty_check_vma(struct vmfork_dirty *dirty,
			    const struct vm_area_struct *vma)
{
	if (dirty && vma->vm_mm == dirty->notifier.mm &&
	    !vmfork_dirty_knows(dirty, vma->vm_mm, vma->vm_start, vma->vm_end,
				vma->vm_pgoff))
		dirty->known = false;
}

/**
 * vmfork_dirty_knows() - can the bits be relied on
 * @dirty: may be NULL
 * @mm: where the range is; its mmap lock is held
 * @addr: where it begins
 * @end: where it ends
 * @index: in the snapshot, of @addr
 *
 * Return: true if a page of the range is private only where a bit is set.
 */
bool vmfork_dirty_knows(const struct vmfork_dirty *dirty,
			const struct mm_struct *mm, unsigned long addr,
			unsigned long end, u64 index)
{
	return dirty && dirty->known && dirty->notifier.mm == mm &&
	       addr >= dirty->addr && end <= dirty->end &&
	       index - dirty->index == (addr - dirty->addr) >> PAGE_SHIFT;
}

/**
 * vmfork_dirty_next() - the next part of a range that may have private pages
 * @dirty: knows the range
 * @addr: where to begin; set to where the part begins
 * @run_end: set to where it ends
 * @end: end of the range
 *
 * Return: false if there is no more.
 */
bool vmfork_dirty_next(const struct vmfork_dirty *dirty, unsigned long *addr,
		       unsigned long *run_end, unsigned long end)
{
	unsigned long bit, nr;

	if (*addr >= end)
		return false;
	nr = bit_of(dirty, end - 1) + 1;
	bit = find_next_bit(dirty->bits, nr, bit_of(dirty, *addr));
	if (bit >= nr)
		return false;
	*addr = max(*addr, addr_of(dirty, bit));
	bit = find_next_zero_bit(dirty->bits, nr, bit);
	*run_end = min(end, addr_of(dirty, bit));
	return true;
}

/**
 * vmfork_dirty_clear() - nothing is private in a range any more
 * @dirty: knows the range; may be NULL
 * @addr: where it begins
 * @end: where it ends
 *
 * The locks of its VMAs are held for writing.  A bit of which part is outside
 * of the range stays.
 */
void vmfork_dirty_clear(struct vmfork_dirty *dirty, unsigned long addr,
			unsigned long end)
{
	unsigned long bit, nr;

	if (!dirty)
		return;
	bit = bit_of(dirty, addr);
	if (addr > addr_of(dirty, bit))
		bit++;
	nr = end == dirty->end ? dirty->nr : bit_of(dirty, end);
	/* Others are set at the same time. */
	while ((bit = find_next_bit(dirty->bits, nr, bit)) < nr)
		clear_bit(bit, dirty->bits);
}
