/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_PTWALK_H
#define VMFORK_PTWALK_H

#include <linux/mm_types.h>
#include <linux/pgtable.h>

/* What an operation may return besides 0 and an errno. */
#define VMFORK_WALK_AGAIN	1	/* the entry has changed, look again */
#define VMFORK_WALK_STOP	2	/* seen enough */

/**
 * struct vmfork_walk_ops - what to do at each entry
 * @huge: a PMD entry that is no page table: a huge page, a migration entry
 * @table: a page table; [addr, next) lies in it
 *
 * Both take the page table lock themselves and look again under it.  They
 * return 0 to go on, VMFORK_WALK_AGAIN, VMFORK_WALK_STOP or an errno.
 */
struct vmfork_walk_ops {
	int (*huge)(void *priv, struct mm_struct *mm, pmd_t *pmd,
		    unsigned long addr, unsigned long next);
	int (*table)(void *priv, struct mm_struct *mm, pmd_t *pmd,
		     unsigned long addr, unsigned long next);
};

int vmfork_walk(struct mm_struct *mm, unsigned long addr, unsigned long end,
		const struct vmfork_walk_ops *ops, void *priv);
spinlock_t *vmfork_lock_table(struct mm_struct *mm, pmd_t *pmd);

#endif /* VMFORK_PTWALK_H */
