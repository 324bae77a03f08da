// SPDX-License-Identifier: GPL-2.0
/*
 * Who was forked from what: as SVG.
 *
 * The document needs nothing but itself.  Its colours are those of the reader's
 * choice of a light or a dark background.  It is the picture that lines make,
 * with lines that are drawn.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "svg.h"
#include "treedraw.h"
#include "treetext.h"

#define ROW	22U	/* pixels from one line to the next */
#define STEP	20U	/* from one branch to the next */
#define LEFT	16U
#define TOP	16U
#define LETTER	8U	/* of a text, at most */

static const char style[] =
	".bg{fill:#fff}text{fill:#24292f;font:13px monospace}"
	".d{fill:#6e7781}.s{fill:#10788f}.p{fill:#dd5f3f}"
	"path{stroke:#8c959f;stroke-width:1.5;fill:none}"
	"@media(prefers-color-scheme:dark){"
	".bg{fill:#14171a}text{fill:#d8dee4}.d{fill:#8b949e}"
	".s{fill:#7fdcf2}.p{fill:#ffa387}path{stroke:#57606a}}";

static unsigned int x_of(const struct tree_row *row)
{
	return LEFT + STEP * (row->branches + (row->mapping >= 0));
}

static unsigned int y_of(size_t row)
{
	return TOP + ROW * row;
}

static void put_row(FILE *to, const struct world *world,
		    const struct tree_row *row, size_t nr)
{
	const struct snapshot *s = &world->snapshots[row->snapshot];
	char text[TREE_TEXT];

	if (row->mapping < 0)
		fprintf(to, "<circle class=\"s\" cx=\"%u\" cy=\"%u\" r=\"6\"",
			x_of(row), y_of(nr));
	else
		fprintf(to, "<rect class=\"p\" x=\"%u\" y=\"%u\" width=\"9\" height=\"9\"",
			x_of(row) - 4, y_of(nr) - 4);
	fprintf(to, " data-snapshot=\"%" PRIu64 "\"", s->id);
	if (row->mapping >= 0)
		fprintf(to, " data-pid=\"%u\"",
			world->mappings[row->mapping].pid);
	fputs("/>", to);
	fprintf(to, "<text x=\"%u\" y=\"%u\">", x_of(row) + 14, y_of(nr) + 5);
	tree_title(world, row, text, sizeof(text));
	svg_put_text(to, text);
	fputs(" <tspan class=\"d\">", to);
	tree_details(world, row, text, sizeof(text));
	svg_put_text(to, text);
	fputs("</tspan></text>\n", to);
}

/* A line from where it comes from: down, and to the right if it is elsewhere. */
static void put_line(FILE *to, const struct tree_row *rows, size_t from,
		     size_t nr)
{
	fprintf(to, "<path d=\"M%u %uV%uH%u\"/>\n", x_of(&rows[from]),
		y_of(from), y_of(nr), x_of(&rows[nr]));
}

/* Each snapshot's row, by its index, to draw lines from. */
static bool put_lines(FILE *to, const struct world *world,
		      const struct tree_row *rows, size_t nr)
{
	size_t i, *at = calloc(world->nr_snapshots, sizeof(*at));

	if (!at)
		return false;
	for (i = 0; i < nr; i++) {
		const struct tree_row *row = &rows[i];
		long parent = world->snapshots[row->snapshot].parent;

		if (row->mapping >= 0) {
			put_line(to, rows, at[row->snapshot], i);
			continue;
		}
		at[row->snapshot] = i;
		if (parent >= 0)
			put_line(to, rows, at[parent], i);
	}
	free(at);
	return true;
}

static unsigned int width_of(const struct world *world,
			     const struct tree_row *rows, size_t nr)
{
	unsigned int widest = 0, width;
	char text[TREE_TEXT];
	size_t i;

	for (i = 0; i < nr; i++) {
		tree_title(world, &rows[i], text, sizeof(text));
		width = strlen(text);
		tree_details(world, &rows[i], text, sizeof(text));
		width = x_of(&rows[i]) + 14 + (width + 1 + strlen(text)) *
					      LETTER;
		if (widest < width)
			widest = width;
	}
	return widest + LEFT;
}

bool tree_svg(FILE *to, const struct world *world)
{
	size_t i, nr;
	struct tree_row *rows = tree_rows(world, &nr);
	unsigned int width, height;
	bool good = true;

	if (!rows && nr)
		return false;
	width = rows ? width_of(world, rows, nr) : 2 * LEFT;
	height = y_of(rows ? nr : 0) + TOP - ROW / 2;
	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\">\n"
		"<title>Snapshots, and who maps them</title>\n<style>%s</style>\n"
		"<rect class=\"bg\" width=\"100%%\" height=\"100%%\"/>\n",
		width, height, width, height, style);
	if (rows)
		good = put_lines(to, world, rows, nr);
	for (i = 0; rows && i < nr; i++)
		put_row(to, world, &rows[i], i);
	fputs("</svg>\n", to);
	free(rows);
	return good;
}
