/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A snapshot: immutable memory, and the file that shows it.
 */
#ifndef VMFORK_SNAPSHOT_H
#define VMFORK_SNAPSHOT_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "registry.h"
#include "rights.h"
#include "snapfs.h"
#include "tree.h"

struct file;
struct pid;
struct vmfork_backing;
struct vmfork_piece;
struct vm_area_struct;

/**
 * struct vmfork_snapshot - one snapshot
 * @shown: by its own inode
 * @refs: held by its inode, open files, and mappings
 * @size: in bytes, the inode's i_size
 * @tree: its pages
 * @ready: @tree is finished.  Before that, only what was captured so far is
 *	mapped, by the process that is being captured, and nobody can open it.
 * @waiting: for @ready
 * @capturer: the task that is capturing into it; for that task alone,
 *	get_unmapped_area() and mmap() of the file mean @piece
 * @piece: what is being captured
 * @creator: the process that captured it
 * @created_ns: CLOCK_BOOTTIME of its capture
 * @free_work: frees it
 * @inodes: that show it, those that have, or may get, names among them
 * @with_names: those of them that have a name
 * @rights: those of the last inode, when there are none left
 * @kin: the snapshots that it was captured from, and that were from it
 * @mappings: how many there are of it
 * @pages_stolen: what its capture took without a copy
 * @pages_copied: what its capture had to copy
 * @command: name of the process that captured it
 * @announced: listeners were told of it, and will be told when it goes
 */
struct vmfork_snapshot {
	struct vmfork_shown shown;
	refcount_t refs;
	u64 size;
	struct vmfork_tree tree;
	bool ready;
	wait_queue_head_t waiting;
	struct task_struct *capturer;
	struct vmfork_piece *piece;
	struct pid *creator;
	u64 created_ns;
	struct work_struct free_work;
	struct list_head inodes;
	struct list_head with_names;
	struct vmfork_rights rights;
	struct vmfork_kin kin;
	atomic_t mappings;
	u64 pages_stolen;
	u64 pages_copied;
	char command[16];
	bool announced;
};

/**
 * struct vmfork_spot - what a snapshot has at an index
 * @page: referenced; NULL for a hole, or if @backing has to be read first
 * @huge: it may be mapped as part of its 2 MiB folio
 * @backing: the file whose page it is, referenced, or NULL
 * @at: its index in that
 */
struct vmfork_spot {
	struct page *page;
	bool huge;
	struct vmfork_backing *backing;
	u64 at;
};

struct vmfork_snapshot *vmfork_snapshot_alloc(u64 size);
struct vmfork_snapshot *vmfork_snapshot_get(struct vmfork_snapshot *snap);
void vmfork_snapshot_put(struct vmfork_snapshot *snap);
void vmfork_snapshot_put_later(struct vmfork_snapshot *snap);
void vmfork_snapshot_flush(void);
int vmfork_snapshot_setup(void);
void vmfork_snapshot_cleanup(void);
void vmfork_snapshot_seal(struct vmfork_snapshot *snap);
blkcnt_t vmfork_snapshot_blocks(const struct vmfork_snapshot *snap);
bool vmfork_snapshot_ready(const struct vmfork_snapshot *snap);
void vmfork_snapshot_look(struct vmfork_snapshot *snap, u64 index,
			  struct vmfork_spot *spot);
int vmfork_snapshot_borrow(struct vmfork_snapshot *snap, u64 index,
			   struct vmfork_spot *spot);
int vmfork_spot_done(struct vmfork_spot *spot);
int vmfork_snapshot_fill(struct vmfork_snapshot *snap, u64 index, u64 nr);

/* file.c */
struct file *vmfork_snapshot_create(u64 size);
void vmfork_snapshot_finish(struct file *file);
struct vmfork_snapshot *vmfork_file_snapshot(const struct file *file);

extern const struct file_operations vmfork_snapshot_fops;

#endif /* VMFORK_SNAPSHOT_H */
