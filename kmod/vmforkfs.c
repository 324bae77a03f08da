// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmforkfs: its superblock, mounts and inodes.
 *
 * There is one superblock, for snapshots with names and those without: only
 * within one does the kernel share contents between files (FICLONE).  It is
 * there while anybody needs it, that is while
 *
 * - /dev/vmfork is open, by way of a mount of the module's own,
 * - it is mounted, or a file of it is open or mapped (these hold a mount),
 * - there is a name on it: a name counts as a mount does (names.c).
 *
 * The superblock holds the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/vmfork.h>

#include "names.h"
#include "owner.h"
#include "ranges.h"
#include "snapfs.h"
#include "snapshot.h"
#include "tree.h"
#include "vmforkfs.h"
#include "written.h"

#define ROOT_MODE	0755

static struct kmem_cache *inode_cache;
static struct vfsmount *own_mount;
static int own_pins;

/* --- inodes --- */

static struct inode *vmforkfs_alloc_inode(struct super_block *sb)
{
	struct vmfork_inode *vi = alloc_inode_sb(sb, inode_cache, VMFORK_GFP);

	if (!vi)
		return NULL;
	vi->snap = NULL;
	vi->named = false;
	vi->reserved = false;
	vi->writers = 0;
	vi->draft = NULL;
	INIT_LIST_HEAD(&vi->of_snap);
	INIT_LIST_HEAD(&vi->with_name);
	return &vi->vfs;
}

/* After a grace period: somebody may still follow the link. */
static void vmforkfs_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(inode_cache, vmfork_inode(inode));
}

static void vmforkfs_evict_inode(struct inode *inode)
{
	struct vmfork_inode *vi = vmfork_inode(inode);

	clear_inode(inode);
	vmfork_name_forget(vi);
	vmfork_snapshot_put(vi->draft);
	vmfork_snapshot_put(vi->snap);
}

static void init_once(void *vi)
{
	inode_init_once(&((struct vmfork_inode *)vi)->vfs);
}

/**
 * vmfork_inode_new() - a new inode
 * @sb: of vmforkfs
 * @mode: its type and permissions
 *
 * Return: the inode, owned by who asks, with one link; or NULL.
 */
struct inode *vmfork_inode_new(struct super_block *sb, umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = mode;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	simple_inode_init_ts(inode);
	if (S_ISREG(mode)) {
		inode->i_op = &vmfork_written_iops;
		inode->i_fop = &vmfork_snapshot_fops;
	}
	return inode;
}

/**
 * vmfork_inode_show() - have an inode show a snapshot, from now on for ever
 * @inode: that shows none; nobody else has it, or it is locked
 * @snap: a reference, which is the inode's then
 * @size: of its file, in bytes: what @snap has of its last page may end before
 *	that does
 */
void vmfork_inode_show(struct inode *inode, struct vmfork_snapshot *snap,
		       loff_t size)
{
	i_size_write(inode, size);
	inode_set_bytes(inode, vmfork_snapshot_blocks(snap) << 9);
	/* Pairs with vmfork_inode_snapshot(). */
	smp_store_release(&vmfork_inode(inode)->snap, snap);
}

/* --- the superblock --- */

/* In df: RAM, of which snapshots hold "used", and what the caller may take. */
static int vmforkfs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	u64 used = vmfork_owners_pages(), room;
	int err = simple_statfs(dentry, buf);

	if (err)
		return err;
	buf->f_blocks = max_t(u64, totalram_pages(), used);
	buf->f_bfree = buf->f_blocks - used;
	room = min_t(u64, max(si_mem_available(), 0L),
		     vmfork_owner_room(vmfork_owner_uid()));
	buf->f_bavail = min_t(u64, buf->f_bfree, room);
	return 0;
}

static int vmforkfs_show_options(struct seq_file *m, struct dentry *root)
{
	const struct inode *inode = d_inode(root);

	seq_printf(m, ",mode=%03o", inode->i_mode & 07777);
	seq_printf(m, ",uid=%u",
		   from_kuid_munged(&init_user_ns, inode->i_uid));
	seq_printf(m, ",gid=%u",
		   from_kgid_munged(&init_user_ns, inode->i_gid));
	return 0;
}

static const struct super_operations vmforkfs_super_ops = {
	.alloc_inode	= vmforkfs_alloc_inode,
	.free_inode	= vmforkfs_free_inode,
	.evict_inode	= vmforkfs_evict_inode,
	.drop_inode	= generic_delete_inode,
	.statfs		= vmforkfs_statfs,
	.show_options	= vmforkfs_show_options,
};

/**
 * vmfork_is_vmforkfs() - is an inode one of vmforkfs
 * @inode: any
 *
 * Return: true if so.
 */
bool vmfork_is_vmforkfs(const struct inode *inode)
{
	return inode->i_sb->s_op == &vmforkfs_super_ops;
}

static struct inode *root_inode(struct super_block *sb)
{
	struct inode *inode = vmfork_inode_new(sb, S_IFDIR | ROOT_MODE);

	if (!inode)
		return NULL;
	/* Whoever is the first to open the device has nothing to say here. */
	inode->i_uid = GLOBAL_ROOT_UID;
	inode->i_gid = GLOBAL_ROOT_GID;
	vmfork_names_init_dir(inode);
	return inode;
}

static int vmforkfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	int err;

	sb->s_maxbytes = VMFORK_MAX_SIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = VMFORKFS_MAGIC;
	sb->s_op = &vmforkfs_super_ops;
	sb->s_time_gran = 1;
	/* Mappings can be made as long as there are snapshots. */
	err = vmfork_snapfs_pin();
	if (err)
		return err;
	sb->s_fs_info = sb;	/* For vmforkfs_kill_sb(): it is pinned. */
	sb->s_root = d_make_root(root_inode(sb));
	return sb->s_root ? 0 : -ENOMEM;
}

static void vmforkfs_kill_sb(struct super_block *sb)
{
	bool pinned = sb->s_fs_info;

	kill_anon_super(sb);
	if (pinned)
		vmfork_snapfs_unpin();
}

/* --- mounting --- */

/**
 * struct mount_options - what a mount wants of the root directory
 * @given: OPT_* that were, as bits
 * @mode: its permissions
 * @uid: its owner
 * @gid: its group
 */
struct mount_options {
	unsigned int given;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

enum { OPT_MODE, OPT_UID, OPT_GID };

static const struct fs_parameter_spec vmforkfs_parameters[] = {
	fsparam_u32oct("mode",	OPT_MODE),
	fsparam_u32("uid",	OPT_UID),
	fsparam_u32("gid",	OPT_GID),
	{}
};

static int vmforkfs_parse_param(struct fs_context *fc,
				struct fs_parameter *param)
{
	struct mount_options *options = fc->fs_private;
	struct fs_parse_result result;
	int opt = fs_parse(fc, vmforkfs_parameters, param, &result);

	if (opt < 0)
		return opt;
	switch (opt) {
	case OPT_MODE:
		if (result.uint_32 & ~07777)
			return invalf(fc, "vmforkfs: mode has bits beyond 07777");
		options->mode = result.uint_32;
		break;
	case OPT_UID:
		options->uid = make_kuid(current_user_ns(), result.uint_32);
		if (!uid_valid(options->uid))
			return invalf(fc, "vmforkfs: there is no such uid");
		break;
	case OPT_GID:
		options->gid = make_kgid(current_user_ns(), result.uint_32);
		if (!gid_valid(options->gid))
			return invalf(fc, "vmforkfs: there is no such gid");
		break;
	}
	options->given |= BIT(opt);
	return 0;
}

/* There is one root for all mounts: the last one that says something wins. */
static void apply_options(struct fs_context *fc, struct inode *root)
{
	const struct mount_options *options = fc->fs_private;

	if (!options->given)
		return;
	inode_lock(root);
	if (options->given & BIT(OPT_MODE))
		root->i_mode = S_IFDIR | options->mode;
	if (options->given & BIT(OPT_UID))
		root->i_uid = options->uid;
	if (options->given & BIT(OPT_GID))
		root->i_gid = options->gid;
	inode_set_ctime_current(root);
	inode_unlock(root);
}

/*
 * That it is read-only is said of the mount, which is not ours to note, and not
 * of the superblock, which all share.
 */
static void never_read_only(struct fs_context *fc)
{
	fc->sb_flags &= ~SB_RDONLY;
}

static int vmforkfs_get_tree(struct fs_context *fc)
{
	int err;

	never_read_only(fc);
	err = get_tree_single(fc, vmforkfs_fill_super);
	if (!err)
		apply_options(fc, d_inode(fc->root));
	return err;
}

static int vmforkfs_reconfigure(struct fs_context *fc)
{
	never_read_only(fc);
	apply_options(fc, d_inode(fc->root));
	return 0;
}

static void vmforkfs_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations vmforkfs_context_ops = {
	.free		= vmforkfs_free_fc,
	.parse_param	= vmforkfs_parse_param,
	.get_tree	= vmforkfs_get_tree,
	.reconfigure	= vmforkfs_reconfigure,
};

static int vmforkfs_init_fs_context(struct fs_context *fc)
{
	struct mount_options *options = kzalloc(sizeof(*options), GFP_KERNEL);

	if (!options)
		return -ENOMEM;
	fc->fs_private = options;
	fc->ops = &vmforkfs_context_ops;
	/* It is nobody's container's, whoever needs it first. */
	fc->global = true;
	/* A remount would be refused before it comes to our ->reconfigure(). */
	never_read_only(fc);
	return 0;
}

static struct file_system_type vmforkfs_type = {
	.name			= "vmforkfs",
	.owner			= THIS_MODULE,
	.init_fs_context	= vmforkfs_init_fs_context,
	.parameters		= vmforkfs_parameters,
	.kill_sb		= vmforkfs_kill_sb,
};
MODULE_ALIAS_FS("vmforkfs");

/**
 * vmforkfs_pin() - have it mounted, by the module itself
 *
 * Return: 0 or an errno.  vmforkfs_unpin() when done.
 */
int vmforkfs_pin(void)
{
	return simple_pin_fs(&vmforkfs_type, &own_mount, &own_pins);
}

/**
 * vmforkfs_unpin() - undo one vmforkfs_pin()
 */
void vmforkfs_unpin(void)
{
	simple_release_fs(&own_mount, &own_pins);
}

/**
 * vmforkfs_file() - a file of a snapshot, with an inode of its own and no name
 * @snap: the snapshot; its reference becomes the inode's
 *
 * The caller has pinned vmforkfs; the file holds it by itself then.
 *
 * Return: the file; or an ERR_PTR(), and the reference is still the caller's.
 */
struct file *vmforkfs_file(struct vmfork_snapshot *snap)
{
	const struct file_operations *fops = &vmfork_snapshot_fops;
	struct inode *inode;
	struct file *file;
	char name[32];

	inode = vmfork_inode_new(own_mount->mnt_sb, S_IFREG | 0600);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	/* There is none to find it by. */
	clear_nlink(inode);
	/* As it is in /proc/PID/fd: "/vmfork:ID (deleted)". */
	snprintf(name, sizeof(name), "vmfork:%llu", snap->shown.id);
	__module_get(fops->owner);
	file = alloc_file_pseudo(inode, own_mount, name, O_RDWR | O_LARGEFILE,
				 fops);
	if (IS_ERR(file)) {
		module_put(fops->owner);
		iput(inode);
		return file;
	}
	/* What an open(2) of the inode would have set. */
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	vmfork_inode_show(inode, snap, snap->size);
	vmfork_name_finished(vmfork_inode(inode));
	return file;
}

/**
 * vmforkfs_setup() - once, before it is mounted, by the module or by others
 *
 * Return: 0 or -ENOMEM.
 */
int vmforkfs_setup(void)
{
	inode_cache = kmem_cache_create("vmfork_inode",
					sizeof(struct vmfork_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					init_once);
	return inode_cache ? 0 : -ENOMEM;
}

/**
 * vmforkfs_publish() - let everybody mount it
 *
 * Return: 0; -EBUSY, there is another file system of that name.
 */
int vmforkfs_publish(void)
{
	return register_filesystem(&vmforkfs_type);
}

/**
 * vmforkfs_unpublish() - undo vmforkfs_publish()
 */
void vmforkfs_unpublish(void)
{
	unregister_filesystem(&vmforkfs_type);
}

/**
 * vmforkfs_cleanup() - undo vmforkfs_setup()
 */
void vmforkfs_cleanup(void)
{
	/* Inodes that vmforkfs_free_inode() has yet to be called for. */
	rcu_barrier();
	kmem_cache_destroy(inode_cache);
}
