// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a QEMU.
 *
 * QEMU allocates each block of memory as a whole, whatever holes the guest
 * sees in it: so a block is one range of addresses, and the offset in the
 * snapshot is the one in the block.  Newer versions tell the address of a
 * block.  Others tell that of what is at a guest-physical address, which is
 * good for all that the guest can see.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmfork.h>

#include "backing.h"
#include "cli.h"
#include "grow.h"
#include "out.h"
#include "qemuram.h"
#include "qmp.h"

#define PAGE		4096ULL
/* Of all that has an address in a process */
#define MAX_LEN		(1ULL << 57)
/* QEMU's own limit: the stream has a byte for the length of a name. */
#define MAX_NAME	255
#define HUGE_PAGE	(2ULL << 20)

void qemu_ram_free(struct qemu_ram *ram)
{
	size_t i;

	for (i = 0; i < ram->nr; i++)
		free(ram->blocks[i].name);
	free(ram->blocks);
	free(ram->backend);
	*ram = (struct qemu_ram){ 0 };
}

static bool add_block(struct qemu_ram *ram, const char *name,
		      const struct qemu_block *block)
{
	struct qemu_block *grown = grow(ram->blocks, ram->nr, sizeof(*grown));

	if (!grown)
		return false;
	ram->blocks = grown;
	grown[ram->nr] = *block;
	grown[ram->nr].name = strdup(name);
	return grown[ram->nr++].name;
}

int qemu_ram_backend(struct json_object *memdevs, struct qemu_ram *ram)
{
	struct json_object *memdev;
	struct qemu_block block;
	const char *id;

	if (!json_object_is_type(memdevs, json_type_array) ||
	    !json_object_array_length(memdevs))
		return failure(FAILED, EOPNOTSUPP,
			       "The guest's RAM is no memory backend, so it can not be replaced in a child.");
	if (json_object_array_length(memdevs) > 1)
		return failure(FAILED, EOPNOTSUPP,
			       "The guest's memory is in %zu backends (-numa node,memdev=, pc-dimm): only one can be forked.",
			       json_object_array_length(memdevs));
	memdev = json_object_array_get_idx(memdevs, 0);
	id = json_text(memdev, "id");
	if (!id)
		return failure(FAILED, EOPNOTSUPP,
			       "The guest's memory backend has no id: give it one.");
	if (json_true(memdev, "share"))
		return failure(FAILED, EOPNOTSUPP,
			       "The guest's memory (%s) is shared with other processes (share=on): start it without.",
			       id);
	block = (struct qemu_block){ .len = json_number(memdev, "size") };
	if (!block.len)
		return failure(FAILED, EPROTO,
			       "QEMU does not say how large its guest's memory (%s) is.",
			       id);
	ram->backend = strdup(id);
	return ram->backend && add_block(ram, id, &block) ? DONE :
							    failure_memory();
}

/* Blocks of devices have the device's path in front of their names. */
static bool is_named(const char *block, const char *name)
{
	const size_t a = strlen(block), b = strlen(name);

	return a >= b && !strcmp(block + a - b, name) &&
	       (a == b || block[a - b - 1] == '/');
}

/* "NAME  4 KiB  OFFSET  USED  TOTAL" and, since 8.1, "HVA  RO" */
int qemu_ram_blocks(const char *text, struct qemu_ram *ram)
{
	struct qemu_block *main = &ram->blocks[0];
	bool found = false;
	char name[MAX_NAME + 1];

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		uint64_t used, total, hva = 0;
		struct qemu_block block;

		if (sscanf(text,
			   " %255s %*u %*s 0x%*x 0x%" SCNx64 " 0x%" SCNx64
			   " 0x%" SCNx64, name, &used, &total, &hva) < 3)
			continue;
		if (used > MAX_LEN || hva > MAX_LEN)
			break;
		if (!found && total == main->len &&
		    is_named(name, ram->backend)) {
			found = true;
			main->hva = hva;
			free(main->name);
			main->name = strdup(name);
			if (!main->name)
				return failure_memory();
			continue;
		}
		block = (struct qemu_block){
			.hva = hva, .len = (used + PAGE - 1) & -PAGE,
		};
		if (!add_block(ram, name, &block))
			return failure_memory();
		main = &ram->blocks[0];
	}
	if (found)
		return DONE;
	return failure(FAILED, EPROTO,
		       "QEMU does not say where its guest's RAM (%s) is: this version can not be forked.",
		       ram->backend);
}

/*
 * Lines of all address spaces, of which only "memory" is what addresses are
 * of; the same view of it may have other names, too.
 *
 *	FlatView #1
 *	 AS "memory", root: system
 *	 ...
 *	  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM
 *	  0000000000100000-000000000fffffff (prio 0, ram): pc.ram @0000000000100000
 */
static const char *memory_view(const char *text, const char **end)
{
	static const char head[] = "FlatView #";

	while ((text = strstr(text, head))) {
		const char *view = text, *name;

		text += strlen(head);
		*end = strstr(text, head);
		if (!*end)
			*end = text + strlen(text);
		name = strstr(view, "AS \"memory\"");
		if (name && name < *end)
			return view;
	}
	return NULL;
}

static bool take_sight(const char *line, const struct qemu_ram *ram,
		       struct qemu_sight *sight)
{
	char kind[16], name[MAX_NAME + 1];
	int read = 0;

	*sight = (struct qemu_sight){ 0 };
	if (sscanf(line, " %" SCNx64 "-%*x (prio %*d, %15[a-z]): %255s%n",
		   &sight->gpa, kind, name, &read) != 3 ||
	    (strcmp(kind, "ram") && strcmp(kind, "rom") &&
	     strcmp(kind, "romd")))
		return false;
	if (sscanf(line + read, " @%" SCNx64, &sight->within) != 1)
		sight->within = 0;
	for (sight->block = 0; sight->block < ram->nr; sight->block++)
		if (is_named(ram->blocks[sight->block].name, name))
			return true;
	return false;
}

static int by_block(const void *a, const void *b)
{
	const struct qemu_sight *x = a, *y = b;

	return (x->block > y->block) - (x->block < y->block);
}

size_t qemu_ram_sights(const char *text, const struct qemu_ram *ram,
		       struct qemu_sight *sights)
{
	const char *end, *line = memory_view(text, &end);
	size_t i, nr = 0;

	for (; line && line < end;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		struct qemu_sight sight;

		if (!take_sight(line, ram, &sight))
			continue;
		for (i = 0; i < nr && sights[i].block != sight.block; i++)
			;
		if (i == nr)
			sights[nr++] = sight;
	}
	qsort(sights, nr, sizeof(*sights), by_block);
	return nr;
}

/* "Host virtual address for 0x0 (pc.ram) is 0x7f068fe00000" */
static int ask_address(struct qmp *qmp, const struct qemu_sight *sight,
		       struct qemu_block *block)
{
	char line[64], *answer, *is;
	int status;

	snprintf(line, sizeof(line), "gpa2hva 0x%" PRIx64, sight->gpa);
	status = qmp_monitor(qmp, line, &answer);
	if (status)
		return status;
	is = strstr(answer, " is 0x");
	if (is)
		block->hva = strtoull(is + 6, NULL, 16) - sight->within;
	free(answer);
	return DONE;
}

static int ask_addresses(struct qmp *qmp, struct qemu_ram *ram)
{
	struct qemu_sight *sights = calloc(ram->nr, sizeof(*sights));
	size_t i, nr;
	char *text;
	int status;

	if (!sights)
		return failure_memory();
	status = qmp_monitor(qmp, "info mtree -f", &text);
	nr = status ? 0 : qemu_ram_sights(text, ram, sights);
	for (i = 0; !status && i < nr; i++)
		status = ask_address(qmp, &sights[i],
				     &ram->blocks[sights[i].block]);
	free(text);
	free(sights);
	if (!status && !ram->blocks[0].hva)
		status = failure(FAILED, EPROTO,
				 "QEMU does not say where its guest's RAM (%s) is: this version can not be forked.",
				 ram->backend);
	return status;
}

void qemu_ram_place(struct qemu_ram *ram)
{
	uint64_t end = 0;
	size_t i, nr = 0;

	for (i = 0; i < ram->nr; i++) {
		struct qemu_block *block = &ram->blocks[i];

		if (!block->hva || !block->len) {
			free(block->name);
			continue;
		}
		/* Huge pages stay whole where they lie alike. */
		block->offset = end;
		if (nr)
			block->offset += (block->hva - end) & (HUGE_PAGE - 1);
		end = block->offset + block->len;
		ram->blocks[nr++] = *block;
	}
	ram->nr = nr;
}

void qemu_ram_regions(const struct qemu_ram *ram,
		      struct vmfork_region *regions)
{
	size_t i;

	for (i = 0; i < ram->nr; i++)
		regions[i] = (struct vmfork_region){
			.addr = ram->blocks[i].hva,
			.len = ram->blocks[i].len,
			.offset = ram->blocks[i].offset,
		};
}

/* What the process has there says whether QEMU was understood. */
static int check_block(const struct backings *backings,
		       const struct qemu_block *block)
{
	uint64_t at = block->hva, end = at + block->len;

	if (at % PAGE || block->len % PAGE || at > MAX_LEN)
		return failure(FAILED, EPROTO,
			       "QEMU's memory %s does not consist of pages.",
			       block->name);
	while (at < end) {
		struct backing part = backing_at(backings, at, end);

		if (part.kind != BACKING_ANONYMOUS &&
		    part.kind != BACKING_SNAPSHOT)
			return failure(FAILED, EOPNOTSUPP,
				       "QEMU's memory %s can not be forked: at 0x%"
				       PRIx64 " it is %s.",
				       block->name, at,
				       backing_name(part.kind));
		at = part.end;
	}
	return DONE;
}

static int check_blocks(int pid, struct qemu_ram *ram)
{
	struct backings backings;
	int status = backing_read(pid, &backings);
	size_t i;

	for (i = 0; !status && i < ram->nr; i++)
		status = check_block(&backings, &ram->blocks[i]);
	backing_free(&backings);
	return status;
}

int qemu_ram_find(struct qmp *qmp, int pid, struct qemu_ram *ram)
{
	struct json_object *memdevs;
	char *text;
	int status;

	*ram = (struct qemu_ram){ 0 };
	status = qmp_ask(qmp, "query-memdev", NULL, &memdevs);
	if (!status)
		status = qemu_ram_backend(memdevs, ram);
	json_object_put(memdevs);
	if (status)
		return status;
	status = qmp_monitor(qmp, "info ramblock", &text);
	if (!status)
		status = qemu_ram_blocks(text, ram);
	free(text);
	if (!status && !ram->blocks[0].hva)
		status = ask_addresses(qmp, ram);
	if (status)
		return status;
	qemu_ram_place(ram);
	if (ram->nr > VMFORK_MAX_REGIONS)
		return failure(FAILED, E2BIG,
			       "QEMU has %zu blocks of memory: at most %d can be captured at once.",
			       ram->nr, VMFORK_MAX_REGIONS);
	return check_blocks(pid, ram);
}
