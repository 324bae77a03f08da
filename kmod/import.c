// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_IMPORT: a snapshot of a file, whose pages are read when they are used.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>

#include "backing.h"
#include "event.h"
#include "import.h"
#include "owner.h"
#include "snapshot.h"
#include "trace.h"

/* The range of the file, as far as numbers alone tell. */
static int check_range(struct vmfork_import *arg, u64 size)
{
	if (!size)
		return -ENODATA;
	if (arg->offset >= size)
		return -EOVERFLOW;
	if (!arg->len)
		arg->len = size - arg->offset;
	if (arg->len > size - arg->offset || arg->len > VMFORK_MAX_SIZE ||
	    arg->offset + arg->len > VMFORK_FILE_PAGES << PAGE_SHIFT)
		return -EOVERFLOW;
	if (arg->len & ~PAGE_MASK && arg->offset + arg->len != size)
		return -EINVAL;
	return 0;
}

static u32 file_flags(const struct vmfork_backing *backing)
{
	return vmfork_backing_is_guarded(backing) ? 0 : VMFORK_FILE_UNGUARDED;
}

static void count_results(struct vmfork_import *arg, struct file *snapshot,
			  struct file *file)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(snapshot);
	struct inode *inode = file_inode(file);

	arg->id = snap->shown.id;
	arg->snapshot_size = snap->size;
	arg->pages_file = vmfork_tree_file_pages(&snap->tree);
	arg->pages_hole = (snap->size >> PAGE_SHIFT) - arg->pages_file;
	trace_vmfork_import(arg->id, inode->i_sb->s_dev, inode->i_ino,
			    arg->offset, arg->len, arg->pages_file,
			    arg->pages_hole);
}

/* The snapshot's file, or an ERR_PTR(). */
static struct file *snapshot_of(struct vmfork_backing *backing,
				struct vmfork_import *arg)
{
	struct vmfork_snapshot *snap;
	struct file *snapshot;
	int err;

	err = check_range(arg, vmfork_backing_size(backing));
	if (err)
		return ERR_PTR(err);
	snapshot = vmfork_snapshot_create(PAGE_ALIGN(arg->len));
	if (IS_ERR(snapshot))
		return snapshot;
	snap = vmfork_file_snapshot(snapshot);
	/* Nobody else can look at it yet. */
	err = vmfork_backing_layout(backing, &snap->tree, arg->offset,
				    arg->len);
	/* Was it written to while its holes were looked for? */
	if (!err && vmfork_backing_check(backing))
		err = -ETXTBSY;
	vmfork_snapshot_finish(snapshot);
	if (err) {
		fput(snapshot);
		return ERR_PTR(err);
	}
	return snapshot;
}

static struct file *import_file(struct file *file, struct vmfork_import *arg)
{
	struct vmfork_owner *owner = vmfork_owner_get(vmfork_owner_uid());
	struct vmfork_backing *backing;
	struct file *snapshot;

	if (!owner)
		return ERR_PTR(-ENOMEM);
	backing = vmfork_backing_create(file, owner);
	vmfork_owner_put(owner);
	if (IS_ERR(backing))
		return ERR_CAST(backing);
	snapshot = snapshot_of(backing, arg);
	if (!IS_ERR(snapshot)) {
		arg->file_flags = file_flags(backing);
		count_results(arg, snapshot, file);
	}
	vmfork_backing_put(backing);
	return snapshot;
}

static struct file *import(struct vmfork_import *arg)
{
	struct file *file = fget(arg->fd), *snapshot;

	if (!file)
		return ERR_PTR(-EBADF);
	if (!(file->f_mode & FMODE_READ))
		snapshot = ERR_PTR(-EBADF);
	else if (!vmfork_backing_suits(file))
		snapshot = ERR_PTR(-EOPNOTSUPP);
	else
		snapshot = import_file(file, arg);
	fput(file);
	return snapshot;
}

static int get_arg(struct vmfork_import *kernel,
		   struct vmfork_import __user *arg, u32 *size)
{
	int err;

	if (get_user(*size, &arg->size))
		return -EFAULT;
	if (*size < VMFORK_IMPORT_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(kernel, sizeof(*kernel), arg, *size);
	if (err)
		return err;
	if (kernel->flags || kernel->offset & ~PAGE_MASK)
		return -EINVAL;
	kernel->file_flags = 0;
	/* All that follows the inputs. */
	memset_after(kernel, 0, len);
	return 0;
}

/**
 * vmfork_import_ioctl() - VMFORK_IMPORT
 * @arg: see there
 *
 * Return: a file descriptor or a negative errno.
 */
long vmfork_import_ioctl(struct vmfork_import __user *arg)
{
	struct vmfork_import kernel;
	struct file *snapshot;
	u32 size;
	int fd, err;

	err = get_arg(&kernel, arg, &size);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	snapshot = import(&kernel);
	if (IS_ERR(snapshot)) {
		put_unused_fd(fd);
		return PTR_ERR(snapshot);
	}
	size = min_t(u32, size, sizeof(kernel));
	if (copy_to_user(arg, &kernel, size)) {
		put_unused_fd(fd);
		fput(snapshot);
		return -EFAULT;
	}
	vmfork_event_imported(vmfork_file_snapshot(snapshot));
	fd_install(fd, snapshot);
	return fd;
}
