/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An image is written, and may be gone on with when that was interrupted.
 */
#ifndef VMFORK_PACK_H
#define VMFORK_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"
#include "progress.h"

struct save;

/**
 * struct pack - an image in the making
 * @snapshot: what is written
 * @file: where to
 * @image: what is written already
 * @level: of zstd, if @image.zstd
 * @log: a file that has each chunk that was written, or -1
 * @kept: bytes of the content that were there from an earlier time
 * @progress: how to show it
 */
struct pack {
	int snapshot;
	struct save *file;
	struct image image;
	int level;
	int log;
	uint64_t kept;
	enum progress_mode progress;
};

/* Each returns an enum status, and has told of a failure by failure(). */

/**
 * pack_resume() - see what of an image is there
 * @pack: @log and @file are open, and may have something in them
 *
 * What is there, and is what the snapshot has, is kept; the rest is cut off.
 */
int pack_resume(struct pack *pack);

/** pack_write() - write what is not there */
int pack_write(struct pack *pack);

/**
 * pack_check() - is a chunk what its hash says
 * @fd: the image
 * @image: what its manifest says
 * @nr: which chunk
 * @content: room for IMAGE_CHUNK bytes: what it holds
 *
 * Return: 0, or -errno; -EBADMSG if it is not.
 */
int pack_check(int fd, const struct image *image, size_t nr, void *content);

#endif /* VMFORK_PACK_H */
