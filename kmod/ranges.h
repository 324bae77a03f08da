/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a capture may take.
 */
#ifndef VMFORK_RANGES_H
#define VMFORK_RANGES_H

#include <linux/types.h>
#include <linux/vmfork.h>

/**
 * struct vmfork_refused - what was refused
 * @reason: enum vmfork_refusal
 * @region: index of the region
 * @addr: the first address
 */
struct vmfork_refused {
	u32 reason;
	u32 region;
	u64 addr;
};

int vmfork_refusal_errno(u32 reason);
int vmfork_check_regions(const struct vmfork_region *regions, u32 nr,
			 u64 task_size, u64 *size, struct vmfork_refused *why);
int vmfork_check_ranges(const struct vmfork_range *ranges, u32 nr,
			bool apart, u64 task_size, struct vmfork_refused *why);
bool vmfork_next_kept(const struct vmfork_region *regions, u32 nr,
		      u64 range_end, u64 *addr, u64 *end);

#endif /* VMFORK_RANGES_H */
