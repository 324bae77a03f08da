// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork vms: the virtual machines of this host, and what their memory is.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "cli.h"
#include "open.h"
#include "out.h"
#include "parse.h"
#include "signals.h"
#include "vm.h"

static void report_thread_name(int pid, int tid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	file = tid ? fopen(path, "re") : NULL;
	if (file) {
		if (!fgets(name, sizeof(name), file))
			name[0] = '\0';
		fclose(file);
	}
	name[strcspn(name, "\n")] = '\0';
	if (name[0])
		out_string("name", name);
	else
		out_none("name");
}

static void report_vcpus(const struct vm *vm)
{
	const int pid = vm->owner ? vm->owner->pid : 0;
	size_t i;

	out_open_table("vcpu");
	for (i = 0; i < vm->nr_vcpus; i++) {
		out_open(NULL);
		out_number("id", vm->vcpus[i].id);
		if (vm->vcpus[i].tid)
			out_number("thread", vm->vcpus[i].tid);
		else
			out_none("thread");
		report_thread_name(pid, vm->vcpus[i].tid);
		out_close();
	}
	out_close();
}

static const char *memory_name(const struct vm_slot *slot,
			       const struct backing *part)
{
	if (slot->id >= VM_SLOT_OWN)
		return "kvm";
	if (slot->flags & VM_SLOT_GUEST_MEMFD)
		return "private";
	return backing_name(part->kind);
}

static void report_part(const struct vm_slot *slot, const struct backing *part)
{
	out_open(NULL);
	out_number("slot", slot->id);
	out_string("space", slot->space ? "smm" : "normal");
	out_address("gpa", slot->gpa + (part->start - slot->hva));
	out_bytes("length", part->end - part->start);
	out_address("address", part->start);
	out_bool("read_only", slot->flags & VM_SLOT_READONLY);
	out_bool("dirty_log", slot->flags & VM_SLOT_LOGGED);
	out_string("memory", memory_name(slot, part));
	if (part->kind == BACKING_SNAPSHOT) {
		out_number("snapshot", part->snapshot);
		out_address("offset", part->offset);
	} else {
		out_none("snapshot");
		out_none("offset");
	}
	out_close();
}

static void report_slots(const struct vm *vm, const struct backings *backings)
{
	const struct vm_slot *slot;

	out_open_table("memory");
	for (slot = vm->slots; slot < vm->slots + vm->nr_slots; slot++) {
		uint64_t at = slot->hva, end = slot->hva + slot->len;

		while (at < end) {
			struct backing part = backing_at(backings, at, end);

			report_part(slot, &part);
			at = part.end;
		}
	}
	out_close();
}

static uint64_t captured_bytes(const struct vm *vm,
			       const struct backings *backings)
{
	const struct vm_slot *slot;
	uint64_t sum = 0;

	for (slot = vm->slots; slot < vm->slots + vm->nr_slots; slot++) {
		uint64_t at = slot->hva, end = slot->hva + slot->len;

		while (!slot->space && at < end) {
			struct backing part = backing_at(backings, at, end);

			if (part.kind == BACKING_SNAPSHOT)
				sum += part.end - part.start;
			at = part.end;
		}
	}
	return sum;
}

static uint64_t total_bytes(const struct vm *vm)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < vm->nr_slots; i++)
		if (!vm->slots[i].space && vm->slots[i].id < VM_SLOT_OWN)
			sum += vm->slots[i].len;
	return sum;
}

/* Those whose memory it is not */
static void report_holders(const struct vm *vm)
{
	size_t i;

	out_open_table("holder");
	for (i = 0; i < vm->nr_holders; i++) {
		const struct vm_holder *holder = &vm->holders[i];

		if (holder == vm->owner)
			continue;
		out_open(NULL);
		if (holder->pid)
			out_number("pid", holder->pid);
		else
			out_none("pid");
		out_string("command", holder->command);
		out_number("fd", holder->fd);
		out_string("of", holder->is_vcpu ? "vcpu" : "vm");
		out_close();
	}
	out_close();
}

static int report_vm(const struct vm *vm)
{
	struct backings backings;
	int status = backing_read(vm->owner ? vm->owner->pid : 0, &backings);

	if (status)
		return status;
	out_open(NULL);
	if (vm->owner) {
		out_number("pid", vm->owner->pid);
		out_string("command", vm->owner->command);
		out_number("fd", vm->owner->fd);
		out_string("of", vm->owner->is_vcpu ? "vcpu" : "vm");
	} else {
		out_none("pid");
		out_none("command");
		out_none("fd");
		out_none("of");
	}
	out_bool("alive", vm->alive);
	out_bytes("size", total_bytes(vm));
	out_bytes("captured", captured_bytes(vm, &backings));
	report_vcpus(vm);
	report_slots(vm, &backings);
	report_holders(vm);
	out_close();
	backing_free(&backings);
	return DONE;
}

static int report_vms(const struct vm_list *list, int pid)
{
	size_t i, nr = 0;
	int status = DONE;

	for (i = 0; i < list->nr; i++)
		nr += !pid || vm_is_of(&list->vms[i], pid);
	out_number("vms", nr);
	out_open_list("vm");
	for (i = 0; !status && i < list->nr; i++)
		if (!pid || vm_is_of(&list->vms[i], pid))
			status = report_vm(&list->vms[i]);
	out_close();
	return status ? status : out_finish();
}

static int check_process(int pid)
{
	int pidfd, status = open_process(pid, &pidfd);

	if (!status)
		close(pidfd);
	return status;
}

static int run_vms(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		COMMON_LONG,
		{ 0 }
	};
	struct vm_list list = { 0 };
	int option, pid = 0, status = DONE;

	while ((option = next_option(&command_vms, argc, argv,
				     "p:" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (!parse_id(optarg, &pid) || !pid)
			return failure(BAD_USAGE, 0,
				       "'%s' is no process id: give a number above 0.",
				       optarg);
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help vms.",
			       argv[optind]);
	signals_catch();
	if (pid)
		status = check_process(pid);
	if (!status)
		status = vm_find(&list);
	if (!status)
		status = report_vms(&list, pid);
	vm_free(&list);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_vms = {
	.name = "vms",
	.arguments = "[-p PID]",
	.summary = "Show the KVM virtual machines of this host",
	.options =
	"  -p, --pid PID       those that this process runs, or holds\n"
	"\n"
	"Each with its process, vCPUs and memory, and what of that is a mapping of a\n"
	"snapshot already.\n",
	.run = run_vms,
};
