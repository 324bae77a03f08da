/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_COMPAT_PIDFD_H
#define VMFORK_COMPAT_PIDFD_H

struct pid;

struct pid *vmfork_pidfd_get(int fd);

#endif /* VMFORK_COMPAT_PIDFD_H */
