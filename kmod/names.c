// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of snapshots: the directories of vmforkfs, and how a file in them
 * becomes a snapshot that is there already.
 *
 * A new file is empty, and no snapshot yet.  It becomes one, once and for ever,
 * by FICLONE from a snapshot's file, by a capture that is told to put its
 * result there, or by being written (written.c).  It shows that snapshot then
 * as the descriptor of the capture does; a snapshot can have many names, or
 * none.
 *
 * A name is a dentry that is kept in memory, and each of them is counted as one
 * more user of the superblock: so no umount takes it away, and the module stays
 * while there is one.  It is not the last user, when it goes: who takes it away
 * came by a mount.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmfork.h>

#include "event.h"
#include "keep.h"
#include "names.h"
#include "rights.h"
#include "snapshot.h"
#include "vmforkfs.h"
#include "written.h"

/*
 * For who may see a snapshot: of directories, of its inodes, of names of one of
 * them, and of directories in all.  Nobody is to wait for who has made very
 * many.
 */
#define MAX_DEPTH	64
#define MAX_INODES	256
#define MAX_ALIASES	64
#define MAX_STEPS	(MAX_INODES * MAX_DEPTH)

/* For snap->inodes, snap->with_names and snap->rights, of all snapshots. */
static DEFINE_SPINLOCK(names_lock);

static void count_name(const struct inode *dir)
{
	atomic_inc(&dir->i_sb->s_active);
}

static void uncount_name(const struct inode *dir)
{
	deactivate_super(dir->i_sb);
}

static void touch(struct inode *dir)
{
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
}

static struct inode *new_named(struct mnt_idmap *idmap, struct inode *dir,
			       umode_t mode)
{
	struct inode *inode = vmfork_inode_new(dir->i_sb, mode);

	if (!inode)
		return NULL;
	inode_init_owner(idmap, inode, dir, mode);
	vmfork_inode(inode)->named = true;
	return inode;
}

/* The dentry keeps the inode, and stays. */
static void add_name(struct inode *dir, struct dentry *dentry,
		     struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);
	count_name(dir);
	touch(dir);
}

static int names_create(struct mnt_idmap *idmap, struct inode *dir,
			struct dentry *dentry, umode_t mode, bool excl)
{
	struct inode *inode = new_named(idmap, dir, S_IFREG | mode);

	if (!inode)
		return -ENOMEM;
	add_name(dir, dentry, inode);
	return 0;
}

static int names_mknod(struct mnt_idmap *idmap, struct inode *dir,
		       struct dentry *dentry, umode_t mode, dev_t dev)
{
	if (!S_ISREG(mode))
		return -EPERM;
	return names_create(idmap, dir, dentry, mode & ~S_IFMT, true);
}

static int names_tmpfile(struct mnt_idmap *idmap, struct inode *dir,
			 struct file *file, umode_t mode)
{
	struct inode *inode = new_named(idmap, dir, mode);

	if (!inode)
		return -ENOMEM;
	d_tmpfile(file, inode);
	return finish_open_simple(file, 0);
}

static int names_mkdir(struct mnt_idmap *idmap, struct inode *dir,
		       struct dentry *dentry, umode_t mode)
{
	struct inode *inode = new_named(idmap, dir, S_IFDIR | mode);

	if (!inode)
		return -ENOMEM;
	vmfork_names_init_dir(inode);
	inc_nlink(dir);
	add_name(dir, dentry, inode);
	return 0;
}

static int names_symlink(struct mnt_idmap *idmap, struct inode *dir,
			 struct dentry *dentry, const char *target)
{
	char *link = kstrdup(target, GFP_KERNEL_ACCOUNT);
	struct inode *inode;

	if (!link)
		return -ENOMEM;
	inode = new_named(idmap, dir, S_IFLNK | 0777);
	if (!inode) {
		kfree(link);
		return -ENOMEM;
	}
	inode->i_op = &simple_symlink_inode_operations;
	inode->i_link = link;
	inode->i_size = strlen(link);
	add_name(dir, dentry, inode);
	return 0;
}

/* With names_lock; its links do not change meanwhile. */
static void sort_name(struct vmfork_inode *vi)
{
	if (!vi->vfs.i_nlink)
		list_del_init(&vi->with_name);
	else if (list_empty(&vi->with_name))
		list_add_tail(&vi->with_name, &vi->snap->with_names);
}

/* A link has come or gone; the inode is locked, if it is no directory. */
static void links_changed(struct inode *inode)
{
	struct vmfork_inode *vi = vmfork_inode(inode);

	/* Directories show none, nor do files that are no snapshot yet. */
	if (list_empty(&vi->of_snap))
		return;
	spin_lock(&names_lock);
	sort_name(vi);
	spin_unlock(&names_lock);
}

static int names_link(struct dentry *old, struct inode *dir,
		      struct dentry *dentry)
{
	int err = simple_link(old, dir, dentry);

	if (err)
		return err;
	links_changed(d_inode(dentry));
	count_name(dir);
	return 0;
}

static int names_unlink(struct inode *dir, struct dentry *dentry)
{
	int err = simple_unlink(dir, dentry);

	if (err)
		return err;
	links_changed(d_inode(dentry));
	uncount_name(dir);
	return 0;
}

static int names_rmdir(struct inode *dir, struct dentry *dentry)
{
	int err = simple_rmdir(dir, dentry);

	if (!err)
		uncount_name(dir);
	return err;
}

static int names_rename(struct mnt_idmap *idmap, struct inode *old_dir,
			struct dentry *old, struct inode *new_dir,
			struct dentry *new, unsigned int flags)
{
	bool over = d_really_is_positive(new) && !(flags & RENAME_EXCHANGE);
	int err = simple_rename(idmap, old_dir, old, new_dir, new, flags);

	if (err || !over)
		return err;
	links_changed(d_inode(new));
	uncount_name(new_dir);
	return 0;
}

static const struct inode_operations names_dir_iops = {
	.create		= names_create,
	.lookup		= simple_lookup,
	.link		= names_link,
	.unlink		= names_unlink,
	.symlink	= names_symlink,
	.mkdir		= names_mkdir,
	.rmdir		= names_rmdir,
	.mknod		= names_mknod,
	.rename		= names_rename,
	.tmpfile	= names_tmpfile,
};

/**
 * vmfork_names_init_dir() - make a new inode a directory's
 * @inode: new
 */
void vmfork_names_init_dir(struct inode *inode)
{
	inode->i_op = &names_dir_iops;
	inode->i_fop = &simple_dir_operations;
	inc_nlink(inode);	/* For "." */
}

/**
 * vmfork_name_finished() - an inode has come to show a snapshot
 * @vi: the inode; locked, or nobody else has it
 */
void vmfork_name_finished(struct vmfork_inode *vi)
{
	spin_lock(&names_lock);
	list_add_tail(&vi->of_snap, &vi->snap->inodes);
	sort_name(vi);
	spin_unlock(&names_lock);
}

/* Whom of group @gid and others a directory lets pass, as bits for reading */
static umode_t passes(const struct inode *dir, kgid_t gid)
{
	umode_t group, mode;

	/* It was moved, and its directory is gone. */
	if (!dir)
		return 0;
	mode = READ_ONCE(dir->i_mode);
	group = gid_eq(dir->i_gid, gid) ? 0010 : 0001;
	return ((mode & group) ? 0040 : 0) | ((mode & 0001) ? 0004 : 0);
}

/*
 * The same of all directories above a name.  Under RCU none of them goes; who
 * moves them meanwhile may have it seen as it was, or will be.
 */
static umode_t pass_to(const struct dentry *dentry, kgid_t gid,
		       unsigned int *steps)
{
	umode_t bits = 0044;
	unsigned int depth;

	for (depth = 0; bits && !IS_ROOT(dentry); depth++) {
		if (depth == MAX_DEPTH || !*steps)
			return 0;
		--*steps;
		dentry = READ_ONCE(dentry->d_parent);
		bits &= passes(d_inode_rcu(dentry), gid);
	}
	return bits;
}

/* By any name; without one it is open to whom it is given. */
static umode_t reach_of(struct inode *inode, unsigned int *steps)
{
	struct dentry *alias;
	unsigned int seen = 0;
	umode_t bits = 0;

	rcu_read_lock();
	spin_lock(&inode->i_lock);
	hlist_for_each_entry(alias, &inode->i_dentry, d_u.d_alias) {
		bits |= pass_to(alias, inode->i_gid, steps);
		if (bits == 0044 || ++seen == MAX_ALIASES)
			break;
	}
	spin_unlock(&inode->i_lock);
	rcu_read_unlock();
	return bits;
}

static struct vmfork_rights rights_of(struct inode *inode,
				      unsigned int *steps)
{
	return (struct vmfork_rights) {
		.uid = inode->i_uid,
		.gid = inode->i_gid,
		.mode = inode->i_mode & 07777,
		.reach = reach_of(inode, steps),
	};
}

static bool are_same(const struct vmfork_rights *a,
		     const struct vmfork_rights *b)
{
	return uid_eq(a->uid, b->uid) && gid_eq(a->gid, b->gid) &&
	       a->mode == b->mode && a->reach == b->reach;
}

static bool has_rights(const struct vmfork_rights *rights, unsigned int nr,
		       const struct vmfork_rights *which)
{
	for (; nr; nr--, rights++)
		if (are_same(rights, which))
			return true;
	return false;
}

/**
 * vmfork_snapshot_rights() - who may read a snapshot
 * @snap: any
 * @rights: out: of the files that show it, the first of which is the oldest
 *	that has a name, or the last one that there was; each kind once
 * @max: how many there is room for, at least 1
 *
 * Return: how many these are.
 */
unsigned int vmfork_snapshot_rights(struct vmfork_snapshot *snap,
				    struct vmfork_rights *rights,
				    unsigned int max)
{
	unsigned int nr = 0, seen = 0, steps = MAX_STEPS;
	struct vmfork_rights one;
	struct vmfork_inode *vi;

	spin_lock(&names_lock);
	rights[0] = snap->rights;
	vi = list_first_entry_or_null(&snap->with_names, struct vmfork_inode,
				      with_name);
	if (vi)
		rights[nr++] = rights_of(&vi->vfs, &steps);
	list_for_each_entry(vi, &snap->inodes, of_snap) {
		if (seen++ == MAX_INODES)
			break;
		one = rights_of(&vi->vfs, &steps);
		if (has_rights(rights, nr, &one))
			continue;
		if (nr == max)
			break;
		rights[nr++] = one;
	}
	spin_unlock(&names_lock);
	return nr ?: 1;
}

/**
 * vmfork_name_forget() - an inode goes
 * @vi: any; nobody has it any more
 */
void vmfork_name_forget(struct vmfork_inode *vi)
{
	unsigned int steps = MAX_DEPTH;

	if (list_empty(&vi->of_snap))
		return;
	spin_lock(&names_lock);
	list_del_init(&vi->of_snap);
	list_del_init(&vi->with_name);
	if (list_empty(&vi->snap->inodes))
		vi->snap->rights = rights_of(&vi->vfs, &steps);
	spin_unlock(&names_lock);
}

/* The path of an inode, or an empty string. */
static int name_of(struct inode *inode, char *buf, int len)
{
	struct dentry *dentry = d_find_alias(inode);
	char *path;
	int err = 0;

	*buf = '\0';
	if (dentry && !d_unhashed(dentry)) {
		path = dentry_path_raw(dentry, buf, len);
		if (IS_ERR(path)) {
			err = PTR_ERR(path);
			*buf = '\0';
		} else {
			memmove(buf, path, buf + len - path);
		}
	}
	dput(dentry);
	return err;
}

/**
 * vmfork_name_tell() - tell listeners that a file has become a snapshot
 * @inode: of the file
 */
void vmfork_name_tell(struct inode *inode)
{
	char *name = kmalloc(PATH_MAX, GFP_KERNEL | __GFP_NOWARN);

	if (!name || name_of(inode, name, PATH_MAX))
		vmfork_event_named(vmfork_inode_snapshot(inode), "");
	else
		vmfork_event_named(vmfork_inode_snapshot(inode), name);
	kfree(name);
}

/* Is this a file that can become a snapshot?  Its inode is locked. */
static int check_empty(struct inode *inode)
{
	struct vmfork_inode *vi = vmfork_inode(inode);

	if (vi->snap)
		return -EPERM;
	return vi->reserved || i_size_read(inode) ? -EBUSY : 0;
}

/**
 * vmfork_name_reserve() - keep an empty file for a snapshot that is being made
 * @file: any that is open for writing; held until vmfork_name_commit() or
 *	vmfork_name_cancel()
 *
 * Return: 0; -EXDEV, it is no file of vmforkfs; -EPERM, it is a snapshot
 * already; -EBUSY, it is about to be one; or another errno.
 */
int vmfork_name_reserve(struct file *file)
{
	struct inode *inode = file_inode(file);
	int err;

	if (!vmfork_is_vmforkfs(inode) || !S_ISREG(inode->i_mode))
		return -EXDEV;
	inode_lock(inode);
	err = check_empty(inode);
	if (!err)
		err = file_modified(file);
	if (!err)
		vmfork_inode(inode)->reserved = true;
	inode_unlock(inode);
	return err;
}

/**
 * vmfork_name_cancel() - undo vmfork_name_reserve()
 * @file: the same
 */
void vmfork_name_cancel(struct file *file)
{
	struct inode *inode = file_inode(file);

	inode_lock(inode);
	vmfork_inode(inode)->reserved = false;
	inode_unlock(inode);
}

/* @inode, which is empty and locked, shows @snap from now on. */
static void name_snapshot(struct inode *inode, struct vmfork_snapshot *snap,
			  loff_t size)
{
	struct vmfork_inode *vi = vmfork_inode(inode);

	vmfork_written_drop(inode);
	vmfork_inode_show(inode, vmfork_snapshot_get(snap), size);
	vmfork_name_finished(vi);
}

/**
 * vmfork_name_commit() - put a snapshot where vmfork_name_reserve() kept a place
 * @file: the same
 * @snap: finished
 */
void vmfork_name_commit(struct file *file, struct vmfork_snapshot *snap)
{
	struct inode *inode = file_inode(file);

	inode_lock(inode);
	name_snapshot(inode, snap, snap->size);
	vmfork_inode(inode)->reserved = false;
	inode_unlock(inode);
	vmfork_name_tell(inode);
}

/**
 * vmfork_name_clone() - FICLONE: an empty file becomes the same snapshot
 * @file_in: of a snapshot, named or not
 * @pos_in: 0: a snapshot is cloned as a whole
 * @file_out: named, and empty
 * @pos_out: 0
 * @len: in bytes, or 0 for all
 * @remap_flags: REMAP_FILE_*
 *
 * The kernel has asked already whether one may be read and the other written,
 * and that they are files of one superblock.
 *
 * Return: how many bytes, or an errno: -EINVAL for part of a snapshot (from
 * which copy_file_range(2) learns to copy it), -EBUSY if there is no snapshot
 * to clone yet or the file is not empty, -EPERM if it is a snapshot.
 */
loff_t vmfork_name_clone(struct file *file_in, loff_t pos_in,
			 struct file *file_out, loff_t pos_out, loff_t len,
			 unsigned int remap_flags)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file_in);
	struct inode *inode = file_inode(file_out);
	loff_t size = i_size_read(file_inode(file_in));
	int err;

	if (remap_flags & ~REMAP_FILE_ADVISORY)
		return -EINVAL;
	if (!snap || !vmfork_snapshot_ready(snap))
		return -EBUSY;
	if (pos_in || pos_out || (len && len != size))
		return -EINVAL;
	inode_lock(inode);
	err = check_empty(inode);
	if (!err)
		err = file_modified(file_out);
	if (!err)
		name_snapshot(inode, snap, size);
	inode_unlock(inode);
	if (!err)
		vmfork_name_tell(inode);
	return err ?: size;
}

/* One of the snapshot's inodes that has a name; for vmfork_unkeep(). */
static struct inode *named_inode(struct vmfork_snapshot *snap)
{
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	struct vmfork_inode *vi;

	spin_lock(&names_lock);
	/* A name keeps its superblock, so the others are no better. */
	vi = list_first_entry_or_null(&snap->with_names, struct vmfork_inode,
				      with_name);
	if (vi && vmfork_keep_super(&vi->vfs)) {
		sb = vi->vfs.i_sb;
		inode = igrab(&vi->vfs);
	}
	spin_unlock(&names_lock);
	/* It is about to go, and so is its name. */
	if (sb && !inode)
		deactivate_super(sb);
	return inode;
}

/**
 * vmfork_snapshot_name() - a name of a snapshot
 * @snap: any
 * @buf: where to
 * @len: its length, at least 1
 *
 * Return: 0 and the path from the root of vmforkfs, such as "/base", or an
 * empty string if the snapshot has none; -ENAMETOOLONG.  It may be another's by
 * the time that it is looked at.
 */
int vmfork_snapshot_name(struct vmfork_snapshot *snap, char *buf, int len)
{
	struct inode *inode = named_inode(snap);
	int err = 0;

	*buf = '\0';
	if (inode) {
		err = name_of(inode, buf, len);
		vmfork_unkeep(inode);
	}
	return err;
}
