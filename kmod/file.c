// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a snapshot, with a name or without: reading, seeking, mapping,
 * and which ioctl is whose.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/vmfork.h>

#include "diff.h"
#include "event.h"
#include "info.h"
#include "ioctl.h"
#include "mapping.h"
#include "names.h"
#include "piece.h"
#include "prefault.h"
#include "reset.h"
#include "snapfs.h"
#include "snapshot.h"
#include "vmforkfs.h"
#include "written.h"

/* As much of one page as there is to be read; returns how much that was. */
static ssize_t read_part(struct vmfork_snapshot *snap, loff_t pos, loff_t end,
			 struct iov_iter *to)
{
	size_t offset = offset_in_page(pos), copied = 0, len;
	struct vmfork_spot spot;
	int err;

	len = min_t(u64, end - pos, PAGE_SIZE - offset);
	len = min(len, iov_iter_count(to));
	err = vmfork_snapshot_borrow(snap, pos >> PAGE_SHIFT, &spot);
	if (err)
		return err;
	if (!spot.page)
		copied = iov_iter_zero(len, to);
	else if (PageHWPoison(spot.page))
		err = -EIO;
	else
		copied = copy_page_to_iter(spot.page, offset, len, to);
	return vmfork_spot_done(&spot) ?: err ?: copied ?: -EFAULT;
}

/* What can be read of a snapshot that was written may end within a page. */
static u64 file_end(const struct file *file, const struct vmfork_snapshot *snap)
{
	/* The size of a mapping's inode changes with what it maps. */
	return file->private_data ? snap->size : i_size_read(file_inode(file));
}

/* Of a named file that is no snapshot yet. */
static int not_yet(const struct file *file)
{
	return i_size_read(file_inode(file)) ? -EBUSY : 0;
}

static ssize_t snapshot_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(iocb->ki_filp);
	ssize_t done = 0, part;
	u64 end;

	if (!snap)
		return not_yet(iocb->ki_filp);
	if (iocb->ki_pos < 0)
		return -EINVAL;
	end = file_end(iocb->ki_filp, snap);
	while (iov_iter_count(to) && iocb->ki_pos < end) {
		part = read_part(snap, iocb->ki_pos, end, to);
		if (part < 0)
			return done ?: part;
		done += part;
		iocb->ki_pos += part;
		if (fatal_signal_pending(current))
			return done ?: -EINTR;
		cond_resched();
	}
	return done;
}

static bool is_of_vmforkfs(const struct file *file)
{
	return vmfork_is_vmforkfs(file_inode(file));
}

static ssize_t snapshot_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	if (!is_of_vmforkfs(iocb->ki_filp))
		return -EPERM;
	return vmfork_written_write_iter(iocb, from);
}

static long snapshot_fallocate(struct file *file, int mode, loff_t offset,
			       loff_t len)
{
	if (!is_of_vmforkfs(file))
		return -EPERM;
	return vmfork_written_fallocate(file, mode, offset, len);
}

static loff_t snapshot_llseek(struct file *file, loff_t offset, int whence)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);
	u64 end, nr, index;

	if (!snap && (whence == SEEK_DATA || whence == SEEK_HOLE))
		return not_yet(file) ?: -ENXIO;
	if (!snap)
		return generic_file_llseek(file, offset, whence);
	end = file_end(file, snap);
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return fixed_size_llseek(file, offset, whence, end);

	if (offset < 0 || offset >= end)
		return -ENXIO;
	nr = snap->size >> PAGE_SHIFT;
	index = vmfork_tree_next(&snap->tree, offset >> PAGE_SHIFT, nr,
				 whence == SEEK_DATA);
	if (index == nr && whence == SEEK_DATA)
		return -ENXIO;
	offset = max_t(loff_t, offset, index << PAGE_SHIFT);
	return vfs_setpos(file, min_t(loff_t, offset, end), end);
}

/* By way of /proc/PID/map_files: what it maps now, and as long as it is open. */
static int open_mapping(struct inode *inode, struct file *file)
{
	struct vmfork_shown *shown = inode->i_private;
	struct vmfork_snapshot *snap;
	int err;

	/* It can be mapped again, and vmforkfs may be gone. */
	err = vmfork_snapfs_pin();
	if (err)
		return err;
	snap = shown->ops->snapshot(shown);
	if (!vmfork_snapshot_ready(snap)) {
		/* Its capture is not over. */
		vmfork_snapshot_put(snap);
		vmfork_snapfs_unpin();
		return -EBUSY;
	}
	inode->i_blocks = vmfork_snapshot_blocks(snap);
	file->private_data = snap;
	return 0;
}

static int snapshot_open(struct inode *inode, struct file *file)
{
	if (!vmfork_is_vmforkfs(inode))
		return open_mapping(inode, file);
	if (!vmfork_inode(inode)->named)
		return vmfork_snapshot_ready(vmfork_inode_snapshot(inode)) ?
		       0 : -EBUSY;
	if (file->f_mode & FMODE_WRITE)
		vmfork_written_open(inode);
	return 0;
}

static int snapshot_release(struct inode *inode, struct file *file)
{
	if (!vmfork_is_vmforkfs(inode)) {
		vmfork_snapshot_put(file->private_data);
		vmfork_snapfs_unpin();
	} else if (vmfork_inode(inode)->named && file->f_mode & FMODE_WRITE) {
		vmfork_written_release(inode);
	}
	return 0;
}

static int snapshot_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);
	struct file *mapping;

	if (!snap)
		return -EBUSY;
	if (READ_ONCE(snap->capturer) == current)
		return vmfork_piece_mmap(snap->piece, vma);

	if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
		return -EPERM;
	mapping = vmfork_mapping_create(snap);
	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	if (is_of_vmforkfs(file) && vmfork_inode(file_inode(file))->named)
		vmfork_mapping_keep(mapping, file);
	vmfork_mapping_attach(mapping, vma, vmfork_wants_batches(snap));
	vmfork_event_mapped(snap, mapping->private_data,
			    vma->vm_end - vma->vm_start,
			    (u64)vma->vm_pgoff << PAGE_SHIFT);
	fput(mapping);
	return 0;
}

/*
 * For a capture this is where the pages are collected: do_mmap() calls it
 * under the mmap lock, in the critical section in which it unmaps the range.
 */
static unsigned long snapshot_get_unmapped_area(struct file *file,
						unsigned long addr,
						unsigned long len,
						unsigned long pgoff,
						unsigned long flags)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);

	if (snap && READ_ONCE(snap->capturer) == current)
		return vmfork_piece_collect(snap->piece, addr, len);
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}

static long snapshot_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);
	void __user *p = (void __user *)arg;

	if (!snap)
		return -EBUSY;
	if (VMFORK_IOC_SIZELESS(cmd) == VMFORK_IOC_SIZELESS(VMFORK_INFO))
		return vmfork_info_ioctl(snap, p);
	/* What comes now lets its pages be read. */
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	switch (VMFORK_IOC_SIZELESS(cmd)) {
	case VMFORK_IOC_SIZELESS(VMFORK_RESET):
		return vmfork_reset_ioctl(file, p);
	case VMFORK_IOC_SIZELESS(VMFORK_DIFF):
		return vmfork_diff_ioctl(snap, p);
	case VMFORK_IOC_SIZELESS(VMFORK_PREFAULT):
		return vmfork_prefault_ioctl(p);
	default:
		return -ENOTTY;
	}
}

const struct file_operations vmfork_snapshot_fops = {
	.owner			= THIS_MODULE,
	.open			= snapshot_open,
	.release		= snapshot_release,
	.llseek			= snapshot_llseek,
	.read_iter		= snapshot_read_iter,
	.write_iter		= snapshot_write_iter,
	.fallocate		= snapshot_fallocate,
	.fsync			= noop_fsync,
	.remap_file_range	= vmfork_name_clone,
	.splice_read		= copy_splice_read,
	.splice_write		= iter_file_splice_write,
	.mmap			= snapshot_mmap,
	.get_unmapped_area	= snapshot_get_unmapped_area,
	.unlocked_ioctl		= snapshot_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.show_fdinfo		= vmfork_info_show,
};

/**
 * vmfork_file_snapshot() - the snapshot behind a file
 * @file: of a snapshot, or any other
 *
 * Return: the snapshot, which lives as long as @file; or NULL, also for a named
 * file that is none yet.
 */
struct vmfork_snapshot *vmfork_file_snapshot(const struct file *file)
{
	if (file->f_op != &vmfork_snapshot_fops)
		return NULL;
	/* Of a mapping's inode, opened again. */
	if (file->private_data)
		return file->private_data;
	return vmfork_inode_snapshot(file_inode(file));
}

/**
 * vmfork_snapshot_finish() - vmfork_snapshot_seal(), and have its file say how
 *	much it holds
 * @file: of a snapshot that has all its pages
 */
void vmfork_snapshot_finish(struct file *file)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);

	vmfork_snapshot_seal(snap);
	inode_set_bytes(file_inode(file), vmfork_snapshot_blocks(snap) << 9);
}

/**
 * vmfork_snapshot_create() - vmfork_snapshot_alloc(), and a file that shows it
 * @size: in bytes
 *
 * The caller has pinned vmforkfs.
 *
 * Return: its file, or an ERR_PTR().
 */
struct file *vmfork_snapshot_create(u64 size)
{
	struct vmfork_snapshot *snap = vmfork_snapshot_alloc(size);
	struct file *file;

	if (!snap)
		return ERR_PTR(-ENOMEM);
	file = vmforkfs_file(snap);
	if (IS_ERR(file))
		vmfork_snapshot_put(snap);
	return file;
}
