/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who was forked from what: in lines, as a graph for Graphviz, and as SVG.
 *
 * The line of descent that has most to it goes straight down; others branch
 * off to the right.  So a picture is never wider than a few branches, however
 * long a history is.
 */
#ifndef VMFORK_TREEDRAW_H
#define VMFORK_TREEDRAW_H

#include <stdbool.h>
#include <stdio.h>

#include "world.h"

/**
 * struct tree_view - how lines look
 * @unicode: line-drawing characters, or ASCII
 * @colours: a terminal has them
 * @columns: lines are cut off there; 0: they are not
 */
struct tree_view {
	bool unicode;
	bool colours;
	unsigned int columns;
};

/**
 * struct tree_row - a line of the picture
 * @snapshot: its index in the world
 * @mapping: index of the first mapping of a process, or -1: it is a snapshot's
 * @end: the index after the last mapping of that process
 * @branches: how many branches are to the left of it
 * @is_branch: it begins a branch
 * @is_last: nothing follows on its branch
 */
struct tree_row {
	size_t snapshot;
	long mapping;
	size_t end;
	size_t branches;
	bool is_branch;
	bool is_last;
};

/**
 * tree_rows() - the lines of the picture, in order
 * @world: linked
 * @nr: out: how many
 *
 * Return: them, for free(); NULL if there are none, or no memory (@nr is then
 * not 0).
 */
struct tree_row *tree_rows(const struct world *world, size_t *nr);

/** tree_print() - false if there is no memory */
bool tree_print(FILE *to, const struct world *world,
		const struct tree_view *view);
bool tree_dot(FILE *to, const struct world *world);
bool tree_svg(FILE *to, const struct world *world);

#endif /* VMFORK_TREEDRAW_H */
