/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vms.bpf.c finds, as tools/vmfork/vm.c reads it: records in an array.
 */
#ifndef VMFORK_BPF_VMS_H
#define VMFORK_BPF_VMS_H

#include <linux/types.h>

/* Bits of vms_slot.flags beyond those of KVM_SET_USER_MEMORY_REGION, which
 * has 16: KVM marks a slot so while it is deleted or moved.
 */
#define VMS_SLOT_INVALID	(1U << 16)

/* The most slots of one address space: ids are 15 bits. */
#define VMS_MAX_SLOTS		32767

enum vms_type {
	VMS_HOLDER = 1,	/* a file descriptor of a VM, or of a vCPU of it */
	VMS_VM,
	VMS_VCPU,
	VMS_SLOT,
};

/**
 * struct vms_record - one thing that was found
 * @type: enum vms_type; which of the following holds
 * @vm: the VM that it belongs to, numbered from 0 in each pass
 * @holder: process @pid has it open as @fd; @owner: its memory is the guest's
 * @info: VM: the guest's memory still exists (@alive), vCPUs there are
 * @vcpu: its id, and the thread that ran it last, 0 if none did or that is gone
 * @slot: as given to KVM_SET_USER_MEMORY_REGION; @space: 1 for SMM
 *
 * Process and thread ids are those of the reader's pid namespace, 0 if there
 * is none in it.
 */
struct vms_record {
	__u32 type;
	__u32 vm;
	union {
		struct {
			__u32 pid;
			__u32 fd;
			__u32 is_vcpu;
			__u32 owner;
			char comm[16];
		} holder;
		struct {
			__u32 alive;
			__u32 nr_vcpus;
		} info;
		struct {
			__u32 id;
			__u32 tid;
		} vcpu;
		struct {
			__u64 gpa;
			__u64 len;
			__u64 hva;
			__u32 flags;
			__s16 id;
			__u16 space;
		} slot;
	};
};

#endif /* VMFORK_BPF_VMS_H */
