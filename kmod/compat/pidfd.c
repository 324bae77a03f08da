// SPDX-License-Identifier: GPL-2.0-only
/*
 * The struct pid of a pidfd.
 *
 * Neither pidfd_get_pid() nor pidfd_fops is exported, so a pidfd is known by
 * where its inode lives: on pidfs since 6.9 (cb12fd8e0dab, "pidfd: add
 * pidfs"), where the inode carries the struct pid; before that it was an
 * anonymous inode's file of that name, which nothing but the kernel makes,
 * and the file carried it.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pid.h>
#include <linux/string.h>

#include "pidfd.h"

#ifdef PID_FS_MAGIC
static struct pid *file_pid(const struct file *file)
{
	if (file_inode(file)->i_sb->s_magic != PID_FS_MAGIC)
		return NULL;
	return file_inode(file)->i_private;
}
#else
static struct pid *file_pid(const struct file *file)
{
	if (file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC ||
	    strcmp(file->f_path.dentry->d_name.name, "[pidfd]"))
		return NULL;
	return file->private_data;
}
#endif

/**
 * vmfork_pidfd_get() - the process a pidfd stands for
 * @fd: a file descriptor of the current process
 *
 * Return: a reference that the caller puts by put_pid(), or ERR_PTR(-EBADF).
 */
struct pid *vmfork_pidfd_get(int fd)
{
	struct file *file = fget(fd);
	struct pid *pid;

	if (!file)
		return ERR_PTR(-EBADF);
	pid = get_pid(file_pid(file));
	fput(file);
	return pid ?: ERR_PTR(-EBADF);
}
