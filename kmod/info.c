// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_INFO: what a snapshot is and holds.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>
#include <linux/xarray.h>

#include "backing.h"
#include "info.h"
#include "snapshot.h"
#include "tree.h"

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
	struct xarray seen;

	/* DEFINE_XARRAY() is for what is static: its lock has to be. */
	xa_init(&seen);
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

/**
 * vmfork_info_ioctl() - VMFORK_INFO
 * @snap: finished
 * @arg: see there
 *
 * Return: 0 or a negative errno.
 */
long vmfork_info_ioctl(struct vmfork_snapshot *snap,
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

/**
 * vmfork_info_show() - the same, in short, in /proc/PID/fdinfo
 * @m: where to
 * @f: of a snapshot, or of what is none yet
 */
void vmfork_info_show(struct seq_file *m, struct file *f)
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
