// SPDX-License-Identifier: GPL-2.0-only
/*
 * A snapshot: its pages, and who holds it.
 *
 * Its inode, open files and mappings do.  After vmfork_snapshot_seal() it never
 * changes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "backing.h"
#include "event.h"
#include "snapshot.h"
#include "trace.h"
#include "tree.h"

static atomic64_t last_id;
static struct workqueue_struct *free_wq;

/**
 * vmfork_snapshot_ready() - is a snapshot finished
 * @snap: to ask
 *
 * Return: true if its tree will not change any more, and may be read without
 * a lock.
 */
bool vmfork_snapshot_ready(const struct vmfork_snapshot *snap)
{
	/* Pairs with vmfork_snapshot_seal(). */
	return smp_load_acquire(&snap->ready);
}

/**
 * vmfork_snapshot_blocks() - st_blocks of a snapshot
 * @snap: finished
 *
 * What there is to be read, in memory or of files: tools take a file without
 * blocks for one without data.
 *
 * Return: units of 512 bytes.
 */
blkcnt_t vmfork_snapshot_blocks(const struct vmfork_snapshot *snap)
{
	return (vmfork_tree_pages(&snap->tree) +
		vmfork_tree_file_pages(&snap->tree)) << (PAGE_SHIFT - 9);
}

static void look(const struct vmfork_tree *tree, u64 index,
		 struct vmfork_spot *spot)
{
	unsigned long slot = vmfork_tree_slot(tree, index, &spot->huge);

	spot->page = NULL;
	spot->backing = NULL;
	if (slot & VMFORK_SLOT_FILE) {
		spot->backing = vmfork_backing_get_of(slot);
		spot->at = vmfork_slot_file_at(slot);
		spot->page = vmfork_backing_find(spot->backing, spot->at);
	} else if (slot) {
		spot->page = vmfork_slot_page(slot);
	}
	if (spot->page)
		get_page(spot->page);
}

/**
 * vmfork_snapshot_look() - look a page up
 * @snap: finished or not
 * @index: in pages
 * @spot: out: what is there; the references are the caller's
 */
void vmfork_snapshot_look(struct vmfork_snapshot *snap, u64 index,
			  struct vmfork_spot *spot)
{
	if (likely(vmfork_snapshot_ready(snap))) {
		look(&snap->tree, index, spot);
		return;
	}
	read_lock(&snap->tree.lock);
	look(&snap->tree, index, spot);
	read_unlock(&snap->tree.lock);
}

/**
 * vmfork_snapshot_borrow() - the same, for who wants to read it
 * @snap: finished
 * @index: in pages
 * @spot: out: for vmfork_spot_done(); if @backing is set, @page may be a page
 *	of the file's own, and what was read is right only if that says so
 *
 * Return: 0, or a negative errno and there is nothing to be done with @spot.
 */
int vmfork_snapshot_borrow(struct vmfork_snapshot *snap, u64 index,
			   struct vmfork_spot *spot)
{
	struct page *page;

	vmfork_snapshot_look(snap, index, spot);
	if (spot->page && spot->backing) {
		vmfork_backing_put(spot->backing);
		spot->backing = NULL;
	}
	if (!spot->backing)
		return 0;
	page = vmfork_backing_borrow(spot->backing, spot->at, false);
	if (IS_ERR(page)) {
		vmfork_backing_put(spot->backing);
		return PTR_ERR(page);
	}
	spot->page = page;
	return 0;
}

/**
 * vmfork_spot_done() - when what was borrowed was read
 * @spot: borrowed
 *
 * Return: 0, or a negative errno: what was read may have been wrong.
 */
int vmfork_spot_done(struct vmfork_spot *spot)
{
	int err = 0;

	if (spot->page)
		put_page(spot->page);
	if (spot->backing) {
		err = vmfork_backing_check(spot->backing);
		vmfork_backing_put(spot->backing);
	}
	return err;
}

/**
 * vmfork_snapshot_fill() - have pages of files there before they are used
 * @snap: finished
 * @index: where the range begins, in pages
 * @nr: its length
 *
 * Return: 0 or a negative errno, as vmfork_backing_fill(); -EDQUOT, who is
 * charged for them has reached his limit.
 */
int vmfork_snapshot_fill(struct vmfork_snapshot *snap, u64 index, u64 nr)
{
	struct vmfork_backing *backing;
	u64 end = index + nr, run, at;
	unsigned long slot;
	struct page *page;
	int err;

	while ((run = vmfork_tree_next_file(&snap->tree, &index, end, &slot))) {
		backing = vmfork_backing_of(slot);
		at = vmfork_slot_file_at(slot);
		for (; run; run--, at++, index++) {
			if (vmfork_backing_find(backing, at))
				continue;
			err = vmfork_backing_fill(backing, at, run, false,
						  &page);
			if (err)
				return err;
			put_page(page);
			if (!vmfork_backing_find(backing, at))
				return -EDQUOT;
			if (fatal_signal_pending(current))
				return -EINTR;
		}
	}
	return 0;
}

/**
 * vmfork_snapshot_seal() - make a snapshot what it will always be
 * @snap: has all its pages
 */
void vmfork_snapshot_seal(struct vmfork_snapshot *snap)
{
	vmfork_tree_seal(&snap->tree);
	/* Pairs with vmfork_snapshot_ready(). */
	smp_store_release(&snap->ready, true);
	wake_up_all(&snap->waiting);
}

/**
 * vmfork_snapshot_get() - take a reference
 * @snap: held by the caller in some way
 *
 * Return: @snap.
 */
struct vmfork_snapshot *vmfork_snapshot_get(struct vmfork_snapshot *snap)
{
	refcount_inc(&snap->refs);
	return snap;
}

static void snapshot_free(struct vmfork_snapshot *snap)
{
	u64 pages = vmfork_tree_pages(&snap->tree), begin = 0, freed;

	vmfork_registry_remove(snap);
	if (trace_vmfork_drop_enabled())
		begin = ktime_get_ns();
	freed = vmfork_tree_destroy(&snap->tree);
	if (begin)
		trace_vmfork_drop(snap->shown.id, pages, freed,
				  ktime_get_ns() - begin);
	if (snap->announced)
		vmfork_event_dropped(snap, pages, freed);
	put_pid(snap->creator);
	kfree(snap);
}

/**
 * vmfork_snapshot_put() - drop a reference
 * @snap: may be NULL
 *
 * The last one frees the snapshot and what only it holds.  May sleep.
 */
void vmfork_snapshot_put(struct vmfork_snapshot *snap)
{
	if (snap && refcount_dec_and_test(&snap->refs))
		snapshot_free(snap);
}

static void free_later(struct work_struct *work)
{
	snapshot_free(container_of(work, struct vmfork_snapshot, free_work));
}

/**
 * vmfork_snapshot_put_later() - drop a reference, in somebody's pause
 * @snap: may be NULL
 *
 * As vmfork_snapshot_put(), but it does not take this task's time.
 */
void vmfork_snapshot_put_later(struct vmfork_snapshot *snap)
{
	if (!snap || !refcount_dec_and_test(&snap->refs))
		return;
	INIT_WORK(&snap->free_work, free_later);
	queue_work(free_wq, &snap->free_work);
}

/**
 * vmfork_snapshot_flush() - wait until all that is to be freed later is free
 */
void vmfork_snapshot_flush(void)
{
	flush_workqueue(free_wq);
}

/**
 * vmfork_snapshot_setup() - once, before the first snapshot
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_snapshot_setup(void)
{
	free_wq = alloc_workqueue("vmfork_free", WQ_UNBOUND | WQ_MEM_RECLAIM,
				  0);
	return free_wq ? 0 : -ENOMEM;
}

/**
 * vmfork_snapshot_cleanup() - undo vmfork_snapshot_setup()
 */
void vmfork_snapshot_cleanup(void)
{
	destroy_workqueue(free_wq);
}

/**
 * vmfork_snapshot_alloc() - an empty, unfinished snapshot, that no file shows
 * @size: in bytes
 *
 * Return: the snapshot, with a reference for the caller, or NULL.
 */
struct vmfork_snapshot *vmfork_snapshot_alloc(u64 size)
{
	struct vmfork_snapshot *snap;

	snap = kzalloc(sizeof(*snap), VMFORK_GFP | __GFP_ACCOUNT);
	if (!snap)
		return NULL;
	snap->shown.id = atomic64_inc_return(&last_id);
	refcount_set(&snap->refs, 1);
	snap->size = size;
	vmfork_tree_init(&snap->tree, size >> PAGE_SHIFT);
	init_waitqueue_head(&snap->waiting);
	snap->creator = get_task_pid(current, PIDTYPE_TGID);
	snap->created_ns = ktime_get_boottime_ns();
	INIT_LIST_HEAD(&snap->inodes);
	INIT_LIST_HEAD(&snap->with_names);
	get_task_comm(snap->command, current);
	snap->rights.uid = current_fsuid();
	snap->rights.gid = current_fsgid();
	snap->rights.mode = 0600;
	if (vmfork_registry_add(snap)) {
		put_pid(snap->creator);
		kfree(snap);
		return NULL;
	}
	return snap;
}
