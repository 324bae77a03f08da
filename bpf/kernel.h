/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs use of the kernel's structures, and nothing else of them.
 *
 * Where a member is in the running kernel is found when a program loads
 * (CO-RE); so neither the order nor the size here means anything, and one
 * build is good for all kernels.
 */
#ifndef VMFORK_BPF_KERNEL_H
#define VMFORK_BPF_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>

/* Not for what userspace sees: settings, maps and events have __u64 and so on. */
typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;

/* <stdbool.h> is not for every target. */
#define bool	_Bool
#define true	1
#define false	0

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct task_struct {
	s32 pid;
	s32 tgid;
	struct mm_struct *mm;
};

typedef struct {
	int counter;
} atomic_t;

struct rw_semaphore {
	int not_looked_at;
};

struct mm_struct {
	atomic_t mm_users;
	struct rw_semaphore mmap_lock;
	struct task_struct *owner;
};

struct vm_area_struct {
	unsigned long vm_flags;
	struct file *vm_file;
};

struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id;
	struct pid *pid;
};

#pragma clang attribute pop

#endif /* VMFORK_BPF_KERNEL_H */
