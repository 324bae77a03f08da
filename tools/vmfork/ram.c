// SPDX-License-Identifier: GPL-2.0
/*
 * What of a VM's memory a capture takes, and what it leaves out.
 *
 * Slots are gone through in order of address space and address, each in parts
 * with one thing behind them.  A part that can be captured is cut into pieces
 * at the edges of what has been taken already.  A piece is new; or it is there
 * at this very place (SMM sees most of the memory as everybody does); or it is
 * at another place, of which this is an alias; or, seen in SMM alone, its
 * place in the snapshot is taken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vmfork.h>

#include "backing.h"
#include "cli.h"
#include "grow.h"
#include "out.h"
#include "ram.h"
#include "vm.h"

/**
 * struct plan - in the making
 * @vm: whose memory it is
 * @ram: what comes of it; regions in the order in which they were found
 * @max: the most regions that there may be
 * @read_only: read-only slots are taken
 * @error: ENOMEM, or E2BIG: too many regions
 */
struct plan {
	const struct vm *vm;
	struct ram *ram;
	size_t max;
	bool read_only;
	int error;
};

/* SMM sees most of the memory as everybody does. */
static bool is_left(const struct ram *ram, const struct ram_left *new)
{
	size_t i;

	for (i = 0; i < ram->nr_left; i++) {
		const struct ram_left *left = &ram->left[i];

		if (left->why == new->why && left->gpa <= new->gpa &&
		    left->gpa + left->len >= new->gpa + new->len &&
		    new->hva - left->hva == new->gpa - left->gpa)
			return true;
	}
	return false;
}

static void leave(struct plan *plan, const struct ram_left *new)
{
	struct ram *ram = plan->ram;
	struct ram_left *last = ram->nr_left ? &ram->left[ram->nr_left - 1] :
				NULL;
	struct ram_left *grown;

	if (new->space && is_left(ram, new))
		return;
	if (last && last->why == new->why && last->space == new->space &&
	    last->gpa + last->len == new->gpa &&
	    (new->hva ? last->hva + last->len == new->hva : !last->hva)) {
		last->len += new->len;
		return;
	}
	grown = grow(ram->left, ram->nr_left, sizeof(*grown));
	if (!grown) {
		plan->error = ENOMEM;
		return;
	}
	ram->left = grown;
	ram->left[ram->nr_left++] = *new;
}

static void take(struct plan *plan, const struct vmfork_region *new)
{
	struct ram *ram = plan->ram;
	struct vmfork_region *last = ram->nr ? &ram->regions[ram->nr - 1] :
				     NULL;
	struct vmfork_region *grown;

	if (last && last->addr + last->len == new->addr &&
	    last->offset + last->len == new->offset) {
		last->len += new->len;
		return;
	}
	if (ram->nr == plan->max) {
		plan->error = E2BIG;
		return;
	}
	grown = grow(ram->regions, ram->nr, sizeof(*grown));
	if (!grown) {
		plan->error = ENOMEM;
		return;
	}
	ram->regions = grown;
	ram->regions[ram->nr++] = *new;
}

/* Shortens what begins at @at where a range of the same kind begins or ends. */
static bool cut(uint64_t start, uint64_t range_len, uint64_t at, uint64_t *len)
{
	const bool inside = at >= start && at - start < range_len;

	if (inside && *len > range_len - (at - start))
		*len = range_len - (at - start);
	if (start > at && *len > start - at)
		*len = start - at;
	return inside;
}

/* Where this address is in the snapshot already: the region, or NULL */
static const struct vmfork_region *taken_at(const struct ram *ram, uint64_t hva,
					    uint64_t *len)
{
	const struct vmfork_region *region, *found = NULL;

	for (region = ram->regions; region < ram->regions + ram->nr; region++)
		if (cut(region->addr, region->len, hva, len))
			found = region;
	return found;
}

/* Whether something is there outside of SMM */
static bool is_hidden(const struct vm *vm, uint64_t gpa, uint64_t *len)
{
	const struct vm_slot *slot;
	bool found = false;

	for (slot = vm->slots; slot < vm->slots + vm->nr_slots; slot++)
		if (!slot->space && cut(slot->gpa, slot->len, gpa, len))
			found = true;
	return found;
}

/* A piece of a part that can be captured; returns how long it is. */
static uint64_t take_piece(struct plan *plan, uint64_t gpa, uint64_t hva,
			   uint64_t len, unsigned int space)
{
	const struct vmfork_region *same = taken_at(plan->ram, hva, &len);
	const bool hidden = space && is_hidden(plan->vm, gpa, &len);
	const struct ram_left left = {
		.gpa = gpa,
		.len = len,
		.hva = hva,
		.space = space,
		.why = same ? "alias" : "hidden",
	};
	const struct vmfork_region new = {
		.addr = hva,
		.len = len,
		.offset = gpa,
	};

	if (same && same->offset + (hva - same->addr) == gpa)
		return len;
	if (same || hidden)
		leave(plan, &left);
	else
		take(plan, &new);
	return len;
}

/* Why nothing of a slot is captured, NULL if it may be */
static const char *slot_left(const struct plan *plan,
			     const struct vm_slot *slot)
{
	if (slot->id >= VM_SLOT_OWN)
		return "kvm";
	if (slot->flags & VM_SLOT_GUEST_MEMFD)
		return "private";
	if ((slot->flags & VM_SLOT_READONLY) && !plan->read_only)
		return "read-only";
	return NULL;
}

/* A guest that was restored from its memory file is a mapping of that. */
static bool can_be_captured(enum backing_kind kind)
{
	return kind == BACKING_ANONYMOUS || kind == BACKING_SNAPSHOT ||
	       kind == BACKING_FILE;
}

static void plan_slot(struct plan *plan, const struct vm_slot *slot,
		      const struct backings *backings)
{
	const char *why = slot_left(plan, slot);
	uint64_t done, len;

	for (done = 0; done < slot->len && !plan->error; done += len) {
		struct ram_left left = {
			.gpa = slot->gpa + done,
			.hva = slot->hva + done,
			.space = slot->space,
			.why = why,
		};
		struct backing at = backing_at(backings, left.hva,
					       slot->hva + slot->len);

		len = at.end - at.start;
		if (!why && can_be_captured(at.kind)) {
			len = take_piece(plan, left.gpa, left.hva, len,
					 slot->space);
			continue;
		}
		left.len = len;
		if (!why)
			left.why = backing_name(at.kind);
		leave(plan, &left);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct vm_slot *x = a, *y = b;

	return (x->gpa > y->gpa) - (x->gpa < y->gpa);
}

/* Where no slot is, below the end of what is captured, others answer. */
static void leave_gaps(struct plan *plan, uint64_t end)
{
	const struct vm *vm = plan->vm;
	struct vm_slot *slots = calloc(vm->nr_slots, sizeof(*slots));
	struct ram_left gap = { .why = "mmio" };
	uint64_t at = 0;
	size_t i;

	if (!slots) {
		plan->error = ENOMEM;
		return;
	}
	memcpy(slots, vm->slots, vm->nr_slots * sizeof(*slots));
	qsort(slots, vm->nr_slots, sizeof(*slots), by_place);
	for (i = 0; i < vm->nr_slots && at < end && !plan->error; i++) {
		if (slots[i].gpa > at) {
			gap.gpa = at;
			gap.len = slots[i].gpa - at;
			leave(plan, &gap);
		}
		if (slots[i].gpa + slots[i].len > at)
			at = slots[i].gpa + slots[i].len;
	}
	free(slots);
}

static int by_offset(const void *a, const void *b)
{
	const struct vmfork_region *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int by_gpa(const void *a, const void *b)
{
	const struct ram_left *x = a, *y = b;

	if (x->gpa != y->gpa)
		return (x->gpa > y->gpa) - (x->gpa < y->gpa);
	return (x->space > y->space) - (x->space < y->space);
}

static int finish(const struct plan *plan)
{
	const int pid = plan->vm->owner->pid;

	if (plan->error == E2BIG)
		return failure(FAILED, E2BIG,
			       "The memory of process %d's virtual machine is in more than %zu pieces: capture some of them with --range.",
			       pid, plan->max);
	if (plan->error)
		return failure(FAILED, plan->error,
			       "There is no memory to plan the capture.");
	if (!plan->ram->nr && plan->ram->nr_left)
		return failure(FAILED, ENODATA,
			       "Nothing of the virtual machine of process %d can be captured (its memory at 0x%llx: %s): see vmfork vms -p %d.",
			       pid,
			       (unsigned long long)plan->ram->left[0].gpa,
			       plan->ram->left[0].why, pid);
	if (!plan->ram->nr)
		return failure(FAILED, ENODATA,
			       "The virtual machine of process %d has no memory yet: try again when it runs.",
			       pid);
	return DONE;
}

int ram_plan(const struct vm *vm, const struct backings *backings,
	     bool read_only, size_t max, struct ram *ram)
{
	struct plan plan = {
		.vm = vm,
		.ram = ram,
		.max = max,
		.read_only = read_only,
	};
	const struct vmfork_region *last;
	size_t i;

	*ram = (struct ram){ 0 };
	for (i = 0; i < vm->nr_slots && !plan.error; i++)
		plan_slot(&plan, &vm->slots[i], backings);
	if (ram->nr)
		qsort(ram->regions, ram->nr, sizeof(*ram->regions), by_offset);
	if (ram->nr && !plan.error) {
		last = &ram->regions[ram->nr - 1];
		leave_gaps(&plan, last->offset + last->len);
	}
	if (ram->nr_left)
		qsort(ram->left, ram->nr_left, sizeof(*ram->left), by_gpa);
	return finish(&plan);
}

void ram_free(struct ram *ram)
{
	free(ram->regions);
	free(ram->left);
	*ram = (struct ram){ 0 };
}
