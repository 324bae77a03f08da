// SPDX-License-Identifier: GPL-2.0
/*
 * Faults, counted by what they have in common.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/vmfork.h>

#include "tally.h"

unsigned int kind_index(uint32_t kind)
{
	return kind < NR_KINDS - 1 ? kind : NR_KINDS - 1;
}

const char *kind_name(unsigned int index)
{
	static const char *const names[NR_KINDS] = {
		[VMFORK_FAULT_READ] = "read",
		[VMFORK_FAULT_READ_HUGE] = "read-huge",
		[VMFORK_FAULT_READ_HOLE] = "read-hole",
		[VMFORK_FAULT_WRITE] = "write",
		[VMFORK_FAULT_WRITE_HOLE] = "write-hole",
		[NR_KINDS - 1] = "cow",
	};

	return names[index];
}

/* Where the key is, or has to be. */
static size_t find(const struct tally *tally, uint64_t key)
{
	size_t low = 0, high = tally->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tally->groups[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool make_room(struct tally *tally)
{
	size_t room = tally->room ? 2 * tally->room : 16;
	struct group *groups;

	if (tally->nr < tally->room)
		return true;
	groups = reallocarray(tally->groups, room, sizeof(*groups));
	if (!groups)
		return false;
	tally->groups = groups;
	tally->room = room;
	return true;
}

struct group *tally_at(struct tally *tally, uint64_t key)
{
	size_t at = find(tally, key);
	struct group *group;

	if (at < tally->nr && tally->groups[at].key == key)
		return &tally->groups[at];
	if (!make_room(tally))
		return NULL;
	group = &tally->groups[at];
	memmove(group + 1, group, (tally->nr - at) * sizeof(*group));
	memset(group, 0, sizeof(*group));
	group->key = key;
	tally->nr++;
	return group;
}

void group_add(struct group *group, const struct event_fault *event)
{
	group->kinds[kind_index(event->kind)]++;
	if (event->kind == EVENT_COW)
		return;
	group->pages += event->pages;
	histogram_add(&group->took, event->ns);
}

uint64_t group_count(const struct group *group)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < NR_KINDS; i++)
		sum += group->kinds[i];
	return sum;
}

static void merge(struct group *into, const struct group *from)
{
	unsigned int i;

	for (i = 0; i < NR_KINDS; i++)
		into->kinds[i] += from->kinds[i];
	into->pages += from->pages;
	histogram_merge(&into->took, &from->took);
}

void tally_halve(struct tally *tally)
{
	struct group *groups = tally->groups;
	size_t i, nr = 0;

	for (i = 0; i < tally->nr; i++) {
		uint64_t key = groups[i].key / 2;

		if (nr && groups[nr - 1].key == key) {
			merge(&groups[nr - 1], &groups[i]);
			continue;
		}
		if (nr != i)
			groups[nr] = groups[i];
		groups[nr++].key = key;
	}
	tally->nr = nr;
}

void tally_free(struct tally *tally)
{
	free(tally->groups);
	*tally = (struct tally){ 0 };
}
