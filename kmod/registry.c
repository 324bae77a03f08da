// SPDX-License-Identifier: GPL-2.0-only
/*
 * All snapshots and all mappings, by their numbers.
 *
 * Whoever looks at them all goes from one number to the next, and holds
 * nothing in between: what is there all the while is seen exactly once, what
 * comes or goes meanwhile, once or not.  New snapshots have higher numbers
 * than all before them, so they are seen if they are reached.
 *
 * No fault takes the locks here.  They are held for a few instructions.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "keep.h"
#include "mapping.h"
#include "registry.h"
#include "snapshot.h"
#include "tree.h"

#define ADOPTED_AT_ONCE	32

static DEFINE_XARRAY_FLAGS(snapshots, XA_FLAGS_ACCOUNT);
static DEFINE_XARRAY_FLAGS(mappings, XA_FLAGS_ACCOUNT);

/* For the kin of all snapshots. */
static DEFINE_SPINLOCK(kin_lock);

/**
 * vmfork_registry_add() - there is one more snapshot
 * @snap: new
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_registry_add(struct vmfork_snapshot *snap)
{
	INIT_LIST_HEAD(&snap->kin.children);
	INIT_LIST_HEAD(&snap->kin.siblings);
	return xa_insert(&snapshots, snap->shown.id, snap,
			 VMFORK_GFP | __GFP_ACCOUNT);
}

/* Some of the children become the parent's; false if there are no more. */
static bool leave_children(struct vmfork_snapshot *snap)
{
	struct vmfork_snapshot *parent, *child, *next;
	unsigned int nr = 0;

	spin_lock(&kin_lock);
	parent = snap->kin.parent;
	list_for_each_entry_safe(child, next, &snap->kin.children,
				 kin.siblings) {
		child->kin.parent = parent;
		if (parent)
			list_move(&child->kin.siblings, &parent->kin.children);
		else
			list_del_init(&child->kin.siblings);
		if (++nr == ADOPTED_AT_ONCE)
			break;
	}
	if (nr < ADOPTED_AT_ONCE)
		list_del_init(&snap->kin.siblings);
	spin_unlock(&kin_lock);
	return nr == ADOPTED_AT_ONCE;
}

/**
 * vmfork_registry_remove() - undo vmfork_registry_add()
 * @snap: nobody has a reference
 *
 * Its children become its parent's.
 */
void vmfork_registry_remove(struct vmfork_snapshot *snap)
{
	xa_erase(&snapshots, snap->shown.id);
	while (leave_children(snap))
		cond_resched();
}

/**
 * vmfork_registry_next() - find the next snapshot
 * @id: the lowest number that is wanted; set to the one that is found
 *
 * Return: a finished snapshot, with a reference for the caller, or NULL.
 */
struct vmfork_snapshot *vmfork_registry_next(u64 *id)
{
	struct vmfork_snapshot *snap;
	unsigned long index = *id;

	for (;; index++) {
		xa_lock(&snapshots);
		snap = xa_find(&snapshots, &index, ULONG_MAX, XA_PRESENT);
		/* It goes only after it has been removed. */
		if (snap && (!vmfork_snapshot_ready(snap) ||
			     !refcount_inc_not_zero(&snap->refs))) {
			xa_unlock(&snapshots);
			continue;
		}
		xa_unlock(&snapshots);
		*id = index;
		return snap;
	}
}

/**
 * vmfork_registry_set_parent() - say what was mapped where one is captured
 * @snap: is being captured
 * @parent: held by the caller in some way.  The first that is said counts.
 */
void vmfork_registry_set_parent(struct vmfork_snapshot *snap,
				struct vmfork_snapshot *parent)
{
	if (parent == snap || READ_ONCE(snap->kin.parent))
		return;
	spin_lock(&kin_lock);
	if (!snap->kin.parent) {
		WRITE_ONCE(snap->kin.parent, parent);
		list_add(&snap->kin.siblings, &parent->kin.children);
	}
	spin_unlock(&kin_lock);
}

/**
 * vmfork_registry_parent() - the nearest ancestor that is still there
 * @snap: held by the caller
 *
 * Return: its number, or 0.
 */
u64 vmfork_registry_parent(struct vmfork_snapshot *snap)
{
	struct vmfork_snapshot *parent;
	u64 id;

	spin_lock(&kin_lock);
	/* One without references is about to go. */
	parent = snap->kin.parent;
	while (parent && !refcount_read(&parent->refs))
		parent = parent->kin.parent;
	id = parent ? parent->shown.id : 0;
	spin_unlock(&kin_lock);
	return id;
}

/**
 * vmfork_registry_add_mapping() - there is one more mapping
 * @mapping: new; its number is set
 * @inode: it is shown by this one
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_registry_add_mapping(struct vmfork_mapping *mapping,
				struct inode *inode)
{
	int err;

	mapping->inode = inode;
	for (;;) {
		mapping->ino = inode->i_ino;
		err = xa_insert(&mappings, mapping->ino, mapping,
				VMFORK_GFP | __GFP_ACCOUNT);
		if (err != -EBUSY)
			break;
		/* These numbers begin again after 2^32. */
		inode->i_ino = get_next_ino();
	}
	if (err)
		mapping->inode = NULL;
	return err;
}

/**
 * vmfork_registry_remove_mapping() - undo vmfork_registry_add_mapping()
 * @mapping: its inode is being evicted
 */
void vmfork_registry_remove_mapping(struct vmfork_mapping *mapping)
{
	if (mapping->inode)
		xa_erase(&mappings, mapping->ino);
}

/**
 * vmfork_registry_next_mapping() - find the next mapping
 * @id: the lowest number that is wanted; set to the one that is found
 *
 * Return: the inode that keeps it, for vmfork_unkeep(), or NULL.
 */
struct inode *vmfork_registry_next_mapping(u64 *id)
{
	struct vmfork_mapping *mapping;
	unsigned long index = *id;
	struct super_block *sb;
	struct inode *inode;

	for (;; index++) {
		sb = NULL;
		inode = NULL;
		xa_lock(&mappings);
		mapping = xa_find(&mappings, &index, ULONG_MAX, XA_PRESENT);
		/* It is evicted only after it has been removed. */
		if (mapping && vmfork_keep_super(mapping->inode)) {
			sb = mapping->inode->i_sb;
			inode = igrab(mapping->inode);
		}
		xa_unlock(&mappings);
		*id = index;
		if (inode || !mapping)
			return inode;
		if (sb)
			deactivate_super(sb);
	}
}

/**
 * vmfork_registry_cleanup() - when the module goes
 */
void vmfork_registry_cleanup(void)
{
	WARN_ON(!xa_empty(&snapshots));
	WARN_ON(!xa_empty(&mappings));
	xa_destroy(&snapshots);
	xa_destroy(&mappings);
}
