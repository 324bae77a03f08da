// SPDX-License-Identifier: GPL-2.0
/*
 * The images that a disk is made of, by the names that QEMU has for them.
 *
 * Where a name says all there is to say, it is a path.  Else it is "json:" and
 * all of the description; of an image whose base is not what it says itself
 * (it may be by another path to the same file) that has the whole chain in it.
 * QEMU cuts it off where it gets too long.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "qemuchain.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qmp.h"

#define FILE_NODE	"-file"

char *qemu_chain_file_node(const char *node)
{
	char *name;

	return asprintf(&name, "%s" FILE_NODE, node) < 0 ? NULL : name;
}

static bool is_described(const char *name)
{
	return !strncmp(name, "json:", 5);
}

/* Part of a file is no image of its own. */
static bool is_whole(struct json_object *image)
{
	return !json_at(image, "offset") && !json_at(image, "size");
}

char *qemu_chain_path(const char *name)
{
	struct json_object *image;
	const char *inner;
	char *path = NULL;

	if (!is_described(name))
		return strdup(strncmp(name, "file:", 5) ? name : name + 5);
	image = json_parse(name + 5);
	inner = json_text(image, "file.filename");
	if (!inner)
		inner = json_text(image, "filename");
	if (inner && is_whole(image))
		path = strdup(inner);
	json_object_put(image);
	return path;
}

/* What QEMU calls the file of a node that was made here */
static const char *find_file(struct json_object *nodes, const char *node)
{
	char *name = qemu_chain_file_node(node);
	const char *found = NULL;
	size_t i;

	for (i = 0; name && !found && i < json_object_array_length(nodes); i++) {
		struct json_object *other = json_object_array_get_idx(nodes, i);
		const char *is = json_text(other, "node-name");

		if (is && !strcmp(is, name))
			found = json_text(other, "file");
	}
	free(name);
	return found;
}

void qemu_chain_resolve(struct json_object *blocks, struct json_object *nodes)
{
	size_t i;

	if (!json_object_is_type(nodes, json_type_array))
		return;
	for (i = 0; i < json_object_array_length(blocks); i++) {
		struct json_object *inserted = json_at(json_nth(blocks, i),
						       "inserted");
		struct json_object *image = json_at(inserted, "image");
		const char *node = json_text(inserted, "node-name");
		const char *name = json_text(image, "filename");
		const char *file = NULL;

		if (node && name && is_described(name))
			file = find_file(nodes, node);
		if (file)
			json_object_object_add(image, "filename",
					       json_object_new_string(file));
	}
}

static bool add_file(const struct qemu_cmd *cmd, struct qemu_disk *disk,
		     const char *path)
{
	char **grown = grow(disk->files, disk->nr_files, sizeof(*grown));

	if (!grown)
		return false;
	disk->files = grown;
	grown[disk->nr_files] = qemu_cmd_path(cmd, path);
	return grown[disk->nr_files++];
}

bool qemu_chain_read(struct json_object *image, const struct qemu_cmd *cmd,
		     struct qemu_disk *disk)
{
	bool good = true, top = true;

	for (; good && image; image = json_at(image, "backing-image")) {
		const char *name = json_text(image, "filename");
		char *path = name ? qemu_chain_path(name) : NULL;

		/* What is in between may have a name that was cut off. */
		if (path)
			good = add_file(cmd, disk, path);
		else
			good = !top && json_at(image, "backing-image");
		free(path);
		top = false;
	}
	return good;
}
