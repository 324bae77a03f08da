/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page tree: which page a snapshot holds at which index.
 */
#ifndef VMFORK_TREE_H
#define VMFORK_TREE_H

#include <linux/gfp.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define VMFORK_NODE_SHIFT	9
#define VMFORK_NODE_SLOTS	(1UL << VMFORK_NODE_SHIFT)
#define VMFORK_NODE_MASK	(VMFORK_NODE_SLOTS - 1)
#define VMFORK_MAX_LEVEL	3

/*
 * For all that a capture allocates: if memory is short, in the machine or in
 * the memcg, the capture fails, rather than that somebody is killed for it.
 */
#define VMFORK_GFP	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * A slot is 0 (a hole), a pointer to a node, to a page, or, at level 1 only,
 * to the first page of a 2 MiB folio.  What it points to is told by its low
 * bits.  A fresh page was collected from a running process and is not yet the
 * snapshot's: it may be read by nobody.
 */
#define VMFORK_SLOT_NODE	1UL
#define VMFORK_SLOT_HUGE	2UL
#define VMFORK_SLOT_FRESH	4UL
#define VMFORK_SLOT_FLAGS	7UL

/**
 * struct vmfork_node - 512 slots
 * @slots: see above
 * @refs: held by the slots (or the root pointers) that point to it.  A node
 *	is written only while this and every count above it is 1.
 * @nr_fresh: fresh pages in it (leaves only)
 * @sealed: @nr_pages and @nr_huge are right, the node will not change again
 * @nr_pages: pages below it, in units of 4 KiB
 * @nr_huge: 2 MiB folios below it
 */
struct vmfork_node {
	unsigned long slots[VMFORK_NODE_SLOTS];
	refcount_t refs;
	u16 nr_fresh;
	bool sealed;
	u64 nr_pages;
	u64 nr_huge;
};

/**
 * struct vmfork_tree - a radix tree of nodes
 * @root: NULL while there is nothing in it
 * @level: of the root; a slot of a node of level n spans 512^n pages
 * @lock: held for reading to look up in a tree that may still change, for
 *	writing while a node is replaced by its private copy
 */
struct vmfork_tree {
	struct vmfork_node *root;
	unsigned int level;
	rwlock_t lock;
};

static inline struct vmfork_node *vmfork_slot_node(unsigned long slot)
{
	return (struct vmfork_node *)(slot & ~VMFORK_SLOT_FLAGS);
}

static inline struct page *vmfork_slot_page(unsigned long slot)
{
	return (struct page *)(slot & ~VMFORK_SLOT_FLAGS);
}

int vmfork_tree_setup(void);
void vmfork_tree_cleanup(void);

void vmfork_tree_init(struct vmfork_tree *tree, u64 nr_pages);
void vmfork_tree_destroy(struct vmfork_tree *tree);

unsigned long vmfork_tree_slot(const struct vmfork_tree *tree, u64 index);
struct page *vmfork_tree_get_page(const struct vmfork_tree *tree, u64 index,
				  bool *huge);
u64 vmfork_tree_next(const struct vmfork_tree *tree, u64 index, u64 end,
		     bool data);

struct vmfork_node *vmfork_tree_leaf(struct vmfork_tree *tree, u64 index,
				     gfp_t gfp);
unsigned long *vmfork_tree_fresh_slot(struct vmfork_tree *tree, u64 index);
int vmfork_tree_set_huge(struct vmfork_tree *tree, u64 index,
			 unsigned long slot);
int vmfork_tree_share(struct vmfork_tree *dst, u64 dst_index,
		      const struct vmfork_tree *src, u64 src_index, u64 nr);
void vmfork_tree_erase(struct vmfork_tree *tree, u64 index, u64 nr);
void vmfork_tree_seal(struct vmfork_tree *tree);
u64 vmfork_tree_pages(const struct vmfork_tree *tree);
u64 vmfork_tree_huge_folios(const struct vmfork_tree *tree);

#endif /* VMFORK_TREE_H */
