// SPDX-License-Identifier: GPL-2.0
/*
 * A file that appears whole or not at all: a snapshot's content, sparse, or
 * text.
 *
 * The file is written under a temporary name beside its own, and renamed when
 * it is complete and on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include <vmfork.h>

#include "cli.h"
#include "out.h"
#include "save.h"
#include "signals.h"

/* One step of a copy: a signal is seen between two of them. */
#define CHUNK	((size_t)4 << 20)

static size_t chunk_of(off_t offset, off_t end)
{
	uint64_t left = end - offset;

	return left < CHUNK ? left : CHUNK;
}

static int fail_writing(const struct save *save, int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return failure(FAILED, error,
			       "No space is left for %s: free some, or choose another place.",
			       save->path);
	case EFBIG:
		return failure(FAILED, error,
			       "%s would be too large: raise ulimit -f, or choose a file system with larger files.",
			       save->path);
	default:
		return failure(FAILED, error, "%s can not be written: %s.",
			       save->path, strerror(error));
	}
}

static int fail_exists(const struct save *save)
{
	return failure(FAILED, EEXIST,
		       "%s exists: use --force to replace it, or choose another name.",
		       save->path);
}

/* Ask early, before anything is captured; save_commit() decides. */
static int check_name(const struct save *save)
{
	struct stat st;

	if (lstat(save->path, &st))
		return DONE;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return failure(FAILED, EEXIST,
			       "%s is not a regular file: choose another name.",
			       save->path);
	return save->replace ? DONE : fail_exists(save);
}

int save_open(struct save *save, const char *path, bool replace)
{
	int status;

	*save = (struct save){ .path = path, .fd = -1, .replace = replace };
	status = check_name(save);
	if (status)
		return status;
	if (asprintf(&save->temporary, "%s.XXXXXX", path) < 0) {
		save->temporary = NULL;
		return failure(FAILED, ENOMEM, "Out of memory.");
	}

	/* Mode 0600: a guest's memory holds its secrets. */
	save->fd = mkostemp(save->temporary, O_CLOEXEC);
	if (save->fd >= 0)
		return DONE;
	free(save->temporary);
	save->temporary = NULL;
	return fail_writing(save, errno);
}

int save_open_part(struct save *save, const char *path, bool replace)
{
	int status;

	*save = (struct save){
		.path = path, .fd = -1, .replace = replace, .kept = true,
	};
	status = check_name(save);
	if (status)
		return status;
	if (asprintf(&save->temporary, "%s.part", path) < 0) {
		save->temporary = NULL;
		return failure(FAILED, ENOMEM, "Out of memory.");
	}
	save->fd = open(save->temporary,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return save->fd < 0 ? fail_writing(save, errno) : DONE;
}

static int write_all(struct save *save, const char *buf, size_t len,
		     off_t offset)
{
	while (len) {
		ssize_t n = pwrite(save->fd, buf, len, offset);

		if (n < 0)
			return fail_writing(save, errno);
		buf += n;
		offset += n;
		len -= n;
		save->written += n;
	}
	return DONE;
}

static int fail_reading(int error)
{
	return failure(FAILED, error, "The snapshot can not be read: %s.",
		       error ? strerror(error) : "it ends early");
}

static int copy_by_buffer(struct save *save, int snapshot, off_t offset,
			  off_t end)
{
	char *buf = malloc(CHUNK);
	int status = DONE;

	if (!buf)
		return failure(FAILED, ENOMEM, "Out of memory.");
	while (offset < end && !status) {
		ssize_t n = pread(snapshot, buf, chunk_of(offset, end), offset);

		if (signals_caught())
			status = FAILED;
		else if (n <= 0)
			status = fail_reading(n ? errno : 0);
		else
			status = write_all(save, buf, n, offset);
		offset += n;
	}
	free(buf);
	return status;
}

/*
 * Let the kernel copy what it can.  It can not between most pairs of file
 * systems; whatever its reason, the buffer finds out what is really wrong.
 */
static int copy_extent(struct save *save, int snapshot, off_t offset,
		       off_t end)
{
	while (offset < end) {
		off_t in = offset, out = offset;
		ssize_t n;

		if (signals_caught())
			return FAILED;
		n = copy_file_range(snapshot, &in, save->fd, &out,
				    chunk_of(offset, end), 0);
		if (n <= 0)
			return copy_by_buffer(save, snapshot, offset, end);
		offset += n;
		save->written += n;
	}
	return DONE;
}

int save_size(struct save *save, uint64_t size)
{
	return ftruncate(save->fd, size) ? fail_writing(save, errno) : DONE;
}

/* Where data begins, at or behind @offset: @end if there is only a hole */
static int find_data(int snapshot, off_t offset, off_t end, off_t *data)
{
	*data = lseek(snapshot, offset, SEEK_DATA);
	if (*data < 0 && errno != ENXIO)
		return fail_reading(errno);
	/* ENXIO: a hole up to the end */
	if (*data < 0 || *data > end)
		*data = end;
	return DONE;
}

static int find_hole(int snapshot, off_t offset, off_t end, off_t *hole)
{
	*hole = lseek(snapshot, offset, SEEK_HOLE);
	if (*hole < 0)
		return fail_reading(errno);
	if (*hole > end)
		*hole = end;
	return DONE;
}

int save_range(struct save *save, int snapshot,
	       const struct vmfork_range *range,
	       void (*extent)(void *arg, uint64_t offset, uint64_t len,
			      bool hole),
	       void *arg)
{
	off_t at = range->start, end = range->start + range->len;
	off_t data, hole;
	int status;

	for (; at < end; at = hole) {
		status = find_data(snapshot, at, end, &data);
		if (status)
			return status;
		if (extent && data > at)
			extent(arg, at, data - at, true);
		if (data == end)
			return DONE;
		status = find_hole(snapshot, data, end, &hole);
		if (!status)
			status = copy_extent(save, snapshot, data, hole);
		if (status)
			return status;
		if (extent)
			extent(arg, data, hole - data, false);
	}
	return DONE;
}

int save_copy(struct save *save, int snapshot, uint64_t size)
{
	struct vmfork_range all = { .len = size };
	int status;

	/* Only vmforkfs can; whatever its reason, a copy finds out. */
	save->named = !ioctl(save->fd, FICLONE, snapshot);
	if (save->named)
		return DONE;
	status = save_size(save, size);
	return status ? status : save_range(save, snapshot, &all, NULL, NULL);
}

int save_data(struct save *save, const void *data, size_t len,
	      uint64_t offset)
{
	return write_all(save, data, len, offset);
}

int save_text(struct save *save, const char *text)
{
	return write_all(save, text, strlen(text), 0);
}

/* Not every file system can rename without replacing; most of these link. */
static int rename_new(const char *from, const char *to)
{
	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (link(from, to))
		return -1;
	unlink(from);
	return 0;
}

int save_sync(struct save *save)
{
	/* Some file systems tell only now that they are full. */
	if (fsync(save->fd))
		return fail_writing(save, errno);
	return signals_caught() ? FAILED : DONE;
}

int save_publish(struct save *save)
{
	int ret;

	if (save->replace)
		ret = rename(save->temporary, save->path);
	else
		ret = rename_new(save->temporary, save->path);
	if (ret && errno == EEXIST)
		return fail_exists(save);
	if (ret)
		return fail_writing(save, errno);
	free(save->temporary);
	save->temporary = NULL;
	return DONE;
}

int save_commit(struct save *save)
{
	int status = save_sync(save);

	return status ? status : save_publish(save);
}

void save_abort(struct save *save)
{
	if (save->temporary && !save->kept)
		unlink(save->temporary);
	free(save->temporary);
	save->temporary = NULL;
	if (save->fd >= 0)
		close(save->fd);
	save->fd = -1;
}
