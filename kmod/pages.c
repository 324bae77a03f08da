// SPDX-License-Identifier: GPL-2.0-only
/*
 * References of page trees on pages, and how a page becomes a tree's.
 *
 * A stolen page is one with no mapping, as drivers have always mapped them.
 * It stays on its LRU list, where reclaim and migration pass it over: no
 * mapping leads to its users, and its count is one more than they expect.
 *
 * Page trees count their references on a folio, apart from everybody else's,
 * in folio->private (nothing else uses it: that would be the swap cache or a
 * file system); together they hold one reference of the folio's own count.
 * When the last tree lets go of it,
 *
 * - its owner is not charged for it any more;
 * - a stolen large folio has to look anonymous again, or the kernel's count
 *   of anonymous huge pages drifts.
 *
 * folio->private is, from its lowest bit: was it anonymous and large (1 bit);
 * is it a copy that a capture made (1); the references of trees (46); the
 * owner's number (16).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>

#include "owner.h"
#include "pages.h"

#define WAS_ANON	1
#define IS_COPY		2
#define TREE_REF	4
#define OWNER_SHIFT	48
#define TREE_REFS	((1L << OWNER_SHIFT) - TREE_REF)

static atomic_long_t *tree_refs(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(folio->private) != sizeof(atomic_long_t));
	return (atomic_long_t *)&folio->private;
}

/**
 * vmfork_subpage() - a page of a 2 MiB folio
 * @head: its first page
 * @nr: which
 *
 * Return: the page.
 */
struct page *vmfork_subpage(struct page *head, unsigned long nr)
{
	return nth_page(head, nr);
}

/**
 * vmfork_page_get() - take references of a tree on a page
 * @page: held by a tree already
 * @nr: how many
 * @fresh: it is not stolen yet
 */
void vmfork_page_get(struct page *page, unsigned int nr, bool fresh)
{
	struct folio *folio = page_folio(page);

	if (fresh)
		folio_ref_add(folio, nr);
	else
		atomic_long_add(nr * TREE_REF, tree_refs(folio));
}

/*
 * A large folio of which a page was lost to a memory error.  The kernel could
 * not split it while it was ours, and would use all of it again, the lost page
 * too.  So it is given up, as the kernel gives up single pages.
 */
static bool is_lost(struct folio *folio)
{
	if (!folio_test_large(folio) || !folio_test_has_hwpoisoned(folio))
		return false;
	pr_warn("pfn %#lx: %lu KiB with a memory error are not used again\n",
		folio_pfn(folio), folio_size(folio) / 1024);
	return true;
}

/* No tree holds it any more. */
static void release(struct folio *folio, unsigned long private)
{
	vmfork_owner_uncharge_number(private >> OWNER_SHIFT,
				     folio_nr_pages(folio));
	folio->private = NULL;
	/*
	 * Nobody maps it, then.  Whoever has a reference left finds an
	 * anonymous page of nobody's, as after the exit of its process.
	 */
	if (private & WAS_ANON)
		WRITE_ONCE(folio->mapping, (void *)PAGE_MAPPING_ANON);
}

/**
 * vmfork_page_put() - drop a tree's reference on a page
 * @page: held by the tree
 * @fresh: it was never stolen
 *
 * Return: how many pages were given back, if no tree holds it any more.
 */
unsigned long vmfork_page_put(struct page *page, bool fresh)
{
	struct folio *folio = page_folio(page);
	unsigned long nr = 0;
	long private;

	if (!fresh) {
		private = atomic_long_sub_return(TREE_REF, tree_refs(folio));
		if (private & TREE_REFS)
			return 0;
		release(folio, private);
		if (is_lost(folio))
			return 0;
		nr = folio_nr_pages(folio);
	}
	folio_put(folio);
	return nr;
}

/* Nobody else can get at it. */
static void own(struct folio *folio, int refs, u64 index, u16 owner,
		unsigned long flags)
{
	unsigned long private = (unsigned long)owner << OWNER_SHIFT | flags;

	private += (unsigned long)refs * TREE_REF;
	folio->index = index;
	atomic_long_set(tree_refs(folio), private);
}

/**
 * vmfork_folio_take() - steal an anonymous folio
 * @folio: unmapped
 * @refs: how many references the caller holds, one for each slot of the tree
 * @index: offset in the snapshot of its first page, in pages
 * @owner: who has been charged for it, by number
 * @spread: it was mapped page by page, not as a whole
 *
 * Return: false if anybody else holds a reference; nothing has changed then.
 */
bool vmfork_folio_take(struct folio *folio, int refs, u64 index, u16 owner,
		       bool spread)
{
	long i, nr = spread ? folio_nr_pages(folio) : 1;

	if (!folio_ref_freeze(folio, refs))
		return false;

	/* Nobody can come by it now: each way to it asks for a reference. */
	for (i = 0; i < nr; i++)
		ClearPageAnonExclusive(folio_page(folio, i));
	WRITE_ONCE(folio->mapping, NULL);
	own(folio, refs, index, owner, folio_test_large(folio) ? WAS_ANON : 0);
	folio_ref_unfreeze(folio, 1);
	return true;
}

/**
 * vmfork_page_own() - make a new page a tree's
 * @page: of 4 KiB, of which the caller has the only reference; it becomes
 *	the tree's
 * @index: offset in the snapshot, in pages
 * @owner: who has been charged for it, by number
 */
void vmfork_page_own(struct page *page, u64 index, u16 owner)
{
	own(page_folio(page), 1, index, owner, IS_COPY);
}

/**
 * vmfork_page_is_copy() - was a page copied by the capture, not stolen
 * @page: held by a tree
 *
 * Return: true if so.
 */
bool vmfork_page_is_copy(struct page *page)
{
	return atomic_long_read(tree_refs(page_folio(page))) & IS_COPY;
}

/**
 * vmfork_folio_tree_refs() - how many slots of all trees lead to a folio
 * @folio: held by a tree, and not fresh
 *
 * Return: the number.
 */
u64 vmfork_folio_tree_refs(struct folio *folio)
{
	return (atomic_long_read(tree_refs(folio)) & TREE_REFS) / TREE_REF;
}
