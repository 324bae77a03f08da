/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The internal file system that the inodes of mappings live on.
 */
#ifndef VMFORK_SNAPFS_H
#define VMFORK_SNAPFS_H

#include <linux/types.h>

struct file;
struct file_operations;
struct vmfork_shown;
struct vmfork_snapshot;

/**
 * struct vmfork_shown_ops - what can be done with what an inode shows
 * @snapshot: the snapshot that it shows now, with a reference for the caller
 * @evict: the inode is gone
 */
struct vmfork_shown_ops {
	struct vmfork_snapshot *(*snapshot)(struct vmfork_shown *shown);
	void (*evict)(struct vmfork_shown *shown);
};

/**
 * struct vmfork_shown - what has a number, and may be what an inode shows
 * @ops: what can be done with it
 * @id: number of the snapshot that it shows now; it may change at any time
 */
struct vmfork_shown {
	const struct vmfork_shown_ops *ops;
	u64 id;
};

int vmfork_snapfs_pin(void);
void vmfork_snapfs_unpin(void);
struct file *vmfork_snapfs_file(struct vmfork_shown *shown, u64 size,
				const struct file_operations *fops);

#endif /* VMFORK_SNAPFS_H */
