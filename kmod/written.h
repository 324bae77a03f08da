/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Snapshots that are written, as any file is.
 */
#ifndef VMFORK_WRITTEN_H
#define VMFORK_WRITTEN_H

#include <linux/types.h>

struct file;
struct inode;
struct iov_iter;
struct kiocb;

void vmfork_written_open(struct inode *inode);
void vmfork_written_release(struct inode *inode);
void vmfork_written_drop(struct inode *inode);
ssize_t vmfork_written_write_iter(struct kiocb *iocb, struct iov_iter *from);
long vmfork_written_fallocate(struct file *file, int mode, loff_t offset,
			      loff_t len);

extern const struct inode_operations vmfork_written_iops;

#endif /* VMFORK_WRITTEN_H */
