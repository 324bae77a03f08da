// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page tree: a persistent radix tree of 512-way nodes, shaped like page
 * tables.
 *
 * A leaf (level 0) spans 2 MiB; a slot one level up may hold a 2 MiB folio
 * itself.  Nodes and pages are reference-counted and shared between trees.
 * Who changes a tree first makes the path to the change his own: a node that
 * others can reach too (its count is not 1) is replaced by a copy, which
 * takes a reference on everything that the original points to.  So a finished
 * tree never changes, whatever is built on it later.
 *
 * A tree that is being built has one writer.  Readers of what is finished in
 * it hold @lock; readers of a finished tree need none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pages.h"
#include "tree.h"

static struct kmem_cache *node_cache;

static unsigned int level_shift(unsigned int level)
{
	return level * VMFORK_NODE_SHIFT;
}

static unsigned long slot_index(u64 index, unsigned int level)
{
	return (index >> level_shift(level)) & VMFORK_NODE_MASK;
}

static struct vmfork_node *node_alloc(gfp_t gfp)
{
	struct vmfork_node *node;

	node = kmem_cache_zalloc(node_cache, gfp | __GFP_ACCOUNT);
	if (node)
		refcount_set(&node->refs, 1);
	return node;
}

static void slot_get(unsigned long slot)
{
	if (!slot)
		return;
	if (slot & VMFORK_SLOT_NODE)
		refcount_inc(&vmfork_slot_node(slot)->refs);
	else
		vmfork_page_get(vmfork_slot_page(slot),
				slot & VMFORK_SLOT_FRESH);
}

/* Recurses once a level: VMFORK_MAX_LEVEL at most, whatever the history. */
static void node_put(struct vmfork_node *node)
{
	unsigned long i, slot;

	if (!refcount_dec_and_test(&node->refs))
		return;

	for (i = 0; i < VMFORK_NODE_SLOTS; i++) {
		slot = node->slots[i];
		if (!slot)
			continue;
		if (slot & VMFORK_SLOT_NODE)
			node_put(vmfork_slot_node(slot));
		else
			vmfork_page_put(vmfork_slot_page(slot),
					slot & VMFORK_SLOT_FRESH);
	}
	kmem_cache_free(node_cache, node);
	cond_resched();
}

static void slot_put(unsigned long slot)
{
	if (!slot)
		return;
	if (slot & VMFORK_SLOT_NODE)
		node_put(vmfork_slot_node(slot));
	else
		vmfork_page_put(vmfork_slot_page(slot),
				slot & VMFORK_SLOT_FRESH);
}

static struct vmfork_node *node_clone(const struct vmfork_node *node, gfp_t gfp)
{
	struct vmfork_node *copy = node_alloc(gfp);
	unsigned long i;

	if (!copy)
		return NULL;
	for (i = 0; i < VMFORK_NODE_SLOTS; i++) {
		copy->slots[i] = node->slots[i];
		slot_get(copy->slots[i]);
	}
	copy->nr_fresh = node->nr_fresh;
	return copy;
}

/* A leaf that says the same as the 2 MiB folio in @slot. */
static struct vmfork_node *node_of_huge(unsigned long slot, gfp_t gfp)
{
	struct vmfork_node *leaf = node_alloc(gfp);
	unsigned long fresh = slot & VMFORK_SLOT_FRESH;
	struct page *page = vmfork_slot_page(slot);
	unsigned long i;

	if (!leaf)
		return NULL;
	for (i = 0; i < VMFORK_NODE_SLOTS; i++) {
		struct page *sub = vmfork_subpage(page, i);

		vmfork_page_get(sub, fresh);
		leaf->slots[i] = (unsigned long)sub | fresh;
	}
	leaf->nr_fresh = fresh ? VMFORK_NODE_SLOTS : 0;
	return leaf;
}

/*
 * Make what *@slot points to a node that only this tree can reach, and return
 * it.  Readers see either the old node or the new one, never a freed one.
 */
static struct vmfork_node *own_node(struct vmfork_tree *tree,
				    unsigned long *slot, gfp_t gfp)
{
	unsigned long old = *slot;
	struct vmfork_node *node;

	if (old & VMFORK_SLOT_NODE) {
		node = vmfork_slot_node(old);
		if (refcount_read(&node->refs) == 1) {
			node->sealed = false;
			return node;
		}
		node = node_clone(node, gfp);
	} else if (old) {
		node = node_of_huge(old, gfp);
	} else {
		node = node_alloc(gfp);
	}
	if (!node)
		return NULL;

	write_lock(&tree->lock);
	*slot = (unsigned long)node | VMFORK_SLOT_NODE;
	write_unlock(&tree->lock);
	slot_put(old);
	return node;
}

/* The node of @level on the path to @index, private to @tree. */
static struct vmfork_node *own_path(struct vmfork_tree *tree, u64 index,
				    unsigned int level, gfp_t gfp)
{
	struct vmfork_node *node = tree->root;
	unsigned int l;

	if (!node) {
		node = node_alloc(gfp);
		if (!node)
			return NULL;
		write_lock(&tree->lock);
		tree->root = node;
		write_unlock(&tree->lock);
	}
	node->sealed = false;
	for (l = tree->level; l > level; l--) {
		node = own_node(tree, &node->slots[slot_index(index, l)], gfp);
		if (!node)
			return NULL;
	}
	return node;
}

/* The slot of @level at @index, or the slot above it that spans it too. */
static unsigned long find_slot(const struct vmfork_tree *tree, u64 index,
			       unsigned int level, unsigned int *found)
{
	const struct vmfork_node *node = tree->root;
	unsigned int l = tree->level;
	unsigned long slot;

	*found = l + 1;
	if (!node || index >> level_shift(l + 1))
		return 0;
	for (;; l--) {
		slot = READ_ONCE(node->slots[slot_index(index, l)]);
		*found = l;
		if (l == level || !(slot & VMFORK_SLOT_NODE))
			return slot;
		node = vmfork_slot_node(slot);
	}
}

/**
 * vmfork_tree_init() - an empty tree
 * @tree: to initialise
 * @nr_pages: the tree will have indices below this
 */
void vmfork_tree_init(struct vmfork_tree *tree, u64 nr_pages)
{
	tree->root = NULL;
	tree->level = 1;
	while (tree->level < VMFORK_MAX_LEVEL &&
	       nr_pages > 1ULL << level_shift(tree->level + 1))
		tree->level++;
	rwlock_init(&tree->lock);
}

/**
 * vmfork_tree_destroy() - drop what a tree holds
 * @tree: nobody may be looking at it
 *
 * Frees the pages and nodes that no other tree shares.  May sleep.
 */
void vmfork_tree_destroy(struct vmfork_tree *tree)
{
	if (tree->root)
		node_put(tree->root);
	tree->root = NULL;
}

/**
 * vmfork_tree_slot() - what a tree has at an index
 * @tree: finished, or its lock held
 * @index: in pages
 *
 * Return: 0 for a hole, the slot of the page, or the slot (with
 * VMFORK_SLOT_HUGE) of the 2 MiB folio that it lies in.
 */
unsigned long vmfork_tree_slot(const struct vmfork_tree *tree, u64 index)
{
	unsigned int level;

	return find_slot(tree, index, 0, &level);
}

/**
 * vmfork_tree_get_page() - look a page up and take a reference on it
 * @tree: finished, or its lock held
 * @index: in pages
 * @huge: set if the page is part of a folio that may be mapped as a whole
 *
 * Return: the page, which the caller puts by put_page(), or NULL for a hole.
 */
struct page *vmfork_tree_get_page(const struct vmfork_tree *tree, u64 index,
				  bool *huge)
{
	unsigned long slot = vmfork_tree_slot(tree, index);
	struct page *page;

	*huge = slot & VMFORK_SLOT_HUGE;
	if (!slot)
		return NULL;
	page = vmfork_slot_page(slot);
	if (*huge)
		page = vmfork_subpage(page, index & VMFORK_NODE_MASK);
	get_page(page);
	return page;
}

/**
 * vmfork_tree_next() - find the next page, or the next hole
 * @tree: finished, or its lock held
 * @index: where to begin
 * @end: where to stop
 * @data: look for a page, not for a hole
 *
 * Return: the first index in [@index, @end) that is what was looked for, or
 * @end.
 */
u64 vmfork_tree_next(const struct vmfork_tree *tree, u64 index, u64 end,
		     bool data)
{
	unsigned int level;

	while (index < end) {
		unsigned long slot = find_slot(tree, index, 0, &level);

		if (!!slot == data)
			return index;
		/* The whole span of the slot is the same. */
		index = (index | ((1ULL << level_shift(level)) - 1)) + 1;
		cond_resched();
	}
	return end;
}

/**
 * vmfork_tree_leaf() - the leaf that spans an index, for writing
 * @tree: being built
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
 * vmfork_tree_fresh_slot() - the slot of a leaf or 2 MiB folio, if it is fresh
 * @tree: being built
 * @index: in pages
 *
 * Return: the slot of level 1 that spans @index if it is a fresh folio or a
 * leaf with fresh pages, which is then private to @tree; NULL otherwise.
 */
unsigned long *vmfork_tree_fresh_slot(struct vmfork_tree *tree, u64 index)
{
	struct vmfork_node *node = tree->root;
	unsigned long *slot;
	unsigned int l;

	for (l = tree->level; node; l--) {
		slot = &node->slots[slot_index(index, l)];
		node = *slot & VMFORK_SLOT_NODE ? vmfork_slot_node(*slot) :
						  NULL;
		if (l > 1)
			continue;
		if (node ? node->nr_fresh : *slot & VMFORK_SLOT_FRESH)
			return slot;
		break;
	}
	return NULL;
}

static int set_slot(struct vmfork_tree *tree, u64 index, unsigned int level,
		    unsigned long slot, gfp_t gfp)
{
	struct vmfork_node *node = own_path(tree, index, level, gfp);
	unsigned long *p, old;

	if (!node)
		return -ENOMEM;
	p = &node->slots[slot_index(index, level)];
	old = *p;
	write_lock(&tree->lock);
	*p = slot;
	write_unlock(&tree->lock);
	slot_put(old);
	return 0;
}

/**
 * vmfork_tree_set_huge() - put a 2 MiB folio in a tree
 * @tree: being built
 * @index: a multiple of 512
 * @slot: the folio's first page, with VMFORK_SLOT_HUGE and perhaps
 *	VMFORK_SLOT_FRESH; its reference becomes the tree's
 *
 * Return: 0, or -ENOMEM and the reference is still the caller's.
 */
int vmfork_tree_set_huge(struct vmfork_tree *tree, u64 index,
			 unsigned long slot)
{
	return set_slot(tree, index, 1, slot, VMFORK_GFP);
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
	u64 span, first;

	for (; level; level--) {
		span = 1ULL << level_shift(level);
		first = index & ~(span - 1);
		if (!(delta & (span - 1)) && first >= begin &&
		    first + span <= end)
			break;
	}
	return level;
}

/**
 * vmfork_tree_share() - take over part of another tree
 * @dst: being built; the range is a hole in it
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
	unsigned int level, found;
	unsigned long slot;
	int err;

	for (;;) {
		next = vmfork_tree_next(src, src_index, end, true);
		if (next >= end)
			return 0;
		level = share_level(dst, src, delta, src_index, next, end);
		src_index = next & ~((1ULL << level_shift(level)) - 1);
		slot = find_slot(src, src_index, level, &found);
		if (found > level) {
			/* A page of a 2 MiB folio by itself. */
			struct page *page = vmfork_slot_page(slot);

			slot = (unsigned long)vmfork_subpage(page,
						src_index & VMFORK_NODE_MASK);
		}
		slot_get(slot);
		err = set_slot(dst, src_index + delta, level, slot, VMFORK_GFP);
		if (err) {
			slot_put(slot);
			return err;
		}
		src_index += 1ULL << level_shift(level);
	}
}

/**
 * vmfork_tree_erase() - make a range a hole again
 * @tree: being built
 * @index: where the range begins
 * @nr: its length in pages
 *
 * Can not fail: where a shared node or a 2 MiB folio has to be split for it,
 * it waits for memory.
 */
void vmfork_tree_erase(struct vmfork_tree *tree, u64 index, u64 nr)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	u64 end = index + nr;
	struct vmfork_node *leaf;
	unsigned long slot, i;

	while ((index = vmfork_tree_next(tree, index, end, true)) < end) {
		if (!(index & VMFORK_NODE_MASK) &&
		    end - index >= VMFORK_NODE_SLOTS) {
			set_slot(tree, index, 1, 0, gfp);
			index += VMFORK_NODE_SLOTS;
			continue;
		}
		leaf = own_path(tree, index, 0, gfp);
		i = index & VMFORK_NODE_MASK;
		slot = leaf->slots[i];
		if (slot & VMFORK_SLOT_FRESH)
			leaf->nr_fresh--;
		WRITE_ONCE(leaf->slots[i], 0);
		slot_put(slot);
		index++;
	}
}

/* Recurses once a level, into nodes of this tree alone. */
static void node_seal(struct vmfork_node *node, unsigned int level)
{
	unsigned long i, slot;

	if (node->sealed)
		return;

	node->nr_pages = 0;
	node->nr_huge = 0;
	for (i = 0; i < VMFORK_NODE_SLOTS; i++) {
		slot = node->slots[i];
		if (!slot)
			continue;
		if (slot & VMFORK_SLOT_NODE) {
			struct vmfork_node *child = vmfork_slot_node(slot);

			node_seal(child, level - 1);
			node->nr_pages += child->nr_pages;
			node->nr_huge += child->nr_huge;
		} else if (slot & VMFORK_SLOT_HUGE) {
			node->nr_pages += VMFORK_NODE_SLOTS;
			node->nr_huge++;
		} else {
			node->nr_pages++;
		}
	}
	node->sealed = true;
}

/**
 * vmfork_tree_seal() - count what a tree holds; it is finished now
 * @tree: has no fresh pages
 */
void vmfork_tree_seal(struct vmfork_tree *tree)
{
	if (tree->root)
		node_seal(tree->root, tree->level);
}

/**
 * vmfork_tree_pages() - how many pages a sealed tree holds, in 4 KiB
 * @tree: sealed
 *
 * Return: the number.
 */
u64 vmfork_tree_pages(const struct vmfork_tree *tree)
{
	return tree->root ? tree->root->nr_pages : 0;
}

/**
 * vmfork_tree_huge_folios() - how many 2 MiB folios a sealed tree holds
 * @tree: sealed
 *
 * Return: the number.
 */
u64 vmfork_tree_huge_folios(const struct vmfork_tree *tree)
{
	return tree->root ? tree->root->nr_huge : 0;
}

/**
 * vmfork_tree_setup() - once, before any tree
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_tree_setup(void)
{
	node_cache = kmem_cache_create("vmfork_node",
				       sizeof(struct vmfork_node), 64,
				       SLAB_ACCOUNT, NULL);
	return node_cache ? 0 : -ENOMEM;
}

/**
 * vmfork_tree_cleanup() - undo vmfork_tree_setup()
 */
void vmfork_tree_cleanup(void)
{
	kmem_cache_destroy(node_cache);
}
