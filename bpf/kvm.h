/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vms.bpf.c uses of KVM, of files and of processes; see kernel.h.
 *
 * KVM's types are in kvm.ko's BTF, or in the kernel's where something built in
 * has them too.  libbpf looks in both.
 */
#ifndef VMFORK_BPF_KVM_H
#define VMFORK_BPF_KVM_H

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct hlist_head tasks[1];
	struct upid numbers[1];
};

/* What follows ___ is no part of the name; other programs use others of it. */
struct task_struct___vms {
	struct mm_struct *mm;
	struct task_struct___vms *group_leader;
	struct pid *thread_pid;
	char comm[16];
};

struct xarray {
	void *xa_head;
};

struct xa_node {
	unsigned char shift;
	void *slots[64];
};

struct kvm_memory_slot {
	struct hlist_node id_node[2];
	u64 base_gfn;
	unsigned long npages;
	unsigned long userspace_addr;
	u32 flags;
	short id;
};

struct kvm_memslots {
	u64 generation;
	struct hlist_head id_hash[128];
	int node_idx;
};

struct kvm {
	struct mm_struct *mm;
	struct kvm_memslots *memslots[2];
	struct xarray vcpu_array;
	atomic_t online_vcpus;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

#pragma clang attribute pop

/* The context of SEC("iter/task_file") */
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct___vms *task;
	u32 fd __attribute__((aligned(8)));
	struct file *file;
};

#endif /* VMFORK_BPF_KVM_H */
