// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork tree: who was forked from what.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "cli.h"
#include "ls.h"
#include "out.h"
#include "screen.h"
#include "treedraw.h"

enum form { LINES, DOT, SVG };

static int report_json(const struct world *world)
{
	size_t i, nr;
	struct tree_row *rows = tree_rows(world, &nr);

	if (!rows && nr)
		return failure(FAILED, ENOMEM, "There is no memory left.");
	out_open_list("snapshot");
	for (i = 0; rows && i < nr; i++) {
		if (rows[i].mapping >= 0)
			continue;
		out_open(NULL);
		report_snapshot(&world->snapshots[rows[i].snapshot]);
		out_number("depth", world->snapshots[rows[i].snapshot].depth);
		out_close();
	}
	out_close();
	free(rows);
	report_mappings(world);
	return out_finish();
}

static int draw(const struct world *world, enum form form)
{
	struct tree_view view = { 0 };
	struct heat_view screen;
	bool good;

	switch (form) {
	case DOT:
		good = tree_dot(stdout, world);
		break;
	case SVG:
		good = tree_svg(stdout, world);
		break;
	default:
		screen_look(&screen);
		view.unicode = screen_is_utf8();
		view.colours = screen.colours;
		view.columns = screen_is_terminal() ? screen.columns : 0;
		good = tree_print(stdout, world, &view);
	}
	if (!good)
		return failure(FAILED, ENOMEM, "There is no memory left.");
	if (fflush(stdout) || ferror(stdout))
		return failure(FAILED, errno,
			       "The picture could not be written: %s.",
			       strerror(errno));
	return DONE;
}

static int run_tree(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dot", no_argument, NULL, 'd' },
		{ "svg", no_argument, NULL, 's' },
		{ "quick", no_argument, NULL, 'q' },
		COMMON_LONG,
		{ 0 }
	};
	struct world world = { 0 };
	enum form form = LINES;
	bool quick = false;
	struct ask ask;
	int option, status;

	while ((option = next_option(&command_tree, argc, argv,
				     "q" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (option == 'q')
			quick = true;
		else
			form = option == 'd' ? DOT : SVG;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help tree.",
			       argv[optind]);
	if (form != LINES && out_is_json())
		return failure(BAD_USAGE, 0,
			       "A picture is no JSON: give either --json or --dot or --svg.");
	status = ask_open(&ask);
	if (status)
		return status;
	status = ask_world(&ask, !quick, &world);
	ask_close(&ask);
	if (!status)
		status = out_is_json() ? report_json(&world) :
					 draw(&world, form);
	world_free(&world);
	return status;
}

const struct command command_tree = {
	.name = "tree",
	.arguments = "[-q] [--dot | --svg]",
	.summary = "Show who was forked from what",
	.options =
	"      --dot           as a graph for Graphviz: vmfork tree --dot | dot -Tpdf\n"
	"      --svg           as a picture\n"
	"  -q, --quick         do not count what costs a walk over all pages\n",
	.run = run_tree,
};
