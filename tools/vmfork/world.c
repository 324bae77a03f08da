// SPDX-License-Identifier: GPL-2.0
/*
 * What the module says there is: snapshots, and the mappings of them.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "world.h"

struct snapshot *world_add_snapshot(struct world *world)
{
	struct snapshot *all = grow(world->snapshots, world->nr_snapshots,
			       sizeof(*all)), *s;

	if (!all)
		return NULL;
	world->snapshots = all;
	s = &all[world->nr_snapshots++];
	memset(s, 0, sizeof(*s));
	s->parent = -1;
	return s;
}

struct mapping *world_add_mapping(struct world *world)
{
	struct mapping *all = grow(world->mappings, world->nr_mappings,
			       sizeof(*all)), *m;

	if (!all)
		return NULL;
	world->mappings = all;
	m = &all[world->nr_mappings++];
	memset(m, 0, sizeof(*m));
	return m;
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_snapshots(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	return order(x->id, y->id);
}

static int compare_mappings(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;
	int by = order(x->snapshot, y->snapshot);

	if (!by)
		by = order(x->pid, y->pid);
	return by ? by : order(x->start, y->start);
}

long world_find(const struct world *world, uint64_t id)
{
	struct snapshot key = { .id = id };
	const struct snapshot *found = NULL;

	if (world->nr_snapshots)
		found = bsearch(&key, world->snapshots, world->nr_snapshots,
				sizeof(key), compare_snapshots);
	return found ? found - world->snapshots : -1;
}

size_t world_first_mapping(const struct world *world, uint64_t snapshot)
{
	size_t low = 0, high = world->nr_mappings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (world->mappings[middle].snapshot < snapshot)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < world->nr_mappings &&
	    world->mappings[low].snapshot == snapshot)
		return low;
	return world->nr_mappings;
}

/*
 * The world was changing while it was asked about: what it says of descent may
 * not fit together, and must not lead in a circle.
 */
static void find_depths(struct world *world)
{
	size_t i, steps;
	long at;

	for (i = 0; i < world->nr_snapshots; i++) {
		struct snapshot *s = &world->snapshots[i];

		for (at = s->parent, steps = 0;
		     at >= 0 && steps <= world->nr_snapshots; steps++) {
			/* It is known already, and in no circle. */
			if (world->snapshots[at].below) {
				steps += world->snapshots[at].depth + 1;
				break;
			}
			at = world->snapshots[at].parent;
		}
		if (steps > world->nr_snapshots) {
			s->parent = -1;
			steps = 0;
		}
		s->depth = steps;
		s->below = 1;
	}
}

static const struct snapshot *sorted;

static int deepest_first(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return order(sorted[*y].depth, sorted[*x].depth);
}

/* Those with more ancestors first: then each is complete when it is added. */
static void find_sizes(struct world *world)
{
	size_t i, *all = calloc(world->nr_snapshots, sizeof(*all));

	if (!all)
		return;
	for (i = 0; i < world->nr_snapshots; i++)
		all[i] = i;
	sorted = world->snapshots;
	qsort(all, world->nr_snapshots, sizeof(*all), deepest_first);
	for (i = 0; i < world->nr_snapshots; i++) {
		const struct snapshot *s = &world->snapshots[all[i]];

		if (s->parent >= 0)
			world->snapshots[s->parent].below += s->below;
	}
	free(all);
}

void world_link(struct world *world)
{
	size_t i;

	if (world->nr_mappings)
		qsort(world->mappings, world->nr_mappings,
		      sizeof(*world->mappings), compare_mappings);
	if (!world->nr_snapshots)
		return;
	qsort(world->snapshots, world->nr_snapshots, sizeof(*world->snapshots),
	      compare_snapshots);
	for (i = 0; i < world->nr_snapshots; i++) {
		struct snapshot *s = &world->snapshots[i];

		s->parent = s->parent_id ? world_find(world, s->parent_id) : -1;
		s->depth = 0;
		s->below = 0;
	}
	find_depths(world);
	find_sizes(world);
}

void world_free(struct world *world)
{
	size_t i;

	for (i = 0; i < world->nr_snapshots; i++)
		free(world->snapshots[i].name);
	free(world->snapshots);
	free(world->mappings);
	memset(world, 0, sizeof(*world));
}
