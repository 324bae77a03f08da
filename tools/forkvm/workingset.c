// SPDX-License-Identifier: GPL-2.0
/*
 * Working sets: a child has what it will ask for before it runs.
 *
 * The file is read by whom the user asks: a parent, before it forks, or a child
 * itself.  A parent's children get the ranges in a memfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <ws.h>

#include "forkvm.h"

static uint64_t snapshot_size(const struct vm *vm)
{
	const struct ram_region *last = &vm->ram.region[vm->ram.nr - 1];

	return last->gpa + last->size;
}

/**
 * working_set_read() - a working set of this guest, or of one like it
 * @ws: out: for ws_free()
 */
int working_set_read(const struct vm *vm, const char *path, struct ws *ws)
{
	struct ws_error error = { 0 };

	if (vm->config.copy)
		return fail("working sets are of vmfork's snapshots; start "
			    "forkvm without --copy");
	if (ws_read(ws, path, &error))
		return fail("%s", error.text);
	if (ws->snapshot_size == snapshot_size(vm))
		return 0;
	fail("%s is of a snapshot of %llu bytes, this guest's have %llu; "
	     "record one of its own", path,
	     (unsigned long long)ws->snapshot_size,
	     (unsigned long long)snapshot_size(vm));
	ws_free(ws);
	return -1;
}

/** working_set_to_fd() - Return: a memfd for working_set_from_fd(), or -1 */
int working_set_to_fd(const struct ws *ws)
{
	struct blob blob = { 0 };
	int fd = -1;

	if (!blob_put(&blob, ws->ranges, ws->nr * sizeof(*ws->ranges)))
		fd = blob_to_fd(&blob);
	blob_free(&blob);
	return fd;
}

static bool stop(void *arg)
{
	const struct vm *vm = arg;

	return __atomic_load_n(&vm->ended, __ATOMIC_RELAXED);
}

static int apply_memory(struct vm *vm, int snapshot,
			const struct vmfork_ws_range *ranges, size_t nr,
			struct working_set_result *result)
{
	const struct vmfork_ws_options options = { .stop = stop, .arg = vm };
	struct vmfork_region regions[2] = { 0 };
	uint64_t start = now_ns();
	unsigned int i;
	int err;

	for (i = 0; i < vm->ram.nr; i++) {
		regions[i].addr = (uintptr_t)vm->ram.region[i].hva;
		regions[i].len = vm->ram.region[i].size;
		regions[i].offset = vm->ram.region[i].gpa;
	}
	err = vmfork_ws_apply(snapshot, -1, regions, vm->ram.nr, ranges, nr,
			      &options, &result->memory);
	result->memory_ns = now_ns() - start;
	if (err)
		return fail("the working set can not be applied: %s (%s). %s",
			    strerror(-err),
			    vmfork_refusal_name(result->memory.refusal),
			    vmfork_refusal_advice(result->memory.refusal));
	return 0;
}

/* Where KVM can not do it the guest's first accesses do, one by one. */
static int apply_kvm(struct vm *vm, const struct vmfork_ws_range *ranges,
		     size_t nr, struct working_set_result *result)
{
	const struct vmfork_ws_options options = { .stop = stop, .arg = vm };
	uint64_t start = now_ns();
	int err;

	err = vmfork_ws_apply_kvm(vm->vcpu[0].fd, ranges, nr, &options,
				  &result->kvm);
	result->kvm_ns = now_ns() - start;
	if (err && err != -EOPNOTSUPP)
		return fail("KVM does not take the working set: %s",
			    strerror(-err));
	return 0;
}

/*
 * Idle: no vCPU runs, nor will until this returns, so that KVM's second-level
 * page tables can be filled as well.
 */
static int apply(struct vm *vm, int snapshot,
		 const struct vmfork_ws_range *ranges, size_t nr, bool idle,
		 struct working_set_result *result)
{
	memset(result, 0, sizeof(*result));
	if (apply_memory(vm, snapshot, ranges, nr, result))
		return -1;
	return idle ? apply_kvm(vm, ranges, nr, result) : 0;
}

/** working_set_from_fd() - and apply it, in a child that does not run yet */
int working_set_from_fd(struct vm *vm, int fd)
{
	struct blob blob;
	int err;

	err = blob_from_fd(&blob, fd);
	if (!err)
		err = apply(vm, vm->snapshot_fd, (void *)blob.data,
			    blob.len / sizeof(struct vmfork_ws_range), true,
			    &vm->working_set);
	blob_free(&blob);
	return err;
}

/* Beside a guest that runs, nobody has to wait: then "command" is let go. */
static int prefault_locked(struct vm *vm, const struct ws *ws,
			   struct working_set_result *result)
{
	bool idle = vm->paused;
	int snapshot, err;

	if (vm->checkpoint.snapshot < 0)
		return fail("this guest's memory is no mapping of a snapshot; "
			    "fork it first");
	snapshot = fcntl(vm->checkpoint.snapshot, F_DUPFD_CLOEXEC, 10);
	if (snapshot < 0)
		return fail_errno("no file descriptor is free");
	if (!idle)
		pthread_mutex_unlock(&vm->command);
	err = apply(vm, snapshot, ws->ranges, ws->nr, idle, result);
	if (!idle)
		pthread_mutex_lock(&vm->command);
	close(snapshot);
	return err;
}

/** vm_prefault() - apply a working set now, before or while the guest runs */
int vm_prefault(struct vm *vm, const char *path,
		struct working_set_result *result)
{
	struct ws ws;
	int err;

	if (working_set_read(vm, path, &ws))
		return -1;
	pthread_mutex_lock(&vm->command);
	err = prefault_locked(vm, &ws, result);
	pthread_mutex_unlock(&vm->command);
	ws_free(&ws);
	return err;
}
