// SPDX-License-Identifier: GPL-2.0
/*
 * vCPU state: everything KVM knows of a parked vCPU, out and in.
 *
 * Guest time goes on between a fork and a child's first instruction: the
 * child keeps its parent's TSC offset, as both run on one host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "forkvm.h"

#define MSR_TSC			0x10
#define MSR_WALL_CLOCK		0x11
#define MSR_WALL_CLOCK_NEW	0x4b564d00
#define MAX_CPUID		256
#define XSAVE_MIN		4096

/* What has a fixed size */
struct fixed_state {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct kvm_mp_state mp_state;
	uint64_t tsc_offset;
	uint8_t has_tsc_offset;
};

struct step {
	const char *what;
	unsigned long get, set;
	size_t offset;
};

#define STEP(field, name) \
	{ #field, KVM_GET_##name, KVM_SET_##name, \
	  offsetof(struct fixed_state, field) }

static struct kvm_device_attr tsc_offset_attr(uint64_t *offset)
{
	return (struct kvm_device_attr){
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};
}

static int step_do(struct vcpu *vcpu, const struct step *step, bool set,
		   struct fixed_state *state)
{
	if (ioctl(vcpu->fd, set ? step->set : step->get,
		  (uint8_t *)state + step->offset))
		return fail_errno("KVM does not %s the %s of vCPU %u",
				  set ? "take" : "give", step->what,
				  vcpu->index);
	return 0;
}

static int steps_do(struct vcpu *vcpu, const struct step *step, size_t nr,
		    bool set, struct fixed_state *state)
{
	for (; nr--; step++)
		if (step_do(vcpu, step, set, state))
			return -1;
	return 0;
}

/* In the order in which they are set; reading has none */
static const struct step before_msrs[] = {
	STEP(sregs, SREGS2),
	STEP(regs, REGS),
	STEP(xcrs, XCRS),
	STEP(lapic, LAPIC),
};

static const struct step after_msrs[] = {
	STEP(events, VCPU_EVENTS),
	STEP(debugregs, DEBUGREGS),
	STEP(mp_state, MP_STATE),
};

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/*
 * mp_state comes first: KVM accepts pending INIT and SIPI by it, which the
 * other registers must show.
 */
static int fixed_save(struct vcpu *vcpu, struct fixed_state *state)
{
	struct kvm_device_attr attr = tsc_offset_attr(&state->tsc_offset);

	if (step_do(vcpu, &after_msrs[2], false, state) ||
	    steps_do(vcpu, before_msrs, COUNT(before_msrs), false, state) ||
	    steps_do(vcpu, after_msrs, 2, false, state))
		return -1;
	state->has_tsc_offset = !ioctl(vcpu->fd, KVM_GET_DEVICE_ATTR, &attr);
	return 0;
}

/* The list that KVM says a VMM should save; the caller frees it */
static struct kvm_msrs *msr_list(struct vm *vm)
{
	struct kvm_msr_list probe = { 0 };
	struct kvm_msr_list *list;
	struct kvm_msrs *msrs;
	unsigned int i;

	if (!ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &probe) ||
	    errno != E2BIG)
		return NULL;
	list = calloc(1, sizeof(*list) + probe.nmsrs * sizeof(uint32_t));
	msrs = calloc(1, sizeof(*msrs) +
		      probe.nmsrs * sizeof(struct kvm_msr_entry));
	if (list && msrs) {
		list->nmsrs = probe.nmsrs;
		if (!ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list))
			for (i = 0; i < list->nmsrs; i++)
				msrs->entries[msrs->nmsrs++].index =
					list->indices[i];
	}
	free(list);
	return msrs;
}

/* Writing a wall clock MSR makes KVM write guest memory, and nothing else */
static bool msr_wanted(uint32_t index)
{
	return index != MSR_WALL_CLOCK && index != MSR_WALL_CLOCK_NEW;
}

/* One at a time where KVM stops: some exist only with a CPUID bit */
static unsigned int msrs_read(struct vcpu *vcpu, struct kvm_msrs *msrs)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };
	unsigned int i, kept = 0;

	for (i = 0; i < msrs->nmsrs; i++) {
		one.entry = msrs->entries[i];
		if (msr_wanted(one.entry.index) &&
		    ioctl(vcpu->fd, KVM_GET_MSRS, &one) == 1)
			msrs->entries[kept++] = one.entry;
	}
	return kept;
}

/**
 * vcpu_state_prepare() - find out which MSRs there are, before vCPUs run
 *
 * Each is asked alone only here; in a pause all are read with one call.
 */
int vcpu_state_prepare(struct vm *vm)
{
	vm->msrs = msr_list(vm);
	if (!vm->msrs)
		return fail("KVM does not list its MSRs");
	vm->msrs->nmsrs = msrs_read(&vm->vcpu[0], vm->msrs);
	return 0;
}

static int msrs_save(struct vcpu *vcpu, struct blob *b)
{
	struct kvm_msrs *msrs = vcpu->vm->msrs;
	int nr = ioctl(vcpu->fd, KVM_GET_MSRS, msrs);

	if (nr != (int)msrs->nmsrs)
		return fail("KVM does not give MSR %#x of vCPU %u",
			    msrs->entries[nr < 0 ? 0 : nr].index, vcpu->index);
	return blob_put_sized(b, msrs, sizeof(*msrs) + msrs->nmsrs *
			      sizeof(struct kvm_msr_entry));
}

static int msr_set(struct vcpu *vcpu, const struct kvm_msr_entry *entry)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry = *entry };

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &one) == 1)
		return 0;
	/* Read-only ones are fine if they read the same in the child */
	if (ioctl(vcpu->fd, KVM_GET_MSRS, &one) == 1 &&
	    one.entry.data == entry->data)
		return 0;
	return fail("KVM does not take %#llx for MSR %#x of vCPU %u",
		    (unsigned long long)entry->data, entry->index,
		    vcpu->index);
}

/* Is the array behind a structure as long as it says? */
static int check_array(uint32_t len, size_t head, uint64_t nr, size_t size)
{
	if (len < head || nr > (len - head) / size)
		return fail("the state of a vCPU is too short");
	return 0;
}

static int msrs_restore(struct vcpu *vcpu, struct blob *b, bool set_tsc)
{
	struct kvm_msrs *msrs;
	uint32_t i, len;
	int err;

	msrs = blob_get_sized(b, &len);
	if (!msrs)
		return -1;
	err = check_array(len, sizeof(*msrs), len < sizeof(*msrs) ? 0 :
			  msrs->nmsrs, sizeof(msrs->entries[0]));
	for (i = 0; !err && i < msrs->nmsrs; i++)
		if (set_tsc || msrs->entries[i].index != MSR_TSC)
			err = msr_set(vcpu, &msrs->entries[i]);
	free(msrs);
	return err;
}

/* How much KVM reads and writes */
static int xsave_size(struct vcpu *vcpu)
{
	int size = ioctl(vcpu->vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return size > XSAVE_MIN ? size : XSAVE_MIN;
}

static int xsave_save(struct vcpu *vcpu, struct blob *b)
{
	int size = xsave_size(vcpu);
	unsigned long request = size > XSAVE_MIN ? KVM_GET_XSAVE2 :
						   KVM_GET_XSAVE;
	void *xsave;
	int err;

	xsave = calloc(1, size);
	if (!xsave)
		return fail("out of memory for the state of vCPU %u",
			    vcpu->index);
	if (ioctl(vcpu->fd, request, xsave))
		err = fail_errno("KVM does not give the FPU of vCPU %u",
				 vcpu->index);
	else
		err = blob_put_sized(b, xsave, size);
	free(xsave);
	return err;
}

static int xsave_restore(struct vcpu *vcpu, struct blob *b)
{
	uint32_t len;
	void *xsave = blob_get_sized(b, &len);
	int err = 0;

	if (!xsave)
		return -1;
	if (len != (uint32_t)xsave_size(vcpu))
		err = fail("the FPU of vCPU %u is of another size",
			   vcpu->index);
	else if (ioctl(vcpu->fd, KVM_SET_XSAVE, xsave))
		err = fail_errno("KVM does not take the FPU of vCPU %u",
				 vcpu->index);
	free(xsave);
	return err;
}

static int cpuid_save(struct vcpu *vcpu, struct blob *b)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[MAX_CPUID];
	} cpuid = { .head.nent = MAX_CPUID };

	if (ioctl(vcpu->fd, KVM_GET_CPUID2, &cpuid))
		return fail_errno("KVM does not give the CPUID of vCPU %u",
				  vcpu->index);
	return blob_put_sized(b, &cpuid, sizeof(cpuid.head) + cpuid.head.nent *
			      sizeof(cpuid.entry[0]));
}

static int cpuid_restore(struct vcpu *vcpu, struct blob *b)
{
	uint32_t len;
	struct kvm_cpuid2 *cpuid = blob_get_sized(b, &len);
	int err;

	if (!cpuid)
		return -1;
	err = check_array(len, sizeof(*cpuid), len < sizeof(*cpuid) ? 0 :
			  cpuid->nent, sizeof(cpuid->entries[0]));
	if (!err && ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		err = fail_errno("KVM does not take the CPUID of vCPU %u",
				 vcpu->index);
	free(cpuid);
	return err;
}

/** vcpu_save() - put the state of a parked vCPU into @b */
int vcpu_save(struct vcpu *vcpu, struct blob *b)
{
	struct fixed_state state = { 0 };

	if (fixed_save(vcpu, &state) || cpuid_save(vcpu, b) ||
	    blob_put(b, &state, sizeof(state)) || xsave_save(vcpu, b))
		return -1;
	return msrs_save(vcpu, b);
}

/* What follows CPUID */
static int rest_restore(struct vcpu *vcpu, struct blob *b)
{
	struct fixed_state state;
	struct kvm_device_attr attr = tsc_offset_attr(&state.tsc_offset);

	if (blob_get(b, &state, sizeof(state)) ||
	    steps_do(vcpu, before_msrs, COUNT(before_msrs), true, &state) ||
	    xsave_restore(vcpu, b))
		return -1;
	if (state.has_tsc_offset &&
	    ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr))
		return fail_errno("KVM does not take the TSC of vCPU %u",
				  vcpu->index);
	if (msrs_restore(vcpu, b, !state.has_tsc_offset))
		return -1;
	return steps_do(vcpu, after_msrs, COUNT(after_msrs), true, &state);
}

/**
 * vcpu_restore() - give a fresh vCPU the state that vcpu_save() put
 *
 * CPUID decides what KVM accepts, so it is first.  The LAPIC needs the mode
 * in sregs, the deadline timer's MSR needs the LAPIC and the TSC.
 */
int vcpu_restore(struct vcpu *vcpu, struct blob *b)
{
	if (cpuid_restore(vcpu, b))
		return -1;
	return rest_restore(vcpu, b);
}

/** vcpu_reset() - the same for a parked vCPU that has its CPUID: it stays */
int vcpu_reset(struct vcpu *vcpu, struct blob *b)
{
	uint32_t len;
	void *cpuid = blob_get_sized(b, &len);

	if (!cpuid)
		return -1;
	free(cpuid);
	return rest_restore(vcpu, b);
}
