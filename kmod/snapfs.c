// SPDX-License-Identifier: GPL-2.0-only
/*
 * The internal file system that the inodes of snapshots live on.
 *
 * It is mounted while anybody needs it: an open /dev/vmfork or a snapshot's
 * inode.  The mount holds a reference on the module, so it must not be there
 * always, or the module could never be unloaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/vmfork.h>

#include "snapfs.h"
#include "snapshot.h"

#define SNAPFS_MAGIC	0x766d666b	/* "vmfk" */

static struct vfsmount *snapfs_mount;
static int snapfs_pins;

static void snapfs_evict_inode(struct inode *inode)
{
	struct vmfork_snapshot *snap = inode->i_private;

	clear_inode(inode);
	if (snap) {
		inode->i_private = NULL;
		vmfork_snapshot_free(snap);
		vmfork_snapfs_unpin();
	}
}

static const struct super_operations snapfs_super_ops = {
	.statfs		= simple_statfs,
	.drop_inode	= generic_delete_inode,
	.evict_inode	= snapfs_evict_inode,
};

static int snapfs_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, SNAPFS_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &snapfs_super_ops;
	return 0;
}

static struct file_system_type snapfs_type = {
	.name			= "vmfork-snapshots",
	.owner			= THIS_MODULE,
	.init_fs_context	= snapfs_init_fs_context,
	.kill_sb		= kill_anon_super,
};

/**
 * vmfork_snapfs_pin() - keep the file system mounted
 *
 * Return: 0 or an errno.  vmfork_snapfs_unpin() when done.
 */
int vmfork_snapfs_pin(void)
{
	return simple_pin_fs(&snapfs_type, &snapfs_mount, &snapfs_pins);
}

/**
 * vmfork_snapfs_unpin() - undo one vmfork_snapfs_pin()
 */
void vmfork_snapfs_unpin(void)
{
	simple_release_fs(&snapfs_mount, &snapfs_pins);
}

/**
 * vmfork_snapfs_inode() - a new inode for a snapshot
 *
 * The file system is pinned.  Once ->i_private is set, the inode owns that
 * snapshot, and one pin.
 *
 * Return: the inode or ERR_PTR(-ENOMEM).
 */
struct inode *vmfork_snapfs_inode(void)
{
	struct inode *inode = new_inode(snapfs_mount->mnt_sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_ino = get_next_ino();
	return inode;
}

/**
 * vmfork_snapfs_file() - open a new inode
 * @inode: its reference becomes the file's
 * @name: for /proc/PID/maps and such
 * @fops: its operations, which hold the module while it is open
 *
 * Return: a file, or an ERR_PTR() and @inode is still the caller's.
 */
struct file *vmfork_snapfs_file(struct inode *inode, const char *name,
				const struct file_operations *fops)
{
	struct file *file;

	__module_get(fops->owner);
	file = alloc_file_pseudo(inode, snapfs_mount, name,
				 O_RDWR | O_LARGEFILE, fops);
	if (IS_ERR(file))
		module_put(fops->owner);
	else	/* What an open(2) of the inode would have set. */
		file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	return file;
}
