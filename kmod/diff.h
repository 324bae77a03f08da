/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_DIFF_H
#define VMFORK_DIFF_H

struct vmfork_diff;
struct vmfork_snapshot;

long vmfork_diff_ioctl(struct vmfork_snapshot *snap,
		       struct vmfork_diff __user *arg);

#endif /* VMFORK_DIFF_H */
