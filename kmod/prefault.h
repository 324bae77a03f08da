/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_PREFAULT_H
#define VMFORK_PREFAULT_H

#include <linux/types.h>

struct vmfork_prefault;

bool vmfork_is_prefaulting(void);
long vmfork_prefault_ioctl(struct vmfork_prefault __user *arg);

#endif /* VMFORK_PREFAULT_H */
