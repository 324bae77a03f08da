/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeping an inode that was found in a list of the module's own.
 *
 * A reference on an inode does not keep its superblock: a file does, which has
 * a mount, or a name.  Who has neither keeps both.
 */
#ifndef VMFORK_KEEP_H
#define VMFORK_KEEP_H

#include <linux/atomic.h>
#include <linux/fs.h>

/**
 * vmfork_keep_super() - keep the superblock of an inode, then igrab() that
 * @inode: found under a lock without which it is not evicted
 *
 * Return: false if the superblock is about to go.
 */
static inline bool vmfork_keep_super(const struct inode *inode)
{
	return atomic_inc_not_zero(&inode->i_sb->s_active);
}

/**
 * vmfork_unkeep() - let go of an inode and its superblock
 * @inode: of igrab()
 *
 * May sleep: both may go now.
 */
static inline void vmfork_unkeep(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;

	iput(inode);
	deactivate_super(sb);
}

#endif /* VMFORK_KEEP_H */
