// SPDX-License-Identifier: GPL-2.0
/*
 * Which ranges of a snapshot are read, written and shared: as lines of text.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "heatmap.h"

#define PAGE_SHIFT	12

/* Lines above and below the map: heading, legend, counts */
#define OTHER_LINES	7

enum heat_kind heat_kind(const struct heat_range *range)
{
	if (range->private || range->writes || range->breaks)
		return HEAT_WRITTEN;
	if (range->shared || range->reads)
		return HEAT_READ;
	return range->pages ? HEAT_UNTOUCHED : HEAT_UNMAPPED;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

unsigned int heat_quarters(const struct heat_range *range)
{
	uint64_t part;

	/* What it has now; of a process that has gone, what was counted. */
	if (heat_kind(range) == HEAT_WRITTEN)
		part = larger(range->private, range->writes + range->breaks);
	else
		part = larger(range->shared, range->reads);
	if (part >= range->pages)
		return 4;
	return part * 4 / range->pages + 1;
}

unsigned int heat_shift(uint64_t size, size_t most)
{
	unsigned int shift = PAGE_SHIFT;

	while (size > (uint64_t)most << shift)
		shift++;
	return shift;
}

struct heat_range heat_sum(const struct heat_map *map, size_t first, size_t nr)
{
	struct heat_range sum = { 0 };
	size_t i;

	for (i = first; i < map->nr && i - first < nr; i++) {
		const struct heat_range *range = &map->ranges[i];

		sum.pages += range->pages;
		sum.shared += range->shared;
		sum.private += range->private;
		sum.reads += range->reads;
		sum.writes += range->writes;
		sum.breaks += range->breaks;
		sum.recent += range->recent;
	}
	return sum;
}

static unsigned int address_digits(uint64_t size)
{
	unsigned int digits = 8;

	while (digits < 16 && (size - 1) >> (4 * digits))
		digits++;
	return digits;
}

static void size_text(uint64_t bytes, char *text, size_t room)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB" };
	unsigned int unit = 0;

	while (unit < 4 && bytes >= 1024 && !(bytes % 1024)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, room, "%llu %s", (unsigned long long)bytes,
		 units[unit]);
}

/* --- a cell --------------------------------------------------------------- */

/* Select graphic rendition (ECMA-48) */
static const char *const colours[] = {
	[HEAT_UNMAPPED] = "0",
	[HEAT_UNTOUCHED] = "0;2",
	[HEAT_READ] = "0;36",
	[HEAT_WRITTEN] = "0;31",
};

static const char *glyph(enum heat_kind kind, unsigned int quarters,
			 bool blocks)
{
	static const char *const shades[] = { "░", "▒", "▓", "█" };

	if (kind == HEAT_UNMAPPED)
		return " ";
	if (kind == HEAT_UNTOUCHED)
		return blocks ? "·" : ".";
	if (blocks)
		return shades[quarters - 1];
	if (kind == HEAT_READ)
		return quarters > 2 ? "R" : "r";
	return quarters > 2 ? "W" : "w";
}

/* Colours are only said when they change: @last is what they are. */
static void print_glyph(FILE *to, const struct heat_view *view,
			enum heat_kind kind, unsigned int quarters,
			bool recent, int *last)
{
	int colour = kind * 2 + recent;

	if (view->colours && colour != *last) {
		fprintf(to, "\033[%s%sm", colours[kind], recent ? ";7" : "");
		*last = colour;
	}
	fputs(glyph(kind, quarters, view->blocks && view->colours), to);
}

static void end_colours(FILE *to, const struct heat_view *view)
{
	if (view->colours)
		fputs("\033[0m", to);
}

/* In place, what a longer line has left there goes. */
static void end_line(FILE *to, const struct heat_view *view)
{
	fputs(view->in_place ? "\033[K\r\n" : "\n", to);
}

/* --- the picture ---------------------------------------------------------- */

/**
 * struct grid - how the cells lie
 * @per_cell: ranges in a cell
 * @columns: cells in a line
 * @lines: of cells
 * @digits: of the address before a line
 */
struct grid {
	size_t per_cell;
	size_t columns;
	size_t lines;
	unsigned int digits;
};

static struct grid lay_out(const struct heat_map *map,
			   const struct heat_view *view)
{
	struct grid grid = { .per_cell = 1, .digits = address_digits(map->size) };
	/* Not to the edge: what clears the rest of a line might be on it. */
	size_t room = view->columns > grid.digits + 4 ?
		      view->columns - grid.digits - 4 : 0;
	size_t lines = view->lines > OTHER_LINES + 1 ?
		       view->lines - OTHER_LINES - 1 : 1;

	/* A line of 16 cells has a round length; so has one of 8 on a watch. */
	grid.columns = room >= 16 ? room / 16 * 16 : 8;
	for (;;) {
		size_t cells = (map->nr + grid.per_cell - 1) / grid.per_cell;

		grid.lines = (cells + grid.columns - 1) / grid.columns;
		if (grid.lines <= lines)
			return grid;
		grid.per_cell *= 2;
	}
}

static void print_heading(FILE *to, const struct heat_map *map,
			  const struct heat_view *view,
			  const struct grid *grid)
{
	char size[32], cell[32], line[32];

	size_text(map->size, size, sizeof(size));
	size_text((uint64_t)grid->per_cell << map->shift, cell, sizeof(cell));
	size_text((uint64_t)grid->per_cell * grid->columns << map->shift, line,
		  sizeof(line));
	fprintf(to, "%.*s", (int)view->columns - 1, map->title);
	end_line(to, view);
	fprintf(to, "%s; a cell is %s, a line %s", size, cell, line);
	end_line(to, view);
}

static void print_line(FILE *to, const struct heat_map *map,
		       const struct heat_view *view, const struct grid *grid,
		       size_t line)
{
	size_t cell, first = line * grid->columns * grid->per_cell;
	int last = -1;

	fprintf(to, "0x%0*llx ", grid->digits,
		(unsigned long long)first << map->shift);
	for (cell = 0; cell < grid->columns && first < map->nr; cell++) {
		struct heat_range sum = heat_sum(map, first, grid->per_cell);
		enum heat_kind kind = heat_kind(&sum);

		print_glyph(to, view, kind,
			    kind > HEAT_UNTOUCHED ? heat_quarters(&sum) : 0,
			    sum.recent && view->in_place, &last);
		first += grid->per_cell;
	}
	end_colours(to, view);
	end_line(to, view);
}

static void print_key(FILE *to, const struct heat_view *view,
		      enum heat_kind kind, unsigned int quarters,
		      const char *what)
{
	int last = -1;

	print_glyph(to, view, kind, quarters, false, &last);
	end_colours(to, view);
	fprintf(to, " %s  ", what);
}

static void print_legend(FILE *to, const struct heat_view *view)
{
	print_key(to, view, HEAT_UNTOUCHED, 0, "untouched");
	print_key(to, view, HEAT_READ, 1, "read");
	print_key(to, view, HEAT_READ, 4, "most");
	print_key(to, view, HEAT_WRITTEN, 1, "written");
	print_key(to, view, HEAT_WRITTEN, 4, "most");
	if (view->colours && view->in_place)
		fputs("\033[7m \033[0m now", to);
	end_line(to, view);
}

static void print_pages(FILE *to, const char *what, uint64_t nr, uint64_t all)
{
	fprintf(to, "%s %llu (%.1f %%)", what, (unsigned long long)nr,
		all ? 100.0 * nr / all : 0.0);
}

static void print_counts(FILE *to, const struct heat_map *map,
			 const struct heat_view *view)
{
	struct heat_range sum = heat_sum(map, 0, map->nr);

	fprintf(to, "pages %llu: ", (unsigned long long)sum.pages);
	print_pages(to, "written", sum.private, sum.pages);
	print_pages(to, ", mapped and shared", sum.shared, sum.pages);
	end_line(to, view);
	fprintf(to, "counted: %llu reads, %llu writes, %llu writes to shared pages",
		(unsigned long long)sum.reads, (unsigned long long)sum.writes,
		(unsigned long long)sum.breaks);
	end_line(to, view);
}

void heat_print(FILE *to, const struct heat_map *map,
		const struct heat_view *view)
{
	struct grid grid = lay_out(map, view);
	size_t line;

	if (view->in_place)
		fputs("\033[H", to);
	print_heading(to, map, view, &grid);
	for (line = 0; line < grid.lines; line++)
		print_line(to, map, view, &grid, line);
	print_legend(to, view);
	print_counts(to, map, view);
	if (view->in_place)
		fputs("\033[J", to);
}
