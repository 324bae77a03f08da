/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a snapshot holds that no other does.
 */
#ifndef VMFORK_ALONE_H
#define VMFORK_ALONE_H

#include <linux/types.h>

struct vmfork_tree;

/**
 * struct vmfork_alone - what was counted
 * @pages: pages of the tree that no other tree holds
 * @memory: pages of memory, of 4 KiB, that no other tree holds: more, where a
 *	huge page is kept for a part of it
 * @file: pages that were read of files, whose pages no other tree has
 */
struct vmfork_alone {
	u64 pages;
	u64 memory;
	u64 file;
};

int vmfork_tree_alone(const struct vmfork_tree *tree,
		      struct vmfork_alone *alone);

#endif /* VMFORK_ALONE_H */
