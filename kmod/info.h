/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMFORK_INFO: what a snapshot is and holds.
 */
#ifndef VMFORK_INFO_H
#define VMFORK_INFO_H

#include <linux/compiler_types.h>

struct file;
struct seq_file;
struct vmfork_info;
struct vmfork_snapshot;

long vmfork_info_ioctl(struct vmfork_snapshot *snap,
		       struct vmfork_info __user *arg);
void vmfork_info_show(struct seq_file *m, struct file *f);

#endif /* VMFORK_INFO_H */
