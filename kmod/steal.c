// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make the pages that were collected the snapshot's own.
 *
 * Runs after the kernel has unmapped the range, in the same critical section
 * of the mmap lock: nobody can have faulted, and no fault will see a page that
 * still looks anonymous.  A page that only we hold is stolen; one that anybody
 * else holds is copied.  Nothing may fail here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "owner.h"
#include "pages.h"
#include "piece.h"
#include "snapshot.h"

/* Goes through the large folios of a piece in the order of their slots. */
struct large_cursor {
	struct list_head *head;
	struct vmfork_large_chunk *chunk;
	unsigned long i;
};

static struct vmfork_large *large_next(struct large_cursor *c)
{
	struct list_head *next = c->chunk ? c->chunk->list.next :
					    c->head->next;

	if (c->chunk && ++c->i < c->chunk->nr)
		return &c->chunk->larges[c->i];
	if (next == c->head)
		return NULL;
	c->chunk = list_entry(next, struct vmfork_large_chunk, list);
	c->i = 0;
	return c->chunk->nr ? &c->chunk->larges[0] : NULL;
}

static struct vmfork_large *large_of(struct large_cursor *c,
				     struct vmfork_large *l,
				     struct folio *folio)
{
	while (!l || l->folio != folio)
		l = large_next(c);
	return l;
}

/*
 * By the clock: in a virtual machine cpu_relax() can take as long as it likes
 * the hypervisor.
 */
static void spin(struct vmfork_piece *piece)
{
	u64 begin = ktime_get_ns();

	cpu_relax();
	cond_resched();
	piece->spin_ns -= min(piece->spin_ns, ktime_get_ns() - begin);
}

/*
 * The counter of why a folio can not be stolen, or NULL if it was.  A
 * reference that is not a mapping's may go away any moment: look again a few
 * times before a page is copied for it.
 */
static u64 *take(struct vmfork_piece *piece, struct folio *folio, int refs,
		 u64 index, bool spread)
{
	u16 owner = vmfork_owner_number(piece->owner);
	struct vmfork_capture *counts = piece->counts;

	if (folio_test_ksm(folio))
		return &counts->copied_ksm;
	if (folio_zonenum(folio) == ZONE_MOVABLE)
		return &counts->copied_partial;
	while (!vmfork_folio_take(folio, refs, index, owner, spread)) {
		if (folio_mapped(folio))
			return &counts->copied_shared;
		if (!piece->spin_ns || folio_test_swapcache(folio))
			return &counts->copied_busy;
		spin(piece);
	}
	piece->charged -= folio_nr_pages(folio);
	return NULL;
}

static u64 *take_large(struct vmfork_piece *piece, struct vmfork_large *l)
{
	u64 *why;

	if (vmfork_large_is_part(l))
		return &piece->counts->copied_partial;
	why = take(piece, l->folio, l->refs, l->index,
		   !l->whole || l->maps > 1);
	if (why == &piece->counts->copied_shared && l->exclusive)
		return &piece->counts->copied_partial;
	return why;
}

static struct page *copy_of(struct vmfork_piece *piece, struct page *old,
			    u64 index)
{
	struct page *page = list_first_entry_or_null(&piece->spare, struct page,
						     lru);

	if (page)
		list_del(&page->lru);
	else	/* Somebody took hold of it since it was collected. */
		page = alloc_page(GFP_HIGHUSER | __GFP_NOFAIL);
	copy_highpage(page, old);
	vmfork_page_own(page, index, vmfork_owner_number(piece->owner));
	piece->charged--;
	return page;
}

static void steal_leaf(struct vmfork_piece *piece, unsigned long *slot,
		       u64 index, u64 end, struct large_cursor *cursor,
		       struct vmfork_large **large)
{
	struct vmfork_capture *counts = piece->counts;
	struct folio *folio;
	struct page *page;
	u64 *why;

	for (; index < end; index++, slot++) {
		if (!(*slot & VMFORK_SLOT_FRESH))
			continue;
		page = vmfork_slot_page(*slot);
		folio = page_folio(page);
		if (unlikely(folio_test_large(folio))) {
			*large = large_of(cursor, *large, folio);
			why = (*large)->copied;
		} else {
			why = take(piece, folio, 1, index, false);
		}
		if (likely(!why)) {
			*slot = (unsigned long)page;
			counts->pages_stolen++;
			continue;
		}
		*slot = (unsigned long)copy_of(piece, page, index);
		put_page(page);
		counts->pages_copied++;
		(*why)++;
	}
}

/**
 * vmfork_piece_steal() - make collected pages the snapshot's own
 * @piece: collected, and unmapped since; its mmap lock is held for writing
 */
void vmfork_piece_steal(struct vmfork_piece *piece)
{
	u64 index = piece->index, end = index + (piece->len >> PAGE_SHIFT);
	struct large_cursor cursor = { .head = &piece->larges };
	struct vmfork_large *large;
	unsigned int level;
	unsigned long *slot;
	u64 next;

	while ((large = large_next(&cursor)))
		large->copied = take_large(piece, large);

	cursor = (struct large_cursor) { .head = &piece->larges };
	large = NULL;
	while ((slot = vmfork_tree_next_fresh(&piece->tree, &index, end,
					      &level))) {
		cond_resched();
		if (!level) {
			next = min(end, (index | (VMFORK_RUN_PAGES - 1)) + 1);
			steal_leaf(piece, slot, index, next, &cursor, &large);
			index = next;
			continue;
		}
		large = large_of(&cursor, large,
				 page_folio(vmfork_slot_page(*slot)));
		if (!large->copied) {
			*slot &= ~VMFORK_SLOT_FRESH;
			piece->counts->pages_stolen += VMFORK_HUGE_PAGES;
			index += VMFORK_HUGE_PAGES;
			continue;
		}
		/* Copied page by page: make it a leaf, and come by again. */
		vmfork_tree_leaf(&piece->tree, index,
				 GFP_KERNEL | __GFP_NOFAIL);
	}
}
