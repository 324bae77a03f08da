/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The KVM virtual machines of this host, as the kernel has them: asked of
 * neither the programs that run them nor debugfs.
 *
 *	status = vm_find(&list);
 *	status = vm_choose(&list, pid, fd, &vm);
 *	...
 *	vm_free(&list);
 *
 * Each function that returns an enum status has told of a failure by
 * failure().
 */
#ifndef VMFORK_VM_H
#define VMFORK_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of struct vm_slot; as in <linux/kvm.h>, where Debian 12 has not all. */
#define VM_SLOT_LOGGED		(1U << 0)
#define VM_SLOT_READONLY	(1U << 1)
#define VM_SLOT_GUEST_MEMFD	(1U << 2)

/* Slots from here on are KVM's own: the TSS, page tables, the APIC's page. */
#define VM_SLOT_OWN		(32767 - 3)

/**
 * struct vm_slot - memory that the guest has at one place
 * @gpa: guest-physical address, in bytes, as are the next two
 * @len: length
 * @hva: address in the VM's process
 * @flags: VM_SLOT_*
 * @id: its number, unique in its address space
 * @space: KVM's address space: 0, or 1 for what is there in SMM
 */
struct vm_slot {
	uint64_t gpa;
	uint64_t len;
	uint64_t hva;
	uint32_t flags;
	unsigned int id;
	unsigned int space;
};

/**
 * struct vm_vcpu - a virtual CPU
 * @id: as the program that made it has numbered it (the APIC's id)
 * @tid: the thread that ran it last; 0 if none did, or it is gone
 */
struct vm_vcpu {
	unsigned int id;
	int tid;
};

/**
 * struct vm_holder - a process that has a file descriptor of a VM
 * @pid: its id; 0 if that is not in our pid namespace
 * @fd: the file descriptor: the VM's if it has that, else a vCPU's; the lowest
 * @is_vcpu: it is a vCPU's
 * @owner: the process whose memory the guest's is
 * @command: its name
 */
struct vm_holder {
	int pid;
	int fd;
	bool is_vcpu;
	bool owner;
	char command[16];
};

/**
 * struct vm - a virtual machine
 * @alive: there is still an address space that the slots are of
 * @owner: the holder that this is of, or NULL if that holds no descriptor
 * @slots: in order of address space and address, as are those of a VM
 * @vcpus: in order of ids
 * @holders: in order of process ids
 * @nr_slots: length of @slots
 * @nr_vcpus: length of @vcpus
 * @nr_holders: length of @holders
 */
struct vm {
	bool alive;
	const struct vm_holder *owner;
	struct vm_slot *slots;
	struct vm_vcpu *vcpus;
	struct vm_holder *holders;
	size_t nr_slots;
	size_t nr_vcpus;
	size_t nr_holders;
};

/**
 * struct vm_list - virtual machines
 * @vms: in order of process and file descriptor
 * @nr: length of @vms
 */
struct vm_list {
	struct vm *vms;
	size_t nr;
};

/**
 * vm_find() - all VMs of which some process has a file descriptor
 * @list: out; vm_free() it, whatever the status is
 *
 * Of each VM, what is found was so at one instant; of several, at several.
 */
int vm_find(struct vm_list *list);

void vm_free(struct vm_list *list);

/** vm_is_of() - whether this process runs the VM, or holds it */
bool vm_is_of(const struct vm *vm, int pid);

/**
 * vm_choose() - the VM that a process runs
 * @list: from vm_find()
 * @pid: the process
 * @fd: its file descriptor there, or -1 if it is to be the only one
 * @chosen: out: points into @list
 */
int vm_choose(const struct vm_list *list, int pid, int fd,
	      const struct vm **chosen);

/** vm_same_slots() - whether nothing has changed between two vm_find() */
bool vm_same_slots(const struct vm *a, const struct vm *b);

#endif /* VMFORK_VM_H */
