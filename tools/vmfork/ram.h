/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of a VM's memory a capture takes, and what it leaves out.
 *
 * Offsets in the snapshot are guest-physical addresses.  One thing lies at
 * each, and each page of the process is in the snapshot once.
 */
#ifndef VMFORK_RAM_H
#define VMFORK_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backings;
struct vm;
struct vmfork_region;

/**
 * struct ram_left - memory that is left out
 * @gpa: guest-physical address
 * @len: length in bytes
 * @hva: address in the process; 0 if there is none
 * @space: KVM's address space
 * @why: "read-only", one word; see vmfork-capture(1)
 */
struct ram_left {
	uint64_t gpa;
	uint64_t len;
	uint64_t hva;
	unsigned int space;
	const char *why;
};

/**
 * struct ram - what there is of a VM
 * @regions: what is captured, in ascending order
 * @nr: length of @regions
 * @left: what is not, in ascending order
 * @nr_left: length of @left
 */
struct ram {
	struct vmfork_region *regions;
	size_t nr;
	struct ram_left *left;
	size_t nr_left;
};

/**
 * ram_plan() - decide
 * @vm: the virtual machine, which has an owner
 * @backings: of its process
 * @read_only: take what the guest can not write to, too
 * @max: the most regions that there may be
 * @ram: out; ram_free() it, whatever the status is
 *
 * Return: an enum status; a failure has been told.
 */
int ram_plan(const struct vm *vm, const struct backings *backings,
	     bool read_only, size_t max, struct ram *ram);

void ram_free(struct ram *ram);

#endif /* VMFORK_RAM_H */
