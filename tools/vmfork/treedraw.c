// SPDX-License-Identifier: GPL-2.0
/*
 * Who was forked from what: in lines, and as a graph for Graphviz.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "treedraw.h"
#include "treetext.h"
#include "units.h"

#define BOLD	"\033[1m"
#define DIM	"\033[2m"
#define CYAN	"\033[36m"
#define PLAIN	"\033[0m"

/**
 * struct shapes - what lines are drawn with
 */
struct shapes {
	const char *snapshot;
	const char *process;
	const char *branch;
	const char *last;
	const char *line;
};

static const struct shapes unicode = { "●", "▶", "├─", "└─", "│ " };
static const struct shapes ascii = { "*", ">", "|-", "`-", "| " };

/* Writes text that has @columns of its own, up to the end of the line. */
static void put(FILE *to, const char *text, unsigned int *left)
{
	for (; *text && *left; text++) {
		fputc(*text, to);
		/* The bytes of a character that follow the first one */
		if ((text[1] & 0xc0) != 0x80)
			--*left;
	}
}

static void put_mark(FILE *to, const struct tree_view *view, const char *colour,
		     const char *mark, unsigned int *left)
{
	if (view->colours)
		fputs(colour, to);
	put(to, mark, left);
	if (view->colours)
		fputs(PLAIN, to);
}

static void put_row(FILE *to, const struct world *world,
		    const struct tree_view *view, const struct tree_row *row)
{
	const struct shapes *shapes = view->unicode ? &unicode : &ascii;
	unsigned int left = view->columns ? view->columns : ~0U;
	char text[TREE_TEXT];
	size_t i;

	for (i = row->is_branch ? 1 : 0; i < row->branches; i++)
		put(to, shapes->line, &left);
	if (row->mapping >= 0)
		put(to, row->is_last ? shapes->last : shapes->branch, &left);
	else if (row->is_branch)
		put(to, shapes->branch, &left);
	if (row->mapping >= 0)
		put_mark(to, view, CYAN, shapes->process, &left);
	else
		put_mark(to, view, BOLD, shapes->snapshot, &left);
	put(to, " ", &left);
	tree_title(world, row, text, sizeof(text));
	put_mark(to, view, row->mapping < 0 ? BOLD : PLAIN, text, &left);
	tree_details(world, row, text, sizeof(text));
	put(to, "  ", &left);
	put_mark(to, view, DIM, text, &left);
	fputc('\n', to);
}

bool tree_print(FILE *to, const struct world *world,
		const struct tree_view *view)
{
	size_t i, nr;
	struct tree_row *rows = tree_rows(world, &nr);

	if (!rows)
		return !nr;
	for (i = 0; i < nr; i++) {
		/* What is below another with nothing between descends of it. */
		if (i && rows[i].mapping < 0 &&
		    world->snapshots[rows[i].snapshot].parent < 0)
			fputc('\n', to);
		put_row(to, world, view, &rows[i]);
	}
	free(rows);
	return true;
}

static void put_quoted(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void put_label(FILE *to, const struct world *world,
		      const struct tree_row *row)
{
	char title[TREE_TEXT], details[TREE_TEXT], both[2 * TREE_TEXT + 4];

	tree_title(world, row, title, sizeof(title));
	tree_details(world, row, details, sizeof(details));
	snprintf(both, sizeof(both), "%s\n%s", title, details);
	put_quoted(to, both);
}

bool tree_dot(FILE *to, const struct world *world)
{
	size_t i, nr;
	struct tree_row *rows = tree_rows(world, &nr);

	if (!rows && nr)
		return false;
	fputs("digraph vmfork {\n"
	      "\tnode [shape=box, style=rounded, fontname=monospace];\n", to);
	for (i = 0; rows && i < nr; i++) {
		const struct tree_row *row = &rows[i];
		const struct snapshot *s = &world->snapshots[row->snapshot];

		if (row->mapping >= 0) {
			uint64_t pid = world->mappings[row->mapping].pid;

			fprintf(to, "\ts%" PRIu64 "p%" PRIu64
				" [shape=ellipse, label=", s->id, pid);
			put_label(to, world, row);
			fprintf(to, "];\n\ts%" PRIu64 " -> s%" PRIu64 "p%"
				PRIu64 " [style=dashed];\n", s->id, s->id, pid);
			continue;
		}
		fprintf(to, "\ts%" PRIu64 " [label=", s->id);
		put_label(to, world, row);
		fputs("];\n", to);
		if (s->parent >= 0)
			fprintf(to, "\ts%" PRIu64 " -> s%" PRIu64 ";\n",
				world->snapshots[s->parent].id, s->id);
	}
	fputs("}\n", to);
	free(rows);
	return true;
}
