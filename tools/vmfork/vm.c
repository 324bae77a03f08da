// SPDX-License-Identifier: GPL-2.0
/*
 * The KVM virtual machines of this host, as the kernel has them.
 *
 * bpf/vms.bpf.c finds them, and writes records into an array that is mapped
 * here.  A pass over all files of all processes is one read to the end of an
 * iterator's file.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "cli.h"
#include "grow.h"
#include "out.h"
#include "signals.h"
#include "vm.h"
#include "vms.h"
#include "vms.skel.h"

#define FIRST_ROOM	1024
/* Each VM that changes its slots while they are read costs a pass. */
#define MAX_PASSES	50

/**
 * struct finder - the program, loaded
 * @skel: it
 * @records: where it writes
 * @room: for how many records
 */
struct finder {
	struct vms_bpf *skel;
	struct vms_record *records;
	uint32_t room;
};

static size_t records_len(const struct finder *finder)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (finder->room * sizeof(*finder->records) + page - 1) & -page;
}

static void finder_close(struct finder *finder)
{
	if (finder->records)
		munmap(finder->records, records_len(finder));
	vms_bpf__destroy(finder->skel);
	*finder = (struct finder){ 0 };
}

static int finder_open(struct finder *finder, uint32_t room)
{
	void *at;
	int status;

	finder->room = room;
	finder->skel = vms_bpf__open();
	status = bpf_ready(finder->skel);
	if (status)
		return status;
	if (bpf_map__set_max_entries(finder->skel->maps.records, room))
		return bpf_failed(-ENOMEM);
	status = bpf_start(finder->skel->skeleton);
	if (status)
		return status;
	at = mmap(NULL, records_len(finder), PROT_READ, MAP_SHARED,
		  bpf_map__fd(finder->skel->maps.records), 0);
	if (at == MAP_FAILED)
		return bpf_failed(-errno);
	finder->records = at;
	return DONE;
}

/* One pass; the file that is read has nothing in it. */
static int finder_pass(struct finder *finder)
{
	int fd = bpf_iter_create(bpf_link__fd(finder->skel->links.find_vms));
	char nothing[64];
	ssize_t len;

	if (fd < 0)
		return bpf_failed(-errno);
	finder->skel->bss->pass++;
	finder->skel->bss->nr_records = 0;
	finder->skel->bss->nr_vms = 0;
	finder->skel->bss->torn = 0;
	do {
		/* EAGAIN: after a million files the kernel takes a breath. */
		len = read(fd, nothing, sizeof(nothing));
	} while (len > 0 || (len < 0 && errno == EAGAIN) ||
		 (len < 0 && errno == EINTR && !signals_caught()));
	close(fd);
	if (!len)
		return DONE;
	if (errno == EINTR)
		return FAILED;
	return failure(FAILED, errno,
		       "The open files of all processes can not be looked at: %s.",
		       strerror(errno));
}

/* Of several descriptors that a process has, the best to name the VM by */
static bool add_holder(struct vm *vm, const struct vms_record *record)
{
	struct vm_holder new = {
		.pid = record->holder.pid,
		.fd = record->holder.fd,
		.is_vcpu = record->holder.is_vcpu,
		.owner = record->holder.owner,
	};
	struct vm_holder *old, *grown;

	memcpy(new.command, record->holder.comm, sizeof(new.command) - 1);
	for (old = vm->holders; old < vm->holders + vm->nr_holders; old++) {
		if (old->pid != new.pid || old->owner != new.owner)
			continue;
		if (new.is_vcpu < old->is_vcpu ||
		    (new.is_vcpu == old->is_vcpu && new.fd < old->fd))
			*old = new;
		return true;
	}
	grown = grow(vm->holders, vm->nr_holders, sizeof(*grown));
	if (!grown)
		return false;
	vm->holders = grown;
	vm->holders[vm->nr_holders++] = new;
	return true;
}

static bool add_vcpu(struct vm *vm, const struct vms_record *record)
{
	struct vm_vcpu *grown = grow(vm->vcpus, vm->nr_vcpus, sizeof(*grown));

	if (!grown)
		return false;
	vm->vcpus = grown;
	vm->vcpus[vm->nr_vcpus++] = (struct vm_vcpu){
		.id = record->vcpu.id,
		.tid = record->vcpu.tid,
	};
	return true;
}

static bool add_slot(struct vm *vm, const struct vms_record *record)
{
	struct vm_slot *grown = grow(vm->slots, vm->nr_slots, sizeof(*grown));

	if (!grown)
		return false;
	vm->slots = grown;
	vm->slots[vm->nr_slots++] = (struct vm_slot){
		.gpa = record->slot.gpa,
		.len = record->slot.len,
		.hva = record->slot.hva,
		.flags = record->slot.flags,
		.id = record->slot.id,
		.space = record->slot.space,
	};
	return true;
}

static bool add_record(struct vm *vm, const struct vms_record *record)
{
	switch (record->type) {
	case VMS_VM:
		vm->alive = record->info.alive;
		return true;
	case VMS_HOLDER:
		return add_holder(vm, record);
	case VMS_VCPU:
		return add_vcpu(vm, record);
	case VMS_SLOT:
		return add_slot(vm, record);
	}
	return true;
}

static int by_number(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_address(const void *a, const void *b)
{
	const struct vm_slot *x = a, *y = b;

	if (x->space != y->space)
		return by_number(x->space, y->space);
	return by_number(x->gpa, y->gpa);
}

static int by_id(const void *a, const void *b)
{
	return by_number(((const struct vm_vcpu *)a)->id,
			 ((const struct vm_vcpu *)b)->id);
}

static int by_pid(const void *a, const void *b)
{
	return by_number(((const struct vm_holder *)a)->pid,
			 ((const struct vm_holder *)b)->pid);
}

static int by_owner(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;
	const struct vm_holder *p = x->owner ? x->owner : x->holders;
	const struct vm_holder *q = y->owner ? y->owner : y->holders;

	if (p->pid != q->pid)
		return by_number(p->pid, q->pid);
	return by_number(p->fd, q->fd);
}

static void sort_vm(struct vm *vm)
{
	size_t i;

	if (vm->nr_slots)
		qsort(vm->slots, vm->nr_slots, sizeof(*vm->slots), by_address);
	if (vm->nr_vcpus)
		qsort(vm->vcpus, vm->nr_vcpus, sizeof(*vm->vcpus), by_id);
	qsort(vm->holders, vm->nr_holders, sizeof(*vm->holders), by_pid);
	for (i = vm->nr_holders; i-- > 0;)
		if (vm->holders[i].owner && vm->holders[i].pid)
			vm->owner = &vm->holders[i];
}

static int take_records(const struct finder *finder, struct vm_list *list)
{
	const struct vms_record *record = finder->records;
	const struct vms_record *end = record + finder->skel->bss->nr_records;
	size_t i;

	list->nr = finder->skel->bss->nr_vms;
	if (!list->nr)
		return DONE;
	list->vms = calloc(list->nr, sizeof(*list->vms));
	if (!list->vms)
		return bpf_failed(-ENOMEM);
	for (; record < end; record++)
		if (!add_record(&list->vms[record->vm], record))
			return bpf_failed(-ENOMEM);
	for (i = 0; i < list->nr; i++)
		sort_vm(&list->vms[i]);
	qsort(list->vms, list->nr, sizeof(*list->vms), by_owner);
	return DONE;
}

/* Return: whether it was a good one, or failed; else there is to be another. */
static bool try_pass(struct finder *finder, int *status)
{
	uint32_t nr;

	*status = finder_pass(finder);
	if (*status)
		return true;
	nr = finder->skel->bss->nr_records;
	if (nr <= finder->room)
		return !finder->skel->bss->torn;
	finder_close(finder);
	*status = finder_open(finder, nr + nr / 2);
	return *status;
}

static int find_with(struct finder *finder, struct vm_list *list)
{
	int passes, status = finder_open(finder, FIRST_ROOM);

	if (status)
		return status;
	for (passes = 0; !try_pass(finder, &status); passes++) {
		if (passes == MAX_PASSES)
			return failure(FAILED, EAGAIN,
				       "Virtual machines change their memory slots faster than they can be read: try again.");
		nanosleep(&(struct timespec){ .tv_nsec = passes * 1000000L },
			  NULL);
	}
	return status ? status : take_records(finder, list);
}

int vm_find(struct vm_list *list)
{
	struct finder finder = { 0 };
	int status;

	*list = (struct vm_list){ 0 };
	/* Where there is no KVM, nobody knows what its types are like. */
	if (access("/sys/module/kvm", F_OK))
		return DONE;
	status = find_with(&finder, list);
	finder_close(&finder);
	return status;
}

void vm_free(struct vm_list *list)
{
	size_t i;

	for (i = 0; list->vms && i < list->nr; i++) {
		free(list->vms[i].slots);
		free(list->vms[i].vcpus);
		free(list->vms[i].holders);
	}
	free(list->vms);
	*list = (struct vm_list){ 0 };
}

static const struct vm_holder *holder_in(const struct vm *vm, int pid)
{
	size_t i;

	for (i = 0; i < vm->nr_holders; i++)
		if (vm->holders[i].pid == pid)
			return &vm->holders[i];
	return NULL;
}

bool vm_is_of(const struct vm *vm, int pid)
{
	return holder_in(vm, pid);
}

/* "12, 17 and 20" */
static void name_vms(const struct vm_list *list, int pid, size_t nr, char *text,
		     size_t size)
{
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < list->nr && len < size; i++) {
		const struct vm_holder *holder = holder_in(&list->vms[i], pid);

		if (!holder || !holder->owner)
			continue;
		len += snprintf(text + len, size - len, "%d%s", holder->fd,
				nr > 2 ? ", " : nr == 2 ? " and " : "");
		nr--;
	}
}

static int fail_choice(const struct vm_list *list, int pid, int fd, size_t nr,
		       const struct vm *foreign)
{
	char fds[256];

	name_vms(list, pid, nr, fds, sizeof(fds));
	if (nr && fd >= 0)
		return failure(FAILED, ENOENT,
			       "Process %d has no virtual machine %d: give --vm as one of %s.",
			       pid, fd, fds);
	if (nr)
		return failure(FAILED, ENOTUNIQ,
			       "Process %d has %zu virtual machines: add --vm N, which is one of %s (see vmfork vms -p %d).",
			       pid, nr, fds, pid);
	if (foreign && foreign->owner)
		return failure(FAILED, ENOENT,
			       "Process %d only holds a virtual machine whose memory is that of process %d: give -p %d.",
			       pid, foreign->owner->pid, foreign->owner->pid);
	if (foreign)
		return failure(FAILED, ENOENT,
			       "Process %d only holds a virtual machine whose memory is that of another process, which is gone: give --range.",
			       pid);
	return failure(FAILED, ENOENT,
		       "Process %d has no virtual machine: give the process that runs it, or --range ADDR:LEN.",
		       pid);
}

int vm_choose(const struct vm_list *list, int pid, int fd,
	      const struct vm **chosen)
{
	const struct vm *foreign = NULL, *found = NULL;
	size_t i, nr = 0, matches = 0;

	for (i = 0; i < list->nr; i++) {
		const struct vm_holder *holder = holder_in(&list->vms[i], pid);

		if (!holder)
			continue;
		if (!holder->owner) {
			foreign = &list->vms[i];
			continue;
		}
		nr++;
		if (fd >= 0 && holder->fd != fd)
			continue;
		matches++;
		found = &list->vms[i];
	}
	/* Threads with file tables of their own may use a number twice. */
	if (matches != 1)
		return fail_choice(list, pid, fd, nr, foreign);
	*chosen = found;
	return DONE;
}

bool vm_same_slots(const struct vm *a, const struct vm *b)
{
	size_t i;

	if (a->nr_slots != b->nr_slots)
		return false;
	for (i = 0; i < a->nr_slots; i++) {
		const struct vm_slot *x = &a->slots[i], *y = &b->slots[i];

		if (x->gpa != y->gpa || x->len != y->len || x->hva != y->hva ||
		    x->space != y->space ||
		    ((x->flags ^ y->flags) & ~VM_SLOT_LOGGED))
			return false;
	}
	return true;
}
