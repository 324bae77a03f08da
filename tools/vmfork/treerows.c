// SPDX-License-Identifier: GPL-2.0
/*
 * Who was forked from what: which line comes after which.
 *
 * A snapshot is followed by the processes that map it, then by all but the
 * largest of the branches that descend from it, and then, on its own branch, by
 * that one.  A branch that is not the largest has less than half of what its
 * parent has, so there are never more branches side by side than the number of
 * snapshots has binary digits.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "treedraw.h"

/**
 * struct rows - under construction
 * @world: of which
 * @rows: what there is
 * @nr: how many
 * @children: indices of snapshots, those of one parent side by side
 * @first: of each snapshot: where its children begin, and where those of the
 *	next one do
 */
struct rows {
	const struct world *world;
	struct tree_row *rows;
	size_t nr;
	size_t *children;
	size_t *first;
};

static struct tree_row *add_row(struct rows *rows, size_t snapshot,
				size_t branches)
{
	struct tree_row *all = grow(rows->rows, rows->nr, sizeof(*all)), *row;

	if (!all)
		return NULL;
	rows->rows = all;
	row = &all[rows->nr++];
	memset(row, 0, sizeof(*row));
	row->snapshot = snapshot;
	row->branches = branches;
	row->mapping = -1;
	return row;
}

/* Counts children, then puts them where they belong: in order of their IDs. */
static bool sort_children(struct rows *rows)
{
	const struct world *world = rows->world;
	size_t i, nr = world->nr_snapshots, *next;

	rows->children = calloc(nr, sizeof(*rows->children));
	rows->first = calloc(nr + 1, sizeof(*rows->first));
	next = calloc(nr + 1, sizeof(*next));
	if (!rows->children || !rows->first || !next) {
		free(next);
		return false;
	}
	for (i = 0; i < nr; i++)
		if (world->snapshots[i].parent >= 0)
			rows->first[world->snapshots[i].parent + 1]++;
	for (i = 0; i < nr; i++)
		rows->first[i + 1] += rows->first[i];
	memcpy(next, rows->first, nr * sizeof(*next));
	for (i = 0; i < nr; i++)
		if (world->snapshots[i].parent >= 0)
			rows->children[next[world->snapshots[i].parent]++] = i;
	free(next);
	return true;
}

/* The child with most below it, the latest of several; -1 if there is none. */
static long largest_child(const struct rows *rows, size_t snapshot)
{
	const struct snapshot *all = rows->world->snapshots;
	long largest = -1;
	size_t i;

	for (i = rows->first[snapshot]; i < rows->first[snapshot + 1]; i++)
		if (largest < 0 ||
		    all[rows->children[i]].below >= all[largest].below)
			largest = rows->children[i];
	return largest;
}

static bool add_processes(struct rows *rows, size_t snapshot, size_t branches,
			  bool more)
{
	const struct world *world = rows->world;
	uint64_t id = world->snapshots[snapshot].id;
	size_t i = world_first_mapping(world, id), end;
	struct tree_row *row;

	for (; i < world->nr_mappings && world->mappings[i].snapshot == id;
	     i = end) {
		end = i + 1;
		while (end < world->nr_mappings &&
		       world->mappings[end].snapshot == id &&
		       world->mappings[end].pid == world->mappings[i].pid)
			end++;
		row = add_row(rows, snapshot, branches);
		if (!row)
			return false;
		row->mapping = i;
		row->end = end;
		row->is_last = !more && (end == world->nr_mappings ||
					 world->mappings[end].snapshot != id);
	}
	return true;
}

/* Recurses once for each branch side by side. */
static bool add_branch(struct rows *rows, long snapshot, size_t branches,
		       bool is_branch)
{
	struct tree_row *row;
	size_t i;
	long trunk;

	for (; snapshot >= 0; snapshot = trunk, is_branch = false) {
		trunk = largest_child(rows, snapshot);
		row = add_row(rows, snapshot, branches);
		if (!row)
			return false;
		row->is_branch = is_branch;
		if (!add_processes(rows, snapshot, branches, trunk >= 0))
			return false;
		for (i = rows->first[snapshot]; i < rows->first[snapshot + 1];
		     i++)
			if ((long)rows->children[i] != trunk &&
			    !add_branch(rows, rows->children[i], branches + 1,
					true))
				return false;
	}
	return true;
}

struct tree_row *tree_rows(const struct world *world, size_t *nr)
{
	struct rows rows = { .world = world };
	bool good;
	size_t i;

	*nr = 0;
	if (!world->nr_snapshots)
		return NULL;
	good = sort_children(&rows);
	for (i = 0; good && i < world->nr_snapshots; i++)
		if (world->snapshots[i].parent < 0)
			good = add_branch(&rows, i, 0, false);
	free(rows.children);
	free(rows.first);
	if (!good) {
		free(rows.rows);
		rows.rows = NULL;
	}
	*nr = rows.nr ? rows.nr : 1;
	return rows.rows;
}
