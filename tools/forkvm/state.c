// SPDX-License-Identifier: GPL-2.0
/*
 * State: everything of a paused guest that is not its memory.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "forkvm.h"

#define STATE_MAGIC	0x6d766b726f6601ULL
#define NR_IRQCHIPS	3		/* two PICs and the I/O APIC */

struct head {
	uint64_t magic;
	struct config config;
	struct birth birth;		/* the parent's own */
	uint64_t watch_gpa;
	uint32_t watch_len;
	uint8_t cmos_index;
	uint32_t partial_len;
	char partial[sizeof(((struct lines *)0)->partial)];
};

struct chips {
	struct kvm_irqchip irqchip[NR_IRQCHIPS];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
};

static int head_save(struct vm *vm, struct blob *b)
{
	struct head head = {
		.magic = STATE_MAGIC,
		.config = vm->config,
		.birth = vm->birth,
		.watch_gpa = vm->watch.gpa,
		.watch_len = vm->watch.len,
		.cmos_index = vm->cmos_index,
	};

	pthread_mutex_lock(&vm->lines.lock);
	head.partial_len = vm->lines.partial_len;
	memcpy(head.partial, vm->lines.partial, sizeof(head.partial));
	pthread_mutex_unlock(&vm->lines.lock);
	return blob_put(b, &head, sizeof(head));
}

static int chips_save(struct vm *vm, struct blob *b)
{
	struct chips chips = { 0 };
	unsigned int i;

	for (i = 0; i < NR_IRQCHIPS; i++) {
		chips.irqchip[i].chip_id = i;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chips.irqchip[i]))
			return fail_errno("KVM does not give an irqchip");
	}
	if (ioctl(vm->fd, KVM_GET_PIT2, &chips.pit))
		return fail_errno("KVM does not give the PIT");
	if (ioctl(vm->fd, KVM_GET_CLOCK, &chips.clock))
		return fail_errno("KVM does not give the clock");
	return blob_put(b, &chips, sizeof(chips));
}

static int head_bad(void)
{
	return fail("the state of the guest makes no sense");
}

/* Whoever made it, it must not lead us astray */
static int head_check(const struct head *head)
{
	const struct config *c = &head->config;

	if (head->magic != STATE_MAGIC)
		return fail("this is no state of this version of forkvm");
	if (!c->nr_vcpus || c->nr_vcpus > MAX_VCPUS || !c->mem_size ||
	    c->mem_size % HUGE_SIZE || c->mem_size > VMFORK_MAX_SIZE / 2 ||
	    head->watch_len > WATCH_MAX ||
	    head->partial_len > sizeof(head->partial) ||
	    !memchr(c->control, 0, sizeof(c->control)) ||
	    !memchr(c->console, 0, sizeof(c->console)) ||
	    !memchr(head->birth.path, 0, sizeof(head->birth.path)))
		return head_bad();
	return 0;
}

/** watch_read() - the watched memory as it is now */
void watch_read(struct vm *vm, struct watch *watch)
{
	*watch = vm->watch;
	if (watch->len)
		memcpy(watch->data, ram_at(&vm->ram, watch->gpa, watch->len),
		       watch->len);
}

/** state_save() - put the state of @vm into @b; no vCPU runs */
int state_save(struct vm *vm, struct blob *b)
{
	unsigned int i;

	if (head_save(vm, b) || chips_save(vm, b))
		return -1;
	for (i = 0; i < vm->config.nr_vcpus; i++)
		if (vcpu_save(&vm->vcpu[i], b))
			return -1;
	if (serial_save(&vm->console, b) || serial_save(&vm->channel, b))
		return -1;
	return 0;
}

/* The clock goes on by the host's time where KVM knows both (5.16) */
static int clock_restore(struct vm *vm, const struct kvm_clock_data *saved)
{
	struct kvm_clock_data clock = *saved;

	clock.flags &= KVM_CLOCK_REALTIME;
	if (ioctl(vm->fd, KVM_SET_CLOCK, &clock))
		return fail_errno("KVM does not take the clock");
	return 0;
}

static int chips_restore(struct vm *vm, struct chips *chips)
{
	unsigned int i;

	for (i = 0; i < NR_IRQCHIPS; i++)
		if (ioctl(vm->fd, KVM_SET_IRQCHIP, &chips->irqchip[i]))
			return fail_errno("KVM does not take an irqchip");
	if (ioctl(vm->fd, KVM_SET_PIT2, &chips->pit))
		return fail_errno("KVM does not take the PIT");
	return 0;
}

static int memory_restore(struct vm *vm, int snapshot)
{
	if (ram_from_snapshot(&vm->ram, vm->config.mem_size, vm->config.thp,
			      snapshot) || vm_add_ram(vm))
		return -1;
	vm->snapshot_fd = snapshot;
	if (vm->watch.len && !ram_at(&vm->ram, vm->watch.gpa, vm->watch.len))
		return head_bad();
	watch_read(vm, &vm->watch);
	return 0;
}

static void head_restore(struct vm *vm, const struct head *head)
{
	vm->cmos_index = head->cmos_index;
	pthread_mutex_lock(&vm->lines.lock);
	memcpy(vm->lines.partial, head->partial, head->partial_len);
	vm->lines.partial_len = head->partial_len;
	pthread_mutex_unlock(&vm->lines.lock);
}

/* All that is behind the head, in the order in which KVM wants it */
static int devices_restore(struct vm *vm, struct blob *b, struct chips *chips,
			   int (*restore)(struct vcpu *vcpu, struct blob *b))
{
	unsigned int i;

	if (chips_restore(vm, chips))
		return -1;
	for (i = 0; i < vm->config.nr_vcpus; i++)
		if (restore(&vm->vcpu[i], b))
			return -1;
	if (clock_restore(vm, &chips->clock))
		return -1;
	if (serial_restore(&vm->console, b) || serial_restore(&vm->channel, b))
		return -1;
	return 0;
}

static int read_head(struct blob *b, struct head *head, struct chips *chips)
{
	if (blob_get(b, head, sizeof(*head)) ||
	    blob_get(b, chips, sizeof(*chips)))
		return -1;
	return head_check(head);
}

/**
 * state_restore() - build a VM from @b and the snapshot of its memory
 * @vm: all zero but for snapshot_fd
 */
int state_restore(struct vm *vm, struct blob *b)
{
	int snapshot = vm->snapshot_fd;
	struct chips chips;
	struct head head;

	if (read_head(b, &head, &chips))
		return -1;
	vm->config = head.config;
	vm->birth = head.birth;
	vm->watch.gpa = head.watch_gpa;
	vm->watch.len = head.watch_len;
	if (vm_create(vm) || memory_restore(vm, snapshot))
		return -1;
	head_restore(vm, &head);
	return devices_restore(vm, b, &chips, vcpu_restore);
}

/**
 * state_reset() - give a paused VM a state in which it was before
 * @b: that state: its own, or the one that it was built from
 *
 * Its memory is what it was then.
 */
int state_reset(struct vm *vm, struct blob *b)
{
	struct chips chips;
	struct head head;

	b->pos = 0;
	if (read_head(b, &head, &chips))
		return -1;
	head_restore(vm, &head);
	return devices_restore(vm, b, &chips, vcpu_reset);
}
