// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork top: who maps snapshots, and how much of them is shared, live.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cli.h"
#include "clock.h"
#include "out.h"
#include "parse.h"
#include "screen.h"
#include "topview.h"

/**
 * struct top_command - the command line
 * @interval: ns between two pictures
 * @count: of pictures, 0 for no end
 * @pid: of this process alone, or 0
 */
struct top_command {
	uint64_t interval;
	int count;
	int pid;
};

/* To the nearest */
static uint64_t rounded(double rate)
{
	return ((uint64_t)(rate * 2) + 1) / 2;
}

static void report_row(const struct top_row *row)
{
	out_open(NULL);
	if (row->pid)
		out_number("pid", row->pid);
	else
		out_none("pid");
	out_string("command", row->command);
	out_number("uid", row->uid);
	out_number("snapshot", row->snapshot);
	out_number("snapshots", row->snapshots);
	out_number("size", row->size);
	if (row->counted) {
		out_number("private", row->private);
		out_number("shared", row->shared);
	} else {
		out_none("private");
		out_none("shared");
	}
	out_number("reads", row->reads);
	out_number("writes", row->writes);
	out_number("reads_per_second", rounded(row->read_rate));
	out_number("writes_per_second", rounded(row->write_rate));
	out_number("private_per_second", rounded(row->private_rate));
	out_close();
}

static int show(const struct top *top, bool in_place)
{
	struct heat_view view;
	struct top_screen screen = { .in_place = in_place };
	size_t i;

	if (out_is_json()) {
		out_open_list("process");
		for (i = 0; i < top->nr; i++)
			report_row(&top->rows[i]);
		out_close();
		return out_finish();
	}
	if (in_place) {
		screen_look(&view);
		screen.columns = view.columns;
		screen.lines = view.lines;
		screen.colours = view.colours;
	}
	top_print(stdout, top, &screen);
	return fflush(stdout) || ferror(stdout) ? FAILED : DONE;
}

static int take(struct ask *ask, const struct top_command *command,
		const struct top *before, struct top *top)
{
	struct world world = { 0 };
	int status = ask_mappings(ask, command->pid, true, &world);

	if (!status && !top_take(&world, before, now_ns(), top))
		status = failure(FAILED, ENOMEM, "There is no memory left.");
	world_free(&world);
	return status;
}

static int watch(struct ask *ask, const struct top_command *command,
		 bool in_place)
{
	struct top before = { 0 }, top = { 0 };
	int status, shown = 0;

	/* The first picture has no rates: where there is just one, wait. */
	status = take(ask, command, NULL, &before);
	if (!status && command->count != 1)
		status = show(&before, in_place);
	else
		shown--;
	while (!status && (!command->count || ++shown < command->count)) {
		if (!screen_wait(command->interval, -1))
			break;
		status = take(ask, command, &before, &top);
		if (status)
			break;
		status = show(&top, in_place);
		top_free(&before);
		before = top;
	}
	top_free(&before);
	return status;
}

static int take_option(struct top_command *command, int option)
{
	switch (option) {
	case 'i':
		return take_seconds(optarg, &command->interval);
	case 'n':
		if (parse_id(optarg, &command->count) && command->count)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no count: give a number above 0.",
			       optarg);
	case 'p':
		if (parse_id(optarg, &command->pid) && command->pid)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no process id: give a number above 0.",
			       optarg);
	default:
		return BAD_USAGE;
	}
}

static int run_top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "pid", required_argument, NULL, 'p' },
		COMMON_LONG,
		{ 0 }
	};
	struct top_command command = { .interval = 1000000000 };
	bool in_place;
	struct ask ask;
	int option, status;

	while ((option = next_option(&command_top, argc, argv,
				     "i:n:p:" COMMON_SHORT, options)) != -1) {
		status = take_option(&command, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help top.",
			       argv[optind]);
	status = ask_open(&ask);
	if (status)
		return status;
	screen_catch();
	in_place = !out_is_json() && screen_is_terminal();
	if (in_place)
		screen_begin();
	status = watch(&ask, &command, in_place);
	if (in_place)
		screen_end();
	ask_close(&ask);
	return status;
}

const struct command command_top = {
	.name = "top",
	.arguments = "[-i SECONDS] [-n COUNT] [-p PID]",
	.summary = "Show how much each VM shares, live",
	.options =
	"  -i, --interval SECONDS\n"
	"                      between two pictures (default: 1)\n"
	"  -n, --count COUNT   end after so many\n"
	"  -p, --pid PID       this process alone\n"
	"\n"
	"Ends by Ctrl-C.\n",
	.run = run_top,
};
