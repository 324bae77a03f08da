// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID: what KVM supports, with the guest's own topology, without nesting.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "forkvm.h"

#define MAX_ENTRIES	256

/* Bits to number @nr things */
static unsigned int bits_for(unsigned int nr)
{
	return nr > 1 ? 32 - __builtin_clz(nr - 1) : 0;
}

static void fix_leaf_1(struct kvm_cpuid_entry2 *e, const struct vcpu *vcpu,
		       bool deadline_timer)
{
	unsigned int nr = vcpu->vm->config.nr_vcpus;

	e->ebx = (e->ebx & 0xffff) | (nr << 16) | (vcpu->index << 24);
	e->ecx |= 1u << 31;			/* runs on a hypervisor */
	e->ecx &= ~(1u << 5);			/* no VMX inside */
	if (deadline_timer)
		e->ecx |= 1u << 24;
	if (nr > 1)
		e->edx |= 1u << 28;		/* several in a package */
	else
		e->edx &= ~(1u << 28);
}

/* Threads do not exist: level 0 is one thread, level 1 all the cores */
static void fix_leaf_b(struct kvm_cpuid_entry2 *e, const struct vcpu *vcpu)
{
	unsigned int nr = vcpu->vm->config.nr_vcpus;

	e->eax = e->index == 1 ? bits_for(nr) : 0;
	e->ebx = e->index == 0 ? 1 : e->index == 1 ? nr : 0;
	e->ecx = e->index == 0 ? 0x100 : e->index == 1 ? 0x201 : e->index;
	e->edx = vcpu->index;
}

static void fix_entry(struct kvm_cpuid_entry2 *e, const struct vcpu *vcpu,
		      bool deadline_timer)
{
	unsigned int nr = vcpu->vm->config.nr_vcpus;

	switch (e->function) {
	case 0x1:
		fix_leaf_1(e, vcpu, deadline_timer);
		break;
	case 0x4:
		if (e->eax & 0x1f) {
			unsigned int share = (e->eax >> 5 & 7) > 2 ? nr : 1;

			e->eax &= 0x3fff;
			e->eax |= (share - 1) << 14 | (nr - 1) << 26;
		}
		break;
	case 0xb:
		fix_leaf_b(e, vcpu);
		break;
	case 0x80000001:
		e->ecx &= ~(1u << 2);		/* no SVM inside */
		break;
	case 0x80000008:
		e->ecx = bits_for(nr) << 12 | (nr - 1);
		break;
	case 0x8000001d:
		if (e->eax & 0x1f) {
			unsigned int share = (e->eax >> 5 & 7) > 2 ? nr : 1;

			e->eax = (e->eax & 0x3fff) | (share - 1) << 14;
		}
		break;
	case 0x8000001e:
		e->eax = vcpu->index;
		e->ebx = vcpu->index;
		e->ecx = 0;
		break;
	}
}

/* Topology in words of the host's, or of features that are not passed on */
static bool unwanted(uint32_t function)
{
	return function == 0xb || function == 0x1f || function == 0x8000000a ||
	       function == 0x80000026;
}

static int add_leaf_b(struct kvm_cpuid2 *cpuid)
{
	unsigned int i;

	if (cpuid->nent + 2 > MAX_ENTRIES)
		return fail("the CPU has too many CPUID leaves");
	for (i = 0; i < 2; i++)
		cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
			.function = 0xb, .index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		};
	return 0;
}

static int supported(int kvm_fd, struct kvm_cpuid2 *cpuid)
{
	unsigned int i, kept = 0;
	bool leaf_b = false;

	cpuid->nent = MAX_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
		return fail_errno("KVM does not say what CPUID it supports");
	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0 && e->eax >= 0xb)
			leaf_b = true;
		if (!unwanted(e->function))
			cpuid->entries[kept++] = *e;
	}
	cpuid->nent = kept;
	return leaf_b ? add_leaf_b(cpuid) : 0;
}

/** cpuid_setup() - before anything else is set: KVM checks against it */
int cpuid_setup(struct vm *vm, struct vcpu *vcpu)
{
	bool deadline_timer = ioctl(vm->fd, KVM_CHECK_EXTENSION,
				    KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int err = -1;

	cpuid = calloc(1, sizeof(*cpuid) +
		       MAX_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return fail("out of memory for CPUID");
	if (supported(vm->kvm_fd, cpuid))
		goto out;
	for (i = 0; i < cpuid->nent; i++)
		fix_entry(&cpuid->entries[i], vcpu, deadline_timer);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		fail_errno("KVM refuses the CPUID of vCPU %u", vcpu->index);
	else
		err = 0;
out:
	free(cpuid);
	return err;
}
