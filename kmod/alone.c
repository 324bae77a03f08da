// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a snapshot holds that no other does, and would be given back with it.
 *
 * A node that somebody else has a reference on is in another tree too, and so
 * is all that is below it.  Of the pages in the other nodes, a folio is this
 * tree's alone if all references that trees have on it were met in this one.
 * A tree has the parts of a folio side by side, so one folio after the other
 * is counted.
 *
 * What was read of a file is kept for all slots that name the file.  So it is
 * this tree's alone if all of these are in it.
 *
 * That needs no lock: a finished tree does not change, and other trees can
 * take references, or drop them, at any time: it is right for some moment.  It
 * is never too much.  It is too little only where one tree has a node, or parts
 * of a folio, in two places (memory that was mapped twice by one process, and
 * captured again from both).
 *
 * It costs a visit of each page that was not taken over from another tree, so
 * it can be interrupted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "alone.h"
#include "backing.h"
#include "node.h"
#include "pages.h"

/**
 * struct counting - a count under way
 * @alone: the result
 * @folio: what the pages that were met last are of
 * @slots: how many slots of it
 * @pages: how many pages these span
 * @files: how many slots there were of each file, by its number
 * @file: whose slots were met last
 * @file_slots: how many of them, which are not in @files yet
 */
struct counting {
	struct vmfork_alone *alone;
	struct folio *folio;
	u64 slots;
	u64 pages;
	struct xarray files;
	u32 file;
	unsigned long file_slots;
};

/* No more of the folio comes. */
static void settle(struct counting *counting)
{
	if (counting->folio &&
	    vmfork_folio_tree_refs(counting->folio) == counting->slots) {
		counting->alone->pages += counting->pages;
		counting->alone->memory += folio_nr_pages(counting->folio);
	}
	counting->folio = NULL;
	counting->slots = 0;
	counting->pages = 0;
}

static void count_page(struct counting *counting, struct page *page, u64 pages)
{
	struct folio *folio = page_folio(page);

	if (folio != counting->folio)
		settle(counting);
	counting->folio = folio;
	counting->slots++;
	counting->pages += pages;
}

/* Another file's slots come. */
static int settle_file(struct counting *counting)
{
	unsigned long nr = counting->file_slots;
	void *old;

	if (!nr)
		return 0;
	counting->file_slots = 0;
	old = xa_load(&counting->files, counting->file);
	if (old)
		nr += xa_to_value(old);
	return xa_err(xa_store(&counting->files, counting->file,
			       xa_mk_value(nr), VMFORK_GFP));
}

static int count_file(struct counting *counting, u32 file)
{
	int err = 0;

	if (file != counting->file)
		err = settle_file(counting);
	counting->file = file;
	counting->file_slots++;
	return err;
}

static void count_read(struct counting *counting)
{
	unsigned long file;
	void *slots;

	xa_for_each(&counting->files, file, slots)
		counting->alone->file +=
			vmfork_backing_alone(file, xa_to_value(slots));
}

/* Recurses once a level, of which there are five. */
static int count_node(struct counting *counting, const struct vmfork_node *node)
{
	unsigned int i, n = nr_slots(node->level);
	int err = 0;

	if (refcount_read(&node->refs) != 1)
		return 0;
	if (node->level) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	for (i = 0; !err && i < n; i++) {
		unsigned long slot = node->slots[i];

		if (slot & VMFORK_SLOT_NODE)
			err = count_node(counting, vmfork_slot_node(slot));
		else if (slot & VMFORK_SLOT_FILE)
			err = count_file(counting,
					 vmfork_slot_file_number(slot));
		else if (slot)
			count_page(counting, vmfork_slot_page(slot),
				   span(node->level));
	}
	return err;
}

/**
 * vmfork_tree_alone() - count what a tree holds that no other does
 * @tree: finished, and held by the caller
 * @alone: out
 *
 * Return: 0, -EINTR if the task is being killed, or -ENOMEM.
 */
int vmfork_tree_alone(const struct vmfork_tree *tree,
		      struct vmfork_alone *alone)
{
	struct counting counting = { .alone = alone };
	int err;

	memset(alone, 0, sizeof(*alone));
	if (!tree->root)
		return 0;
	xa_init(&counting.files);
	err = count_node(&counting, tree->root);
	settle(&counting);
	if (!err)
		err = settle_file(&counting);
	if (!err)
		count_read(&counting);
	xa_destroy(&counting.files);
	return err;
}
