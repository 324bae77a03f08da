/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_CAPTURE_H
#define VMFORK_CAPTURE_H

struct vmfork_capture;

long vmfork_capture_ioctl(struct vmfork_capture __user *arg);

#endif /* VMFORK_CAPTURE_H */
