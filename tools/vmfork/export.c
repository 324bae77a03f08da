// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork export: a snapshot as a file, whole or as what differs from another.
 *
 * A delta is a sparse file of the snapshot's size that has only what differs,
 * and a manifest beside it that says where that is.  An image is all of it, with
 * a manifest that has its hashes.  Both files appear, or neither: they are
 * written and on disk before the first gets its name, and whoever finds a
 * manifest finds its file.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <vmfork.h>

#include "cli.h"
#include "delta.h"
#include "manifest.h"
#include "open.h"
#include "out.h"
#include "pack.h"
#include "parse.h"
#include "progress.h"
#include "save.h"
#include "signals.h"

/**
 * struct export - what the command line asks for, and the files in the making
 * @delta: from a, the base, if that has a path, to b
 * @flags: of the comparison
 * @output: file to write
 * @force: replace it
 * @image: with a manifest
 * @resume: go on with what was interrupted, and keep it for that
 * @pack: the image
 * @log_path: "FILE.part.log", or NULL without @resume
 * @manifest_path: "FILE.json", or NULL without a base or an image
 * @file: with the content
 * @manifest: that says where it differs
 */
struct export {
	struct delta delta;
	unsigned int flags;
	const char *output;
	bool force;
	bool image;
	bool resume;
	struct pack pack;
	char *log_path;
	char *manifest_path;
	struct save file;
	struct save manifest;
};

/* Without a level, one that is quicker than most disks. */
static int set_zstd(struct export *export, const char *level)
{
	export->image = true;
	export->pack.image.zstd = true;
	export->pack.level = 3;
	if (!level || (parse_id(level, &export->pack.level) &&
		       export->pack.level >= 1 &&
		       export->pack.level <= ZSTD_maxCLevel()))
		return DONE;
	return failure(BAD_USAGE, 0,
		       "'%s' is no level of zstd: give a number from 1 to %d.",
		       level, ZSTD_maxCLevel());
}

static int set_option(struct export *export, int option)
{
	switch (option) {
	case 'b':
		export->delta.a.path = optarg;
		return DONE;
	case 'c':
		export->flags |= VMFORK_DIFF_CONTENTS;
		return DONE;
	case 'f':
		export->force = true;
		return DONE;
	case 'm':
		export->image = true;
		return DONE;
	case 'z':
		return set_zstd(export, optarg);
	case 'r':
		export->image = true;
		export->resume = true;
		return DONE;
	case 'p':
		export->pack.progress = PROGRESS_ALWAYS;
		return DONE;
	case 'n':
		export->pack.progress = PROGRESS_NEVER;
		return DONE;
	default:
		return BAD_USAGE;
	}
}

static int parse(struct export *export, int argc, char **argv)
{
	static const struct option options[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "contents", no_argument, NULL, 'c' },
		{ "force", no_argument, NULL, 'f' },
		{ "manifest", no_argument, NULL, 'm' },
		{ "zstd", optional_argument, NULL, 'z' },
		{ "resume", no_argument, NULL, 'r' },
		{ "progress", no_argument, NULL, 'p' },
		{ "no-progress", no_argument, NULL, 'n' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	while ((option = next_option(&command_export, argc, argv,
				     "b:cfmz::r" COMMON_SHORT,
				     options)) != -1) {
		status = set_option(export, option);
		if (status)
			return status;
	}
	if (argc - optind != 2)
		return failure(BAD_USAGE, 0,
			       "A snapshot is written to a file: give both, such as /proc/PID/fd/N and guest.ram.");
	if (export->image && export->delta.a.path)
		return failure(BAD_USAGE, 0,
			       "A delta has a manifest of its own, and is not compressed: leave out --base, or --manifest, --zstd and --resume.");
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
	if (delta->a.path) {
		out_number("base", delta->a.info.id);
		out_number("ranges", delta->nr);
		out_number("pages", delta->pages);
	}
	if (export->manifest_path)
		out_string("manifest", export->manifest_path);
	if (export->image)
		out_bytes("kept", export->pack.kept);
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

static int open_log(struct export *export)
{
	if (!export->resume)
		return DONE;
	if (asprintf(&export->log_path, "%s.part.log", export->output) < 0) {
		export->log_path = NULL;
		return failure(FAILED, ENOMEM, "Out of memory.");
	}
	export->pack.log = open(export->log_path,
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
				0600);
	if (export->pack.log >= 0)
		return DONE;
	return failure(FAILED, errno, "%s can not be written: %s.",
		       export->log_path, strerror(errno));
}

static int write_manifest(struct export *export)
{
	struct json_object *json = image_json(&export->pack.image,
					      export->output);
	int status = manifest_write(json, &export->manifest);

	json_object_put(json);
	return status ? status : publish_both(export);
}

static int write_image(struct export *export)
{
	struct snapshot *b = &export->delta.b;
	struct pack *pack = &export->pack;
	int status = open_snapshot(b->path, &b->fd, &b->info);

	if (status)
		return status;
	pack->snapshot = b->fd;
	pack->file = &export->file;
	if (!image_init(&pack->image, b->info.snapshot_size, pack->image.zstd))
		status = failure(FAILED, ENOMEM, "Out of memory.");
	if (!status)
		status = open_log(export);
	if (!status && export->resume)
		status = pack_resume(pack);
	if (!status)
		status = pack_write(pack);
	if (!status)
		status = write_manifest(export);
	if (!status && export->log_path)
		unlink(export->log_path);
	close(b->fd);
	return status;
}

static int open_output(struct export *export)
{
	if (export->resume)
		return save_open_part(&export->file, export->output,
				      export->force);
	return save_open(&export->file, export->output, export->force);
}

static int write_files(struct export *export)
{
	int status = open_output(export);

	if (status)
		return status;
	if (!export->delta.a.path && !export->image)
		return write_whole(export);
	if (asprintf(&export->manifest_path, "%s.json", export->output) < 0) {
		export->manifest_path = NULL;
		return failure(FAILED, ENOMEM, "Out of memory.");
	}
	status = save_open(&export->manifest, export->manifest_path,
			   export->force);
	if (status)
		return status;
	return export->image ? write_image(export) : write_delta(export);
}

static int run_export(int argc, char **argv)
{
	struct export export = {
		.file = { .fd = -1 },
		.manifest = { .fd = -1 },
		.pack = { .log = -1 },
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
	free(export.log_path);
	if (export.pack.log >= 0)
		close(export.pack.log);
	image_free(&export.pack.image);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_export = {
	.name = "export",
	.arguments = "[--base A [--contents] | --manifest | --zstd[=LEVEL]] B FILE",
	.summary = "Write a snapshot to a file, or what differs from another",
	.options =
	"  B                   a snapshot, such as /proc/PID/fd/N\n"
	"  FILE                is written, sparse\n"
	"  -b, --base A        write only where B differs from this snapshot, and\n"
	"                      FILE.json, which says where that is\n"
	"  -c, --contents      leave out pages that were written to, but not changed\n"
	"  -m, --manifest      write FILE.json, too, with hashes that vmfork import checks\n"
	"  -z, --zstd[=LEVEL]  the same, and compress FILE (1 to 22; default: 3)\n"
	"  -r, --resume        with either: go on with what was interrupted, and keep what\n"
	"                      is written if it is (FILE.part, FILE.part.log)\n"
	"      --progress, --no-progress\n"
	"                      show how far it is, or not (default: on a terminal)\n"
	"  -f, --force         replace FILE (and FILE.json) if it exists\n",
	.run = run_export,
};
