// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork heat: show which memory of a snapshot is read, written and shared.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"
#include "cli.h"
#include "clock.h"
#include "heat.h"
#include "out.h"
#include "save.h"
#include "screen.h"
#include "watch.h"

/**
 * struct heat_command - what was asked for
 * @heat: of what
 * @watch: whose memory, and for how long; 0: until Ctrl-C
 * @svg: file to write, or NULL
 * @force: it may be there already
 * @once: one picture, at the end
 * @interval: between two pictures, in ns
 * @start: CLOCK_MONOTONIC in ns
 * @title: of the pictures
 */
struct heat_command {
	struct heat heat;
	struct watch watch;
	const char *svg;
	bool force;
	bool once;
	uint64_t interval;
	uint64_t start;
	char title[128];
};

/* --- of what -------------------------------------------------------------- */

/* How large the snapshot is: what a mapping says, or at least what it maps */
static uint64_t size_of(const struct clones *clones)
{
	uint64_t each, size = 0;
	size_t i;

	for (i = 0; i < clones->nr; i++) {
		const struct clone_mapping *mapping = &clones->mappings[i];

		if (!clone_size(mapping, &each))
			each = mapping->offset + mapping->len;
		if (each > size)
			size = each;
	}
	return size;
}

/* A process is watched by whatever it maps, as a capture changes that. */
static int find_size(struct heat_command *command)
{
	struct clones clones;
	int status = watch_clones(&command->watch, &clones);

	if (!status)
		command->heat.size = size_of(&clones);
	clones_free(&clones);
	return status;
}

static void make_title(struct heat_command *command)
{
	const struct heat *heat = &command->heat;
	char *end = command->title + sizeof(command->title), *at;
	char path[32], name[32] = "";
	FILE *comm;

	at = command->title + snprintf(command->title, sizeof(command->title),
				       "vmfork heat:");
	if (heat->pid) {
		snprintf(path, sizeof(path), "/proc/%d/comm", heat->pid);
		comm = fopen(path, "re");
		if (comm && fgets(name, sizeof(name), comm))
			name[strcspn(name, "\n")] = '\0';
		if (comm)
			fclose(comm);
		at += snprintf(at, end - at, " process %d (%s)%s", heat->pid,
			       name, heat->snapshot ? "," : "");
	}
	if (heat->snapshot)
		snprintf(at, end - at, " snapshot %llu",
			 (unsigned long long)heat->snapshot);
}

/* --- what comes out ------------------------------------------------------- */

static int fail_memory(void)
{
	return failure(FAILED, ENOMEM,
		       "Memory is short: free some, then try again.");
}

static int print_picture(const struct heat_command *command, bool in_place)
{
	struct heat_view view;
	size_t len;
	char *text = NULL;
	FILE *to;

	screen_look(&view);
	view.in_place = in_place;
	/* At once, so that a terminal shows no half of it. */
	to = open_memstream(&text, &len);
	if (to)
		heat_print(to, &command->heat.map, &view);
	if (!to || fclose(to)) {
		free(text);
		return fail_memory();
	}
	fwrite(text, 1, len, stdout);
	free(text);
	return out_flush();
}

static void report_mappings(const struct heat *heat)
{
	size_t i;

	out_open_table("mappings");
	for (i = 0; i < heat->clones.nr; i++) {
		const struct clone_mapping *mapping = &heat->clones.mappings[i];

		out_open(NULL);
		out_number("pid", mapping->pid);
		out_number("snapshot", mapping->snapshot);
		out_address("address", mapping->addr);
		out_address("offset", mapping->offset);
		out_bytes("length", mapping->len);
		out_close();
	}
	out_close();
}

/* Of those that nothing is known of there may be a great many. */
static void report_ranges(const struct heat_map *map)
{
	size_t i;

	out_open_table("ranges");
	for (i = 0; i < map->nr; i++) {
		const struct heat_range *range = &map->ranges[i];

		if (heat_kind(range) < HEAT_READ)
			continue;
		out_open(NULL);
		out_address("offset", (uint64_t)i << map->shift);
		out_number("pages", range->pages);
		out_number("shared", range->shared);
		out_number("private", range->private);
		out_number("reads", range->reads);
		out_number("writes", range->writes);
		out_number("breaks", range->breaks);
		out_close();
	}
	out_close();
}

static int report(const struct heat_command *command)
{
	const struct heat *heat = &command->heat;
	struct heat_range sum = heat_sum(&heat->map, 0, heat->map.nr);

	if (heat->pid)
		out_number("pid", heat->pid);
	if (heat->snapshot)
		out_number("snapshot", heat->snapshot);
	out_bytes("size", heat->size);
	out_bytes("range", 1ULL << heat->map.shift);
	out_nanoseconds("time_ns", now_ns() - command->start);
	out_open("pages");
	out_number("mappings", sum.pages);
	out_number("shared", sum.shared);
	out_number("private", sum.private);
	out_close();
	out_open("counted");
	out_number("reads", sum.reads);
	out_number("writes", sum.writes);
	out_number("breaks", sum.breaks);
	out_number("outside", heat_outside(heat));
	out_close();
	report_mappings(heat);
	report_ranges(&heat->map);
	return out_finish();
}

static int write_svg(const struct heat_command *command)
{
	struct save save = { 0 };
	char *text = NULL;
	int status;
	size_t len;
	FILE *to;

	to = open_memstream(&text, &len);
	if (to)
		heat_svg(to, &command->heat.map);
	if (!to || fclose(to)) {
		free(text);
		return fail_memory();
	}
	status = save_open(&save, command->svg, command->force);
	if (!status)
		status = save_text(&save, text);
	if (!status)
		status = save_commit(&save);
	save_abort(&save);
	free(text);
	return status;
}

/* --- watching -------------------------------------------------------------- */

/* Until it is to end; shows what there is every now and then, or nothing. */
static int follow(struct heat_command *command, bool show)
{
	uint64_t passed, next;
	int status;
	bool go_on = true;

	while (go_on) {
		if (show) {
			status = heat_take(&command->heat);
			if (!status)
				status = print_picture(command, true);
			if (status)
				return status;
		}
		passed = now_ns() - command->start;
		next = command->interval;
		if (command->watch.until.duration) {
			if (passed >= command->watch.until.duration)
				break;
			if (!show || next > command->watch.until.duration - passed)
				next = command->watch.until.duration - passed;
		}
		go_on = screen_wait(next, command->watch.until.pidfd);
	}
	return heat_take(&command->heat);
}

static int watch_and_tell(struct heat_command *command)
{
	bool show = !command->once && !out_is_json() && screen_is_terminal();
	int status;

	if (!show && !command->watch.until.duration)
		command->watch.until.duration = 1000000000;
	screen_catch();
	command->start = now_ns();
	status = show ? DONE : watch_begins(&command->watch);
	if (status)
		return status;
	if (show)
		screen_begin();
	status = follow(command, show);
	if (show)
		screen_end();
	if (!status && command->svg)
		status = write_svg(command);
	if (status)
		return status;
	if (out_is_json())
		return report(command);
	return print_picture(command, false);
}

static int heat_open(struct heat_command *command)
{
	struct heat *heat = &command->heat;
	int status = watch_open(&command->watch);

	heat->pid = command->watch.pid;
	heat->snapshot = command->watch.info.id;
	heat->size = command->watch.info.snapshot_size;
	if (!status && !heat->snapshot)
		status = find_size(command);
	if (status)
		return status;
	make_title(command);
	heat->map.title = command->title;
	return heat_start(heat);
}

/* --- the command ----------------------------------------------------------- */

static int take_option(struct heat_command *command, int option)
{
	switch (option) {
	case 'i':
		return take_seconds(optarg, &command->interval);
	case '1':
		command->once = true;
		return DONE;
	case 'o':
		command->svg = optarg;
		return DONE;
	case 'f':
		command->force = true;
		return DONE;
	case '?':
		return BAD_USAGE;
	default:
		return watch_option(&command->watch, option);
	}
}

static int run_heat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "snapshot", required_argument, NULL, 's' },
		{ "duration", required_argument, NULL, 'd' },
		{ "interval", required_argument, NULL, 'i' },
		{ "once", no_argument, NULL, '1' },
		{ "svg", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		COMMON_LONG,
		{ 0 }
	};
	struct heat_command command = { .interval = 1000000000 };
	int option, status;

	while ((option = next_option(&command_heat, argc, argv,
				     "p:s:d:i:1f" COMMON_SHORT,
				     options)) != -1) {
		status = take_option(&command, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help heat.",
			       argv[optind]);
	if (!command.watch.pid && !command.watch.path)
		return failure(BAD_USAGE, 0,
			       "Nothing is given to look at: add -p PID or -s SNAPSHOT.");
	status = heat_open(&command);
	if (!status)
		status = watch_and_tell(&command);
	heat_stop(&command.heat);
	watch_close(&command.watch);
	return status;
}

const struct command command_heat = {
	.name = "heat",
	.arguments = "-p PID | -s SNAPSHOT [--once] [--svg FILE]",
	.summary = "Show which memory is read, written and shared",
	.options =
	"  -p, --pid PID       the process; ends when it does\n"
	"  -s, --snapshot PATH the snapshot, such as /proc/PID/fd/N\n"
	"  -d, --duration SECONDS\n"
	"                      how long (default: until Ctrl-C; 1 where nothing is shown)\n"
	"  -i, --interval SECONDS\n"
	"                      between two pictures (default: 1)\n"
	"  -1, --once          one picture, at the end\n"
	"      --svg FILE      write it to FILE at the end\n"
	"  -f, --force         replace FILE if it exists\n",
	.run = run_heat,
};
