/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backing: a file that pages of snapshots are read from when they are used.
 */
#ifndef VMFORK_BACKING_H
#define VMFORK_BACKING_H

#include <linux/types.h>

struct cred;
struct file;
struct page;
struct vmfork_backing;
struct vmfork_owner;
struct vmfork_tree;

bool vmfork_backing_suits(const struct file *file);
struct vmfork_backing *vmfork_backing_create(struct file *file,
					     struct vmfork_owner *owner);
void vmfork_backing_put(struct vmfork_backing *backing);
void vmfork_backing_get_slots(u32 number, unsigned int nr);
void vmfork_backing_put_slot(u32 number);
struct vmfork_backing *vmfork_backing_of(unsigned long slot);
struct vmfork_backing *vmfork_backing_get_of(unsigned long slot);
bool vmfork_backing_is_of(const struct vmfork_backing *backing,
			  const struct file *file);
int vmfork_backing_layout(struct vmfork_backing *backing,
			  struct vmfork_tree *tree, u64 offset, u64 len);
u64 vmfork_backing_size(const struct vmfork_backing *backing);
u64 vmfork_backing_errors(const struct vmfork_backing *backing);
void vmfork_backing_cleanup(void);

/* The store: pages that were read. */
struct page *vmfork_backing_find(struct vmfork_backing *backing, u64 at);
u64 vmfork_backing_count(struct vmfork_backing *backing, u64 at, u64 nr);
u64 vmfork_backing_alone(u32 number, u64 slots);

/* Is it still the file that it was?  (stamp.c) */
int vmfork_backing_check(struct vmfork_backing *backing);
int vmfork_backing_check_quick(struct vmfork_backing *backing);
bool vmfork_backing_is_guarded(const struct vmfork_backing *backing);
bool vmfork_backing_is_changed(const struct vmfork_backing *backing);

/* Reading it.  (fill.c) */
int vmfork_backing_fill(struct vmfork_backing *backing, u64 at, u64 nr,
			bool nowait, struct page **first);
struct page *vmfork_backing_borrow(struct vmfork_backing *backing, u64 at,
				   bool nowait);
struct page *vmfork_backing_borrow_locked(struct vmfork_backing *backing,
					  u64 at, bool nowait);

#endif /* VMFORK_BACKING_H */
