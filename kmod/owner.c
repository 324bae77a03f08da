// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners: who is charged for the pages that snapshots hold.
 *
 * A page that a snapshot holds can not be swapped out, and outlives the
 * process that it came from.  Its memcg is charged for it all the while, but
 * a user who is in no memcg, or in many, could take all memory so.  So each
 * page that a page tree holds is charged to the user who captured it, once
 * however many trees share it, from its capture until the last tree lets go.
 *
 * A page knows its owner by a number of 16 bits (see pages.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>

#include "owner.h"
#include "tree.h"

static unsigned long long max_bytes;
module_param(max_bytes, ullong, 0644);
MODULE_PARM_DESC(max_bytes,
		 "Bytes of memory that the snapshots captured by one user may hold (0: no limit)");

/**
 * struct vmfork_owner - a user who has captured
 * @uid: the user
 * @number: in @owners
 * @refs: captures under way, and charged pages
 * @pages: charged, in units of 4 KiB
 * @rcu: until it is freed, for those who look it up
 */
struct vmfork_owner {
	kuid_t uid;
	u32 number;
	atomic_long_t refs;
	atomic_long_t pages;
	struct rcu_head rcu;
};

static DEFINE_XARRAY_ALLOC(owners);

/* The owner of @uid with a number of at most @max, or NULL. */
static struct vmfork_owner *find_owner(kuid_t uid, unsigned long max)
{
	struct vmfork_owner *owner;
	unsigned long number;

	rcu_read_lock();
	xa_for_each_range(&owners, number, owner, 0, max) {
		if (uid_eq(owner->uid, uid) &&
		    atomic_long_inc_not_zero(&owner->refs))
			break;
	}
	rcu_read_unlock();
	return owner;
}

static void put_refs(struct vmfork_owner *owner, u64 nr)
{
	if (!atomic_long_sub_and_test(nr, &owner->refs))
		return;
	xa_erase(&owners, owner->number);
	kfree_rcu(owner, rcu);
}

static struct vmfork_owner *create_owner(kuid_t uid)
{
	struct vmfork_owner *owner = kzalloc(sizeof(*owner), VMFORK_GFP);

	if (!owner)
		return NULL;
	owner->uid = uid;
	atomic_long_set(&owner->refs, 1);
	if (xa_alloc(&owners, &owner->number, owner, XA_LIMIT(0, U16_MAX),
		     VMFORK_GFP)) {
		kfree(owner);
		return NULL;
	}
	return owner;
}

/**
 * vmfork_owner_uid() - whom to charge for what the current task does
 *
 * Who has made a user namespace may be many users in it, and is one all the same.
 * But what root has made, a container perhaps, is not root's.
 *
 * Return: a user.
 */
kuid_t vmfork_owner_uid(void)
{
	const struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_uid();

	for (; ns != &init_user_ns; ns = ns->parent)
		if (!uid_eq(ns->owner, GLOBAL_ROOT_UID))
			uid = ns->owner;
	return uid;
}

/**
 * vmfork_owner_get() - the owner that a user is
 * @uid: the user
 *
 * Return: the owner, for vmfork_owner_put(); NULL if out of memory, or if
 * 65,536 users hold snapshots already.
 */
struct vmfork_owner *vmfork_owner_get(kuid_t uid)
{
	struct vmfork_owner *owner = find_owner(uid, U16_MAX), *other;

	if (owner)
		return owner;
	owner = create_owner(uid);
	if (!owner || !owner->number)
		return owner;
	/* Of several that were created at the same time the lowest stays. */
	other = find_owner(uid, owner->number - 1);
	if (!other)
		return owner;
	put_refs(owner, 1);
	return other;
}

/**
 * vmfork_owner_hold() - another reference
 * @owner: held by the caller
 *
 * Return: @owner, for vmfork_owner_put().
 */
struct vmfork_owner *vmfork_owner_hold(struct vmfork_owner *owner)
{
	atomic_long_inc(&owner->refs);
	return owner;
}

/**
 * vmfork_owner_put() - undo vmfork_owner_get()
 * @owner: may be NULL
 */
void vmfork_owner_put(struct vmfork_owner *owner)
{
	if (owner)
		put_refs(owner, 1);
}

/**
 * vmfork_owner_number() - what a page knows its owner by
 * @owner: somebody's who holds it
 *
 * Return: a number that is the owner's while it is charged for any page.
 */
u16 vmfork_owner_number(const struct vmfork_owner *owner)
{
	return owner->number;
}

/**
 * vmfork_owner_charge() - charge an owner for pages
 * @owner: held by the caller
 * @pages: how many, of 4 KiB
 *
 * Return: 0, or -EDQUOT if it would hold more than max_bytes.
 */
int vmfork_owner_charge(struct vmfork_owner *owner, u64 pages)
{
	u64 limit = READ_ONCE(max_bytes), held;

	if (!pages)
		return 0;
	held = atomic_long_add_return(pages, &owner->pages);
	if (limit && held > limit >> PAGE_SHIFT) {
		atomic_long_sub(pages, &owner->pages);
		return -EDQUOT;
	}
	atomic_long_add(pages, &owner->refs);
	return 0;
}

/**
 * vmfork_owner_uncharge() - undo part of vmfork_owner_charge()
 * @owner: charged for as many at least
 * @pages: how many
 */
void vmfork_owner_uncharge(struct vmfork_owner *owner, u64 pages)
{
	atomic_long_sub(pages, &owner->pages);
	put_refs(owner, pages);
}

/**
 * vmfork_owner_uncharge_number() - the same by vmfork_owner_number()
 * @number: of an owner who is charged for as many at least
 * @pages: how many
 */
void vmfork_owner_uncharge_number(u16 number, u64 pages)
{
	struct vmfork_owner *owner = xa_load(&owners, number);

	/* The charge of these pages keeps it. */
	if (!WARN_ON_ONCE(!owner))
		vmfork_owner_uncharge(owner, pages);
}

/**
 * vmfork_owners_pages() - what all owners are charged for
 *
 * Return: the number of pages, as it was a moment ago.
 */
u64 vmfork_owners_pages(void)
{
	struct vmfork_owner *owner;
	unsigned long number;
	u64 pages = 0;

	rcu_read_lock();
	xa_for_each(&owners, number, owner)
		pages += atomic_long_read(&owner->pages);
	rcu_read_unlock();
	return pages;
}

/**
 * vmfork_owner_room() - how much more an owner may be charged for
 * @uid: the user
 *
 * Return: the number of pages, U64_MAX if there is no limit.
 */
u64 vmfork_owner_room(kuid_t uid)
{
	u64 limit = READ_ONCE(max_bytes) >> PAGE_SHIFT, held = 0;
	struct vmfork_owner *owner;

	if (!READ_ONCE(max_bytes))
		return U64_MAX;
	owner = find_owner(uid, U16_MAX);
	if (owner)
		held = atomic_long_read(&owner->pages);
	vmfork_owner_put(owner);
	return limit - min(limit, held);
}

/**
 * vmfork_owner_cleanup() - when the module goes
 */
void vmfork_owner_cleanup(void)
{
	WARN_ON(!xa_empty(&owners));
	xa_destroy(&owners);
}
