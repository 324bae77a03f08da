// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page tree: a persistent radix tree.
 *
 * Nodes and pages are reference-counted and shared between trees.  Who changes
 * a tree first makes the path to the change his own: a node that others can
 * reach too (its count is not 1) is replaced by a copy, which takes a reference
 * on everything that the original points to.  So a finished tree never
 * changes, whatever is built on it later, and what two trees have in common is
 * there once.
 *
 * A change is made to a tree of its own, which begins as a copy of the other
 * (that costs one reference) and takes its place when it is complete.  So it is
 * made as a whole or not at all, and readers see the one tree or the other.
 *
 * How nodes come and go: node.c.  Looking things up: treelook.c.  What is fresh
 * in a change: treefresh.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include "backing.h"
#include "node.h"

/* Make what *@slot points to a node of @level that only this tree can reach. */
static struct vmfork_node *own_slot(unsigned long *slot, unsigned int level,
				    gfp_t gfp)
{
	unsigned long old = *slot;
	struct vmfork_node *node;

	if (old & VMFORK_SLOT_NODE) {
		node = vmfork_slot_node(old);
		if (refcount_read(&node->refs) == 1) {
			node->sealed = false;
			return node;
		}
		node = vmfork_node_clone(node, gfp);
	} else if (old) {
		node = vmfork_node_of_pages(old, level, gfp);
	} else {
		node = vmfork_node_alloc(level, gfp);
	}
	if (!node)
		return NULL;
	*slot = (unsigned long)node | VMFORK_SLOT_NODE;
	vmfork_slot_put(old);
	return node;
}

/*
 * The same for what @node of @level, which is this tree's own already, has at
 * @index.
 */
static struct vmfork_node *own_node(struct vmfork_node *node,
				    unsigned int level, u64 index, gfp_t gfp)
{
	unsigned long nr = slot_nr(index, level);

	if (level <= VMFORK_RUN_LEVEL)
		node->changed |= BIT(nr);
	return own_slot(&node->slots[nr], level - 1, gfp);
}

static struct vmfork_node *own_root(struct vmfork_tree *tree, gfp_t gfp)
{
	unsigned long slot = 0;

	if (tree->root)
		slot = (unsigned long)tree->root | VMFORK_SLOT_NODE;
	if (!own_slot(&slot, tree->level, gfp))
		return NULL;
	tree->root = vmfork_slot_node(slot);
	return tree->root;
}

/* The node of @level on the path to @index, private to @tree. */
static struct vmfork_node *own_path(struct vmfork_tree *tree, u64 index,
				    unsigned int level, gfp_t gfp)
{
	struct vmfork_node *node = own_root(tree, gfp);
	unsigned int l;

	for (l = tree->level; node && l > level; l--)
		node = own_node(node, l, index, gfp);
	return node;
}

/**
 * vmfork_tree_init() - an empty tree
 * @tree: to initialise
 * @nr_pages: the tree will have indices below this
 */
void vmfork_tree_init(struct vmfork_tree *tree, u64 nr_pages)
{
	tree->root = NULL;
	tree->level = VMFORK_HUGE_LEVEL;
	while (tree->level < VMFORK_MAX_LEVEL &&
	       nr_pages > span(tree->level + 1))
		tree->level++;
	rwlock_init(&tree->lock);
}

/**
 * vmfork_tree_grow() - have a tree take higher indices
 * @tree: a change under way, with nothing fresh
 * @nr_pages: it will have indices below this
 *
 * Return: 0, or -ENOMEM; @tree says the same in any case.
 */
int vmfork_tree_grow(struct vmfork_tree *tree, u64 nr_pages)
{
	struct vmfork_node *node;

	while (tree->level < VMFORK_MAX_LEVEL &&
	       nr_pages > span(tree->level + 1)) {
		if (tree->root) {
			node = vmfork_node_alloc(tree->level + 1, VMFORK_GFP);
			if (!node)
				return -ENOMEM;
			node->slots[0] = (unsigned long)tree->root |
					 VMFORK_SLOT_NODE;
			tree->root = node;
		}
		tree->level++;
	}
	return 0;
}

/**
 * vmfork_tree_destroy() - drop what a tree holds
 * @tree: nobody may be looking at it
 *
 * Frees the pages and nodes that no other tree shares.  May sleep.
 *
 * Return: how many pages, in units of 4 KiB.
 */
u64 vmfork_tree_destroy(struct vmfork_tree *tree)
{
	u64 freed = 0;

	if (tree->root)
		freed = vmfork_node_put(tree->root);
	tree->root = NULL;
	return freed;
}

/**
 * vmfork_tree_begin() - begin a change of a tree
 * @tree: to initialise: it says what @base does
 * @base: nobody else is changing it
 */
void vmfork_tree_begin(struct vmfork_tree *tree, const struct vmfork_tree *base)
{
	tree->root = base->root;
	tree->level = base->level;
	rwlock_init(&tree->lock);
	if (tree->root)
		refcount_inc(&tree->root->refs);
}

/**
 * vmfork_tree_commit() - have a change take the place of the tree it began as
 * @base: the tree
 * @tree: the change, with nothing fresh; it is empty afterwards
 */
void vmfork_tree_commit(struct vmfork_tree *base, struct vmfork_tree *tree)
{
	write_lock(&base->lock);
	swap(base->root, tree->root);
	write_unlock(&base->lock);
	vmfork_tree_destroy(tree);
}

/**
 * vmfork_tree_leaf() - the leaf that spans an index, for writing
 * @tree: a change under way
 * @index: in pages
 * @gfp: for the nodes that are missing or shared on the path
 *
 * Return: the leaf, owned by @tree; NULL if out of memory, and then @tree
 * says what it said before.
 */
struct vmfork_node *vmfork_tree_leaf(struct vmfork_tree *tree, u64 index,
				     gfp_t gfp)
{
	return own_path(tree, index, 0, gfp);
}

/**
 * vmfork_tree_leaves() - several leaves, for writing
 * @tree: a change under way
 * @index: in pages, of the first one
 * @needed: which of it and those that follow, as bits
 * @leaves: out: what vmfork_tree_leaf() returns for each of them; the others
 *	are left alone
 * @gfp: for the nodes that are missing or shared on the path
 *
 * Return: 0, or -ENOMEM, and then @tree says what it said before.
 */
int vmfork_tree_leaves(struct vmfork_tree *tree, u64 index, u64 needed,
		       struct vmfork_node **leaves, gfp_t gfp)
{
	struct vmfork_node *runs = NULL;
	u64 last = 0;

	index &= ~(VMFORK_RUN_PAGES - 1ULL);
	for (; needed; needed >>= 1, index += VMFORK_RUN_PAGES, leaves++) {
		if (!(needed & 1))
			continue;
		if (!runs || (index ^ last) >> VMFORK_HUGE_SHIFT)
			runs = own_path(tree, index, VMFORK_RUN_LEVEL, gfp);
		if (!runs)
			return -ENOMEM;
		last = index;
		*leaves = own_node(runs, VMFORK_RUN_LEVEL, index, gfp);
		if (!*leaves)
			return -ENOMEM;
	}
	return 0;
}

static int set_slot(struct vmfork_tree *tree, u64 index, unsigned int level,
		    unsigned long slot, gfp_t gfp)
{
	struct vmfork_node *node = own_path(tree, index, level, gfp);
	unsigned long *p, old;

	if (!node)
		return -ENOMEM;
	p = &node->slots[slot_nr(index, level)];
	old = *p;
	*p = slot;
	vmfork_slot_put(old);
	return 0;
}

/**
 * vmfork_tree_set_page() - put a page in a tree
 * @tree: a change under way
 * @index: in pages
 * @page: of a tree's already (vmfork_page_own()); its reference becomes this
 *	tree's
 *
 * Return: 0, or -ENOMEM and the reference is still the caller's.
 */
int vmfork_tree_set_page(struct vmfork_tree *tree, u64 index, struct page *page)
{
	return set_slot(tree, index, 0, (unsigned long)page, VMFORK_GFP);
}

/**
 * vmfork_tree_set_huge() - put a 2 MiB folio in a tree
 * @tree: a change under way
 * @index: a multiple of 512
 * @slot: the folio's first page, with VMFORK_SLOT_FRESH perhaps; its reference
 *	becomes the tree's
 *
 * Return: 0, or -ENOMEM and the reference is still the caller's.
 */
int vmfork_tree_set_huge(struct vmfork_tree *tree, u64 index,
			 unsigned long slot)
{
	return set_slot(tree, index, VMFORK_HUGE_LEVEL, slot, VMFORK_GFP);
}

/* The largest level of which a slot at @index lies within [@index, @end). */
static unsigned int level_within(const struct vmfork_tree *tree, u64 index,
				 u64 end)
{
	unsigned int level = tree->level;

	while (level && (index & (span(level) - 1) ||
			 end - index < span(level)))
		level--;
	return level;
}

/**
 * vmfork_tree_erase() - make a range a hole
 * @tree: a change under way
 * @index: where the range begins
 * @nr: its length in pages
 *
 * Costs what there is to erase, which most often is nothing.
 *
 * Return: 0 or -ENOMEM; part of the range may be a hole then.
 */
int vmfork_tree_erase(struct vmfork_tree *tree, u64 index, u64 nr)
{
	u64 end = index + nr;
	unsigned int level;
	int err = 0;

	while (!err &&
	       (index = vmfork_tree_next(tree, index, end, true)) < end) {
		level = level_within(tree, index, end);
		err = set_slot(tree, index, level, 0, VMFORK_GFP);
		index += span(level);
	}
	return err;
}

/**
 * vmfork_tree_set_file() - have a range be pages of a file
 * @tree: a change under way; the range is a hole in it
 * @index: where the range begins
 * @nr: its length in pages
 * @file: number of the backing; the caller holds it
 * @at: the first page's index in it; @at + @nr is at most VMFORK_FILE_PAGES
 *
 * Return: 0 or -ENOMEM; part of the range may be there then.
 */
int vmfork_tree_set_file(struct vmfork_tree *tree, u64 index, u64 nr,
			 u32 file, u64 at)
{
	u64 end = index + nr;
	unsigned int level;
	int err;

	while (index < end) {
		level = level_within(tree, index, end);
		vmfork_backing_get_slots(file, 1);
		err = set_slot(tree, index, level, vmfork_slot_file(file, at),
			       VMFORK_GFP);
		if (err) {
			vmfork_backing_put_slot(file);
			return err;
		}
		index += span(level);
		at += span(level);
		cond_resched();
	}
	return 0;
}

/* Is all that a tree has in [0, @nr)? */
static bool ends_at(const struct vmfork_tree *tree, u64 nr)
{
	u64 limit = span(tree->level + 1);

	return nr >= limit || vmfork_tree_next(tree, nr, limit, true) == limit;
}

/*
 * The largest level of which a slot of both trees spans @index of @src and
 * lies within [@begin, @end); there is a hole between @begin and @index.
 */
static unsigned int share_level(const struct vmfork_tree *dst,
				const struct vmfork_tree *src, u64 delta,
				u64 begin, u64 index, u64 end)
{
	unsigned int level = min(dst->level, src->level);
	u64 first;

	for (; level; level--) {
		first = index & ~(span(level) - 1);
		if (!(delta & (span(level) - 1)) && first >= begin &&
		    first + span(level) <= end)
			break;
	}
	return level;
}

/**
 * vmfork_tree_share() - take over part of another tree
 * @dst: a change under way; the range is a hole in it
 * @dst_index: where the range begins in @dst
 * @src: finished
 * @src_index: where it begins in @src
 * @nr: its length in pages
 *
 * Whole nodes are shared where the range covers them in both trees.
 *
 * Return: 0 or -ENOMEM; part of the range may be there then.
 */
int vmfork_tree_share(struct vmfork_tree *dst, u64 dst_index,
		      const struct vmfork_tree *src, u64 src_index, u64 nr)
{
	u64 end = src_index + nr, delta = dst_index - src_index, next;
	unsigned int level;
	unsigned long slot;
	int err;

	if (!dst->root && dst->level == src->level && !src_index && !delta &&
	    ends_at(src, nr)) {
		dst->root = src->root;
		if (dst->root)
			refcount_inc(&dst->root->refs);
		return 0;
	}
	for (;;) {
		next = vmfork_tree_next(src, src_index, end, true);
		if (next >= end)
			return 0;
		level = share_level(dst, src, delta, src_index, next, end);
		src_index = next & ~(span(level) - 1);
		slot = vmfork_tree_slot_as(src, src_index, level);
		vmfork_slot_get(slot);
		err = set_slot(dst, src_index + delta, level, slot, VMFORK_GFP);
		if (err) {
			vmfork_slot_put(slot);
			return err;
		}
		src_index += span(level);
	}
}
