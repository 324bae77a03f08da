/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private mappings of snapshots.
 */
#ifndef VMFORK_MAPPING_H
#define VMFORK_MAPPING_H

struct file;
struct vm_area_struct;
struct vmfork_mapping;
struct vmfork_snapshot;

struct vmfork_mapping *vmfork_mapping_alloc(gfp_t gfp);
void vmfork_mapping_put(struct vmfork_mapping *mapping);
void vmfork_mapping_attach(struct vmfork_mapping *mapping,
			   struct vm_area_struct *vma);
struct vmfork_snapshot *vmfork_vma_snapshot(const struct vm_area_struct *vma);

#endif /* VMFORK_MAPPING_H */
