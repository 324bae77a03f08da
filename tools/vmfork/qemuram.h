/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of a QEMU: its guest's RAM, and what else the guest sees as memory.
 */
#ifndef VMFORK_QEMURAM_H
#define VMFORK_QEMURAM_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct qmp;
struct vmfork_region;

/**
 * struct qemu_block - a block of memory
 * @name: QEMU's name for it
 * @hva: address in QEMU's process
 * @len: bytes, a multiple of 4096
 * @offset: in the snapshot
 */
struct qemu_block {
	char *name;
	uint64_t hva;
	uint64_t len;
	uint64_t offset;
};

/**
 * struct qemu_ram - all that is captured
 * @backend: id of the object that is the guest's RAM
 * @blocks: the RAM, at offset 0, then others: video memory, firmware
 * @nr: length of @blocks
 */
struct qemu_ram {
	char *backend;
	struct qemu_block *blocks;
	size_t nr;
};

/**
 * qemu_ram_find() - ask QEMU, and look at the process
 * @qmp: QEMU
 * @pid: its process
 * @ram: out; qemu_ram_free() it, whatever the status is
 *
 * Return: an enum status; a failure has been told: it can not be forked, and
 * why.
 */
int qemu_ram_find(struct qmp *qmp, int pid, struct qemu_ram *ram);

/**
 * qemu_ram_backend() - the one object that is all of the RAM
 * @memdevs: the answer to query-memdev
 * @ram: @backend and the length of the first block are set
 */
int qemu_ram_backend(struct json_object *memdevs, struct qemu_ram *ram);

/**
 * qemu_ram_blocks() - what there is, by what the human monitor says
 * @text: the answer to "info ramblock"
 * @ram: blocks are added, the RAM first; some have no address yet
 */
int qemu_ram_blocks(const char *text, struct qemu_ram *ram);

/**
 * struct qemu_sight - where a guest sees part of a block
 * @block: which one, an index
 * @gpa: guest-physical address
 * @within: offset in the block
 */
struct qemu_sight {
	size_t block;
	uint64_t gpa;
	uint64_t within;
};

/**
 * qemu_ram_sights() - by what the human monitor says
 * @text: the answer to "info mtree -f"
 * @ram: the blocks
 * @sights: out: one for each block that is seen, in their order; as many as
 *	there are blocks
 *
 * Return: how many.
 */
size_t qemu_ram_sights(const char *text, const struct qemu_ram *ram,
		       struct qemu_sight *sights);

/**
 * qemu_ram_place() - decide where in the snapshot blocks lie
 *
 * Those without an address are dropped.
 */
void qemu_ram_place(struct qemu_ram *ram);

/** qemu_ram_regions() - as a capture takes them; room for @nr */
void qemu_ram_regions(const struct qemu_ram *ram,
		      struct vmfork_region *regions);

void qemu_ram_free(struct qemu_ram *ram);

#endif /* VMFORK_QEMURAM_H */
