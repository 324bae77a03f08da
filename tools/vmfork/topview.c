// SPDX-License-Identifier: GPL-2.0
/*
 * What vmfork top shows: each process that maps snapshots, and how fast it
 * touches them.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "topview.h"
#include "units.h"

#define HOME		"\033[H"
#define CLEAR_LINE	"\033[K"
#define CLEAR_REST	"\033[J"
#define REVERSE		"\033[7m"
#define PLAIN		"\033[0m"

static int by_process(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->snapshot < y->snapshot ? -1 : x->snapshot > y->snapshot;
}

static int by_private(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	if (x->private != y->private)
		return x->private > y->private ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void add_mapping(struct top_row *row, const struct mapping *m,
			uint64_t *largest, uint64_t *of_this)
{
	if (!row->snapshots || m->snapshot != m[-1].snapshot) {
		row->snapshots++;
		*of_this = 0;
	}
	*of_this += m->end - m->start;
	if (*of_this > *largest) {
		*largest = *of_this;
		row->snapshot = m->snapshot;
	}
	row->size += m->end - m->start;
	row->private += m->private * WORLD_PAGE;
	row->shared += m->shared * WORLD_PAGE;
	row->counted &= m->counted;
}

/*
 * Faults are counted for a mapping; one that is in several ranges is counted
 * once.
 */
static void add_faults(struct top_row *row, const struct mapping *first,
		       const struct mapping *m)
{
	const struct mapping *other;

	for (other = first; other < m; other++)
		if (other->id == m->id)
			return;
	row->reads += m->reads;
	row->writes += m->writes;
}

static bool add_process(struct top *top, const struct mapping *m, size_t nr)
{
	struct top_row *rows = grow(top->rows, top->nr, sizeof(*rows)), *row;
	uint64_t largest = 0, of_this = 0;
	size_t i;

	if (!rows)
		return false;
	top->rows = rows;
	row = &rows[top->nr++];
	memset(row, 0, sizeof(*row));
	row->pid = m->pid;
	row->uid = m->uid;
	row->counted = true;
	memcpy(row->command, m->command, sizeof(row->command));
	for (i = 0; i < nr; i++) {
		add_mapping(row, &m[i], &largest, &of_this);
		add_faults(row, m, &m[i]);
	}
	return true;
}

static double rate(uint64_t now, uint64_t before, uint64_t ns)
{
	/* Less than before: some of it was unmapped. */
	return now > before ? (now - before) * 1e9 / ns : 0;
}

static void add_rates(struct top *top, const struct top *before)
{
	uint64_t ns = top->time_ns - before->time_ns;
	size_t i, j;

	if (top->time_ns <= before->time_ns)
		return;
	for (i = 0; i < top->nr; i++) {
		struct top_row *row = &top->rows[i];

		for (j = 0; j < before->nr; j++) {
			const struct top_row *old = &before->rows[j];

			if (old->pid != row->pid)
				continue;
			row->read_rate = rate(row->reads, old->reads, ns);
			row->write_rate = rate(row->writes, old->writes, ns);
			if (row->counted && old->counted)
				row->private_rate = rate(row->private,
							 old->private, ns);
			break;
		}
	}
}

bool top_take(const struct world *world, const struct top *before,
	      uint64_t time_ns, struct top *top)
{
	size_t i, end, nr = world->nr_mappings;
	bool good = true;

	memset(top, 0, sizeof(*top));
	top->time_ns = time_ns;
	if (nr)
		qsort(world->mappings, nr, sizeof(*world->mappings),
		      by_process);
	for (i = 0; good && i < nr; i = end) {
		for (end = i + 1; end < nr && world->mappings[end].pid ==
					      world->mappings[i].pid; end++)
			;
		good = add_process(top, &world->mappings[i], end - i);
	}
	if (!good) {
		top_free(top);
		return false;
	}
	if (before)
		add_rates(top, before);
	if (top->nr)
		qsort(top->rows, top->nr, sizeof(*top->rows), by_private);
	return true;
}

void top_free(struct top *top)
{
	free(top->rows);
	top->rows = NULL;
	top->nr = 0;
}

static void put_line(FILE *to, const struct top_screen *screen,
		     const char *look, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void put_line(FILE *to, const struct top_screen *screen,
		     const char *look, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (screen->columns && screen->columns < sizeof(line))
		line[screen->columns] = '\0';
	if (look && screen->colours)
		fprintf(to, "%s%s" PLAIN, look, line);
	else
		fputs(line, to);
	if (screen->in_place)
		fputs(CLEAR_LINE, to);
	fputc('\n', to);
}

static void put_row(FILE *to, const struct top_row *row,
		    const struct top_screen *screen)
{
	char size[UNITS_SIZE], private[UNITS_SIZE] = "-";
	char shared[UNITS_SIZE] = "-", reads[UNITS_SIZE], writes[UNITS_SIZE];
	char more[UNITS_SIZE], command[32];

	units_bytes(row->size, size);
	if (row->counted) {
		units_bytes(row->private, private);
		units_bytes(row->shared, shared);
	}
	units_rate(row->read_rate, reads);
	units_rate(row->write_rate, writes);
	units_bytes(row->private_rate, more);
	units_plain(row->command, command, sizeof(command));
	put_line(to, screen, NULL,
		 "%7u %5u %8" PRIu64 "%c %5s %5s %6s %7s %7s %7s %s",
		 row->pid, row->uid, row->snapshot,
		 row->snapshots > 1 ? '+' : ' ', size, private, shared,
		 reads, writes, more, command);
}

void top_print(FILE *to, const struct top *top,
	       const struct top_screen *screen)
{
	uint64_t private = 0, shared = 0;
	char a[UNITS_SIZE], b[UNITS_SIZE];
	size_t i, room = top->nr;

	for (i = 0; i < top->nr; i++) {
		private += top->rows[i].private;
		shared += top->rows[i].shared;
	}
	if (screen->in_place)
		fputs(HOME, to);
	put_line(to, screen, NULL,
		 "%zu processes map snapshots: %s private, %s shared", top->nr,
		 units_bytes(private, a), units_bytes(shared, b));
	put_line(to, screen, REVERSE,
		 "%7s %5s %8s  %5s %5s %6s %7s %7s %7s %s", "PID", "UID",
		 "SNAPSHOT", "SIZE", "PRIV", "SHARED", "READS/s", "WRITE/s",
		 "PRIV+/s", "COMMAND");
	/* The last line stays empty: the cursor is there. */
	if (screen->lines && room + 3 > screen->lines)
		room = screen->lines > 3 ? screen->lines - 3 : 0;
	for (i = 0; i < room; i++)
		put_row(to, &top->rows[i], screen);
	if (screen->in_place)
		fputs(CLEAR_REST, to);
}
