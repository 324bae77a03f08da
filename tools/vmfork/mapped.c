// SPDX-License-Identifier: GPL-2.0
/*
 * Where a process maps a snapshot, as /proc/PID/maps has it.
 *
 * It says there which snapshot that is, but not its size; a file that
 * /proc/PID/map_files leads to does, for who may follow it.  Who may not is
 * told apart by what is mapped only: never beyond the end of the snapshot.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "mapped.h"
#include "open.h"
#include "out.h"

/* A search: how many mappings there are that are not what is looked for */
struct search {
	struct mapped *mapped;
	int pid;
	uint64_t id, size;
	uint64_t other_size;		/* of a snapshot, 0 if there is none */
	uint64_t other_id;		/* another of the same size, or 0 */
	bool full;
};

/* Return: whether this line is of a mapping of a snapshot. */
static bool parse_line(const char *line, struct vmfork_region *region,
		       uint64_t *id)
{
	unsigned long long start, end, offset, number;

	if (sscanf(line, "%llx-%llx %*4s %llx %*s %*u /vmfork:%llu",
		   &start, &end, &offset, &number) != 4)
		return false;
	*id = number;
	*region = (struct vmfork_region){
		.addr = start, .len = end - start, .offset = offset,
	};
	return true;
}

static uint64_t size_of(const struct search *search,
			const struct vmfork_region *region)
{
	uint64_t end = region->offset + region->len;
	char link[96];
	struct stat st;

	snprintf(link, sizeof(link),
		 "/proc/%d/map_files/%llx-%llx", search->pid, region->addr,
		 region->addr + region->len);
	if (!stat(link, &st))
		return st.st_size;
	return end > search->size ? end : search->size;
}

static void add(struct search *search, const struct vmfork_region *region)
{
	struct mapped *mapped = search->mapped;
	struct vmfork_region *last = mapped->regions;

	if (mapped->nr)
		last += mapped->nr - 1;
	/* Slices of a capture ahead follow one another. */
	if (mapped->nr && last->addr + last->len == region->addr &&
	    last->offset + last->len == region->offset)
		last->len += region->len;
	else if (mapped->nr < VMFORK_MAX_REGIONS)
		mapped->regions[mapped->nr++] = *region;
	else
		search->full = true;
}

static void consider(struct search *search, const struct vmfork_region *region,
		     uint64_t id)
{
	struct mapped *mapped = search->mapped;
	uint64_t size;

	if (search->id && search->id != id)
		return;
	size = size_of(search, region);
	if (size != search->size) {
		search->other_size = size;
	} else if (mapped->nr && mapped->id != id) {
		search->other_id = id;
	} else {
		mapped->id = id;
		add(search, region);
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
	struct search search = {
		.mapped = mapped, .pid = pid, .id = id, .size = size,
	};
	struct vmfork_region region;
	char name[32], *line = NULL;
	size_t room = 0;
	FILE *maps;

	mapped->nr = 0;
	mapped->id = 0;
	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	maps = fopen(name, "re");
	if (!maps)
		return fail_open(name);
	while (getline(&line, &room, maps) >= 0) {
		uint64_t found;

		if (parse_line(line, &region, &found))
			consider(&search, &region, found);
	}
	free(line);
	fclose(maps);
	return judge(&search);
}
