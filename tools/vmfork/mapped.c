// SPDX-License-Identifier: GPL-2.0
/*
 * Where a process maps a snapshot, as /proc/PID/maps has it.
 *
 * It says there which snapshot that is, but not its size; a file that
 * /proc/PID/map_files leads to does, for who may follow it.  Who may not is
 * told apart by what is mapped only: never beyond the end of the snapshot.
 */
#include <stdbool.h>

#include "cli.h"
#include "clones.h"
#include "mapped.h"
#include "out.h"

/* A search: how many mappings there are that are not what is looked for */
struct search {
	struct mapped *mapped;
	int pid;
	uint64_t size;
	uint64_t other_size;		/* of a snapshot, 0 if there is none */
	uint64_t other_id;		/* another of the same size, or 0 */
	bool full;
};

static uint64_t size_of(const struct search *search,
			const struct clone_mapping *mapping)
{
	uint64_t end = mapping->offset + mapping->len, size;

	if (clone_size(mapping, &size))
		return size;
	return end > search->size ? end : search->size;
}

static void add(struct search *search, const struct clone_mapping *mapping)
{
	struct mapped *mapped = search->mapped;
	struct vmfork_region *last = mapped->regions;

	if (mapped->nr)
		last += mapped->nr - 1;
	/* Slices of a capture ahead follow one another. */
	if (mapped->nr && last->addr + last->len == mapping->addr &&
	    last->offset + last->len == mapping->offset)
		last->len += mapping->len;
	else if (mapped->nr < VMFORK_MAX_REGIONS)
		mapped->regions[mapped->nr++] = (struct vmfork_region){
			.addr = mapping->addr,
			.len = mapping->len,
			.offset = mapping->offset,
		};
	else
		search->full = true;
}

static void consider(struct search *search,
		     const struct clone_mapping *mapping)
{
	struct mapped *mapped = search->mapped;
	uint64_t size = size_of(search, mapping);

	if (size != search->size) {
		search->other_size = size;
	} else if (mapped->nr && mapped->id != mapping->snapshot) {
		search->other_id = mapping->snapshot;
	} else {
		mapped->id = mapping->snapshot;
		add(search, mapping);
	}
}

static int judge(const struct search *search)
{
	const struct mapped *mapped = search->mapped;

	if (search->full)
		return failure(FAILED, 0,
			       "Process %d maps snapshot %llu in too many parts: at most %d can be filled.",
			       search->pid, (unsigned long long)mapped->id,
			       VMFORK_MAX_REGIONS);
	if (search->other_id)
		return failure(FAILED, 0,
			       "Process %d maps snapshots %llu and %llu: say which by --snapshot.",
			       search->pid, (unsigned long long)mapped->id,
			       (unsigned long long)search->other_id);
	if (mapped->nr)
		return DONE;
	if (search->other_size)
		return failure(FAILED, 0,
			       "Process %d maps a snapshot of %llu bytes, the working set is of one of %llu: record one of its own.",
			       search->pid,
			       (unsigned long long)search->other_size,
			       (unsigned long long)search->size);
	return failure(FAILED, 0,
		       "Process %d maps no such snapshot: see /proc/%d/maps.",
		       search->pid, search->pid);
}

int mapped_find(int pid, uint64_t id, uint64_t size, struct mapped *mapped)
{
	struct search search = { .mapped = mapped, .pid = pid, .size = size };
	struct clones clones;
	int status;
	size_t i;

	mapped->nr = 0;
	mapped->id = 0;
	status = clones_of(&clones, pid, id);
	for (i = 0; !status && i < clones.nr; i++)
		consider(&search, &clones.mappings[i]);
	clones_free(&clones);
	return status ? status : judge(&search);
}
