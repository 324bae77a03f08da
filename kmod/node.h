/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes of page trees, for those who walk or change them.
 */
#ifndef VMFORK_NODE_H
#define VMFORK_NODE_H

#include "pages.h"
#include "tree.h"

/* What a slot of each level spans, in powers of two; and its nodes' slots. */
static const u8 shifts[VMFORK_MAX_LEVEL + 2] = { 0, 4, 9, 18, 27, 36 };

static inline unsigned int nr_slots(unsigned int level)
{
	return 1U << (shifts[level + 1] - shifts[level]);
}

static inline u64 span(unsigned int level)
{
	return 1ULL << shifts[level];
}

static inline unsigned long slot_nr(u64 index, unsigned int level)
{
	return (index >> shifts[level]) & (nr_slots(level) - 1);
}

/* Is @index beyond what a tree can have? */
static inline bool is_beyond(const struct vmfork_tree *tree, u64 index)
{
	return index >> shifts[tree->level + 1];
}

/* What a slot has at @nr pages from where it begins, as a slot says it. */
static inline unsigned long slot_part(unsigned long slot, u64 nr)
{
	unsigned long fresh = slot & VMFORK_SLOT_FRESH;

	if (slot & VMFORK_SLOT_FILE)
		return slot + (nr << VMFORK_FILE_AT_SHIFT);
	return fresh | (unsigned long)vmfork_subpage(vmfork_slot_page(slot),
						     nr);
}

struct vmfork_node *vmfork_node_alloc(unsigned int level, gfp_t gfp);
struct vmfork_node *vmfork_node_clone(const struct vmfork_node *node,
				      gfp_t gfp);
struct vmfork_node *vmfork_node_of_pages(unsigned long slot,
					 unsigned int level, gfp_t gfp);
u64 vmfork_node_put(struct vmfork_node *node);
void vmfork_slot_get(unsigned long slot);
void vmfork_slot_put(unsigned long slot);

#endif /* VMFORK_NODE_H */
