/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All snapshots and all mappings, by their numbers.
 */
#ifndef VMFORK_REGISTRY_H
#define VMFORK_REGISTRY_H

#include <linux/list.h>
#include <linux/types.h>

struct inode;
struct vmfork_mapping;
struct vmfork_snapshot;

/**
 * struct vmfork_kin - a snapshot's place among the others
 * @parent: the nearest of its ancestors that is still there, or NULL
 * @children: whose @parent this is
 * @siblings: in @children of @parent
 */
struct vmfork_kin {
	struct vmfork_snapshot *parent;
	struct list_head children;
	struct list_head siblings;
};

int vmfork_registry_add(struct vmfork_snapshot *snap);
void vmfork_registry_remove(struct vmfork_snapshot *snap);
struct vmfork_snapshot *vmfork_registry_next(u64 *id);
void vmfork_registry_set_parent(struct vmfork_snapshot *snap,
				struct vmfork_snapshot *parent);
u64 vmfork_registry_parent(struct vmfork_snapshot *snap);

int vmfork_registry_add_mapping(struct vmfork_mapping *mapping,
				struct inode *inode);
void vmfork_registry_remove_mapping(struct vmfork_mapping *mapping);
struct inode *vmfork_registry_next_mapping(u64 *id);
void vmfork_registry_cleanup(void);

#endif /* VMFORK_REGISTRY_H */
