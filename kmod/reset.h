/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_RESET_H
#define VMFORK_RESET_H

struct file;
struct vmfork_reset;

long vmfork_reset_ioctl(struct file *file, struct vmfork_reset __user *arg);

#endif /* VMFORK_RESET_H */
