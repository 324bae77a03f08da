// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork diff: the ranges in which two snapshots differ.
 */
#include <stdio.h>

#include <vmfork.h>

#include "cli.h"
#include "delta.h"
#include "out.h"

static void report_snapshot(const char *name, const struct snapshot *snapshot)
{
	out_open(name);
	out_number("snapshot", snapshot->info.id);
	out_bytes("size", snapshot->info.snapshot_size);
	out_close();
}

static int report(const struct delta *delta)
{
	size_t i;

	report_snapshot("a", &delta->a);
	report_snapshot("b", &delta->b);
	out_number("pages", delta->pages);
	out_bytes("bytes", delta->pages * 4096);
	out_open_table("ranges");
	for (i = 0; i < delta->nr; i++) {
		out_open(NULL);
		out_address("offset", delta->ranges[i].start);
		out_bytes("length", delta->ranges[i].len);
		out_close();
	}
	out_close();
	return out_finish();
}

static int run_diff(int argc, char **argv)
{
	static const struct option options[] = {
		{ "contents", no_argument, NULL, 'c' },
		COMMON_LONG,
		{ 0 }
	};
	struct delta delta = { 0 };
	unsigned int flags = 0;
	int option, status;

	while ((option = next_option(&command_diff, argc, argv,
				     "c" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		flags |= VMFORK_DIFF_CONTENTS;
	}
	if (argc - optind != 2)
		return failure(BAD_USAGE, 0,
			       "Two snapshots are compared: give A and B, such as /proc/PID/fd/N.");
	delta.a.path = argv[optind];
	delta.b.path = argv[optind + 1];
	status = delta_open(&delta, flags);
	if (status)
		return status;
	status = report(&delta);
	delta_close(&delta);
	return status;
}

const struct command command_diff = {
	.name = "diff",
	.arguments = "[--contents] A B",
	.summary = "Say where two snapshots differ",
	.options =
	"  A, B                snapshots, such as /proc/PID/fd/N\n"
	"  -c, --contents      compare what was written; without, a page that was\n"
	"                      written to differs\n",
	.run = run_diff,
};
