/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owners: who is charged for the pages that snapshots hold.
 */
#ifndef VMFORK_OWNER_H
#define VMFORK_OWNER_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct vmfork_owner;

kuid_t vmfork_owner_uid(void);
struct vmfork_owner *vmfork_owner_get(kuid_t uid);
struct vmfork_owner *vmfork_owner_hold(struct vmfork_owner *owner);
void vmfork_owner_put(struct vmfork_owner *owner);
u16 vmfork_owner_number(const struct vmfork_owner *owner);
int vmfork_owner_charge(struct vmfork_owner *owner, u64 pages);
void vmfork_owner_uncharge(struct vmfork_owner *owner, u64 pages);
void vmfork_owner_uncharge_number(u16 number, u64 pages);
u64 vmfork_owners_pages(void);
u64 vmfork_owner_room(kuid_t uid);
void vmfork_owner_cleanup(void);

#endif /* VMFORK_OWNER_H */
