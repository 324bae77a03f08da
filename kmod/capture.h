/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_CAPTURE_H
#define VMFORK_CAPTURE_H

struct vmfork_capture;

int vmfork_capture_setup(void);
void vmfork_capture_cleanup(void);
long vmfork_capture_ioctl(struct vmfork_capture __user *arg);

#endif /* VMFORK_CAPTURE_H */
