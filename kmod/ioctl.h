/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ioctl numbers without the size of their argument, which says so itself and
 * may be another version's.
 */
#ifndef VMFORK_IOCTL_H
#define VMFORK_IOCTL_H

#include <linux/ioctl.h>

#define VMFORK_IOC_SIZELESS(cmd)	((cmd) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT))

#endif /* VMFORK_IOCTL_H */
