/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_IMPORT_H
#define VMFORK_IMPORT_H

struct vmfork_import;

long vmfork_import_ioctl(struct vmfork_import __user *arg);

#endif /* VMFORK_IMPORT_H */
