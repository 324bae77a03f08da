/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_COLLECT_H
#define VMFORK_COLLECT_H

struct vmfork_piece;
struct vmfork_tree;

int vmfork_collect(struct vmfork_piece *piece,
		   const struct vmfork_tree *source, u64 source_index);
int vmfork_piece_refuse(struct vmfork_piece *piece, u32 reason,
			unsigned long addr);

#endif /* VMFORK_COLLECT_H */
