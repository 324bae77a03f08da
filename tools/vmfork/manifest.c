// SPDX-License-Identifier: GPL-2.0
/*
 * What a delta file is made of: a JSON document beside it.
 *
 * Holes of a file do not say what differs: file systems and copies make them
 * and fill them as they like.  So the ranges are here.  Offsets are numbers
 * here, for shells to calculate with; they are below 2^53.
 */
#include <json-c/json.h>
#include <string.h>

#include "delta.h"
#include "manifest.h"
#include "save.h"

static json_object *describe(const struct vmfork_info *info)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "snapshot",
			       json_object_new_uint64(info->id));
	json_object_object_add(object, "size",
			       json_object_new_uint64(info->snapshot_size));
	return object;
}

json_object *manifest_begin(const struct delta *delta, const char *file)
{
	json_object *manifest = json_object_new_object();
	const char *slash = strrchr(file, '/');

	json_object_object_add(manifest, "format",
			       json_object_new_string("vmfork-delta-1"));
	json_object_object_add(manifest, "file",
			       json_object_new_string(slash ? slash + 1 :
							      file));
	json_object_object_add(manifest, "base", describe(&delta->a.info));
	json_object_object_add(manifest, "result", describe(&delta->b.info));
	json_object_object_add(manifest, "ranges", json_object_new_array());
	return manifest;
}

void manifest_extent(void *arg, uint64_t offset, uint64_t len, bool hole)
{
	json_object *extent = json_object_new_object();

	json_object_object_add(extent, "offset",
			       json_object_new_uint64(offset));
	json_object_object_add(extent, "length", json_object_new_uint64(len));
	json_object_object_add(extent, "hole", json_object_new_boolean(hole));
	json_object_array_add(json_object_object_get(arg, "ranges"), extent);
}

int manifest_write(json_object *manifest, struct save *save)
{
	return save_text(save,
			 json_object_to_json_string_ext(manifest,
							JSON_C_TO_STRING_PLAIN |
							JSON_C_TO_STRING_NOSLASHESCAPE));
}

void manifest_free(json_object *manifest)
{
	json_object_put(manifest);
}
