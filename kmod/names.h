/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of snapshots: the directories of vmforkfs.
 */
#ifndef VMFORK_NAMES_H
#define VMFORK_NAMES_H

#include <linux/types.h>

struct file;
struct inode;
struct vmfork_inode;
struct vmfork_rights;
struct vmfork_snapshot;

void vmfork_names_init_dir(struct inode *inode);
int vmfork_name_reserve(struct file *file);
void vmfork_name_cancel(struct file *file);
void vmfork_name_commit(struct file *file, struct vmfork_snapshot *snap);
void vmfork_name_finished(struct vmfork_inode *vi);
void vmfork_name_forget(struct vmfork_inode *vi);
unsigned int vmfork_snapshot_rights(struct vmfork_snapshot *snap,
				    struct vmfork_rights *rights,
				    unsigned int max);
void vmfork_name_tell(struct inode *inode);
int vmfork_snapshot_name(struct vmfork_snapshot *snap, char *buf, int len);
loff_t vmfork_name_clone(struct file *file_in, loff_t pos_in,
			 struct file *file_out, loff_t pos_out, loff_t len,
			 unsigned int remap_flags);

#endif /* VMFORK_NAMES_H */
