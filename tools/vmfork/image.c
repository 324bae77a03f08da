// SPDX-License-Identifier: GPL-2.0
/*
 * An image: a snapshot's content in a file, and its manifest.
 *
 * What is read here may come from anywhere: nothing in it is believed that does
 * not fit the rest.
 */
#include <errno.h>
#include <json-c/json.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define FORMAT		"vmfork-image-1"
#define MAX_SIZE	(1ULL << 47)

void image_hash(const void *data, size_t len, char hash[IMAGE_HASH])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx context;
	size_t i;

	sha256_init(&context);
	sha256_update(&context, len, data);
	sha256_digest(&context, sizeof(digest), digest);
	for (i = 0; i < sizeof(digest); i++)
		sprintf(hash + 2 * i, "%02x", digest[i]);
}

bool image_init(struct image *image, uint64_t size, bool zstd)
{
	*image = (struct image){ .size = size, .zstd = zstd };
	image->chunks = calloc(image_chunks(size) + 1, sizeof(struct chunk));
	return image->chunks;
}

void image_free(struct image *image)
{
	free(image->chunks);
	*image = (struct image){ 0 };
}

struct json_object *image_head(const struct image *image, const char *file)
{
	struct json_object *json = json_object_new_object();
	const char *slash = strrchr(file, '/');

	json_object_object_add(json, "format", json_object_new_string(FORMAT));
	json_object_object_add(json, "file",
			       json_object_new_string(slash ? slash + 1 :
							      file));
	json_object_object_add(json, "size",
			       json_object_new_uint64(image->size));
	json_object_object_add(json, "compression",
			       json_object_new_string(image->zstd ? "zstd" :
								    "none"));
	json_object_object_add(json, "hash", json_object_new_string("sha256"));
	json_object_object_add(json, "chunk",
			       json_object_new_uint64(IMAGE_CHUNK));
	return json;
}

struct json_object *image_chunk_json(const struct chunk *chunk)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "at", json_object_new_uint64(chunk->at));
	json_object_object_add(json, "stored",
			       json_object_new_uint64(chunk->stored));
	json_object_object_add(json, "hash",
			       json_object_new_string(chunk->hash));
	return json;
}

struct json_object *image_json(const struct image *image, const char *file)
{
	struct json_object *json = image_head(image, file);
	struct json_object *chunks = json_object_new_array();
	size_t i;

	for (i = 0; i < image->nr; i++)
		json_object_array_add(chunks,
				      image_chunk_json(&image->chunks[i]));
	json_object_object_add(json, "chunks", chunks);
	return json;
}

static struct json_object *member(struct json_object *json, const char *name,
				  enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(json, json_type_object) ||
	    !json_object_object_get_ex(json, name, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

static bool is_text(struct json_object *json, const char *name,
		    const char *text)
{
	struct json_object *value = member(json, name, json_type_string);

	return value && !strcmp(json_object_get_string(value), text);
}

/* A number that is not negative; a large one is not cut. */
static bool get_number(struct json_object *json, const char *name,
		       uint64_t *number)
{
	struct json_object *value = member(json, name, json_type_int);

	if (!value || json_object_get_int64(value) < 0)
		return false;
	*number = json_object_get_int64(value);
	return true;
}

static bool is_hash(const char *text)
{
	return strlen(text) == IMAGE_HASH - 1 &&
	       strspn(text, "0123456789abcdef") == IMAGE_HASH - 1;
}

bool image_parse_chunk(struct image *image, struct json_object *json)
{
	struct json_object *hash = member(json, "hash", json_type_string);
	struct chunk *chunk = &image->chunks[image->nr];
	uint64_t at = 0;

	if (image->nr == image_chunks(image->size) || !hash ||
	    !is_hash(json_object_get_string(hash)) ||
	    !get_number(json, "at", &chunk->at) ||
	    !get_number(json, "stored", &chunk->stored))
		return false;
	strcpy(chunk->hash, json_object_get_string(hash));
	/* One after the other, each as long as it can be. */
	if (image->nr)
		at = chunk[-1].at + chunk[-1].stored;
	if (chunk->at != at || !chunk->stored ||
	    chunk->stored > 2 * IMAGE_CHUNK ||
	    (!image->zstd &&
	     chunk->stored != image_len(image->size, image->nr)))
		return false;
	image->nr++;
	return true;
}

static const char *parse(struct image *image, struct json_object *json)
{
	uint64_t size, chunk;
	bool zstd;

	if (is_text(json, "format", "vmfork-delta-1"))
		return "it is a delta, of what differs from another snapshot";
	if (!is_text(json, "format", FORMAT))
		return "it is no manifest of an image, or a newer program's";
	zstd = is_text(json, "compression", "zstd");
	if (!zstd && !is_text(json, "compression", "none"))
		return "it is compressed in a way that is not known here";
	if (!is_text(json, "hash", "sha256"))
		return "its hashes are of a kind that is not known here";
	if (!get_number(json, "size", &size) || !size || size % 4096 ||
	    size > MAX_SIZE || !get_number(json, "chunk", &chunk) ||
	    chunk != IMAGE_CHUNK)
		return "its sizes make no sense";
	return image_init(image, size, zstd) ? NULL : "there is no memory";
}

const char *image_parse(struct image *image, struct json_object *json)
{
	struct json_object *chunks = NULL;
	const char *wrong;
	size_t i;

	*image = (struct image){ 0 };
	wrong = parse(image, json);
	if (wrong)
		return wrong;
	chunks = member(json, "chunks", json_type_array);
	for (i = 0; chunks && i < json_object_array_length(chunks); i++)
		if (!image_parse_chunk(image,
				       json_object_array_get_idx(chunks, i)))
			break;
	if (image->nr == image_chunks(image->size) &&
	    i == json_object_array_length(chunks))
		return NULL;
	image_free(image);
	return "its list of chunks makes no sense";
}
