// SPDX-License-Identifier: GPL-2.0
/*
 * Who was forked from what: what is written beside each mark.
 */
#include <inttypes.h>
#include <stdio.h>

#include "treetext.h"
#include "units.h"

void tree_title(const struct world *world, const struct tree_row *row,
		char *text, size_t size)
{
	const struct snapshot *s = &world->snapshots[row->snapshot];
	const struct mapping *m;
	char plain[TREE_TEXT - 32];

	if (row->mapping < 0) {
		snprintf(text, size, "%" PRIu64 "%s%s", s->id,
			 s->name ? " " : "",
			 s->name ? units_plain(s->name, plain, sizeof(plain)) :
				   "");
		return;
	}
	m = &world->mappings[row->mapping];
	units_plain(m->command, plain, sizeof(plain));
	if (m->pid)
		snprintf(text, size, "%u %s", m->pid, plain);
	else
		snprintf(text, size, "? %s", plain);
}

static void snapshot_details(const struct snapshot *s, char *text, size_t size)
{
	char held[UNITS_SIZE], text_file[UNITS_SIZE], alone[UNITS_SIZE];
	char file[UNITS_SIZE + 16] = "", age[UNITS_SIZE];

	units_bytes(s->pages * WORLD_PAGE, held);
	units_age(s->age_ns, age);
	if (s->file)
		snprintf(file, sizeof(file), ", %s of files",
			 units_bytes(s->file * WORLD_PAGE, text_file));
	if (s->counted)
		snprintf(text, size, "%s%s, %s alone, %s old", held, file,
			 units_bytes(s->alone, alone), age);
	else
		snprintf(text, size, "%s%s, %s old", held, file, age);
}

void tree_details(const struct world *world, const struct tree_row *row,
		  char *text, size_t size)
{
	uint64_t private = 0, shared = 0, mapped = 0;
	char a[UNITS_SIZE], b[UNITS_SIZE];
	bool counted = true;
	size_t i;

	if (row->mapping < 0) {
		snapshot_details(&world->snapshots[row->snapshot], text, size);
		return;
	}
	for (i = row->mapping; i < row->end; i++) {
		const struct mapping *m = &world->mappings[i];

		private += m->private;
		shared += m->shared;
		mapped += m->end - m->start;
		counted &= m->counted;
	}
	if (counted)
		snprintf(text, size, "%s private, %s shared",
			 units_bytes(private * WORLD_PAGE, a),
			 units_bytes(shared * WORLD_PAGE, b));
	else
		snprintf(text, size, "maps %s", units_bytes(mapped, a));
}
