// SPDX-License-Identifier: GPL-2.0
/*
 * Disks of a QEMU that its guest can write to.
 *
 * What a disk's image is now, QEMU knows; its command line has what it was at
 * the start.  Both are of the same chain of images: what was on top then may
 * be at the bottom now.
 */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "grow.h"
#include "out.h"
#include "qemuchain.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuopts.h"
#include "qmp.h"

static void free_disk(struct qemu_disk *disk)
{
	size_t i;

	for (i = 0; i < disk->nr_files; i++)
		free(disk->files[i]);
	free(disk->files);
	free(disk->label);
	free(disk->device);
	free(disk->node);
	free(disk->base);
	free(disk->format);
	free(disk->zeroes);
	free(disk->aio);
	free(disk->discard);
}

void qemu_disks_free(struct qemu_disks *disks)
{
	size_t i;

	for (i = 0; i < disks->nr; i++)
		free_disk(&disks->disks[i]);
	free(disks->disks);
	free(disks->dropped);
	*disks = (struct qemu_disks){ 0 };
}

static bool copy(char **to, const char *from)
{
	if (!from)
		return true;
	free(*to);
	*to = strdup(from);
	return *to;
}

/* What is no letter, digit or one of -_ might mean something to somebody. */
static bool make_label(struct qemu_disk *disk, const char *name)
{
	char *c;

	if (!copy(&disk->label, name))
		return false;
	for (c = disk->label; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_", *c))
			*c = '_';
	return true;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (!strcmp(a, b))
		return true;
	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Which of the disk's images an option's file is; or disk->nr_files */
static size_t image_of(const struct qemu_cmd *cmd,
		       const struct qemu_disk *disk, const struct opts *opts)
{
	static const char *const keys[] = {
		"filename", "file.filename", "file.file.filename", "file",
	};
	size_t i, j, found = disk->nr_files;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *name = opts_get(opts, keys[i]);
		char *plain = name && *name ? qemu_chain_path(name) : NULL;
		char *path = plain ? qemu_cmd_path(cmd, plain) : NULL;

		for (j = 0; path && j < found; j++)
			if (same_file(path, disk->files[j]))
				found = j;
		free(path);
		free(plain);
	}
	return found;
}

int qemu_drive(const struct qemu_arg *arg, struct opts *opts)
{
	static const struct {
		const char *name;
		const char *is;
	} drives[] = {
		{ "drive", "" },
		{ "hda", "index=0,media=disk" },
		{ "hdb", "index=1,media=disk" },
		{ "hdc", "index=2,media=disk" },
		{ "hdd", "index=3,media=disk" },
		{ "cdrom", "index=2,media=cdrom" },
		{ "fda", "if=floppy,index=0" },
		{ "fdb", "if=floppy,index=1" },
		{ "pflash", "if=pflash" },
		{ "mtdblock", "if=mtd" },
		{ "sd", "if=sd" },
	};
	size_t i;

	*opts = (struct opts){ 0 };
	for (i = 0; i < sizeof(drives) / sizeof(drives[0]); i++) {
		if (strcmp(arg->name, drives[i].name) || !arg->value)
			continue;
		if (!i)
			return opts_parse(opts, arg->value, NULL) ? 1 :
								    -ENOMEM;
		if (!opts_parse(opts, drives[i].is, NULL) ||
		    !opts_set(opts, "file", arg->value))
			return -ENOMEM;
		return 1;
	}
	return 0;
}

static int fail_disk(const struct qemu_disk *disk, const char *why)
{
	return failure(FAILED, EOPNOTSUPP,
		       "The disk %s (%s) can not be forked: %s.", disk->label,
		       disk->base ? disk->base : "no file", why);
}

/* What -drive and the like say */
static int take_drive(struct qemu_disk *disk, const struct opts *opts)
{
	const char *discard;

	if (opts_is_on(opts, "snapshot"))
		return fail_disk(disk,
				 "its snapshot=on keeps what is written in a file without a name");
	discard = opts_get(opts, "discard");
	/* A -blockdev, and QMP, have but one name for each. */
	if (discard && !strcmp(discard, "on"))
		discard = "unmap";
	else if (discard && !strcmp(discard, "off"))
		discard = "ignore";
	if (!copy(&disk->aio, opts_get(opts, "aio")) ||
	    !copy(&disk->discard, discard))
		return failure_memory();
	return DONE;
}

/* The node that an option makes; false if it makes none */
static bool take_node(const struct qemu_cmd *cmd, size_t i, struct opts *opts)
{
	*opts = (struct opts){ 0 };
	return !strcmp(cmd->args[i].name, "blockdev") && cmd->args[i].value &&
	       opts_parse(opts, cmd->args[i].value, "driver");
}

static bool uses(const struct opts *opts, const char *node)
{
	const char *file = opts_get(opts, "file");
	const char *backing = opts_get(opts, "backing");

	return (file && !strcmp(file, node)) ||
	       (backing && !strcmp(backing, node));
}

/* The node that uses this one as its file or backing file; or cmd->nr */
static size_t user_of(const struct qemu_cmd *cmd, size_t of)
{
	struct opts opts, user;
	size_t i, found = cmd->nr;
	const char *node;

	if (take_node(cmd, of, &opts)) {
		node = opts_get(&opts, "node-name");
		for (i = 0; node && i < cmd->nr; i++) {
			if (take_node(cmd, i, &user) && uses(&user, node))
				found = i;
			opts_free(&user);
		}
	}
	opts_free(&opts);
	return found;
}

/* All nodes that this one uses have no other user in a child. */
static void drop_below(const struct qemu_cmd *cmd, size_t top, bool *dropped)
{
	struct opts opts, below;
	size_t i;

	if (take_node(cmd, top, &opts)) {
		for (i = 0; i < cmd->nr; i++) {
			const char *node = NULL;

			if (take_node(cmd, i, &below))
				node = opts_get(&below, "node-name");
			if (node && !dropped[i] && i != top &&
			    uses(&opts, node)) {
				dropped[i] = true;
				drop_below(cmd, i, dropped);
			}
			opts_free(&below);
		}
	}
	opts_free(&opts);
}

static int take_root(const struct qemu_cmd *cmd, struct qemu_disk *disk)
{
	struct opts opts;
	const char *driver = NULL;
	int status = DONE;

	if (!take_node(cmd, disk->arg, &opts))
		status = failure_memory();
	else
		driver = opts_get(&opts, "driver");
	if (!status && (!driver || (strcmp(driver, "qcow2") &&
				    strcmp(driver, "raw") &&
				    strcmp(driver, "file"))))
		status = fail_disk(disk,
				   "on the command line it is below a driver other than qcow2, raw and file");
	if (!status && !opts_get(&opts, "node-name"))
		status = fail_disk(disk, "its -blockdev has no node-name");
	if (!status && (!copy(&disk->discard, opts_get(&opts, "discard")) ||
			!make_label(disk, opts_get(&opts, "node-name"))))
		status = failure_memory();
	opts_free(&opts);
	return status;
}

/* A -blockdev; from the file up to what the device uses */
static int take_nodes(const struct qemu_cmd *cmd, struct qemu_disk *disk,
		      const struct opts *opts, bool *dropped)
{
	const char *aio = opts_get(opts, "aio");
	size_t up, steps = 0;

	if (!copy(&disk->aio, aio ? aio : opts_get(opts, "file.aio")))
		return failure_memory();
	for (up = user_of(cmd, disk->arg); up < cmd->nr && steps < cmd->nr;
	     up = user_of(cmd, up), steps++)
		disk->arg = up;
	drop_below(cmd, disk->arg, dropped);
	return take_root(cmd, disk);
}

/* What an option says of a file; 0 if it says nothing, or -ENOMEM */
static int take_option(const struct qemu_cmd *cmd, size_t i,
		       struct opts *opts)
{
	int is = qemu_drive(&cmd->args[i], opts);

	return is ? is : take_node(cmd, i, opts);
}

/*
 * That which has the disk's image.  An image below that may also be what
 * another one has, that only reads it.
 */
static int find_option(const struct qemu_cmd *cmd, struct qemu_disk *disk,
		       bool *dropped)
{
	size_t i, best = disk->nr_files, nr = 0;
	struct opts opts;
	int status = DONE;

	for (i = 0; i < cmd->nr; i++) {
		size_t image = best + 1;
		int is = take_option(cmd, i, &opts);

		if (is > 0)
			image = image_of(cmd, disk, &opts);
		opts_free(&opts);
		if (is < 0)
			return failure_memory();
		if (image > best || image == disk->nr_files)
			continue;
		nr = image < best ? 1 : nr + 1;
		best = image;
		disk->arg = i;
	}
	if (!nr)
		return fail_disk(disk,
				 "it is not on the command line; it was added while QEMU ran");
	if (nr > 1)
		return fail_disk(disk,
				 "several options of the command line have its file");
	if (take_option(cmd, disk->arg, &opts) <= 0)
		status = failure_memory();
	else if (!strcmp(cmd->args[disk->arg].name, "blockdev"))
		status = take_nodes(cmd, disk, &opts, dropped);
	else
		status = take_drive(disk, &opts);
	opts_free(&opts);
	return status;
}

static int check_image(const struct qemu_disk *disk,
		       struct json_object *inserted)
{
	struct stat st;

	if (json_true(inserted, "encrypted") ||
	    json_true(inserted, "image.encrypted"))
		return fail_disk(disk, "it is encrypted");
	if (strcmp(disk->format, "qcow2") && strcmp(disk->format, "raw"))
		return fail_disk(disk, "its format is neither qcow2 nor raw");
	if (json_at(inserted, "image.format-specific.data.data-file"))
		return fail_disk(disk, "its data is in a file of its own");
	if (stat(disk->base, &st))
		return fail_disk(disk,
				 "there is no file of that name (with -snapshot, it never had one)");
	if (!S_ISREG(st.st_mode))
		return fail_disk(disk,
				 "it is no file, but a device or a server");
	return DONE;
}

static int describe(struct json_object *block, const struct qemu_cmd *cmd,
		    struct qemu_disk *disk)
{
	struct json_object *inserted = json_at(block, "inserted");
	const char *device = json_text(block, "device");
	const char *node = json_text(inserted, "node-name");
	const char *format = json_text(inserted, "drv");

	/* With nothing on top of it, a file is what it is. */
	if (format && !strcmp(format, "file"))
		format = "raw";
	if (!node || !format)
		return failure(FAILED, EPROTO,
			       "QEMU does not say what its disk %s is.",
			       device ? device : "");
	disk->size = json_number(inserted, "image.virtual-size");
	disk->direct = json_true(inserted, "cache.direct");
	disk->no_flush = json_true(inserted, "cache.no-flush");
	if (!copy(&disk->device, device && *device ? device : node) ||
	    !copy(&disk->node, node) || !copy(&disk->format, format) ||
	    !copy(&disk->zeroes, json_text(inserted, "detect_zeroes")) ||
	    !make_label(disk, disk->device))
		return failure_memory();
	if (!qemu_chain_read(json_at(inserted, "image"), cmd, disk) ||
	    !disk->nr_files)
		return fail_disk(disk,
				 "QEMU does not name a file that is all of it");
	if (!copy(&disk->base, disk->files[0]))
		return failure_memory();
	return check_image(disk, inserted);
}

static int add_disk(struct json_object *block, const struct qemu_cmd *cmd,
		    struct qemu_disks *disks)
{
	struct qemu_disk *grown = grow(disks->disks, disks->nr,
				       sizeof(*grown));
	struct qemu_disk *disk;
	int status;

	if (!grown)
		return failure_memory();
	disks->disks = grown;
	disk = &grown[disks->nr++];
	*disk = (struct qemu_disk){ 0 };
	status = describe(block, cmd, disk);
	return status ? status : find_option(cmd, disk, disks->dropped);
}

/* A child is to have an overlay in place of each, and of nothing else. */
static int check_apart(const struct qemu_disks *disks)
{
	size_t i, j;

	for (i = 0; i < disks->nr; i++) {
		const struct qemu_disk *disk = &disks->disks[i];
		bool shared = disks->dropped[disk->arg];

		for (j = 0; j < i; j++)
			shared = shared || disks->disks[j].arg == disk->arg;
		if (shared)
			return fail_disk(disk,
					 "another disk has the same image");
	}
	return DONE;
}

static bool is_option(const struct qemu_cmd *cmd, const struct qemu_disk *disk)
{
	struct opts opts;
	bool found = false;
	size_t i;

	for (i = 0; !found && i < cmd->nr; i++) {
		found = take_option(cmd, i, &opts) > 0 &&
			image_of(cmd, disk, &opts) < disk->nr_files;
		opts_free(&opts);
	}
	return found;
}

/*
 * What can only be read is common to all, as long as it is what the command
 * line has.  Of a file that can be seen it is known whether it is.
 */
static int check_medium(struct json_object *block, const struct qemu_cmd *cmd)
{
	struct qemu_disk disk = { 0 };
	struct stat st;
	int status = DONE;

	if (qemu_chain_read(json_at(block, "inserted.image"), cmd, &disk) &&
	    disk.nr_files && !stat(disk.files[0], &st) &&
	    S_ISREG(st.st_mode) && !is_option(cmd, &disk))
		status = failure(FAILED, EOPNOTSUPP,
				 "%s was put into a drive while QEMU ran: a child would not have it.",
				 disk.files[0]);
	free_disk(&disk);
	return status;
}

int qemu_disks_take(struct json_object *blocks, const struct qemu_cmd *cmd,
		    struct qemu_disks *disks)
{
	int status = DONE;
	size_t i;

	*disks = (struct qemu_disks){
		.dropped = calloc(cmd->nr + 1, sizeof(*disks->dropped)),
	};
	if (!disks->dropped)
		return failure_memory();
	for (i = 0; !status && i < json_object_array_length(blocks); i++) {
		struct json_object *block =
			json_object_array_get_idx(blocks, i);

		if (!json_at(block, "inserted"))
			continue;
		if (json_true(block, "inserted.ro"))
			status = check_medium(block, cmd);
		else
			status = add_disk(block, cmd, disks);
	}
	return status ? status : check_apart(disks);
}

int qemu_disks_find(struct qmp *qmp, const struct qemu_cmd *cmd,
		    struct qemu_disks *disks)
{
	struct json_object *blocks, *nodes = NULL;
	struct json_object *flat = json_object_new_object();
	int status = qmp_ask(qmp, "query-block", NULL, &blocks);

	*disks = (struct qemu_disks){ 0 };
	json_object_object_add(flat, "flat", json_object_new_boolean(true));
	if (!status && !json_object_is_type(blocks, json_type_array))
		status = qmp_failed(qmp, "query-block", -EPROTO);
	if (!status)
		status = qmp_ask(qmp, "query-named-block-nodes",
				 json_object_get(flat), &nodes);
	if (!status) {
		qemu_chain_resolve(blocks, nodes);
		status = qemu_disks_take(blocks, cmd, disks);
	}
	json_object_put(blocks);
	json_object_put(nodes);
	json_object_put(flat);
	return status;
}

static struct json_object *cache_of(const struct qemu_disk *disk)
{
	struct json_object *cache = json_object_new_object();

	json_object_object_add(cache, "direct",
			       json_object_new_boolean(disk->direct));
	json_object_object_add(cache, "no-flush",
			       json_object_new_boolean(disk->no_flush));
	return cache;
}

const char *qemu_disk_format(const struct qemu_disk *disk)
{
	return disk->reflink ? disk->format : "qcow2";
}

struct json_object *qemu_disk_node(const struct qemu_disk *disk,
				   const char *node, const char *format,
				   const char *image)
{
	struct json_object *file =
		json_make("driver", "file", "filename", image, "aio",
			  disk->aio, NULL);
	struct json_object *top =
		json_make("driver", format, "node-name", node, "discard",
			  disk->discard, "detect-zeroes", disk->zeroes, NULL);

	json_object_object_add(file, "cache", cache_of(disk));
	json_object_object_add(top, "cache", cache_of(disk));
	json_object_object_add(top, "file", file);
	return top;
}
