// SPDX-License-Identifier: GPL-2.0
/*
 * Reset: a guest goes back to its latest fork, or to its birth, where it is.
 *
 * What a fork takes to make children of is also what its guest can go back to:
 * the snapshot and the state are kept.  Memory is put back in place, at the
 * cost of what was written; KVM's VM stays, and gets the state again.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "forkvm.h"

/**
 * checkpoint_keep() - what vm_reset() goes back to from now on
 * @snapshot: duplicated
 * @state: taken over, and empty then; no harm if there is no memory for it
 * @newborn: it is a child's birth
 */
void checkpoint_keep(struct vm *vm, int snapshot, struct blob *state,
		     bool newborn)
{
	struct checkpoint *c = &vm->checkpoint;

	if (c->snapshot >= 0)
		close(c->snapshot);
	blob_free(&c->state);
	/* A copy is as large as the guest; and only vmfork's go back in place. */
	c->snapshot = vm->config.copy ? -1 :
		      fcntl(snapshot, F_DUPFD_CLOEXEC, 10);
	c->state = *state;
	c->newborn = newborn;
	memset(state, 0, sizeof(*state));
}

static int reset_memory(struct vm *vm, struct vmfork_reset *counts)
{
	struct vmfork_range range[2] = { 0 };
	unsigned int i;
	int err;

	for (i = 0; i < vm->ram.nr; i++) {
		range[i].start = (uintptr_t)vm->ram.region[i].hva;
		range[i].len = vm->ram.region[i].size;
	}
	err = vmfork_reset(vm->checkpoint.snapshot, -1, range, vm->ram.nr,
			   counts);
	if (err)
		return fail("memory can not be reset: %s (%s). %s",
			    strerror(-err),
			    vmfork_refusal_name(counts->refusal),
			    vmfork_refusal_advice(counts->refusal));
	return 0;
}

/* What it drew from its random state once must not be drawn again */
static int be_another(struct vm *vm)
{
	uint8_t *genid = vm->birth.genid;

	if (getrandom(genid, GENID_LEN, 0) != GENID_LEN)
		return fail_errno("no random generation ID");
	if (vm->checkpoint.newborn)
		return vm_wake_newborn(vm);
	if (genid_renew(vm, genid))
		return -1;
	return serial_input(&vm->channel, "reset\n", 6);
}

/* Memory first: KVM reads and writes it for some of the state. */
static int reset_paused(struct vm *vm, struct reset_result *result)
{
	uint64_t start = now_ns();

	if (reset_memory(vm, &result->counts))
		return -1;
	result->memory_ns = now_ns() - start;
	if (!state_reset(vm, &vm->checkpoint.state) && !be_another(vm))
		return 0;
	vm_end(vm, 1, fail_text());
	return -1;
}

static int reset_locked(struct vm *vm, struct reset_result *result)
{
	uint64_t start = now_ns();
	int err;

	vcpus_pause(vm);
	err = reset_paused(vm, result);
	vcpus_were_paused(vm);
	vcpus_resume(vm);
	result->pause_ns = now_ns() - start;
	return err;
}

/**
 * vm_reset() - put the guest back to its latest fork, or to its birth
 * @result: what it took
 *
 * It goes on from there, or stays paused if it was.
 *
 * Return: 0; or -1, then the guest goes on as before, or has ended if it was
 * half-way.
 */
int vm_reset(struct vm *vm, struct reset_result *result)
{
	int err;

	memset(result, 0, sizeof(*result));
	pthread_mutex_lock(&vm->command);
	if (vm->ended)
		err = fail("the guest has ended");
	else if (vm->config.copy)
		err = fail("only vmfork can reset; start forkvm without "
			   "--copy");
	else if (vm->checkpoint.snapshot < 0)
		err = fail("there is nothing to go back to; fork first");
	else if (vm->newborn)
		err = fail("this child never ran; resume it first");
	else
		err = reset_locked(vm, result);
	pthread_mutex_unlock(&vm->command);
	return err;
}
