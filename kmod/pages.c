// SPDX-License-Identifier: GPL-2.0-only
/*
 * References of page trees on pages, and how a page becomes a tree's.
 *
 * A stolen page is one with no mapping, as drivers have always mapped them.
 * It stays on its LRU list, where reclaim and migration pass it over: no
 * mapping leads to its users, and its count is one more than they expect.
 *
 * A stolen large folio has to look anonymous again at its last put, or the
 * kernel's count of anonymous huge pages drifts.  So page trees count their
 * references on a large folio in folio->private (nothing else uses it: that
 * would be the swap cache or a file system), in twos; the lowest bit says
 * that it was anonymous.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>

#include "pages.h"

#define TREE_REF	2
#define WAS_ANON	1

static atomic_long_t *tree_refs(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(folio->private) != sizeof(atomic_long_t));
	return (atomic_long_t *)&folio->private;
}

/**
 * vmfork_subpage() - a page of a 2 MiB folio
 * @head: its first page
 * @nr: which
 */
struct page *vmfork_subpage(struct page *head, unsigned long nr)
{
	return nth_page(head, nr);
}

/**
 * vmfork_page_get() - take a tree's reference on a page
 * @page: held by a tree already
 * @fresh: it is not stolen yet
 */
void vmfork_page_get(struct page *page, bool fresh)
{
	struct folio *folio = page_folio(page);

	folio_get(folio);
	if (folio_test_large(folio) && !fresh)
		atomic_long_add(TREE_REF, tree_refs(folio));
}

/**
 * vmfork_page_put() - drop a tree's reference on a page
 * @page: held by the tree
 * @fresh: it was never stolen
 */
void vmfork_page_put(struct page *page, bool fresh)
{
	struct folio *folio = page_folio(page);

	if (folio_test_large(folio) && !fresh &&
	    atomic_long_sub_return(TREE_REF, tree_refs(folio)) == WAS_ANON) {
		/*
		 * No tree holds it, so nobody maps it; whoever has a
		 * reference left finds an anonymous page of nobody's, as
		 * after the exit of its process.
		 */
		folio->private = NULL;
		WRITE_ONCE(folio->mapping, (void *)PAGE_MAPPING_ANON);
	}
	folio_put(folio);
}

/**
 * vmfork_folio_take() - steal an anonymous folio
 * @folio: unmapped
 * @refs: how many references the caller holds, one for each slot of the tree
 * @index: offset in the snapshot of its first page, in pages
 *
 * Return: false if anybody else holds a reference; nothing has changed then.
 */
bool vmfork_folio_take(struct folio *folio, int refs, u64 index)
{
	long i, nr = folio_nr_pages(folio);

	if (!folio_ref_freeze(folio, refs))
		return false;

	/* Nobody can come by it now: each way to it asks for a reference. */
	for (i = 0; i < nr; i++)
		ClearPageAnonExclusive(folio_page(folio, i));
	WRITE_ONCE(folio->mapping, NULL);
	folio->index = index;
	if (nr > 1)
		atomic_long_set(tree_refs(folio),
				(long)refs * TREE_REF + WAS_ANON);
	folio_ref_unfreeze(folio, refs);
	return true;
}
