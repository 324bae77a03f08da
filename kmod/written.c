// SPDX-License-Identifier: GPL-2.0-only
/*
 * Snapshots that are written, as any file is: cp(1) or tar(1) into vmforkfs.
 *
 * What is written to a file that is no snapshot yet goes into a draft: a
 * snapshot that is not finished, and that nobody but this inode can reach.
 * With the last close of a file that may write, it is finished, and the inode
 * shows it; there is nothing left to fail then.  Until then it can be neither
 * read nor mapped (EBUSY): nobody sees half of a snapshot.
 *
 * inode_lock() is held by all that look at a draft.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "names.h"
#include "owner.h"
#include "pages.h"
#include "snapshot.h"
#include "tree.h"
#include "vmforkfs.h"
#include "written.h"

static int check_writable(const struct vmfork_inode *vi)
{
	if (vi->snap)
		return -EPERM;
	return vi->reserved ? -EBUSY : 0;
}

static struct vmfork_snapshot *get_draft(struct vmfork_inode *vi)
{
	if (!vi->draft)
		vi->draft = vmfork_snapshot_alloc(0);
	return vi->draft;
}

/**
 * vmfork_written_drop() - forget what was written
 * @inode: locked, or nobody else has it
 */
void vmfork_written_drop(struct inode *inode)
{
	struct vmfork_inode *vi = vmfork_inode(inode);

	vmfork_snapshot_put(vi->draft);
	vi->draft = NULL;
}

/* Nobody will write any more: what there is, is the snapshot. */
static void finish(struct inode *inode)
{
	struct vmfork_inode *vi = vmfork_inode(inode);
	struct vmfork_snapshot *draft = vi->draft;
	loff_t size = i_size_read(inode);

	if (vi->writers || vi->snap || vi->reserved || !draft || !size)
		return;
	vi->draft = NULL;
	draft->size = PAGE_ALIGN(size);
	vmfork_snapshot_seal(draft);
	vmfork_inode_show(inode, draft, size);
	vmfork_name_finished(vi);
	vmfork_name_tell(inode);
}

/**
 * vmfork_written_open() - a named file is opened for writing
 * @inode: its inode
 */
void vmfork_written_open(struct inode *inode)
{
	inode_lock(inode);
	vmfork_inode(inode)->writers++;
	inode_unlock(inode);
}

/**
 * vmfork_written_release() - undo vmfork_written_open()
 * @inode: its inode
 */
void vmfork_written_release(struct inode *inode)
{
	inode_lock(inode);
	vmfork_inode(inode)->writers--;
	finish(inode);
	inode_unlock(inode);
}

/* A page of the draft, zeroed but for what is about to be written. */
static struct page *new_page(struct vmfork_snapshot *draft,
			     struct vmfork_owner *owner, u64 index, bool whole,
			     int *err)
{
	struct page *page;

	*err = vmfork_owner_charge(owner, 1);
	if (*err)
		return NULL;
	*err = -ENOMEM;
	page = alloc_page(VMFORK_GFP | __GFP_HIGHMEM | __GFP_ACCOUNT |
			  (whole ? 0 : __GFP_ZERO));
	if (!page) {
		vmfork_owner_uncharge(owner, 1);
		return NULL;
	}
	vmfork_page_own(page, index, vmfork_owner_number(owner));
	if (vmfork_tree_set_page(&draft->tree, index, page)) {
		vmfork_page_put(page, false);
		return NULL;
	}
	*err = 0;
	return page;
}

static int drop_page(struct inode *inode, struct vmfork_snapshot *draft,
		     u64 index)
{
	int err = vmfork_tree_erase(&draft->tree, index, 1);

	if (!err)
		inode_sub_bytes(inode, PAGE_SIZE);
	return err;
}

/* Write at @pos, at most to the end of a page. */
static ssize_t write_page(struct inode *inode, struct vmfork_owner *owner,
			  loff_t pos, struct iov_iter *from)
{
	struct vmfork_snapshot *draft = vmfork_inode(inode)->draft;
	size_t offset = offset_in_page(pos), len, copied;
	u64 index = pos >> PAGE_SHIFT;
	bool huge, fresh = false;
	struct page *page;
	int err;

	len = min_t(size_t, PAGE_SIZE - offset, iov_iter_count(from));
	page = vmfork_tree_page(&draft->tree, index, &huge);
	if (!page) {
		page = new_page(draft, owner, index, len == PAGE_SIZE, &err);
		if (!page)
			return err;
		inode_add_bytes(inode, PAGE_SIZE);
		fresh = true;
	}
	copied = copy_page_from_iter(page, offset, len, from);
	if (!copied) {
		if (fresh)
			drop_page(inode, draft, index);
		return -EFAULT;
	}
	/* All of a page was to be overwritten, and is not. */
	if (fresh && len == PAGE_SIZE && copied < len)
		memzero_page(page, copied, PAGE_SIZE - copied);
	if (pos + copied > i_size_read(inode))
		i_size_write(inode, pos + copied);
	return copied;
}

static ssize_t write_locked(struct inode *inode, struct kiocb *iocb,
			    struct iov_iter *from, struct vmfork_owner *owner)
{
	struct vmfork_inode *vi = vmfork_inode(inode);
	loff_t pos = iocb->ki_pos;
	ssize_t done = 0, n;
	int err;

	if (!get_draft(vi))
		return -ENOMEM;
	err = vmfork_tree_grow(&vi->draft->tree,
			       ((pos + iov_iter_count(from) - 1) >>
				PAGE_SHIFT) + 1);
	if (err)
		return err;
	while (iov_iter_count(from)) {
		n = fatal_signal_pending(current) ? -EINTR :
		    write_page(inode, owner, pos + done, from);
		if (n < 0)
			return done ?: n;
		done += n;
		cond_resched();
	}
	return done;
}

/**
 * vmfork_written_write_iter() - what ->write_iter() does
 * @iocb: of a file of vmforkfs
 * @from: what to write
 *
 * Return: how many bytes were written, or an errno: -EPERM if it is a
 * snapshot, -EBUSY if it is about to be one, -EDQUOT over the operator's cap.
 */
ssize_t vmfork_written_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct vmfork_owner *owner;
	ssize_t ret;

	inode_lock(inode);
	ret = check_writable(vmfork_inode(inode));
	if (ret)
		goto out;
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		goto out;
	ret = file_modified(iocb->ki_filp);
	if (ret)
		goto out;
	owner = vmfork_owner_get(vmfork_owner_uid());
	ret = -ENOMEM;
	if (!owner)
		goto out;
	ret = write_locked(inode, iocb, from, owner);
	if (ret > 0)
		iocb->ki_pos += ret;
	vmfork_owner_put(owner);
out:
	inode_unlock(inode);
	return ret;
}

/* Part of a page reads as zeroes from now on. */
static void zero_part(struct vmfork_snapshot *draft, loff_t start, loff_t end)
{
	struct page *page;
	bool huge;

	page = vmfork_tree_page(&draft->tree, start >> PAGE_SHIFT, &huge);
	if (page && start < end)
		memzero_page(page, offset_in_page(start), end - start);
}

/* [@start, @end) reads as zeroes from now on, and holds no page that it could. */
static int punch(struct inode *inode, loff_t start, loff_t end)
{
	struct vmfork_snapshot *draft = vmfork_inode(inode)->draft;
	u64 index = DIV_ROUND_UP_ULL(start, PAGE_SIZE), last = end >> PAGE_SHIFT;
	int err = 0;

	if (!draft)
		return 0;
	if (index > last) {
		zero_part(draft, start, end);
		return 0;
	}
	zero_part(draft, start, index << PAGE_SHIFT);
	zero_part(draft, last << PAGE_SHIFT, end);
	for (; !err; index++) {
		index = vmfork_tree_next(&draft->tree, index, last, true);
		if (index >= last)
			break;
		err = fatal_signal_pending(current) ? -EINTR :
		      drop_page(inode, draft, index);
	}
	return err;
}

/**
 * vmfork_written_fallocate() - what ->fallocate() does: punch holes
 * @file: of vmforkfs
 * @mode: FALLOC_FL_*
 * @offset: in bytes
 * @len: in bytes
 *
 * Memory is not set aside ahead.
 *
 * Return: 0 or an errno.
 */
long vmfork_written_fallocate(struct file *file, int mode, loff_t offset,
			      loff_t len)
{
	struct inode *inode = file_inode(file);
	loff_t end;
	int err;

	inode_lock(inode);
	err = check_writable(vmfork_inode(inode));
	if (!err && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		err = -EOPNOTSUPP;
	if (!err)
		err = file_modified(file);
	/* What is beyond the end is none of its pages. */
	end = min(offset + len, PAGE_ALIGN(i_size_read(inode)));
	if (!err && offset < end)
		err = punch(inode, offset, end);
	inode_unlock(inode);
	return err;
}

/* The caller has locked the inode, as always for ->setattr(). */
static int set_size(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int err = check_writable(vmfork_inode(inode));

	if (!err)
		err = inode_newsize_ok(inode, size);
	if (!err && size && !get_draft(vmfork_inode(inode)))
		err = -ENOMEM;
	if (!err && size < old)
		err = punch(inode, size, PAGE_ALIGN(old));
	if (!err)
		i_size_write(inode, size);
	return err;
}

static int written_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			   struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct iattr rest = *attr;
	int err = setattr_prepare(idmap, dentry, attr);

	if (!err && attr->ia_valid & ATTR_SIZE)
		err = set_size(inode, attr->ia_size);
	if (err)
		return err;
	rest.ia_valid &= ~ATTR_SIZE;
	err = simple_setattr(idmap, dentry, &rest);
	/* By its path, with nobody to close it. */
	finish(inode);
	return err;
}

const struct inode_operations vmfork_written_iops = {
	.setattr	= written_setattr,
};
