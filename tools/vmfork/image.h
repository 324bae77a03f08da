/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An image: a snapshot's content in a file, raw or as zstd frames, and a
 * manifest that has the hash of each part of it.
 */
#ifndef VMFORK_IMAGE_H
#define VMFORK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_CHUNK	((size_t)4 << 20)
#define IMAGE_HASH	65		/* SHA-256 in hexadecimal, and a NUL */

/**
 * struct chunk - IMAGE_CHUNK bytes of the content, the last one may be shorter
 * @at: where it is in the file
 * @stored: how long it is there: less than its content if it is compressed
 * @hash: of its content
 */
struct chunk {
	uint64_t at;
	uint64_t stored;
	char hash[IMAGE_HASH];
};

/**
 * struct image - what a manifest says
 * @size: of the content
 * @zstd: each chunk is a zstd frame, one after the other
 * @nr: chunks that are known
 * @chunks: in order
 */
struct image {
	uint64_t size;
	bool zstd;
	size_t nr;
	struct chunk *chunks;
};

/** image_chunks() - how many an image of that size has */
static inline size_t image_chunks(uint64_t size)
{
	return (size + IMAGE_CHUNK - 1) / IMAGE_CHUNK;
}

/** image_len() - of the content of chunk @nr */
static inline size_t image_len(uint64_t size, size_t nr)
{
	uint64_t left = size - nr * IMAGE_CHUNK;

	return left < IMAGE_CHUNK ? left : IMAGE_CHUNK;
}

/** image_hash() - of some content */
void image_hash(const void *data, size_t len, char hash[IMAGE_HASH]);

/** image_init() - of nothing yet; false if out of memory */
bool image_init(struct image *image, uint64_t size, bool zstd);

void image_free(struct image *image);

struct json_object;

/** image_head() - what a manifest says besides its chunks; for json_object_put() */
struct json_object *image_head(const struct image *image, const char *file);

/** image_chunk_json() - what it says of a chunk */
struct json_object *image_chunk_json(const struct chunk *chunk);

/** image_json() - all of it */
struct json_object *image_json(const struct image *image, const char *file);

/**
 * image_parse() - what a manifest says
 * @image: out, for image_free(); all zero if this fails
 * @json: the manifest
 *
 * Return: NULL, or what is wrong with it.
 */
const char *image_parse(struct image *image, struct json_object *json);

/** image_parse_chunk() - the next chunk of @image; false if that makes no sense */
bool image_parse_chunk(struct image *image, struct json_object *json);

#endif /* VMFORK_IMAGE_H */
