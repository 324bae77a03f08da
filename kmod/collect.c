// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collect a piece: put a reference on each anonymous page of it into the
 * snapshot's tree, as a fresh page.
 *
 * Runs under the write-held mmap lock, in the critical section in which the
 * kernel will unmap the range.  Nothing is changed in the process here, so
 * whatever fails, fails without a trace.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmzone.h>
#include <linux/slab.h>

#include "collect.h"
#include "dirty.h"
#include "lru.h"
#include "owner.h"
#include "pages.h"
#include "piece.h"
#include "ptwalk.h"
#include "snapshot.h"
#include "target.h"

/**
 * vmfork_piece_refuse() - note why and where a piece was refused
 * @piece: the piece
 * @reason: enum vmfork_refusal
 * @addr: the address
 *
 * Return: the errno of @reason.
 */
int vmfork_piece_refuse(struct vmfork_piece *piece, u32 reason,
			unsigned long addr)
{
	piece->why->reason = reason;
	piece->why->addr = addr;
	return vmfork_refusal_errno(reason);
}

static u64 index_of(const struct vmfork_piece *piece, unsigned long addr)
{
	return piece->index + ((addr - piece->addr) >> PAGE_SHIFT);
}

static bool can_steal(const struct folio *folio)
{
	unsigned long kind = (unsigned long)folio->mapping & PAGE_MAPPING_FLAGS;

	return kind == PAGE_MAPPING_ANON &&
	       folio_zonenum(folio) != ZONE_MOVABLE;
}

static void note_pinned(struct vmfork_piece *piece, unsigned long addr,
			unsigned int nr)
{
	if (!piece->pinned)
		piece->why->addr = addr;
	piece->pinned += nr;
}

/* Mapped once, held by us, and by nobody else. */
static bool is_plain(const struct folio *folio)
{
	return folio_ref_count(folio) == 2 && can_steal(folio);
}

/*
 * A small page that is not plain.  It may be in the swap cache, shared by
 * fork(2), merged, or in use by somebody's get_user_pages().
 */
static void suspect_page(struct vmfork_piece *piece, struct page *page,
			 unsigned long addr)
{
	struct folio *folio = page_folio(page);

	if (can_steal(folio) && PageAnonExclusive(page)) {
		if (folio_maybe_dma_pinned(folio)) {
			note_pinned(piece, addr, 1);
			return;
		}
		if (!folio_test_swapcache(folio))
			piece->busy++;
	}
	piece->suspects++;
}

static int large_chunk_add(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk;

	BUILD_BUG_ON(sizeof(*chunk) > PAGE_SIZE);
	chunk = kzalloc(sizeof(*chunk), VMFORK_GFP);
	if (!chunk)
		return -ENOMEM;
	list_add_tail(&chunk->list, &piece->larges);
	return 0;
}

/* Before the page table lock is taken: room for a whole table's folios. */
static int large_reserve(struct vmfork_piece *piece, unsigned long nr)
{
	struct vmfork_large_chunk *chunk;
	unsigned long room = 0;

	list_for_each_entry_reverse(chunk, &piece->larges, list) {
		room += VMFORK_LARGE_PER_CHUNK - chunk->nr;
		if (chunk->nr)
			break;
	}
	for (; room < nr; room += VMFORK_LARGE_PER_CHUNK)
		if (large_chunk_add(piece))
			return -ENOMEM;
	return 0;
}

/* Is there room for one more? */
static bool has_room(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk;

	if (list_empty(&piece->larges))
		return false;
	chunk = list_last_entry(&piece->larges, struct vmfork_large_chunk,
				list);
	return chunk->nr < VMFORK_LARGE_PER_CHUNK;
}

/* The first chunk with room; those behind it are empty. */
static struct vmfork_large_chunk *large_tail(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk, *tail = NULL;

	list_for_each_entry_reverse(chunk, &piece->larges, list) {
		if (chunk->nr == VMFORK_LARGE_PER_CHUNK)
			break;
		tail = chunk;
		if (chunk->nr)
			break;
	}
	return tail;
}

static struct vmfork_large *large_last(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk;

	list_for_each_entry_reverse(chunk, &piece->larges, list)
		if (chunk->nr)
			return &chunk->larges[chunk->nr - 1];
	return NULL;
}

/* Under the page table lock; large_reserve() has made room. */
static void note_large(struct vmfork_piece *piece, struct page *page,
		       unsigned long addr, unsigned int refs, unsigned int nr,
		       bool exclusive)
{
	struct vmfork_large *last = large_last(piece);
	struct folio *folio = page_folio(page);
	struct vmfork_large_chunk *chunk;

	if (!last || last->folio != folio) {
		chunk = large_tail(piece);
		last = &chunk->larges[chunk->nr++];
		last->folio = folio;
		last->addr = addr;
		last->exclusive = exclusive;
		last->index = index_of(piece, addr) -
			      folio_page_idx(folio, page);
	}
	last->refs += refs;
	last->maps++;
	last->nr += nr;
	last->whole = nr == HPAGE_PMD_NR;
}

/* Which large folios look as if they had to be copied. */
static void suspect_larges(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk;
	unsigned long i;

	list_for_each_entry(chunk, &piece->larges, list) {
		for (i = 0; i < chunk->nr; i++) {
			struct vmfork_large *l = &chunk->larges[i];

			if (folio_maybe_dma_pinned(l->folio)) {
				note_pinned(piece, l->addr, l->nr);
				continue;
			}
			if (folio_ref_count(l->folio) != l->refs + l->maps ||
			    !can_steal(l->folio) || vmfork_large_is_part(l))
				piece->suspects += l->nr;
		}
	}
}

static void suspect_leaf(struct vmfork_piece *piece, const unsigned long *slot,
			 u64 index, u64 end)
{
	struct page *page;

	for (; index < end; index++, slot++) {
		if (!(*slot & VMFORK_SLOT_FRESH))
			continue;
		page = vmfork_slot_page(*slot);
		if (!PageCompound(page) && !is_plain(page_folio(page)))
			suspect_page(piece, page, piece->addr +
				     ((index - piece->index) << PAGE_SHIFT));
	}
}

/* Which small pages do. */
static void suspect_smalls(struct vmfork_piece *piece)
{
	u64 index = piece->index, end = index + (piece->len >> PAGE_SHIFT);
	unsigned long *slot;
	unsigned int level;
	u64 next;

	while ((slot = vmfork_tree_next_fresh(&piece->tree, &index, end,
					      &level))) {
		cond_resched();
		next = min(end, (index | (VMFORK_RUN_PAGES - 1)) + 1);
		if (!level)
			suspect_leaf(piece, slot, index, next);
		index = level ? index + VMFORK_HUGE_PAGES : next;
	}
}

/* Put one page into a leaf of ours; what it had there is replaced. */
static void collect_page(struct vmfork_node *leaf, u64 index, struct page *page)
{
	unsigned long old = vmfork_leaf_set_fresh(leaf, index, page);

	/* The older snapshot that this page was written over has it too. */
	vmfork_slot_drop(old);
}

static void collect_zero(struct vmfork_node *leaf, u64 index)
{
	unsigned long *slot = &leaf->slots[index & (VMFORK_RUN_PAGES - 1)];
	unsigned long old = *slot;

	*slot = 0;
	vmfork_slot_drop(old);
}

/* A present anonymous page of a page table, its lock held. */
static void collect_pte(struct vmfork_piece *piece, struct vmfork_node *leaf,
			unsigned long addr, u64 index, struct page *page)
{
	struct folio *folio = page_folio(page);

	folio_get(folio);
	collect_page(leaf, index, page);
	if (folio_test_large(folio)) {
		note_large(piece, page, addr, 1, 1, PageAnonExclusive(page));
		return;
	}
	piece->smalls++;
	if (unlikely(!is_plain(folio)))
		piece->unsettled = true;
}

/* The leaves that a page table spans; one more where it is skewed to them. */
#define TABLE_LEAVES	(PTRS_PER_PTE / VMFORK_RUN_PAGES + 1)

/*
 * Does an entry say something that the tree does not?  A zero page in anonymous
 * memory is a hole as good as none.  In a mapping of a snapshot or a file, KSM
 * may have put one in the place of a private page.
 */
static bool is_collected(const struct vmfork_piece *piece, pte_t ent)
{
	if (pte_none(ent))
		return false;
	if (!pte_present(ent))
		return true;
	if (pte_special(ent))
		return piece->remapped;
	return PageAnon(pte_page(ent));
}

/* Where the leaf that spans @addr ends, or @next. */
static unsigned long leaf_end(const struct vmfork_piece *piece,
			      unsigned long addr, unsigned long next)
{
	unsigned long nr = VMFORK_RUN_PAGES -
			   (index_of(piece, addr) & (VMFORK_RUN_PAGES - 1));

	return min(next, addr + (nr << PAGE_SHIFT));
}

/* Which leaves will be needed, as bits; the table's lock is held. */
static u64 leaves_needed(const struct vmfork_piece *piece, pte_t *pte,
			 unsigned long addr, unsigned long next)
{
	u64 needed = 0, bit = 1;
	unsigned long end;

	BUILD_BUG_ON(TABLE_LEAVES > 64);
	for (; addr < next; addr = end, bit <<= 1) {
		end = leaf_end(piece, addr, next);
		for (; addr < end; pte++, addr += PAGE_SIZE) {
			pte_t ent = ptep_get(pte);

			if (!is_collected(piece, ent))
				continue;
			needed |= bit;
			pte += (end - addr) >> PAGE_SHIFT;
			break;
		}
	}
	return needed;
}

/*
 * The part of a table that lies in one leaf: where that came to an end, which
 * may be for want of room for large folios.
 */
static unsigned long collect_leaf(struct vmfork_piece *piece,
				  struct vmfork_node *leaf, pte_t *pte,
				  unsigned long addr, unsigned long end)
{
	u64 index = index_of(piece, addr);
	pte_t ent;

	for (; addr < end; pte++, addr += PAGE_SIZE, index++) {
		ent = ptep_get(pte);
		if (!is_collected(piece, ent))
			continue;
		if (unlikely(!pte_present(ent) || !leaf))
			break;
		if (unlikely(pte_special(ent))) {
			collect_zero(leaf, index);
			continue;
		}
		if (unlikely(folio_test_large(page_folio(pte_page(ent))) &&
			     !has_room(piece)))
			break;
		collect_pte(piece, leaf, addr, index, pte_page(ent));
	}
	return addr;
}

/* From *@addr on; stops before @next if there has to be room first. */
static int collect_leaves(struct vmfork_piece *piece, struct mm_struct *mm,
			  pmd_t *pmd, struct vmfork_node **leaves,
			  unsigned long table, unsigned long *addr,
			  unsigned long next)
{
	spinlock_t *ptl = vmfork_lock_table(mm, pmd);
	unsigned long end;
	unsigned int nr;
	bool gone = false;
	pte_t *pte;

	if (!ptl)
		return vmfork_piece_refuse(piece, VMFORK_RACE, *addr);
	while (*addr < next) {
		end = leaf_end(piece, *addr, next);
		nr = (index_of(piece, *addr) >> VMFORK_RUN_SHIFT) -
		     (index_of(piece, table) >> VMFORK_RUN_SHIFT);
		pte = pte_offset_kernel(pmd, *addr);
		*addr = collect_leaf(piece, leaves[nr], pte, *addr, end);
		if (*addr < end) {
			pte = pte_offset_kernel(pmd, *addr);
			gone = !leaves[nr] || !pte_present(ptep_get(pte));
			break;
		}
	}
	spin_unlock(ptl);
	/* Swapped out, or under migration, since they were brought in. */
	return gone ? vmfork_piece_refuse(piece, VMFORK_RACE, *addr) : 0;
}

/*
 * A page table does not go away under the write-held mmap lock, so its own
 * lock can be dropped while memory is allocated.
 */
static int collect_table(void *priv, struct mm_struct *mm, pmd_t *pmd,
			 unsigned long addr, unsigned long next)
{
	struct vmfork_node *leaves[TABLE_LEAVES] = {};
	struct vmfork_piece *piece = priv;
	int err = vmfork_target_check_killed(piece->target);
	unsigned long table = addr;
	spinlock_t *ptl;
	u64 needed;

	if (err)
		return err;
	ptl = vmfork_lock_table(mm, pmd);
	if (!ptl)
		return VMFORK_WALK_AGAIN;
	needed = leaves_needed(piece, pte_offset_kernel(pmd, addr), addr, next);
	spin_unlock(ptl);
	if (!needed)
		return 0;

	err = vmfork_tree_leaves(&piece->tree, index_of(piece, addr), needed,
				 leaves, VMFORK_GFP);
	while (!err && addr < next) {
		err = collect_leaves(piece, mm, pmd, leaves, table, &addr,
				     next);
		/* Large folios are rare: room for them is made when they come. */
		if (!err && addr < next)
			err = large_reserve(piece, (next - addr) >> PAGE_SHIFT);
	}
	return err;
}

/* Single pages of a huge page, of which we hold @nr references. */
static int collect_subpages(struct vmfork_piece *piece, struct page *page,
			    unsigned long addr, unsigned long nr)
{
	struct vmfork_node *leaf;
	u64 index;

	for (; nr; nr--, page++, addr += PAGE_SIZE) {
		index = index_of(piece, addr);
		leaf = vmfork_tree_leaf(&piece->tree, index, VMFORK_GFP);
		if (!leaf) {
			folio_ref_sub(page_folio(page), nr);
			return -ENOMEM;
		}
		collect_page(leaf, index, page);
	}
	return 0;
}

static int collect_huge(void *priv, struct mm_struct *mm, pmd_t *pmd,
			unsigned long addr, unsigned long next)
{
	struct vmfork_piece *piece = priv;
	unsigned long nr = (next - addr) >> PAGE_SHIFT;
	u64 index = index_of(piece, addr);
	bool whole = nr == HPAGE_PMD_NR && !(index & (VMFORK_HUGE_PAGES - 1));
	struct page *page;
	spinlock_t *ptl;
	bool exclusive;
	pmd_t val;
	int err = vmfork_target_check_killed(piece->target);

	if (!err)
		err = large_reserve(piece, 1);
	if (err)
		return err;

	ptl = pmd_lock(mm, pmd);
	val = *pmd;
	if (pmd_none(val) || !pmd_present(val) || !pmd_trans_huge(val)) {
		spin_unlock(ptl);
		if (pmd_none(val) || pmd_present(val))
			return VMFORK_WALK_AGAIN;
		return vmfork_piece_refuse(piece, VMFORK_RACE, addr);
	}
	page = pmd_page(val);
	if (!PageAnon(page)) {		/* A snapshot's, or the zero page. */
		spin_unlock(ptl);
		return 0;
	}
	exclusive = PageAnonExclusive(page);
	page += (addr & ~HPAGE_PMD_MASK) >> PAGE_SHIFT;
	folio_ref_add(page_folio(page), whole ? 1 : nr);
	note_large(piece, page, addr, whole ? 1 : nr, nr, exclusive);
	spin_unlock(ptl);

	if (!whole)
		return collect_subpages(piece, page, addr, nr);
	err = vmfork_tree_set_huge(&piece->tree, index,
				   (unsigned long)page | VMFORK_SLOT_FRESH);
	if (err)
		put_page(page);
	return err;
}

static const struct vmfork_walk_ops collect_ops = {
	.huge	= collect_huge,
	.table	= collect_table,
};

/*
 * Before anything is taken: the pages that were collected, and the rest of the
 * large folios that will be stolen with them.
 */
static int charge(struct vmfork_piece *piece)
{
	struct vmfork_large_chunk *chunk;
	u64 pages = piece->smalls;
	unsigned long i;

	list_for_each_entry(chunk, &piece->larges, list) {
		for (i = 0; i < chunk->nr; i++) {
			struct vmfork_large *l = &chunk->larges[i];

			pages += vmfork_large_is_part(l) ?
				 l->nr : folio_nr_pages(l->folio);
		}
	}
	if (!pages)
		return 0;
	if (vmfork_owner_charge(piece->owner, pages)) {
		/* Perhaps for what is about to be freed. */
		vmfork_snapshot_flush();
		if (!vmfork_owner_charge(piece->owner, pages))
			goto charged;
		return vmfork_piece_refuse(piece, VMFORK_QUOTA, piece->addr);
	}
charged:
	piece->charged = pages;
	return 0;
}

/* Pages for the copies that will be needed, while failing is still easy. */
static int alloc_spare(struct vmfork_piece *piece)
{
	struct page *page;
	u64 i;
	int err;

	for (i = 0; i < piece->suspects; i++) {
		page = alloc_page(VMFORK_GFP | __GFP_HIGHMEM | __GFP_ACCOUNT);
		if (!page)
			return -ENOMEM;
		list_add(&page->lru, &piece->spare);
		err = vmfork_target_check_killed(piece->target);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/*
 * Which pages will have to be copied, and is anybody writing to them behind
 * the page tables?
 *
 * With the VMA locked for writing nothing is faulted in any more, so a page
 * that was in some CPU's LRU batch is not after these were emptied.  What else
 * holds a reference may be an O_DIRECT read under way, or reclaim looking at
 * the page.  Give it time before it is refused, or copied under its hands.
 */
static int settle(struct vmfork_piece *piece)
{
	int err;

	suspect_larges(piece);
	if (piece->unsettled) {
		vmfork_lru_drain();
		suspect_smalls(piece);
	}
	if ((piece->pinned || piece->busy) && piece->patience) {
		piece->patience--;
		return vmfork_piece_refuse(piece, VMFORK_RACE,
					   piece->why->addr);
	}
	if (piece->pinned) {
		piece->counts->pages_pinned = piece->pinned;
		return vmfork_piece_refuse(piece, VMFORK_PINNED,
					   piece->why->addr);
	}
	err = charge(piece);
	return err ?: alloc_spare(piece);
}

/* All of it, or what is known to be all that may have been written to. */
static int walk_piece(struct vmfork_piece *piece)
{
	unsigned long addr = piece->addr, end = addr + piece->len, run_end;
	int err = 0;

	if (!piece->dirty)
		return vmfork_walk(piece->mm, addr, end, &collect_ops, piece);
	for (; !err && vmfork_dirty_next(piece->dirty, &addr, &run_end, end);
	     addr = run_end)
		err = vmfork_walk(piece->mm, addr, run_end, &collect_ops,
				  piece);
	return err;
}

/**
 * vmfork_collect() - collect a piece
 * @piece: nothing of it is collected; its VMA has been checked
 * @source: what the VMA maps, a snapshot's tree or a file's, or NULL
 * @source_index: its page at the beginning of the piece
 *
 * The mmap lock is held for writing, and mm->write_protect_seq.
 *
 * Return: 0, and @piece->tree has the pages; or an errno.
 */
int vmfork_collect(struct vmfork_piece *piece,
		   const struct vmfork_tree *source, u64 source_index)
{
	struct vmfork_tree *own = &piece->snap->tree;
	u64 nr = piece->len >> PAGE_SHIFT;
	int err = 0;

	mmap_assert_write_locked(piece->mm);
	piece->remapped = source;
	vmfork_tree_begin(&piece->tree, own);
	/* If it maps this very snapshot, it is captured in slices. */
	if (source != own)
		err = vmfork_tree_erase(&piece->tree, piece->index, nr);
	if (!err && source && source != own)
		err = vmfork_tree_share(&piece->tree, piece->index, source,
					source_index, nr);
	if (!err)
		err = walk_piece(piece);
	if (!err)
		err = settle(piece);
	if (err)
		vmfork_tree_destroy(&piece->tree);
	return err;
}
