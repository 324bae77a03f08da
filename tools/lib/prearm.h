/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * Pre-arming, as the library itself uses it.
 */
#ifndef LIBVMFORK_PREARM_H
#define LIBVMFORK_PREARM_H

#include <stddef.h>
#include <stdint.h>

struct vmfork_capture;
struct vmfork_region;

/*
 * vmfork_prearm() for a snapshot of a given size (0: the end of its last
 * region), and without its translation of -E2BIG: an older module.
 */
int prearm_sized(int dev, int pidfd, const struct vmfork_region *regions,
		 size_t nr, uint64_t size, uint64_t slice_ns,
		 struct vmfork_capture *result);

#endif /* LIBVMFORK_PREARM_H */
