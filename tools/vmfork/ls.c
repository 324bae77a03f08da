// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork ls: the snapshots that there are, or the mappings.
 */
#include <getopt.h>
#include <stdio.h>

#include "ask.h"
#include "cli.h"
#include "ls.h"
#include "out.h"
#include "units.h"

static void report_pid(const char *name, uint32_t pid)
{
	if (pid)
		out_number(name, pid);
	else
		out_none(name);
}

/* What a terminal shows must not be a command to it. */
static void report_text(const char *name, const char *text)
{
	char plain[4200];

	if (!text)
		out_none(name);
	else if (out_is_json())
		out_string(name, text);
	else
		out_string(name, units_plain(text, plain, sizeof(plain)));
}

static void report_mode(uint32_t mode)
{
	char text[8];

	snprintf(text, sizeof(text), "%04o", mode);
	out_string("mode", text);
}

void report_snapshot(const struct snapshot *s)
{
	out_number("id", s->id);
	report_text("name", s->name);
	out_bytes("size", s->size);
	out_bytes("held", s->pages * WORLD_PAGE);
	out_bytes("file", s->file * WORLD_PAGE);
	if (s->counted) {
		out_bytes("shared", s->shared * WORLD_PAGE);
		out_bytes("alone", s->alone);
	} else {
		out_none("shared");
		out_none("alone");
	}
	out_number("mappings", s->mappings);
	report_pid("parent", s->parent_id);
	out_number("uid", s->uid);
	report_mode(s->mode);
	report_text("command", s->command);
	report_pid("creator", s->creator);
	out_nanoseconds("age_ns", s->age_ns);
	if (!out_is_json())
		return;
	out_number("gid", s->gid);
	out_number("created_ns", s->created_ns);
	if (s->counted)
		out_number("alone_file", s->alone_file);
	else
		out_none("alone_file");
	out_open("pages");
	out_number("held", s->pages);
	out_number("huge", s->huge);
	out_number("hole", s->hole);
	out_number("file", s->file);
	out_number("stolen", s->stolen);
	out_number("copied", s->copied);
	out_close();
}

void report_mapping(const struct mapping *m)
{
	out_number("id", m->id);
	out_number("snapshot", m->snapshot);
	report_pid("pid", m->pid);
	report_text("command", m->command);
	out_number("uid", m->uid);
	out_address("address", m->start);
	out_bytes("length", m->end - m->start);
	out_address("offset", m->offset);
	if (m->counted) {
		out_bytes("private", m->private * WORLD_PAGE);
		out_bytes("shared", m->shared * WORLD_PAGE);
	} else {
		out_none("private");
		out_none("shared");
	}
	out_number("reads", m->reads);
	out_number("writes", m->writes);
}

void report_mappings_of(const struct world *world, uint64_t id)
{
	size_t i;

	for (i = 0; i < world->nr_mappings; i++) {
		if (id && world->mappings[i].snapshot != id)
			continue;
		out_open(NULL);
		report_mapping(&world->mappings[i]);
		out_close();
	}
}

void report_mappings(const struct world *world)
{
	out_open_table("mapping");
	report_mappings_of(world, 0);
	out_close();
}

static void report_snapshots(const struct world *world)
{
	size_t i;

	out_open_table("snapshot");
	for (i = 0; i < world->nr_snapshots; i++) {
		out_open(NULL);
		report_snapshot(&world->snapshots[i]);
		out_close();
	}
	out_close();
}

static int list(bool mappings, bool count)
{
	struct world world = { 0 };
	struct ask ask;
	int status = ask_open(&ask);

	if (status)
		return status;
	status = ask_world(&ask, count, &world);
	ask_close(&ask);
	if (!status) {
		out_number("snapshots", world.nr_snapshots);
		out_number("mappings", world.nr_mappings);
		if (mappings)
			report_mappings(&world);
		else
			report_snapshots(&world);
		status = out_finish();
	}
	world_free(&world);
	return status;
}

static int run_ls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mappings", no_argument, NULL, 'm' },
		{ "quick", no_argument, NULL, 'q' },
		COMMON_LONG,
		{ 0 }
	};
	bool mappings = false, quick = false;
	int option;

	while ((option = next_option(&command_ls, argc, argv,
				     "mq" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (option == 'm')
			mappings = true;
		else
			quick = true;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: vmfork ls shows all; see vmfork info for one.",
			       argv[optind]);
	return list(mappings, !quick);
}

const struct command command_ls = {
	.name = "ls",
	.arguments = "[-m] [-q]",
	.summary = "List snapshots, or who maps them",
	.options =
	"  -m, --mappings      list the mappings, by process\n"
	"  -q, --quick         do not count what costs a walk over all pages\n"
	"\n"
	"Those that you may see: your own, and those whose files you may read.\n",
	.run = run_ls,
};
