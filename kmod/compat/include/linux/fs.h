/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_COMPAT_FS_H
#define VMFORK_COMPAT_FS_H

#include <linux/err.h>
#include_next <linux/fs.h>

#ifndef VMFORK_HAVE_MNT_IDMAP
/* 6.3, c1632a0f1120 ("fs: port ->setattr() to pass mnt_idmap") */
#define mnt_idmap user_namespace
#endif

#ifndef VMFORK_HAVE_COPY_SPLICE_READ
/* 6.5, 2cb1e08985e3 ("splice: Use filemap_splice_read() instead of ...") */
#define copy_splice_read generic_file_splice_read
#endif

#ifndef VMFORK_HAVE_SIMPLE_INODE_INIT_TS
/* 6.7, 0cc6a2d8d40e ("fs: new accessor methods for atime and mtime") */
static inline void simple_inode_init_ts(struct inode *inode)
{
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
}
#endif

#ifndef VMFORK_HAVE_INODE_SET_MTIME_TO_TS
/* 6.7, 077c212f0344 ("fs: new accessor methods for atime and mtime") */
static inline struct timespec64 inode_set_mtime_to_ts(struct inode *inode,
						      struct timespec64 ts)
{
	inode->i_mtime = ts;
	return ts;
}
#endif

#ifndef VMFORK_HAVE_INODE_GET_MTIME
/* 6.7, 077c212f0344 ("fs: new accessor methods for atime and mtime") */
static inline struct timespec64 inode_get_mtime(const struct inode *inode)
{
	return inode->i_mtime;
}

/* 6.6, 9b6304c1d537 ("fs: add ctime accessors infrastructure") */
#define inode_get_ctime(inode)	((inode)->i_ctime)
#endif

#ifndef VMFORK_HAVE_OPEN_WITH_FAKE_PATH
/*
 * Gone in 6.5, 62d53c4a1dfe ("fs: use backing_file container for internal files
 * with "fake" f_path").  Since 6.7, def3ae83da02 ("fs: store real path instead
 * of fake path in backing file f_path"), a file that is mapped through overlayfs
 * has the path of what is below, which can be opened like any.
 */
static inline struct file *open_with_fake_path(const struct path *path,
					       int flags, struct inode *inode,
					       const struct cred *cred)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

#endif /* VMFORK_COMPAT_FS_H */
