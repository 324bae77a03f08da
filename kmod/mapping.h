/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private mappings of snapshots.
 */
#ifndef VMFORK_MAPPING_H
#define VMFORK_MAPPING_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>

#include "snapfs.h"

struct file;
struct inode;
struct mm_struct;
struct page;
struct task_struct;
struct vm_area_struct;
struct vmfork_dirty;
struct vmfork_snapshot;

/**
 * struct vmfork_mapping - what the VMAs of one mapping share
 * @shown: by the inode that is the address_space of its VMAs, and no others'
 * @ino: the number of that inode
 * @lock: for who looks at @snap without the lock of a VMA
 * @snap: what is mapped.  Faults hold the lock of their VMA; it changes only
 *	while the locks of all its VMAs are held for writing.
 * @dirty: where it may have private pages, or NULL; changes as @snap does
 * @named: the file that it was mapped by, if that has a name, or NULL: it keeps
 *	the mount from being unmounted.  Dropped when @snap changes.  Under @lock.
 * @inode: that shows it; NULL if nobody was told of it
 * @pid: process (tgid) that it was made in, in the initial pid namespace
 * @uid: user of that process
 * @attached: there was a VMA of it
 * @faults_read: page faults for reading
 * @faults_write: page faults for writing
 * @zero: what holes read as.  One for each mapping: the kernel's own can not
 *	be returned by ->fault(), and one for everybody would overflow its
 *	reference count.
 * @over: what it is mapped over while that is done, or NULL
 * @ahead: index that the next fault has if the mapping is read in order
 * @window: pages that the last fault mapped
 * @read_next: index behind the pages that were last read from a file
 * @read_window: how many were wanted
 * @sent_back: by a task's pid, the index of the page that it was to wait for
 *
 * Its VMAs have a file of its own, which holds it.  It begins with one of
 * them, or one for each slice of a capture ahead; fork(2), mremap(2) and splits
 * make more.
 */
struct vmfork_mapping {
	struct vmfork_shown shown;
	u64 ino;
	spinlock_t lock;
	struct vmfork_snapshot *snap;
	struct vmfork_dirty *dirty;
	struct file *named;
	struct inode *inode;
	u32 pid;
	kuid_t uid;
	bool attached;
	atomic_long_t faults_read;
	atomic_long_t faults_write;
	struct page *zero;
	struct vmfork_over *over;
	u64 ahead;
	unsigned int window;
	u64 read_next;
	unsigned int read_window;
	struct xarray sent_back;
};

/* What a VMA has that its mapping of a snapshot gets too. */
#ifdef CONFIG_ARCH_HAS_PKEYS
#define VMFORK_KEPT_PKEY	(VM_PKEY_BIT0 | VM_PKEY_BIT1 | VM_PKEY_BIT2 | \
				 VM_PKEY_BIT3)
#else
#define VMFORK_KEPT_PKEY	0
#endif
#define VMFORK_KEPT_FLAGS	(VM_DONTCOPY | VM_DONTDUMP | VM_MERGEABLE | \
				 VM_HUGEPAGE | VM_NOHUGEPAGE | VM_RAND_READ | \
				 VM_SEQ_READ | VMFORK_KEPT_PKEY)

unsigned long vmfork_map_like(struct file *file, unsigned long addr,
			      unsigned long len, u64 index, vm_flags_t vm_flags,
			      unsigned long flags);
/**
 * struct vmfork_over - a mapping that takes the place of a VMA, or part of it
 * @check: called under the mmap lock, in the critical section in which the
 *	kernel unmaps what was there; what it does not return 0 for stays
 * @done: called in the same critical section, after the unmapping
 * @task: that does it
 * @vm_flags: of the VMA
 */
struct vmfork_over {
	int (*check)(struct vmfork_over *over);
	void (*done)(struct vmfork_over *over);
	struct task_struct *task;
	vm_flags_t vm_flags;
};

bool vmfork_wants_batches(const struct vmfork_snapshot *snap);
struct file *vmfork_mapping_create(struct vmfork_snapshot *snap);
void vmfork_mapping_keep(struct file *file, struct file *named);
void vmfork_mapping_track(struct file *file, struct mm_struct *mm,
			  unsigned long addr, unsigned long len, u64 index);
void vmfork_mapping_attach(struct file *file, struct vm_area_struct *vma,
			   bool batches);
bool vmfork_mapping_extent(struct vm_area_struct *vma, unsigned long *start,
			   unsigned long *end);
struct vmfork_dirty *vmfork_mapping_dirty(struct vm_area_struct *vma,
					  unsigned long start,
					  unsigned long end);
struct vmfork_snapshot *vmfork_mapping_move(struct vm_area_struct *vma,
					    struct vmfork_snapshot *snap);
struct vmfork_mapping *vmfork_vma_mapping(const struct vm_area_struct *vma);
struct vmfork_snapshot *vmfork_vma_snapshot(const struct vm_area_struct *vma);

#endif /* VMFORK_MAPPING_H */
