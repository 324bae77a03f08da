/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page tree: which page a snapshot holds at which index.
 */
#ifndef VMFORK_TREE_H
#define VMFORK_TREE_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * A slot of a node of level 0 (a leaf) spans a page, of level 1 a run of 16
 * pages, of level 2 the 512 pages of a 2 MiB folio, of level 3 1 GiB, of
 * level 4 512 GiB.  Leaves are small, because a page that was written to costs
 * a copy of its leaf.
 */
#define VMFORK_RUN_SHIFT	4
#define VMFORK_HUGE_SHIFT	9
#define VMFORK_RUN_PAGES	(1UL << VMFORK_RUN_SHIFT)
#define VMFORK_HUGE_PAGES	(1UL << VMFORK_HUGE_SHIFT)
#define VMFORK_RUN_LEVEL	1
#define VMFORK_HUGE_LEVEL	2
#define VMFORK_MAX_LEVEL	4

/*
 * For all that a capture allocates: if memory is short, in the machine or in
 * the memcg, the capture fails, rather than that somebody is killed for it.
 */
#define VMFORK_GFP	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * A slot is 0 (a hole), a pointer to a node, or to a page, or it names pages of
 * a file.  On level 1 and 2 a page is the first of as many pages of one folio as
 * the slot spans; on higher levels there are no pages.  Its low bits say what it
 * is.  A fresh page was collected from a running process and is not
 * yet the snapshot's: it may be read by nobody.
 *
 * A file's pages, on any level, are as many as the slot spans.  Above the flags
 * such a slot has the first one's index in the file (38 bits), and the number
 * of the file (23 bits, see backing.c).
 */
#define VMFORK_SLOT_NODE	1UL
#define VMFORK_SLOT_FRESH	2UL
#define VMFORK_SLOT_FILE	4UL
#define VMFORK_SLOT_FLAGS	7UL

#define VMFORK_FILE_AT_SHIFT	3
#define VMFORK_FILE_AT_BITS	38
#define VMFORK_FILE_SHIFT	(VMFORK_FILE_AT_SHIFT + VMFORK_FILE_AT_BITS)
#define VMFORK_FILE_PAGES	(1UL << VMFORK_FILE_AT_BITS)
#define VMFORK_MAX_FILES	(1UL << (64 - VMFORK_FILE_SHIFT))

/**
 * struct vmfork_node - as many slots as its level has
 * @refs: held by the slots (or the root pointers) that point to it.  A node
 *	is written only while this and every count above it is 1.
 * @level: see above
 * @sealed: @nr_pages and @nr_huge are right, the node will not change again,
 *	and there is nothing fresh below it
 * @changed: on level 0 and 1, which slots may have something fresh in them or
 *	below, as bits; 0 if @sealed
 * @nr_huge: 2 MiB folios below it
 * @nr_pages: pages below it, in units of 4 KiB, without those of files
 * @nr_file: pages of files below it
 * @slots: see above
 */
struct vmfork_node {
	refcount_t refs;
	u8 level;
	bool sealed;
	u32 changed;
	u32 nr_huge;
	u64 nr_pages;
	u64 nr_file;
	unsigned long slots[];
};

/**
 * struct vmfork_tree - a radix tree of nodes
 * @root: NULL while there is nothing in it
 * @level: of the root
 * @lock: held for reading to look up in a tree that may still change, for
 *	writing while @root is replaced
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

static inline unsigned long vmfork_slot_file(u32 file, u64 at)
{
	return (unsigned long)file << VMFORK_FILE_SHIFT |
	       at << VMFORK_FILE_AT_SHIFT | VMFORK_SLOT_FILE;
}

static inline u32 vmfork_slot_file_number(unsigned long slot)
{
	return slot >> VMFORK_FILE_SHIFT;
}

static inline u64 vmfork_slot_file_at(unsigned long slot)
{
	return slot >> VMFORK_FILE_AT_SHIFT & (VMFORK_FILE_PAGES - 1);
}

/**
 * vmfork_leaf_set_fresh() - put a fresh page in a leaf
 * @leaf: owned by a change under way
 * @index: in pages
 * @page: its reference becomes the tree's
 *
 * Return: what the slot held before, and the reference of that is now the
 * caller's; it is not fresh.
 */
static inline unsigned long vmfork_leaf_set_fresh(struct vmfork_node *leaf,
						  u64 index, struct page *page)
{
	unsigned int nr = index & (VMFORK_RUN_PAGES - 1);
	unsigned long old = leaf->slots[nr];

	leaf->changed |= BIT(nr);
	leaf->slots[nr] = (unsigned long)page | VMFORK_SLOT_FRESH;
	return old;
}

int vmfork_tree_setup(void);
void vmfork_tree_cleanup(void);

void vmfork_tree_init(struct vmfork_tree *tree, u64 nr_pages);
u64 vmfork_tree_destroy(struct vmfork_tree *tree);

unsigned long vmfork_tree_slot(const struct vmfork_tree *tree, u64 index,
			       bool *huge);
/**
 * vmfork_tree_page() - look a page up in a tree without pages of files
 * @tree: as of vmfork_tree_slot()
 * @index: in pages
 * @huge: likewise
 *
 * Return: the page, held by the tree, or NULL for a hole.
 */
static inline struct page *vmfork_tree_page(const struct vmfork_tree *tree,
					    u64 index, bool *huge)
{
	return vmfork_slot_page(vmfork_tree_slot(tree, index, huge));
}

void vmfork_tree_slots_at(const struct vmfork_tree *tree, u64 index,
			  unsigned int nr, unsigned long *slots);
u64 vmfork_tree_next_file(const struct vmfork_tree *tree, u64 *index, u64 end,
			  unsigned long *slot);
u64 vmfork_tree_next(const struct vmfork_tree *tree, u64 index, u64 end,
		     bool data);
unsigned long vmfork_tree_slot_as(const struct vmfork_tree *tree, u64 index,
				  unsigned int level);
u64 vmfork_tree_next_diff(const struct vmfork_tree *a,
			  const struct vmfork_tree *b, u64 index, u64 end,
			  u64 *diff_end);

void vmfork_tree_begin(struct vmfork_tree *tree,
		       const struct vmfork_tree *base);
void vmfork_tree_commit(struct vmfork_tree *base, struct vmfork_tree *tree);
struct vmfork_node *vmfork_tree_leaf(struct vmfork_tree *tree, u64 index,
				     gfp_t gfp);
int vmfork_tree_leaves(struct vmfork_tree *tree, u64 index, u64 needed,
		       struct vmfork_node **leaves, gfp_t gfp);
unsigned long *vmfork_tree_next_fresh(const struct vmfork_tree *tree,
				      u64 *index, u64 end,
				      unsigned int *level);
int vmfork_tree_grow(struct vmfork_tree *tree, u64 nr_pages);
int vmfork_tree_set_page(struct vmfork_tree *tree, u64 index,
			 struct page *page);
int vmfork_tree_set_huge(struct vmfork_tree *tree, u64 index,
			 unsigned long slot);
int vmfork_tree_erase(struct vmfork_tree *tree, u64 index, u64 nr);
int vmfork_tree_set_file(struct vmfork_tree *tree, u64 index, u64 nr,
			 u32 file, u64 at);
void vmfork_slot_drop(unsigned long slot);
int vmfork_tree_share(struct vmfork_tree *dst, u64 dst_index,
		      const struct vmfork_tree *src, u64 src_index, u64 nr);
void vmfork_tree_seal(struct vmfork_tree *tree);
u64 vmfork_tree_pages(const struct vmfork_tree *tree);
u64 vmfork_tree_file_pages(const struct vmfork_tree *tree);
u64 vmfork_tree_huge_folios(const struct vmfork_tree *tree);

#endif /* VMFORK_TREE_H */
