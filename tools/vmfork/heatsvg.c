// SPDX-License-Identifier: GPL-2.0
/*
 * Which ranges of a snapshot are read, written and shared: as SVG.
 *
 * The document needs nothing but itself.  Its colours are those of the
 * reader's choice of a light or a dark background.  A cell has its numbers as
 * a title, which viewers show under the pointer, and as data- attributes.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "heatmap.h"
#include "svg.h"

#define COLUMNS		64U
#define MAX_LINES	64
#define CELL		12U	/* pixels from one cell to the next */
#define GAP		1U
#define LEFT		130U	/* room for addresses */
#define TOP		64U
#define BOTTOM		72U

static const char style[] =
	".bg{fill:#fff}text{fill:#24292f;font:12px monospace}"
	".h{font-size:15px;font-weight:bold}"
	".u{fill:#e4e7eb}"
	".r1{fill:#b6dfe8}.r2{fill:#7cc4d6}.r3{fill:#3fa3bd}.r4{fill:#10788f}"
	".w1{fill:#f7c4b4}.w2{fill:#f0957a}.w3{fill:#dd5f3f}.w4{fill:#b3341b}"
	"@media(prefers-color-scheme:dark){"
	".bg{fill:#14171a}text{fill:#d8dee4}.u{fill:#2a2f35}"
	".r1{fill:#1d4c58}.r2{fill:#257489}.r3{fill:#35a0bb}.r4{fill:#7fdcf2}"
	".w1{fill:#6a2a1c}.w2{fill:#a3412a}.w3{fill:#df6644}.w4{fill:#ffa387}}";

static void put_class(FILE *to, const struct heat_range *sum)
{
	switch (heat_kind(sum)) {
	case HEAT_READ:
		fprintf(to, "r%u", heat_quarters(sum));
		break;
	case HEAT_WRITTEN:
		fprintf(to, "w%u", heat_quarters(sum));
		break;
	default:
		fputs("u", to);
	}
}

static void put_cell(FILE *to, const struct heat_range *sum, uint64_t offset,
		     uint64_t len, unsigned int x, unsigned int y)
{
	fputs("<rect class=\"", to);
	put_class(to, sum);
	fprintf(to, "\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"", x, y,
		CELL - GAP, CELL - GAP);
	fprintf(to, " data-offset=\"%" PRIu64 "\" data-length=\"%" PRIu64
		"\" data-pages=\"%" PRIu64 "\" data-shared=\"%" PRIu64
		"\" data-private=\"%" PRIu64 "\" data-reads=\"%" PRIu64
		"\" data-writes=\"%" PRIu64 "\" data-breaks=\"%" PRIu64 "\">",
		offset, len, sum->pages, sum->shared, sum->private, sum->reads,
		sum->writes, sum->breaks);
	fprintf(to, "<title>0x%" PRIx64 ": %" PRIu64 " pages, %" PRIu64
		" shared, %" PRIu64 " private; %" PRIu64 " reads, %" PRIu64
		" writes, %" PRIu64 " writes to shared pages</title></rect>\n",
		offset, sum->pages, sum->shared, sum->private, sum->reads,
		sum->writes, sum->breaks);
}

static void put_cells(FILE *to, const struct heat_map *map, size_t per_cell)
{
	uint64_t len = (uint64_t)per_cell << map->shift;
	size_t cell, first;

	for (cell = 0; (first = cell * per_cell) < map->nr; cell++) {
		struct heat_range sum = heat_sum(map, first, per_cell);
		unsigned int y = TOP + cell / COLUMNS * CELL;

		if (cell % COLUMNS == 0)
			fprintf(to, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">0x%"
				PRIx64 "</text>\n", LEFT - 8, y + CELL - 3,
				(uint64_t)first << map->shift);
		if (heat_kind(&sum) != HEAT_UNMAPPED)
			put_cell(to, &sum, (uint64_t)first << map->shift, len,
				 LEFT + cell % COLUMNS * CELL, y);
	}
}

static void put_key(FILE *to, const char *class, const char *what,
		    unsigned int x, unsigned int y)
{
	fprintf(to, "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>"
		"<text x=\"%u\" y=\"%u\">%s</text>\n", class, x, y, CELL - GAP,
		CELL - GAP, x + CELL + 4, y + CELL - 3, what);
}

static void put_legend(FILE *to, unsigned int y)
{
	put_key(to, "u", "untouched", LEFT, y);
	put_key(to, "r1", "read", LEFT + 110, y);
	put_key(to, "r4", "most read", LEFT + 190, y);
	put_key(to, "w1", "written", LEFT + 300, y);
	put_key(to, "w4", "most written", LEFT + 400, y);
}

static void put_counts(FILE *to, const struct heat_map *map, unsigned int y)
{
	struct heat_range sum = heat_sum(map, 0, map->nr);

	fprintf(to, "<text x=\"%u\" y=\"%u\">%" PRIu64 " pages: %" PRIu64
		" written, %" PRIu64 " mapped and shared</text>\n", LEFT, y,
		sum.pages, sum.private, sum.shared);
	fprintf(to, "<text x=\"%u\" y=\"%u\">counted: %" PRIu64 " reads, %" PRIu64
		" writes, %" PRIu64 " writes to shared pages</text>\n", LEFT,
		y + 18, sum.reads, sum.writes, sum.breaks);
}

void heat_svg(FILE *to, const struct heat_map *map)
{
	size_t per_cell = 1, cells = map->nr;
	unsigned int width, height, lines;

	while (cells > COLUMNS * MAX_LINES) {
		per_cell *= 2;
		cells = (map->nr + per_cell - 1) / per_cell;
	}
	lines = (cells + COLUMNS - 1) / COLUMNS;
	width = LEFT + COLUMNS * CELL + 20;
	height = TOP + lines * CELL + BOTTOM;
	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" role=\"img\">\n",
		width, height, width, height);
	fputs("<title>", to);
	svg_put_text(to, map->title);
	fprintf(to, "</title>\n<style>%s</style>\n", style);
	fprintf(to, "<rect class=\"bg\" width=\"%u\" height=\"%u\"/>\n", width,
		height);
	fprintf(to, "<text class=\"h\" x=\"%u\" y=\"26\">", LEFT);
	svg_put_text(to, map->title);
	fprintf(to, "</text>\n<text x=\"%u\" y=\"46\">a cell is %" PRIu64
		" KiB of the snapshot</text>\n", LEFT,
		((uint64_t)per_cell << map->shift) / 1024);
	put_cells(to, map, per_cell);
	put_legend(to, TOP + lines * CELL + 12);
	put_counts(to, map, TOP + lines * CELL + 44);
	fputs("</svg>\n", to);
}
