/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmforkfs: the file system of snapshots, named and not.
 */
#ifndef VMFORK_VMFORKFS_H
#define VMFORK_VMFORKFS_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/types.h>

struct vmfork_snapshot;

/**
 * struct vmfork_inode - an inode of vmforkfs
 * @vfs: the kernel's part
 * @snap: the snapshot that it shows, and holds; NULL while a named file is
 *	none yet, and then set once.  Always NULL for directories.
 * @named: it has, or may get, names; otherwise it is what a capture's
 *	descriptor leads to
 * @reserved: a snapshot that is being made will be put here; nobody else
 *	touches the file until then.  With inode_lock(), as what follows.
 * @writers: open files of a named one that may write
 * @draft: what is being written, or NULL; its tree is nobody else's
 * @of_snap: in @snap->inodes, if it shows one
 * @with_name: in @snap->with_names, if it shows one and has a link
 */
struct vmfork_inode {
	struct inode vfs;
	struct vmfork_snapshot *snap;
	bool named;
	bool reserved;
	unsigned int writers;
	struct vmfork_snapshot *draft;
	struct list_head of_snap;
	struct list_head with_name;
};

static inline struct vmfork_inode *vmfork_inode(const struct inode *inode)
{
	return container_of(inode, struct vmfork_inode, vfs);
}

/**
 * vmfork_inode_snapshot() - the snapshot that an inode shows
 * @inode: of vmforkfs
 *
 * Return: the snapshot, which lives as long as the inode; NULL for a named file
 * that is none yet, and for what is no file.
 */
static inline struct vmfork_snapshot *
vmfork_inode_snapshot(const struct inode *inode)
{
	/* Pairs with vmfork_inode_show(). */
	return smp_load_acquire(&vmfork_inode(inode)->snap);
}

bool vmfork_is_vmforkfs(const struct inode *inode);
struct inode *vmfork_inode_new(struct super_block *sb, umode_t mode);
void vmfork_inode_show(struct inode *inode, struct vmfork_snapshot *snap,
		       loff_t size);
struct file *vmforkfs_file(struct vmfork_snapshot *snap);
int vmforkfs_pin(void);
void vmforkfs_unpin(void);
int vmforkfs_setup(void);
int vmforkfs_publish(void);
void vmforkfs_unpublish(void);
void vmforkfs_cleanup(void);

#endif /* VMFORK_VMFORKFS_H */
