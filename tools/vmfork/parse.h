/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers, sizes and ranges as they are written on the command line.
 */
#ifndef VMFORK_PARSE_H
#define VMFORK_PARSE_H

#include <stdbool.h>
#include <stdint.h>

struct vmfork_range;
struct vmfork_region;

/**
 * parse_size() - a number of bytes: decimal or 0x, with K, M, G or T
 * @text: all of it has to be the number
 * @value: out
 *
 * Return: whether it is one, and fits 64 bits.
 */
bool parse_size(const char *text, uint64_t *value);

/** parse_id() - a process id or file descriptor: decimal, 0 to INT_MAX */
bool parse_id(const char *text, int *value);

/** parse_seconds() - decimal, maybe with a point; in nanoseconds */
bool parse_seconds(const char *text, uint64_t *ns);

/**
 * parse_range() - ADDR:LEN[@OFFSET]
 * @text: the range
 * @next_offset: its offset if the text gives none; out: where a following
 *	range without an offset lies, just behind this one
 * @region: out
 *
 * Whether the range makes sense is for the kernel to say.
 *
 * Return: whether it has that form.
 */
bool parse_range(const char *text, uint64_t *next_offset,
		 struct vmfork_region *region);

/** parse_addresses() - ADDR:LEN; return: whether it has that form */
bool parse_addresses(const char *text, struct vmfork_range *range);

#endif /* VMFORK_PARSE_H */
