/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMFORK_FAULT_H
#define VMFORK_FAULT_H

#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

/* What a mapping has at an address. */
enum vmfork_entry {
	VMFORK_ENTRY_NONE,
	VMFORK_ENTRY_SNAPSHOT,	/* the snapshot's page, or a hole's */
	VMFORK_ENTRY_HUGE,	/* the snapshot's huge page */
	VMFORK_ENTRY_PRIVATE,
};

enum vmfork_entry vmfork_entry_at(struct mm_struct *mm, unsigned long addr);

#define VMFORK_MIN_WINDOW	16	/* pages around a fault somewhere */

/** vmfork_fault_around() - the most of them, by the parameter fault_around */
unsigned int vmfork_fault_around(void);

extern const struct vm_operations_struct vmfork_mapping_vm_ops;

int vmfork_map_pages(struct vm_area_struct *vma, unsigned long addr,
		     unsigned long end, u64 *mapped);

#endif /* VMFORK_FAULT_H */
