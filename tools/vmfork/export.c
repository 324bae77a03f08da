// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork export: a snapshot as a file, whole or as what differs from another.
 *
 * A delta is a sparse file of the snapshot's size that has only what differs,
 * and a manifest beside it that says where that is.  Both appear, or neither:
 * they are written and on disk before the first gets its name, and whoever
 * finds a manifest finds its file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "delta.h"
#include "manifest.h"
#include "open.h"
#include "out.h"
#include "save.h"
#include "signals.h"

/**
 * struct export - what the command line asks for, and the files in the making
 * @delta: from a, the base, if that has a path, to b
 * @flags: of the comparison
 * @output: file to write
 * @force: replace it
 * @manifest_path: "FILE.json", or NULL without a base
 * @file: with the content
 * @manifest: that says where it differs
 */
struct export {
	struct delta delta;
	unsigned int flags;
	const char *output;
	bool force;
	char *manifest_path;
	struct save file;
	struct save manifest;
};

static int parse(struct export *export, int argc, char **argv)
{
	static const struct option options[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "contents", no_argument, NULL, 'c' },
		{ "force", no_argument, NULL, 'f' },
		COMMON_LONG,
		{ 0 }
	};
	int option;

	while ((option = next_option(&command_export, argc, argv,
				     "b:cf" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (option == 'b')
			export->delta.a.path = optarg;
		else if (option == 'c')
			export->flags |= VMFORK_DIFF_CONTENTS;
		else
			export->force = true;
	}
	if (argc - optind != 2)
		return failure(BAD_USAGE, 0,
			       "A snapshot is written to a file: give both, such as /proc/PID/fd/N and guest.ram.");
	if (export->flags && !export->delta.a.path)
		return failure(BAD_USAGE, 0,
			       "There is nothing to compare contents with: add --base A.");
	export->delta.b.path = argv[optind];
	export->output = argv[optind + 1];
	return DONE;
}

static int report(const struct export *export)
{
	const struct delta *delta = &export->delta;

	out_number("snapshot", delta->b.info.id);
	out_bytes("size", delta->b.info.snapshot_size);
	if (export->manifest_path) {
		out_number("base", delta->a.info.id);
		out_number("ranges", delta->nr);
		out_number("pages", delta->pages);
		out_string("manifest", export->manifest_path);
	}
	out_string("file", export->output);
	out_bytes("written", export->file.written);
	return out_finish();
}

static int write_whole(struct export *export)
{
	struct snapshot *b = &export->delta.b;
	int status = open_snapshot(b->path, &b->fd, &b->info);

	if (status)
		return status;
	status = save_copy(&export->file, b->fd, b->info.snapshot_size);
	close(b->fd);
	return status ? status : save_commit(&export->file);
}

/* Where the base is longer, there is nothing to write. */
static void clip(struct delta *delta)
{
	uint64_t size = delta->b.info.snapshot_size, end;
	struct vmfork_range *last;

	while (delta->nr) {
		last = &delta->ranges[delta->nr - 1];
		end = last->start + last->len;
		if (end <= size)
			break;
		if (last->start < size) {
			delta->pages -= (end - size) / 4096;
			last->len = size - last->start;
			break;
		}
		delta->pages -= last->len / 4096;
		delta->nr--;
	}
}

static int write_ranges(struct export *export, struct json_object *manifest)
{
	const struct delta *delta = &export->delta;
	size_t i;
	int status = save_size(&export->file, delta->b.info.snapshot_size);

	for (i = 0; i < delta->nr && !status; i++)
		status = save_range(&export->file, delta->b.fd,
				    &delta->ranges[i], manifest_extent,
				    manifest);
	return status;
}

/* An older manifest must not be found beside the new file. */
static int publish_both(struct export *export)
{
	int status = save_sync(&export->file);

	if (!status)
		status = save_sync(&export->manifest);
	if (status)
		return status;
	if (export->force && unlink(export->manifest_path) && errno != ENOENT)
		return failure(FAILED, errno, "%s can not be replaced: %s.",
			       export->manifest_path, strerror(errno));
	status = save_publish(&export->file);
	if (status)
		return status;
	status = save_publish(&export->manifest);
	if (status)
		unlink(export->output);
	return status;
}

static int write_delta(struct export *export)
{
	struct delta *delta = &export->delta;
	struct json_object *manifest;
	int status = delta_open(delta, export->flags);

	if (status)
		return status;
	clip(delta);
	manifest = manifest_begin(delta, export->output);
	status = write_ranges(export, manifest);
	if (!status)
		status = manifest_write(manifest, &export->manifest);
	manifest_free(manifest);
	delta_close(delta);
	return status ? status : publish_both(export);
}

static int write_files(struct export *export)
{
	int status = save_open(&export->file, export->output, export->force);

	if (status || !export->delta.a.path)
		return status ? status : write_whole(export);
	if (asprintf(&export->manifest_path, "%s.json", export->output) < 0) {
		export->manifest_path = NULL;
		return failure(FAILED, ENOMEM, "Out of memory.");
	}
	status = save_open(&export->manifest, export->manifest_path,
			   export->force);
	return status ? status : write_delta(export);
}

static int run_export(int argc, char **argv)
{
	struct export export = {
		.file = { .fd = -1 },
		.manifest = { .fd = -1 },
	};
	int status = parse(&export, argc, argv);

	if (status)
		return status;
	signals_catch();
	status = write_files(&export);
	if (!status)
		status = report(&export);
	save_abort(&export.manifest);
	save_abort(&export.file);
	free(export.manifest_path);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_export = {
	.name = "export",
	.arguments = "[--base A [--contents]] B FILE",
	.summary = "Write a snapshot to a file, or what differs from another",
	.options =
	"  B                   a snapshot, such as /proc/PID/fd/N\n"
	"  FILE                is written, sparse\n"
	"  -b, --base A        write only where B differs from this snapshot, and\n"
	"                      FILE.json, which says where that is\n"
	"  -c, --contents      leave out pages that were written to, but not changed\n"
	"  -f, --force         replace FILE (and FILE.json) if it exists\n",
	.run = run_export,
};
