/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a range of a mapping has in its page tables.
 */
#ifndef VMFORK_RESIDENT_H
#define VMFORK_RESIDENT_H

#include <linux/types.h>

struct mm_struct;
struct inode;

/**
 * struct vmfork_resident - what was counted
 * @private: pages that are the process's own, swapped-out ones too
 * @shared: pages of the snapshot
 */
struct vmfork_resident {
	u64 private;
	u64 shared;
};

int vmfork_resident_count(struct mm_struct *mm, const struct inode *inode,
			  unsigned long addr, unsigned long end,
			  struct vmfork_resident *resident);

#endif /* VMFORK_RESIDENT_H */
