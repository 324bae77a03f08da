// SPDX-License-Identifier: GPL-2.0
/*
 * An image is written: chunk by chunk, each with its hash.
 *
 * A raw image is a sparse file.  Compressed, each chunk is a zstd frame of its
 * own, so that zstd(1) makes the raw image of it, and each can be checked, and
 * written, by itself.
 *
 * What was interrupted is gone on with by a log that has a line for each chunk.
 * It is believed as far as the snapshot, and the file, have the same content.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <vmfork.h>

#include "cli.h"
#include "out.h"
#include "pack.h"
#include "save.h"
#include "signals.h"

/* All of it, or -errno; -ENODATA if it ends early. */
static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done,
				  offset + done);

		if (n < 0 && errno == EINTR && !signals_caught())
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		done += n;
	}
	return 0;
}

static int read_compressed(int fd, const struct chunk *chunk, void *content,
			   size_t len)
{
	void *frame = malloc(chunk->stored);
	size_t size;
	int ret;

	if (!frame)
		return -ENOMEM;
	ret = read_all(fd, frame, chunk->stored, chunk->at);
	if (!ret) {
		size = ZSTD_decompress(content, len, frame, chunk->stored);
		if (ZSTD_isError(size) || size != len)
			ret = -EBADMSG;
	}
	free(frame);
	return ret == -ENODATA ? -EBADMSG : ret;
}

int pack_check(int fd, const struct image *image, size_t nr, void *content)
{
	const struct chunk *chunk = &image->chunks[nr];
	size_t len = image_len(image->size, nr);
	char hash[IMAGE_HASH];
	int ret;

	if (image->zstd)
		ret = read_compressed(fd, chunk, content, len);
	else
		ret = read_all(fd, content, len, chunk->at);
	if (ret)
		return ret == -ENODATA ? -EBADMSG : ret;
	image_hash(content, len, hash);
	return strcmp(hash, chunk->hash) ? -EBADMSG : 0;
}

/* --- going on --- */

/* The next line of the log, or NULL at its end, or where it was cut. */
static struct json_object *next_line(FILE *log, char **line, size_t *room)
{
	ssize_t len = getline(line, room, log);

	if (len <= 0 || (*line)[len - 1] != '\n')
		return NULL;
	return json_tokener_parse(*line);
}

static bool same_head(const struct pack *pack, struct json_object *json)
{
	struct json_object *head = image_head(&pack->image, pack->file->path);
	bool same = json && json_object_equal(head, json);

	json_object_put(head);
	return same;
}

/* Is the last chunk of the image what the snapshot has, and the file? */
static bool is_right(struct pack *pack, void *content, void *stored)
{
	size_t nr = pack->image.nr - 1, len = image_len(pack->image.size, nr);
	char hash[IMAGE_HASH];

	if (signals_caught() ||
	    read_all(pack->snapshot, content, len, nr * IMAGE_CHUNK))
		return false;
	image_hash(content, len, hash);
	return !strcmp(hash, pack->image.chunks[nr].hash) &&
	       !pack_check(pack->file->fd, &pack->image, nr, stored);
}

/* Returns how much of the log is right. */
static long read_log(struct pack *pack, FILE *log, void *content, void *stored)
{
	struct json_object *json;
	char *line = NULL;
	size_t room = 0;
	long good = 0;
	bool right;

	json = next_line(log, &line, &room);
	right = same_head(pack, json);
	json_object_put(json);
	while (right) {
		good = ftell(log);
		json = next_line(log, &line, &room);
		right = json && image_parse_chunk(&pack->image, json);
		json_object_put(json);
		if (right && !is_right(pack, content, stored)) {
			pack->image.nr--;
			right = false;
		}
		if (right) {
			pack->kept += image_len(pack->image.size,
						pack->image.nr - 1);
			progress_step(image_len(pack->image.size,
						pack->image.nr - 1));
		}
	}
	free(line);
	return good;
}

static int write_line(struct pack *pack, struct json_object *json)
{
	const char *text = json_object_to_json_string_ext(json,
					JSON_C_TO_STRING_PLAIN |
					JSON_C_TO_STRING_NOSLASHESCAPE);
	int ret = dprintf(pack->log, "%s\n", text) < 0 ? errno : 0;

	json_object_put(json);
	if (!ret)
		return DONE;
	return failure(FAILED, ret, "%s.part.log can not be written: %s.",
		       pack->file->path, strerror(ret));
}

/* Where the next chunk goes. */
static uint64_t end_of(const struct image *image)
{
	const struct chunk *last = &image->chunks[image->nr];

	if (!image->nr)
		return 0;
	last--;
	return last->at + last->stored;
}

int pack_resume(struct pack *pack)
{
	char *content = malloc(2 * IMAGE_CHUNK);
	FILE *log = content ? fdopen(dup(pack->log), "re") : NULL;
	int status = DONE;
	long good;

	if (!log) {
		free(content);
		return failure(FAILED, ENOMEM, "Out of memory.");
	}
	progress_begin(pack->progress, "Checking", pack->image.size);
	good = read_log(pack, log, content, content + IMAGE_CHUNK);
	progress_end();
	fclose(log);
	free(content);
	if (signals_caught())
		return FAILED;
	if (ftruncate(pack->log, good) ||
	    lseek(pack->log, good, SEEK_SET) < 0 ||
	    ftruncate(pack->file->fd, end_of(&pack->image)))
		return failure(FAILED, errno, "%s.part can not be cut: %s.",
			       pack->file->path, strerror(errno));
	if (!good)
		status = write_line(pack, image_head(&pack->image,
						     pack->file->path));
	return status;
}

/* --- writing --- */

static bool is_zero(const char *data, size_t len)
{
	return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

/* Pages of zeroes are left out. */
static int write_sparse(struct pack *pack, const char *content, size_t len,
			uint64_t at)
{
	size_t begin = 0, end;
	int status = DONE;

	while (begin < len && !status) {
		while (begin < len && is_zero(content + begin, 4096))
			begin += 4096;
		for (end = begin; end < len && !is_zero(content + end, 4096);)
			end += 4096;
		if (end > begin)
			status = save_data(pack->file, content + begin,
					   end - begin, at + begin);
		begin = end;
	}
	return status;
}

static int write_frame(struct pack *pack, ZSTD_CCtx *zstd,
		       const void *content, size_t len, struct chunk *chunk)
{
	size_t room = ZSTD_compressBound(len), size;
	void *frame = malloc(room);
	int status;

	if (!frame)
		return failure(FAILED, ENOMEM, "Out of memory.");
	size = ZSTD_compressCCtx(zstd, frame, room, content, len, pack->level);
	if (ZSTD_isError(size)) {
		status = failure(FAILED, 0, "zstd failed: %s.",
				 ZSTD_getErrorName(size));
	} else {
		chunk->stored = size;
		status = save_data(pack->file, frame, size, chunk->at);
	}
	free(frame);
	return status;
}

static int write_chunk(struct pack *pack, ZSTD_CCtx *zstd, void *content)
{
	struct image *image = &pack->image;
	struct chunk *chunk = &image->chunks[image->nr];
	size_t len = image_len(image->size, image->nr);
	int ret, status;

	ret = read_all(pack->snapshot, content, len, image->nr * IMAGE_CHUNK);
	if (ret && signals_caught())
		return FAILED;
	if (ret)
		return failure(FAILED, -ret, "The snapshot can not be read: %s.",
			       strerror(-ret));
	image_hash(content, len, chunk->hash);
	chunk->at = end_of(image);
	chunk->stored = len;
	if (image->zstd)
		status = write_frame(pack, zstd, content, len, chunk);
	else
		status = write_sparse(pack, content, len, chunk->at);
	if (status)
		return status;
	image->nr++;
	progress_step(len);
	if (pack->log < 0)
		return DONE;
	return write_line(pack, image_chunk_json(chunk));
}

int pack_write(struct pack *pack)
{
	void *content = malloc(IMAGE_CHUNK);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	int status = DONE;

	if (!content || !zstd)
		status = failure(FAILED, ENOMEM, "Out of memory.");
	progress_begin(pack->progress, "Writing", pack->image.size);
	progress_step(pack->kept);
	while (!status && pack->image.nr < image_chunks(pack->image.size))
		status = signals_caught() ? FAILED :
			 write_chunk(pack, zstd, content);
	/* A raw image may end in a hole. */
	if (!status && !pack->image.zstd)
		status = save_size(pack->file, pack->image.size);
	progress_end();
	ZSTD_freeCCtx(zstd);
	free(content);
	return status;
}
