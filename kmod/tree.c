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
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "backing.h"
#include "pages.h"
#include "tree.h"

/* What a slot of each level spans, in powers of two; and its nodes' slots. */
static const u8 shifts[VMFORK_MAX_LEVEL + 2] = { 0, 4, 9, 18, 27, 36 };

static struct kmem_cache *caches[VMFORK_MAX_LEVEL + 1];

static unsigned int nr_slots(unsigned int level)
{
	return 1U << (shifts[level + 1] - shifts[level]);
}

static u64 span(unsigned int level)
{
	return 1ULL << shifts[level];
}

static unsigned long slot_nr(u64 index, unsigned int level)
{
	return (index >> shifts[level]) & (nr_slots(level) - 1);
}

static struct vmfork_node *node_alloc(unsigned int level, gfp_t gfp)
{
	struct vmfork_node *node;

	node = kmem_cache_zalloc(caches[level], gfp | __GFP_ACCOUNT);
	if (node) {
		refcount_set(&node->refs, 1);
		node->level = level;
	}
	return node;
}

static inline void slot_get(unsigned long slot)
{
	if (!slot)
		return;
	if (slot & VMFORK_SLOT_NODE)
		refcount_inc(&vmfork_slot_node(slot)->refs);
	else if (slot & VMFORK_SLOT_FILE)
		vmfork_backing_get_slots(vmfork_slot_file_number(slot), 1);
	else
		vmfork_page_get(vmfork_slot_page(slot), 1,
				slot & VMFORK_SLOT_FRESH);
}

/* No node's. */
static u64 leaf_slot_put(unsigned long slot)
{
	if (slot & VMFORK_SLOT_FILE) {
		vmfork_backing_put_slot(vmfork_slot_file_number(slot));
		return 0;
	}
	return vmfork_page_put(vmfork_slot_page(slot),
			       slot & VMFORK_SLOT_FRESH);
}

/* Nodes on the way from the one that is freed down to where that has come. */
struct freeing {
	struct vmfork_node *node;
	unsigned int next;
};

/* Returns how many pages that gave back. */
static u64 node_put(struct vmfork_node *node)
{
	struct freeing path[VMFORK_MAX_LEVEL + 1], *at = path;
	u64 freed = 0;

	if (!refcount_dec_and_test(&node->refs))
		return 0;
	*at = (struct freeing) { node, 0 };
	for (;;) {
		unsigned long slot;

		node = at->node;
		if (at->next == nr_slots(node->level)) {
			kmem_cache_free(caches[node->level], node);
			cond_resched();
			if (at-- == path)
				return freed;
			continue;
		}
		slot = node->slots[at->next++];
		if (!slot)
			continue;
		if (!(slot & VMFORK_SLOT_NODE))
			freed += leaf_slot_put(slot);
		else if (refcount_dec_and_test(&vmfork_slot_node(slot)->refs))
			*++at = (struct freeing) { vmfork_slot_node(slot), 0 };
	}
}

static void slot_put(unsigned long slot)
{
	if (!slot)
		return;
	if (slot & VMFORK_SLOT_NODE)
		node_put(vmfork_slot_node(slot));
	else
		leaf_slot_put(slot);
}

/**
 * vmfork_slot_drop() - drop what a leaf's slot held
 * @slot: from a leaf that is a change's own; not fresh; some other tree has it
 *	too, so that nothing is freed, and nothing sleeps
 */
void vmfork_slot_drop(unsigned long slot)
{
	if (slot)
		leaf_slot_put(slot);
}

static struct vmfork_node *node_clone(const struct vmfork_node *node, gfp_t gfp)
{
	struct vmfork_node *copy = node_alloc(node->level, gfp);
	unsigned int i, n = nr_slots(node->level);

	if (!copy)
		return NULL;
	for (i = 0; i < n; i++) {
		copy->slots[i] = node->slots[i];
		slot_get(copy->slots[i]);
	}
	return copy;
}

/* What a slot has at @nr pages from where it begins, as a slot says it. */
static unsigned long slot_part(unsigned long slot, u64 nr)
{
	unsigned long fresh = slot & VMFORK_SLOT_FRESH;

	if (slot & VMFORK_SLOT_FILE)
		return slot + (nr << VMFORK_FILE_AT_SHIFT);
	return fresh | (unsigned long)vmfork_subpage(vmfork_slot_page(slot),
						     nr);
}

/* A node that says the same as the pages in @slot, one level above it. */
static struct vmfork_node *node_of_pages(unsigned long slot, unsigned int level,
					 gfp_t gfp)
{
	struct vmfork_node *node = node_alloc(level, gfp);
	unsigned long fresh = slot & VMFORK_SLOT_FRESH;
	unsigned int i, n = nr_slots(level);

	if (!node)
		return NULL;
	if (slot & VMFORK_SLOT_FILE)
		vmfork_backing_get_slots(vmfork_slot_file_number(slot), n);
	else
		vmfork_page_get(vmfork_slot_page(slot), n, fresh);
	for (i = 0; i < n; i++)
		node->slots[i] = slot_part(slot, (u64)i << shifts[level]);
	if (fresh)
		node->changed = ~0U;
	return node;
}

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
		node = node_clone(node, gfp);
	} else if (old) {
		node = node_of_pages(old, level, gfp);
	} else {
		node = node_alloc(level, gfp);
	}
	if (!node)
		return NULL;
	*slot = (unsigned long)node | VMFORK_SLOT_NODE;
	slot_put(old);
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

/* The slot of @level at @index, or the slot above it that spans it too. */
static unsigned long find_slot(const struct vmfork_tree *tree, u64 index,
			       unsigned int level, unsigned int *found)
{
	const struct vmfork_node *node = tree->root;
	unsigned int l = tree->level;
	unsigned long slot;

	*found = l + 1;
	if (!node || index >> shifts[l + 1])
		return 0;
	for (;; l--) {
		slot = node->slots[slot_nr(index, l)];
		*found = l;
		if (l == level || !(slot & VMFORK_SLOT_NODE))
			return slot;
		node = vmfork_slot_node(slot);
	}
}

/*
 * The same of a finished tree, for who looks for pages of files: 0 as soon as
 * there is none below a slot; *@found is the level of that.
 */
static unsigned long find_file_slot(const struct vmfork_tree *tree, u64 index,
				    unsigned int *found)
{
	const struct vmfork_node *node = tree->root;
	unsigned int l = tree->level;
	unsigned long slot;

	*found = l + 1;
	if (!node || index >> shifts[l + 1])
		return 0;
	for (;; l--) {
		*found = l + 1;
		if (!node->nr_file)
			return 0;
		slot = node->slots[slot_nr(index, l)];
		*found = l;
		if (!(slot & VMFORK_SLOT_NODE))
			return slot & VMFORK_SLOT_FILE ? slot : 0;
		node = vmfork_slot_node(slot);
	}
}

/* What a slot of @level has at @index, and all that follows it. */
static unsigned long slot_in(unsigned long slot, unsigned int level, u64 index)
{
	return slot_part(slot, index & (span(level) - 1));
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
			node = node_alloc(tree->level + 1, VMFORK_GFP);
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
		freed = node_put(tree->root);
	tree->root = NULL;
	return freed;
}

/**
 * vmfork_tree_slot() - look a page up
 * @tree: finished, or its lock held
 * @index: in pages
 * @huge: set if it is a page of a 2 MiB folio that may be mapped as a whole
 *
 * Return: the page, held by the tree, or a page of a file, as a slot of a leaf
 * says it; 0 for a hole.
 */
unsigned long vmfork_tree_slot(const struct vmfork_tree *tree, u64 index,
			       bool *huge)
{
	unsigned int level;
	unsigned long slot = find_slot(tree, index, 0, &level);

	*huge = slot && level == VMFORK_HUGE_LEVEL &&
		!(slot & VMFORK_SLOT_FILE);
	return slot ? slot_in(slot, level, index) : 0;
}

/**
 * vmfork_tree_slots_at() - look several pages up
 * @tree: finished
 * @index: in pages
 * @nr: how many from there on; all within one run (VMFORK_RUN_PAGES)
 * @slots: out: each as vmfork_tree_slot() returns it
 */
void vmfork_tree_slots_at(const struct vmfork_tree *tree, u64 index,
			  unsigned int nr, unsigned long *slots)
{
	const struct vmfork_node *leaf;
	unsigned int level, i;
	unsigned long slot;

	slot = find_slot(tree, index, VMFORK_RUN_LEVEL, &level);
	if (!(slot & VMFORK_SLOT_NODE)) {
		for (i = 0; i < nr; i++)
			slots[i] = slot ? slot_in(slot, level, index + i) : 0;
		return;
	}
	leaf = vmfork_slot_node(slot);
	for (i = 0; i < nr; i++)
		slots[i] = leaf->slots[slot_nr(index + i, 0)];
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
		index = (index | (span(level) - 1)) + 1;
		cond_resched();
	}
	return end;
}

/**
 * vmfork_tree_next_file() - find the next pages of a file
 * @tree: finished
 * @index: where to begin; set to where they begin
 * @end: where to stop
 * @slot: out: what a slot of a leaf says of the first one
 *
 * Return: how many there are, one after the other in the file, too; 0 if there
 * are no more.
 */
u64 vmfork_tree_next_file(const struct vmfork_tree *tree, u64 *index, u64 end,
			  unsigned long *slot)
{
	unsigned long also;
	unsigned int level;
	u64 next = *index;

	for (; *index < end; *index = next) {
		*slot = find_file_slot(tree, *index, &level);
		next = (*index | (span(level) - 1)) + 1;
		if (*slot)
			break;
		cond_resched();
	}
	if (*index >= end)
		return 0;
	*slot = slot_in(*slot, level, *index);
	while (next < end) {
		also = find_file_slot(tree, next, &level);
		if (!also || slot_in(also, level, next) !=
			     slot_part(*slot, next - *index))
			break;
		next = (next | (span(level) - 1)) + 1;
		cond_resched();
	}
	return min(next, end) - *index;
}

/* What a tree has at @index, as a slot of @level would say it. */
static unsigned long slot_as(const struct vmfork_tree *tree, u64 index,
			     unsigned int level)
{
	unsigned int found;
	unsigned long slot;

	if (level > tree->level) {
		if (!tree->root || index >> shifts[tree->level + 1])
			return 0;
		return (unsigned long)tree->root | VMFORK_SLOT_NODE;
	}
	slot = find_slot(tree, index, level, &found);
	if (!slot || found == level)
		return slot;
	index &= ~(span(level) - 1);
	return slot_in(slot, found, index);
}

static bool same_root(const struct vmfork_tree *a, const struct vmfork_tree *b)
{
	return a->root == b->root && a->level == b->level;
}

/**
 * vmfork_tree_next_diff() - find where two trees are not the same
 * @a: finished
 * @b: finished
 * @index: where to begin
 * @end: where to stop
 * @diff_end: out: the index up to which they are not the same, every page of
 *	it; @end at most
 *
 * What the trees share is passed over at a step, so this costs what differs.
 *
 * Return: the first index in [@index, @end) at which one has another page than
 * the other, or a page where the other has a hole; or @end.
 */
u64 vmfork_tree_next_diff(const struct vmfork_tree *a,
			  const struct vmfork_tree *b, u64 index, u64 end,
			  u64 *diff_end)
{
	unsigned int top = max(a->level, b->level), level;

	if (same_root(a, b))
		return end;
	while (index < end) {
		unsigned long in_a = 0, in_b = 0;

		for (level = top;; level--) {
			in_a = slot_as(a, index, level);
			in_b = slot_as(b, index, level);
			if (in_a == in_b)
				break;
			if (!((in_a | in_b) & VMFORK_SLOT_NODE))
				break;
		}
		*diff_end = min((index | (span(level) - 1)) + 1, end);
		if (in_a != in_b)
			return index;
		index = *diff_end;
		cond_resched();
	}
	return end;
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

/*
 * The first slot of @node from @nr on that may have something fresh in it or
 * below, or how many slots there are.
 */
static unsigned int next_changed(const struct vmfork_node *node,
				 unsigned int nr)
{
	u32 changed;

	if (node->level > VMFORK_RUN_LEVEL)
		return nr;
	changed = node->changed >> nr;
	return changed ? nr + __ffs(changed) : nr_slots(node->level);
}

/**
 * vmfork_tree_next_fresh() - find the next fresh pages
 * @tree: a change under way
 * @index: where to begin; set to where the slot begins, or stays if it lies
 *	in the midst of it
 * @end: where to stop
 * @level: set to that of the slot
 *
 * Costs what was changed.  The slots up to the end of the node, if it is a
 * leaf, may be looked at one by one.
 *
 * Return: the slot, or NULL.
 */
unsigned long *vmfork_tree_next_fresh(const struct vmfork_tree *tree,
				      u64 *index, u64 end, unsigned int *level)
{
	struct vmfork_node *node;
	unsigned int l, nr, next;
	unsigned long *slot;

	while (*index < end) {
		node = tree->root;
		if (!node || node->sealed || *index >> shifts[tree->level + 1])
			return NULL;
		for (l = tree->level;;) {
			nr = slot_nr(*index, l);
			next = next_changed(node, nr);
			if (next != nr) {
				*index &= ~(span(l) - 1);
				*index += (next - nr) * span(l);
				if (*index >= end)
					return NULL;
				if (next == nr_slots(l))
					break;	/* Past this node. */
			}
			slot = &node->slots[next];
			if (*slot & VMFORK_SLOT_NODE &&
			    !vmfork_slot_node(*slot)->sealed) {
				node = vmfork_slot_node(*slot);
				l--;
				continue;
			}
			if (*slot & VMFORK_SLOT_FRESH) {
				*level = l;
				return slot;
			}
			*index = (*index | (span(l) - 1)) + 1;
			if (*index >= end)
				return NULL;
			if (!slot_nr(*index, l))
				break;		/* Past this node. */
		}
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
	p = &node->slots[slot_nr(index, level)];
	old = *p;
	*p = slot;
	slot_put(old);
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
		slot = slot_as(src, src_index, level);
		slot_get(slot);
		err = set_slot(dst, src_index + delta, level, slot, VMFORK_GFP);
		if (err) {
			slot_put(slot);
			return err;
		}
		src_index += span(level);
	}
}

/* Recurses once a level, into nodes of this tree alone. */
static void node_seal(struct vmfork_node *node)
{
	unsigned int i, n = nr_slots(node->level);
	unsigned long slot;

	if (node->sealed)
		return;

	node->nr_pages = 0;
	node->nr_file = 0;
	node->nr_huge = 0;
	for (i = 0; i < n; i++) {
		slot = node->slots[i];
		if (!slot)
			continue;
		if (slot & VMFORK_SLOT_NODE) {
			struct vmfork_node *child = vmfork_slot_node(slot);

			node_seal(child);
			node->nr_pages += child->nr_pages;
			node->nr_file += child->nr_file;
			node->nr_huge += child->nr_huge;
		} else if (slot & VMFORK_SLOT_FILE) {
			node->nr_file += span(node->level);
		} else {
			node->nr_pages += span(node->level);
			node->nr_huge += node->level == VMFORK_HUGE_LEVEL;
		}
	}
	node->changed = 0;
	node->sealed = true;
}

/**
 * vmfork_tree_seal() - count what a tree holds; it is finished now
 * @tree: has no fresh pages
 */
void vmfork_tree_seal(struct vmfork_tree *tree)
{
	if (tree->root)
		node_seal(tree->root);
}

/**
 * vmfork_tree_pages() - how many pages a sealed tree holds, in 4 KiB
 * @tree: sealed
 *
 * Return: the number, without pages of files.
 */
u64 vmfork_tree_pages(const struct vmfork_tree *tree)
{
	return tree->root ? tree->root->nr_pages : 0;
}

/**
 * vmfork_tree_file_pages() - how many pages of a sealed tree are files'
 * @tree: sealed
 *
 * Return: the number.
 */
u64 vmfork_tree_file_pages(const struct vmfork_tree *tree)
{
	return tree->root ? tree->root->nr_file : 0;
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

/* Levels with as many slots share a cache. */
static int cache_create(unsigned int level)
{
	static const char * const names[] = {
		"vmfork_leaf", "vmfork_runs", "vmfork_node",
	};

	size_t size = struct_size_t(struct vmfork_node, slots, nr_slots(level));

	if (level >= ARRAY_SIZE(names)) {
		caches[level] = caches[VMFORK_HUGE_LEVEL];
		return 0;
	}
	caches[level] = kmem_cache_create(names[level], size, 0, SLAB_ACCOUNT,
					  NULL);
	return caches[level] ? 0 : -ENOMEM;
}

/**
 * vmfork_tree_setup() - once, before any tree
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_tree_setup(void)
{
	unsigned int level;
	int err = 0;

	for (level = 0; !err && level <= VMFORK_MAX_LEVEL; level++)
		err = cache_create(level);
	if (err)
		vmfork_tree_cleanup();
	return err;
}

/**
 * vmfork_tree_cleanup() - undo vmfork_tree_setup()
 */
void vmfork_tree_cleanup(void)
{
	unsigned int level;

	for (level = 0; level <= VMFORK_MAX_LEVEL; level++) {
		if (level <= VMFORK_HUGE_LEVEL)
			kmem_cache_destroy(caches[level]);
		caches[level] = NULL;
	}
}
