// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is fresh in a page tree, as long as it changes; and sealing it, when
 * nothing is any more.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/kernel.h>

#include "node.h"

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
		if (!node || node->sealed || is_beyond(tree, *index))
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
