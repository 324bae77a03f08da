/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * References of page trees on pages.
 */
#ifndef VMFORK_PAGES_H
#define VMFORK_PAGES_H

#include <linux/types.h>

struct page;
struct folio;

struct page *vmfork_subpage(struct page *head, unsigned long nr);
void vmfork_page_get(struct page *page, unsigned int nr, bool fresh);
unsigned long vmfork_page_put(struct page *page, bool fresh);
bool vmfork_folio_take(struct folio *folio, int refs, u64 index, u16 owner,
		       bool spread);
void vmfork_page_own(struct page *page, u64 index, u16 owner);
u64 vmfork_folio_tree_refs(struct folio *folio);
bool vmfork_page_is_copy(struct page *page);

#endif /* VMFORK_PAGES_H */
