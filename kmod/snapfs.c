// SPDX-License-Identifier: GPL-2.0-only
/*
 * The internal file system that the inodes of mappings live on.
 *
 * It is mounted while vmforkfs is, and by each file of it.  The mount holds a
 * reference on the module, so it must not be there always, or the module could
 * never be unloaded.
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

#define SNAPFS_MAGIC	0x766d666d	/* "vmfm" */

static struct vfsmount *snapfs_mount;
static int snapfs_pins;

static void snapfs_evict_inode(struct inode *inode)
{
	struct vmfork_shown *shown = inode->i_private;

	clear_inode(inode);
	if (shown) {
		inode->i_private = NULL;
		shown->ops->evict(shown);
	}
}

/* As it is in /proc/PID/maps and fd: there is no such name to open. */
static char *snapfs_dname(struct dentry *dentry, char *buffer, int buflen)
{
	struct vmfork_shown *shown = d_inode(dentry)->i_private;
	char name[48];
	int len = snprintf(name, sizeof(name), "/vmfork:%llu (deleted)",
			   READ_ONCE(shown->id)) + 1;

	if (len > buflen)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buffer + buflen - len, name, len);
}

static const struct dentry_operations snapfs_dentry_ops = {
	.d_dname	= snapfs_dname,
};

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
	ctx->dops = &snapfs_dentry_ops;
	return 0;
}

static struct file_system_type snapfs_type = {
	.name			= "vmfork-mappings",
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

static int snapfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	if (attr->ia_valid & ATTR_SIZE)
		return -EPERM;
	return simple_setattr(idmap, dentry, attr);
}

static const struct inode_operations snapfs_iops = {
	.setattr	= snapfs_setattr,
};

static struct inode *snapfs_inode(u64 size)
{
	struct inode *inode = new_inode(snapfs_mount->mnt_sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFREG | 0600;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	inode->i_size = size;
	inode->i_op = &snapfs_iops;
	inode->i_fop = &vmfork_snapshot_fops;
	simple_inode_init_ts(inode);
	/* There is no name to find it by. */
	clear_nlink(inode);
	return inode;
}

/**
 * vmfork_snapfs_file() - a file of a new inode
 * @shown: what the inode shows; on success it is the inode's, until evicted
 * @size: of the inode in bytes
 * @fops: of this file; whoever opens the inode again gets a snapshot's file
 *
 * The caller has the file system pinned, or a file of vmforkfs, which has.
 *
 * Return: the file or an ERR_PTR().
 */
struct file *vmfork_snapfs_file(struct vmfork_shown *shown, u64 size,
				const struct file_operations *fops)
{
	struct inode *inode;
	struct file *file;

	inode = snapfs_inode(size);
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	__module_get(fops->owner);
	file = alloc_file_pseudo(inode, snapfs_mount, "", O_RDWR | O_LARGEFILE,
				 fops);
	if (IS_ERR(file)) {
		module_put(fops->owner);
		iput(inode);
		return file;
	}
	/* What an open(2) of the inode would have set. */
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	/* From here on the inode owns what it shows. */
	inode->i_private = shown;
	return file;
}
