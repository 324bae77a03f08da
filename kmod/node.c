// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes of page trees: how they come, are shared, and go.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "backing.h"
#include "node.h"

static struct kmem_cache *caches[VMFORK_MAX_LEVEL + 1];

/**
 * vmfork_node_alloc() - a node with nothing in it
 * @level: of the node
 * @gfp: for its memory
 *
 * Return: the node, with one reference; NULL if out of memory.
 */
struct vmfork_node *vmfork_node_alloc(unsigned int level, gfp_t gfp)
{
	struct vmfork_node *node;

	node = kmem_cache_zalloc(caches[level], gfp | __GFP_ACCOUNT);
	if (node) {
		refcount_set(&node->refs, 1);
		node->level = level;
	}
	return node;
}

/**
 * vmfork_slot_get() - take a reference on what a slot has
 * @slot: any; whose it is holds that
 */
void vmfork_slot_get(unsigned long slot)
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

/**
 * vmfork_node_put() - drop a reference on a node
 * @node: the node
 *
 * With the last one, all goes that nobody else holds.  May sleep.
 *
 * Return: how many pages that gave back, in units of 4 KiB.
 */
u64 vmfork_node_put(struct vmfork_node *node)
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

/**
 * vmfork_slot_put() - drop a reference on what a slot has
 * @slot: any; not fresh, or else it was never stolen
 *
 * May sleep.
 */
void vmfork_slot_put(unsigned long slot)
{
	if (!slot)
		return;
	if (slot & VMFORK_SLOT_NODE)
		vmfork_node_put(vmfork_slot_node(slot));
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

/**
 * vmfork_node_clone() - a node that says the same as another
 * @node: held by the caller
 * @gfp: for its memory
 *
 * Return: the node, with one reference; NULL if out of memory.
 */
struct vmfork_node *vmfork_node_clone(const struct vmfork_node *node,
				      gfp_t gfp)
{
	struct vmfork_node *copy = vmfork_node_alloc(node->level, gfp);
	unsigned int i, n = nr_slots(node->level);

	if (!copy)
		return NULL;
	for (i = 0; i < n; i++) {
		copy->slots[i] = node->slots[i];
		vmfork_slot_get(copy->slots[i]);
	}
	return copy;
}

/**
 * vmfork_node_of_pages() - a node that says the same as a slot one level above
 * @slot: pages, or pages of a file
 * @level: of the node
 * @gfp: for its memory
 *
 * Return: the node, with one reference; NULL if out of memory.
 */
struct vmfork_node *vmfork_node_of_pages(unsigned long slot,
					 unsigned int level, gfp_t gfp)
{
	struct vmfork_node *node = vmfork_node_alloc(level, gfp);
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
