// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking things up in page trees, and comparing them.
 *
 * Nobody takes references for that: the caller holds the tree.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include "node.h"

/* The slot of @level at @index, or the slot above it that spans it too. */
static unsigned long find_slot(const struct vmfork_tree *tree, u64 index,
			       unsigned int level, unsigned int *found)
{
	const struct vmfork_node *node = tree->root;
	unsigned int l = tree->level;
	unsigned long slot;

	*found = l + 1;
	if (!node || is_beyond(tree, index))
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
	if (!node || is_beyond(tree, index))
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

/**
 * vmfork_tree_slot_as() - what a slot of another tree could have
 * @tree: finished
 * @index: in pages
 * @level: any
 *
 * Return: what @tree has at @index, as a slot of @level would say it.
 */
unsigned long vmfork_tree_slot_as(const struct vmfork_tree *tree, u64 index,
				  unsigned int level)
{
	unsigned int found;
	unsigned long slot;

	if (level > tree->level) {
		if (!tree->root || is_beyond(tree, index))
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
			in_a = vmfork_tree_slot_as(a, index, level);
			in_b = vmfork_tree_slot_as(b, index, level);
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
