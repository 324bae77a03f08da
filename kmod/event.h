/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens to snapshots and mappings, told to netlink's listeners.
 */
#ifndef VMFORK_EVENT_H
#define VMFORK_EVENT_H

#include <linux/types.h>

struct vmfork_mapping;
struct vmfork_snapshot;
struct vmfork_target;

void vmfork_event_captured(struct vmfork_snapshot *snap,
			   const struct vmfork_target *target, bool ahead);
void vmfork_event_imported(struct vmfork_snapshot *snap);
void vmfork_event_named(struct vmfork_snapshot *snap, const char *name);
void vmfork_event_mapped(struct vmfork_snapshot *snap,
			 const struct vmfork_mapping *mapping, u64 size,
			 u64 offset);
void vmfork_event_unmapped(struct vmfork_snapshot *snap,
			   const struct vmfork_mapping *mapping);
void vmfork_event_reset(struct vmfork_snapshot *snap, u64 from,
			const struct vmfork_target *target, u64 pages_dropped);
void vmfork_event_dropped(struct vmfork_snapshot *snap, u64 pages,
			  u64 pages_freed);
int vmfork_event_setup(void);
void vmfork_event_stop(void);
void vmfork_event_cleanup(void);

#endif /* VMFORK_EVENT_H */
