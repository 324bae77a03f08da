/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The private pages of a mapping.
 */
#ifndef VMFORK_PRIVATE_H
#define VMFORK_PRIVATE_H

#include <linux/pgtable.h>
#include <linux/types.h>

struct mm_struct;
struct vmfork_dirty;

/* Private pages that lie side by side. */
struct vmfork_run {
	unsigned long addr;
	unsigned long end;
};

#define VMFORK_PRIVATE_RUNS	128

/**
 * struct vmfork_private - what was found
 * @pages: private pages, swapped-out ones too
 * @pinned: those of them that are pinned for DMA
 * @pinned_addr: the first of these
 * @nr_runs: of @runs
 * @runs: the first of them, in the order of their addresses
 * @more: where those begin that @runs has no place for, or 0
 */
struct vmfork_private {
	u64 pages;
	u64 pinned;
	unsigned long pinned_addr;
	unsigned int nr_runs;
	struct vmfork_run runs[VMFORK_PRIVATE_RUNS];
	unsigned long more;
};

bool vmfork_is_private(pte_t ent);
int vmfork_private_count(struct mm_struct *mm, const struct vmfork_dirty *dirty,
			 unsigned long addr, unsigned long end,
			 struct vmfork_private *found);
bool vmfork_private_next(struct mm_struct *mm, const struct vmfork_dirty *dirty,
			 unsigned long end, struct vmfork_private *found);

#endif /* VMFORK_PRIVATE_H */
