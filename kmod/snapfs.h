/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_SNAPFS_H
#define VMFORK_SNAPFS_H

struct inode;
struct file;
struct file_operations;

int vmfork_snapfs_pin(void);
void vmfork_snapfs_unpin(void);
struct inode *vmfork_snapfs_inode(void);
struct file *vmfork_snapfs_file(struct inode *inode, const char *name,
				const struct file_operations *fops);

#endif /* VMFORK_SNAPFS_H */
