/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a mapping may have private pages.
 */
#ifndef VMFORK_DIRTY_H
#define VMFORK_DIRTY_H

#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;
struct vmfork_dirty;

struct vmfork_dirty *vmfork_dirty_start(struct mm_struct *mm,
					unsigned long addr, unsigned long len,
					u64 index);
void vmfork_dirty_stop(struct vmfork_dirty *dirty);
void vmfork_dirty_mark(struct vmfork_dirty *dirty, u64 index);
void vmfork_dirty_mark_all(struct vmfork_dirty *dirty);
void vmfork_dirty_check_vma(struct vmfork_dirty *dirty,
			    const struct vm_area_struct *vma);
bool vmfork_dirty_knows(const struct vmfork_dirty *dirty,
			const struct mm_struct *mm, unsigned long addr,
			unsigned long end, u64 index);
bool vmfork_dirty_next(const struct vmfork_dirty *dirty, unsigned long *addr,
		       unsigned long *run_end, unsigned long end);
void vmfork_dirty_clear(struct vmfork_dirty *dirty, unsigned long addr,
			unsigned long end);

#endif /* VMFORK_DIRTY_H */
