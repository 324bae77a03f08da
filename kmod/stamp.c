// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a backing still the file that it was?
 *
 * Where nobody has it open for writing, nobody can any more while it is a
 * backing (ETXTBSY, as for running programs): it is *guarded*, from the
 * beginning or from when the last writer closes it.  That is done only in the
 * name of one who owns the file: others could use it to shut the owner out.
 *
 * What others do on other machines, and here to a file that is not guarded, is
 * noticed: a file's size, mtime and ctime are compared *after* each read, before
 * what was read is used.  Whoever writes to a file sets its times first (but for
 * two ways of tmpfs, see below), and who had begun when the stamp was taken is waited
 * for.  A change is for ever, even if the times are put back.  (i_version is of
 * no use: on XFS writeback counts, too.)
 *
 * To a guarded file of a file system that only this machine writes to, a new
 * ctime says nothing of the contents: it was renamed, removed, or such.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/stat.h>
#include <linux/timekeeping.h>

#include "backing_priv.h"

/* Does nobody but this machine write to what the file is on? */
static bool is_local(const struct file *file)
{
	return file_inode(file)->i_sb->s_type->fs_flags & FS_REQUIRES_DEV ||
	       shmem_mapping(file->f_mapping);
}

/*
 * By who opened the file: the current task may have no business with it.  What
 * was mapped through overlayfs may have a path of overlayfs, where there can be
 * another file by now.
 */
static int get_stamp(struct vmfork_backing *backing, struct vmfork_stamp *stamp)
{
	struct path path = {
		.mnt = backing->file->f_path.mnt,
		.dentry = file_dentry(backing->file),
	};
	const struct cred *old = override_creds(backing->file->f_cred);
	struct kstat stat;
	int err;

	err = vfs_getattr_nosec(&path, &stat,
				STATX_SIZE | STATX_MTIME | STATX_CTIME,
				AT_STATX_SYNC_AS_STAT);
	revert_creds(old);
	if (err)
		return err;
	stamp->size = stat.size;
	stamp->mtime = stat.mtime;
	stamp->ctime = stat.ctime;
	return 0;
}

/*
 * As far as this machine knows.  ->getattr() is not asked: with a folio locked,
 * some file systems would wait for that very folio, or for locks that are taken
 * before it.
 */
static void get_stamp_quick(struct vmfork_backing *backing,
			    struct vmfork_stamp *stamp)
{
	struct inode *inode = file_inode(backing->file);

	stamp->size = i_size_read(inode);
	stamp->mtime = inode_get_mtime(inode);
	stamp->ctime = inode_get_ctime(inode);
}

/* @all: any change counts, not only one of the contents. */
static bool is_same(const struct vmfork_stamp *a, const struct vmfork_stamp *b,
		    bool all)
{
	if (a->size != b->size || !timespec64_equal(&a->mtime, &b->mtime))
		return false;
	return !all || timespec64_equal(&a->ctime, &b->ctime);
}

/*
 * Writes through a shared mapping set no times on tmpfs.  So nobody can make
 * such a mapping any more, if it may be guarded; else there must be none.
 */
static int deny_mappings(struct vmfork_backing *backing)
{
	struct address_space *mapping = backing->file->f_mapping;

	if (backing->guarded || !shmem_mapping(mapping))
		return 0;
	if (!backing->may_guard)
		return mapping_writably_mapped(mapping) ? -ETXTBSY : 0;
	if (mapping_deny_writable(mapping))
		return -ETXTBSY;
	backing->denied = true;
	return 0;
}

/*
 * Elsewhere those to a page that is dirty already set none.  All that become
 * dirty after the stamp was taken have set them.
 */
static int clean_pages(struct vmfork_backing *backing)
{
	struct address_space *mapping = backing->file->f_mapping;

	if (backing->guarded || shmem_mapping(mapping) ||
	    !mapping_writably_mapped(mapping))
		return 0;
	return filemap_write_and_wait(mapping);
}

/*
 * Times of files are those of the last tick, or as coarse as the file system
 * has them.  One that was written to in this very tick, or second, could be
 * written to again without a trace: let it pass.
 */
static int get_safe_stamp(struct vmfork_backing *backing)
{
	struct inode *inode = file_inode(backing->file);
	unsigned long end = jiffies + 2 * HZ + HZ / 4;
	struct timespec64 now;
	int err;

	for (;;) {
		ktime_get_coarse_real_ts64(&now);
		now = timestamp_truncate(now, inode);
		err = get_stamp(backing, &backing->stamp);
		if (err || backing->guarded ||
		    timespec64_compare(&now, &backing->stamp.ctime) > 0)
			return err;
		/* It is of the future: another machine's clock, perhaps. */
		if (time_after(jiffies, end))
			return 0;
		if (msleep_interruptible(1) && fatal_signal_pending(current))
			return -EINTR;
	}
}

/*
 * A write(2) sets times when it begins, and may take as long as it likes to read
 * what it writes.  All hold this lock; those of O_DIRECT that go on without it are
 * counted, and no more begin while we have it.
 */
static int wait_for_writes(struct vmfork_backing *backing)
{
	struct inode *inode = file_inode(backing->file);
	int err = 0;

	if (backing->guarded)
		return 0;
	if (down_write_killable(&inode->i_rwsem))
		return -EINTR;
	while (!err && atomic_read(&inode->i_dio_count)) {
		schedule_timeout_killable(1);
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	inode_unlock(inode);
	return err;
}

/*
 * Have nobody open it for writing.  That of a file that no path leads to (a
 * memfd) can not be: who made it may write to it, and does not count as one who
 * has it open for that.
 */
static bool deny_writers(struct vmfork_backing *backing)
{
	struct file *file = backing->file;

	return backing->may_guard &&
	       !(file_inode(file)->i_sb->s_flags & SB_NOUSER) &&
	       !deny_write_access(file);
}

/**
 * vmfork_stamp_begin() - note what a file is, and guard it if that can be
 * @backing: not yet known to anybody
 *
 * Return: 0, -ETXTBSY if changes of it could not be noticed, or an errno.
 */
int vmfork_stamp_begin(struct vmfork_backing *backing)
{
	int err;

	backing->guarded = deny_writers(backing);
	err = deny_mappings(backing);
	if (!err)
		err = get_safe_stamp(backing);
	if (!err)
		err = wait_for_writes(backing);
	return err ?: clean_pages(backing);
}

/**
 * vmfork_stamp_end() - give up the guard
 * @backing: nobody else knows of it
 */
void vmfork_stamp_end(struct vmfork_backing *backing)
{
	if (backing->guarded)
		allow_write_access(backing->file);
	if (backing->denied)
		mapping_allow_writable(backing->file->f_mapping);
}

/* Has the last writer gone?  Then nothing after this stamp is missed. */
static void try_guard(struct vmfork_backing *backing)
{
	if (!backing->may_guard || READ_ONCE(backing->guarded))
		return;
	/* If somebody is at it, perhaps for long: the next one will see. */
	if (!mutex_trylock(&backing->guard_lock))
		return;
	if (!backing->guarded && deny_writers(backing)) {
		struct vmfork_stamp now;

		if (!get_stamp(backing, &now) &&
		    is_same(&backing->stamp, &now, true))
			WRITE_ONCE(backing->guarded, true);
		else
			allow_write_access(backing->file);
	}
	mutex_unlock(&backing->guard_lock);
}

/*
 * Is tmpfs being written to in a way that sets times afterwards, or never?  It
 * punches holes so: the page is gone, then times are set, then ->i_private is
 * NULL again.
 */
static bool is_shmem_unsafe(const struct vmfork_backing *backing)
{
	struct address_space *mapping = backing->file->f_mapping;

	return shmem_mapping(mapping) && (mapping_writably_mapped(mapping) ||
	       READ_ONCE(file_inode(backing->file)->i_private));
}

static int compare(struct vmfork_backing *backing, bool quick, bool guarded,
		   bool *same)
{
	bool unsafe = !guarded && is_shmem_unsafe(backing);
	struct vmfork_stamp now;
	int err = 0;

	/* If it was safe, the times tell of all that was before. */
	smp_rmb();
	if (quick)
		get_stamp_quick(backing, &now);
	else
		err = get_stamp(backing, &now);
	if (err)
		return err;
	*same = !unsafe && is_same(&backing->stamp, &now,
				   !guarded || !is_local(backing->file));
	return 0;
}

static int check(struct vmfork_backing *backing, bool quick)
{
	bool guarded, same;
	int err;

	if (READ_ONCE(backing->changed))
		return -EIO;
	/* What was read was read before. */
	smp_rmb();
	do {
		guarded = READ_ONCE(backing->guarded);
		err = compare(backing, quick, guarded, &same);
		if (err)
			return err;
		/* Guarded meanwhile, and then removed: that is no change. */
	} while (!same && guarded != READ_ONCE(backing->guarded));
	if (!same) {
		WRITE_ONCE(backing->changed, true);
		return -EIO;
	}
	if (!guarded && !quick)
		try_guard(backing);
	return 0;
}

/**
 * vmfork_backing_check() - is it the file that it was
 * @backing: held by the caller; no lock of a folio is
 *
 * May ask another machine, and throw out of the page cache what is not right
 * any more.  To be called when something was read, before it is used.
 *
 * Return: 0 or -EIO, or why it can not be told.
 */
int vmfork_backing_check(struct vmfork_backing *backing)
{
	return check(backing, false);
}

/**
 * vmfork_stamp_is_quick() - does a check never wait for another machine
 * @backing: the backing
 *
 * Return: true if so.
 */
bool vmfork_stamp_is_quick(const struct vmfork_backing *backing)
{
	return is_local(backing->file);
}

/**
 * vmfork_backing_check_quick() - the same, of what this machine knows
 * @backing: held by the caller
 *
 * Waits for nothing, and touches no page; one of its folios may be locked.
 *
 * Return: 0 or -EIO.
 */
int vmfork_backing_check_quick(struct vmfork_backing *backing)
{
	return check(backing, true);
}

/**
 * vmfork_backing_is_guarded() - can nobody on this machine write to it
 * @backing: the backing
 *
 * Return: true if so; it will stay so.
 */
bool vmfork_backing_is_guarded(const struct vmfork_backing *backing)
{
	return READ_ONCE(backing->guarded);
}

/**
 * vmfork_backing_is_changed() - has it been found to have changed
 * @backing: the backing
 *
 * Return: true if so; it will stay so.
 */
bool vmfork_backing_is_changed(const struct vmfork_backing *backing)
{
	return READ_ONCE(backing->changed);
}
