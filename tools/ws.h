/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A working set in a file: what a clone will ask for, and in which order.
 *
 * JSON, as Documentation/man/vmfork-prefault.1.rst describes it.  The ranges
 * are in memory what vmfork_ws_apply() of libvmfork takes: reads and writes in
 * one list, in the order of first access.
 */
#ifndef TOOLS_WS_H
#define TOOLS_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmfork.h>

/** WS_MAX_RANGES - no working set has more ranges, or comes from a larger file */
#define WS_MAX_RANGES	(1U << 20)
#define WS_MAX_FILE	((size_t)64 << 20)

/**
 * struct ws - a working set
 * @snapshot_size: of the snapshot that it is of, in bytes
 * @snapshot: id of that snapshot; another of the same size will often do, so
 *	it is for people to read
 * @faults: events that the recording saw
 * @dropped: events that it missed
 * @seconds: how long it lasted
 * @ranges: @nr of them, of @room, from malloc(3), in order of first access
 *
 * All zero but for @snapshot_size is an empty one.
 */
struct ws {
	uint64_t snapshot_size;
	uint64_t snapshot;
	uint64_t faults;
	uint64_t dropped;
	double seconds;
	struct vmfork_ws_range *ranges;
	size_t nr, room;
};

/**
 * struct ws_error - why it is none, or could not be read
 * @error: errno
 * @text: a sentence without its end, which begins with the name of the file
 */
struct ws_error {
	int error;
	char text[256];
};

/**
 * ws_add() - what was accessed next
 * @ws: grows; a range that the latest one of its kind ends at, with nothing of
 *	the other kind between them, becomes part of that one
 * @offset: in the snapshot, a multiple of 4096
 * @len: in bytes, a multiple of 4096, not 0
 * @write: whether it was written to.  A page may be read first, then written:
 *	it is added twice then.  Otherwise no page may be added again
 *
 * Return: 0, -ENOMEM, or -E2BIG for more than WS_MAX_RANGES.
 */
int ws_add(struct ws *ws, uint64_t offset, uint64_t len, bool write);

/**
 * ws_text() - the file's text
 * @ws: a working set that ws_check() finds right
 *
 * Return: from malloc(3), NULL without memory.
 */
char *ws_text(const struct ws *ws);

/**
 * ws_check() - whether it is one: ranges are within @snapshot_size, in pages,
 *	and no page is read twice or written twice
 * @name: of the file, for the sentence
 *
 * Return: 0, or -EINVAL or -ENOMEM with @error filled in.
 */
int ws_check(const struct ws *ws, const char *name, struct ws_error *error);

/**
 * ws_parse() - a working set out of text
 * @ws: out: to be given to ws_free(); empty after a failure
 * @text: of @len bytes, from anywhere
 * @name: of the file, for the sentence
 * @error: out: why it is none
 *
 * Return: 0 or -errno, which is that of @error.
 */
int ws_parse(struct ws *ws, const char *text, size_t len, const char *name,
	     struct ws_error *error);

/** ws_read() - ws_parse() of the file @path */
int ws_read(struct ws *ws, const char *path, struct ws_error *error);

void ws_free(struct ws *ws);

#endif /* TOOLS_WS_H */
