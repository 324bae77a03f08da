// SPDX-License-Identifier: GPL-2.0-only
/*
 * A snapshot and its file.
 *
 * Its inode, open files and mappings keep it.  After vmfork_snapshot_finish()
 * it never changes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>
#include <linux/vmfork.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "backing.h"
#include "diff.h"
#include "ioctl.h"
#include "mapping.h"
#include "names.h"
#include "piece.h"
#include "prefault.h"
#include "reset.h"
#include "snapfs.h"
#include "snapshot.h"
#include "trace.h"
#include "vmforkfs.h"
#include "written.h"

static atomic64_t last_id;
static struct workqueue_struct *free_wq;

/**
 * vmfork_snapshot_ready() - is a snapshot finished
 * @snap: to ask
 *
 * Return: true if its tree will not change any more, and may be read without
 * a lock.
 */
bool vmfork_snapshot_ready(const struct vmfork_snapshot *snap)
{
	/* Pairs with vmfork_snapshot_finish(). */
	return smp_load_acquire(&snap->ready);
}

/**
 * vmfork_snapshot_blocks() - st_blocks of a snapshot
 * @snap: finished
 *
 * What there is to be read, in memory or of files: tools take a file without
 * blocks for one without data.
 *
 * Return: units of 512 bytes.
 */
blkcnt_t vmfork_snapshot_blocks(const struct vmfork_snapshot *snap)
{
	return (vmfork_tree_pages(&snap->tree) +
		vmfork_tree_file_pages(&snap->tree)) << (PAGE_SHIFT - 9);
}

static void look(const struct vmfork_tree *tree, u64 index,
		 struct vmfork_spot *spot)
{
	unsigned long slot = vmfork_tree_slot(tree, index, &spot->huge);

	spot->page = NULL;
	spot->backing = NULL;
	if (slot & VMFORK_SLOT_FILE) {
		spot->backing = vmfork_backing_get_of(slot);
		spot->at = vmfork_slot_file_at(slot);
		spot->page = vmfork_backing_find(spot->backing, spot->at);
	} else if (slot) {
		spot->page = vmfork_slot_page(slot);
	}
	if (spot->page)
		get_page(spot->page);
}

/**
 * vmfork_snapshot_look() - look a page up
 * @snap: finished or not
 * @index: in pages
 * @spot: out: what is there; the references are the caller's
 */
void vmfork_snapshot_look(struct vmfork_snapshot *snap, u64 index,
			  struct vmfork_spot *spot)
{
	if (likely(vmfork_snapshot_ready(snap))) {
		look(&snap->tree, index, spot);
		return;
	}
	read_lock(&snap->tree.lock);
	look(&snap->tree, index, spot);
	read_unlock(&snap->tree.lock);
}

/**
 * vmfork_snapshot_borrow() - the same, for who wants to read it
 * @snap: finished
 * @index: in pages
 * @spot: out: for vmfork_spot_done(); if @backing is set, @page may be a page
 *	of the file's own, and what was read is right only if that says so
 *
 * Return: 0, or a negative errno and there is nothing to be done with @spot.
 */
int vmfork_snapshot_borrow(struct vmfork_snapshot *snap, u64 index,
			   struct vmfork_spot *spot)
{
	struct page *page;

	vmfork_snapshot_look(snap, index, spot);
	if (spot->page && spot->backing) {
		vmfork_backing_put(spot->backing);
		spot->backing = NULL;
	}
	if (!spot->backing)
		return 0;
	page = vmfork_backing_borrow(spot->backing, spot->at, false);
	if (IS_ERR(page)) {
		vmfork_backing_put(spot->backing);
		return PTR_ERR(page);
	}
	spot->page = page;
	return 0;
}

/**
 * vmfork_spot_done() - when what was borrowed was read
 * @spot: borrowed
 *
 * Return: 0, or a negative errno: what was read may have been wrong.
 */
int vmfork_spot_done(struct vmfork_spot *spot)
{
	int err = 0;

	if (spot->page)
		put_page(spot->page);
	if (spot->backing) {
		err = vmfork_backing_check(spot->backing);
		vmfork_backing_put(spot->backing);
	}
	return err;
}

/**
 * vmfork_snapshot_fill() - have pages of files there before they are used
 * @snap: finished
 * @index: where the range begins, in pages
 * @nr: its length
 *
 * Return: 0 or a negative errno, as vmfork_backing_fill().
 */
int vmfork_snapshot_fill(struct vmfork_snapshot *snap, u64 index, u64 nr)
{
	struct vmfork_backing *backing;
	u64 end = index + nr, run, at;
	unsigned long slot;
	struct page *page;
	int err;

	while ((run = vmfork_tree_next_file(&snap->tree, &index, end, &slot))) {
		backing = vmfork_backing_of(slot);
		at = vmfork_slot_file_at(slot);
		for (; run; run--, at++, index++) {
			if (vmfork_backing_find(backing, at))
				continue;
			err = vmfork_backing_fill(backing, at, run, false,
						  &page);
			if (err)
				return err;
			put_page(page);
			if (fatal_signal_pending(current))
				return -EINTR;
		}
	}
	return 0;
}

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

static pid_t creator_of(const struct vmfork_snapshot *snap)
{
	pid_t pid = 0;

	rcu_read_lock();
	if (pid_task(snap->creator, PIDTYPE_TGID))
		pid = pid_vnr(snap->creator);
	rcu_read_unlock();
	return pid;
}

static void count_backing(struct xarray *seen, struct vmfork_backing *backing,
			  u32 number, struct vmfork_info *info)
{
	/* Out of memory: it may be counted again. */
	if (xa_insert(seen, number, backing, GFP_KERNEL) == -EBUSY)
		return;
	info->read_errors += vmfork_backing_errors(backing);
	if (!vmfork_backing_is_guarded(backing))
		info->file_flags |= VMFORK_FILE_UNGUARDED;
	if (vmfork_backing_is_changed(backing))
		info->file_flags |= VMFORK_FILE_CHANGED;
}

/* All about the pages of files. */
static void count_files(struct vmfork_snapshot *snap, struct vmfork_info *info)
{
	u64 end = snap->size >> PAGE_SHIFT, index = 0, nr;
	struct vmfork_backing *backing;
	unsigned long slot;
	DEFINE_XARRAY(seen);

	info->pages_file = vmfork_tree_file_pages(&snap->tree);
	info->pages_read = 0;
	info->read_errors = 0;
	info->file_flags = 0;
	for (; (nr = vmfork_tree_next_file(&snap->tree, &index, end, &slot));
	     index += nr) {
		backing = vmfork_backing_of(slot);
		info->pages_read +=
			vmfork_backing_count(backing,
					     vmfork_slot_file_at(slot), nr);
		count_backing(&seen, backing, vmfork_slot_file_number(slot),
			      info);
		cond_resched();
	}
	xa_destroy(&seen);
}

static long snapshot_info(struct vmfork_snapshot *snap,
			  struct vmfork_info __user *arg)
{
	struct vmfork_info info;
	u32 size;
	int err;

	if (get_user(size, &arg->size))
		return -EFAULT;
	if (size < VMFORK_INFO_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&info, sizeof(info), arg, size);
	if (err)
		return err;
	if (info.flags)
		return -EINVAL;

	info.id = snap->shown.id;
	info.snapshot_size = snap->size;
	info.pages = vmfork_tree_pages(&snap->tree);
	info.pages_huge = vmfork_tree_huge_folios(&snap->tree) * HPAGE_PMD_NR;
	info.pages_hole = (snap->size >> PAGE_SHIFT) - info.pages -
			  vmfork_tree_file_pages(&snap->tree);
	info.creator = creator_of(snap);
	info.reserved = 0;
	info.created_ns = snap->created_ns;
	info.reserved2 = 0;
	count_files(snap, &info);
	size = min_t(u32, size, sizeof(info));
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static long snapshot_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);
	void __user *p = (void __user *)arg;

	if (!snap)
		return -EBUSY;
	if (VMFORK_IOC_SIZELESS(cmd) == VMFORK_IOC_SIZELESS(VMFORK_INFO))
		return snapshot_info(snap, p);
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

static void snapshot_show_fdinfo(struct seq_file *m, struct file *f)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(f);
	u64 pages, file;

	if (!snap)
		return;
	pages = vmfork_tree_pages(&snap->tree);
	file = vmfork_tree_file_pages(&snap->tree);
	seq_printf(m, "vmfork-id:\t%llu\n", snap->shown.id);
	seq_printf(m, "vmfork-size:\t%llu\n", snap->size);
	seq_printf(m, "vmfork-pages:\t%llu\n", pages);
	seq_printf(m, "vmfork-pages-huge:\t%llu\n",
		   vmfork_tree_huge_folios(&snap->tree) * HPAGE_PMD_NR);
	seq_printf(m, "vmfork-pages-hole:\t%llu\n",
		   (snap->size >> PAGE_SHIFT) - pages - file);
	seq_printf(m, "vmfork-pages-file:\t%llu\n", file);
	seq_printf(m, "vmfork-creator:\t%d\n", creator_of(snap));
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
	.show_fdinfo		= snapshot_show_fdinfo,
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
 * vmfork_snapshot_seal() - make a snapshot what it will always be
 * @snap: has all its pages
 */
void vmfork_snapshot_seal(struct vmfork_snapshot *snap)
{
	vmfork_tree_seal(&snap->tree);
	/* Pairs with vmfork_snapshot_ready(). */
	smp_store_release(&snap->ready, true);
	wake_up_all(&snap->waiting);
}

/**
 * vmfork_snapshot_finish() - the same, and have its file say how much it holds
 * @file: of a snapshot that has all its pages
 */
void vmfork_snapshot_finish(struct file *file)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);

	vmfork_snapshot_seal(snap);
	inode_set_bytes(file_inode(file), vmfork_snapshot_blocks(snap) << 9);
}

/**
 * vmfork_snapshot_get() - take a reference
 * @snap: held by the caller in some way
 *
 * Return: @snap.
 */
struct vmfork_snapshot *vmfork_snapshot_get(struct vmfork_snapshot *snap)
{
	refcount_inc(&snap->refs);
	return snap;
}

static void snapshot_free(struct vmfork_snapshot *snap)
{
	u64 pages = vmfork_tree_pages(&snap->tree), begin = 0, freed;

	if (trace_vmfork_drop_enabled())
		begin = ktime_get_ns();
	freed = vmfork_tree_destroy(&snap->tree);
	if (begin)
		trace_vmfork_drop(snap->shown.id, pages, freed,
				  ktime_get_ns() - begin);
	put_pid(snap->creator);
	kfree(snap);
}

/**
 * vmfork_snapshot_put() - drop a reference
 * @snap: may be NULL
 *
 * The last one frees the snapshot and what only it holds.  May sleep.
 */
void vmfork_snapshot_put(struct vmfork_snapshot *snap)
{
	if (snap && refcount_dec_and_test(&snap->refs))
		snapshot_free(snap);
}

static void free_later(struct work_struct *work)
{
	snapshot_free(container_of(work, struct vmfork_snapshot, free_work));
}

/**
 * vmfork_snapshot_put_later() - drop a reference, in somebody's pause
 * @snap: may be NULL
 *
 * As vmfork_snapshot_put(), but it does not take this task's time.
 */
void vmfork_snapshot_put_later(struct vmfork_snapshot *snap)
{
	if (!snap || !refcount_dec_and_test(&snap->refs))
		return;
	INIT_WORK(&snap->free_work, free_later);
	queue_work(free_wq, &snap->free_work);
}

/**
 * vmfork_snapshot_flush() - wait until all that is to be freed later is free
 */
void vmfork_snapshot_flush(void)
{
	flush_workqueue(free_wq);
}

/**
 * vmfork_snapshot_setup() - once, before the first snapshot
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_snapshot_setup(void)
{
	free_wq = alloc_workqueue("vmfork_free", WQ_UNBOUND | WQ_MEM_RECLAIM,
				  0);
	return free_wq ? 0 : -ENOMEM;
}

/**
 * vmfork_snapshot_cleanup() - undo vmfork_snapshot_setup()
 */
void vmfork_snapshot_cleanup(void)
{
	destroy_workqueue(free_wq);
}

/**
 * vmfork_snapshot_alloc() - an empty, unfinished snapshot, that no file shows
 * @size: in bytes
 *
 * Return: the snapshot, with a reference for the caller, or NULL.
 */
struct vmfork_snapshot *vmfork_snapshot_alloc(u64 size)
{
	struct vmfork_snapshot *snap;

	snap = kzalloc(sizeof(*snap), VMFORK_GFP | __GFP_ACCOUNT);
	if (!snap)
		return NULL;
	snap->shown.id = atomic64_inc_return(&last_id);
	refcount_set(&snap->refs, 1);
	snap->size = size;
	vmfork_tree_init(&snap->tree, size >> PAGE_SHIFT);
	init_waitqueue_head(&snap->waiting);
	snap->creator = get_task_pid(current, PIDTYPE_TGID);
	snap->created_ns = ktime_get_boottime_ns();
	INIT_LIST_HEAD(&snap->named);
	return snap;
}

/**
 * vmfork_snapshot_create() - the same, and a file that shows it
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
