/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a delta file is made of: a JSON document beside it.
 */
#ifndef VMFORK_MANIFEST_H
#define VMFORK_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

struct delta;
struct json_object;
struct save;

/** manifest_begin() - of the delta file @file, from delta->a to delta->b */
struct json_object *manifest_begin(const struct delta *delta, const char *file);

/**
 * manifest_extent() - the next part of it, data or zeroes; for save_range()
 * @arg: the manifest
 */
void manifest_extent(void *arg, uint64_t offset, uint64_t len, bool hole);

/** manifest_write() - Return: enum status; the manifest is the caller's still */
int manifest_write(struct json_object *manifest, struct save *save);

void manifest_free(struct json_object *manifest);

#endif /* VMFORK_MANIFEST_H */
