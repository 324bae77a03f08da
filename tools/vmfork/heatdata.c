// SPDX-License-Identifier: GPL-2.0
/*
 * What vmfork heat knows: counts of the BPF program, and what /proc shows of
 * the mappings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf.h"
#include "cli.h"
#include "heat.h"
#include "heat_count.h"
#include "heat.skel.h"
#include "out.h"

#define PAGE_SIZE	4096ULL

/* Pages of 128 MiB one by one; 0.75 MiB of counts. */
#define MAX_RANGES	32768

static size_t counts_len(const struct heat *heat)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (heat->map.nr * sizeof(struct heat_count) + page - 1) / page *
	       page;
}

static int make_map(struct heat *heat)
{
	struct heat_map *map = &heat->map;

	map->size = heat->size;
	map->shift = heat_shift(heat->size, MAX_RANGES);
	map->nr = (heat->size + (1ULL << map->shift) - 1) >> map->shift;
	map->ranges = calloc(map->nr, sizeof(*map->ranges));
	return map->ranges ? DONE : bpf_failed(-ENOMEM);
}

int heat_start(struct heat *heat)
{
	struct heat_bpf *bpf;
	void *counts;
	int status;

	status = make_map(heat);
	if (status)
		return status;
	heat->bpf = bpf = heat_bpf__open();
	status = bpf_ready(bpf);
	if (status)
		return status;
	bpf->rodata->only_pid = heat->pid;
	bpf->rodata->only_snapshot = heat->snapshot;
	bpf->rodata->range_shift = heat->map.shift;
	if (bpf_map__set_max_entries(bpf->maps.ranges, heat->map.nr))
		return bpf_failed(-ENOMEM);
	status = bpf_start(bpf->skeleton);
	if (status)
		return status;
	counts = mmap(NULL, counts_len(heat), PROT_READ, MAP_SHARED,
		      bpf_map__fd(bpf->maps.ranges), 0);
	if (counts == MAP_FAILED)
		return bpf_failed(-errno);
	heat->counts = counts;
	return DONE;
}

/* --- what the program has counted ----------------------------------------- */

static void take_counts(struct heat *heat)
{
	size_t i;

	for (i = 0; i < heat->map.nr; i++) {
		const volatile struct heat_count *count = &heat->counts[i];
		struct heat_range *range = &heat->map.ranges[i];
		uint64_t before = range->reads + range->writes + range->breaks;

		range->reads = count->reads;
		range->writes = count->writes;
		range->breaks = count->breaks;
		range->recent = range->reads + range->writes + range->breaks -
				before;
	}
}

uint64_t heat_outside(const struct heat *heat)
{
	return heat->bpf->bss->outside;
}

/* --- what the mappings have ----------------------------------------------- */

static struct heat_range *range_at(struct heat_map *map, uint64_t offset)
{
	size_t index = offset >> map->shift;

	return index < map->nr ? &map->ranges[index] : NULL;
}

static void add_page(void *arg, uint64_t offset, enum clone_page what)
{
	struct heat_range *range = range_at(arg, offset);

	if (!range)
		return;
	if (what == CLONE_PRIVATE)
		range->private++;
	else
		range->shared++;
}

/* The pages that a part of the snapshot has in each of the ranges */
static void add_pages(struct heat_map *map, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len;

	if (end > map->size)
		end = map->size;
	while (offset < end) {
		uint64_t next = ((offset >> map->shift) + 1) << map->shift;
		struct heat_range *range = range_at(map, offset);

		if (!range)
			break;
		if (next > end)
			next = end;
		range->pages += (next - offset) / PAGE_SIZE;
		offset = next;
	}
}

static void forget_mappings(struct heat_map *map)
{
	size_t i;

	for (i = 0; i < map->nr; i++) {
		map->ranges[i].pages = 0;
		map->ranges[i].shared = 0;
		map->ranges[i].private = 0;
	}
}

static int fail_reading(int pid, int err)
{
	return failure(FAILED, -err,
		       "The page tables of process %d can not be read: run as root, or with CAP_SYS_PTRACE in its user namespace.",
		       pid);
}

/* One that goes away while it is looked at is left out from there on. */
static int take_mappings(struct heat *heat)
{
	struct clones found;
	size_t i;
	int err;

	err = clones_find(&found, heat->pid, heat->snapshot);
	if (err) {
		clones_free(&found);
		return fail_reading(heat->pid, err);
	}
	if (!found.nr) {
		clones_free(&found);
		return DONE;
	}
	clones_free(&heat->clones);
	heat->clones = found;
	forget_mappings(&heat->map);
	for (i = 0; i < found.nr; i++) {
		const struct clone_mapping *mapping = &found.mappings[i];

		add_pages(&heat->map, mapping->offset, mapping->len);
		err = clones_read(mapping, add_page, &heat->map);
		if (err && err != -ESRCH)
			return fail_reading(mapping->pid, err);
	}
	return DONE;
}

int heat_take(struct heat *heat)
{
	/* So that what is private is never more than what was counted. */
	int status = take_mappings(heat);

	take_counts(heat);
	if (!status && !heat->clones.nr) {
		forget_mappings(&heat->map);
		add_pages(&heat->map, 0, heat->map.size);
	}
	return status;
}

void heat_stop(struct heat *heat)
{
	if (heat->counts)
		munmap((void *)heat->counts, counts_len(heat));
	heat_bpf__destroy(heat->bpf);
	clones_free(&heat->clones);
	free(heat->map.ranges);
}
