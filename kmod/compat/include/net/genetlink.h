/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_COMPAT_GENETLINK_H
#define VMFORK_COMPAT_GENETLINK_H

#include_next <net/genetlink.h>

/* 6.7, 5c670a010de4 ("genetlink: make genl_info->nlhdr const") and others */
#ifdef VMFORK_HAVE_GENL_INFO_DUMP
#define VMFORK_DUMPIT_ATTRS	info.attrs
#else
#define VMFORK_DUMPIT_ATTRS	attrs
#endif

#endif /* VMFORK_COMPAT_GENETLINK_H */
