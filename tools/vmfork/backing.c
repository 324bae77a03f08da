// SPDX-License-Identifier: GPL-2.0
/*
 * What lies behind the addresses of a process.
 *
 * /proc/PID/maps rather than smaps: that would count each page there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backing.h"
#include "cli.h"
#include "grow.h"
#include "out.h"

/**
 * struct line - of /proc/PID/maps
 * @start: address
 * @end: address behind it
 * @offset: in the file
 * @major: device of the file
 * @inode: of the file, 0 if there is none
 * @private: MAP_PRIVATE
 * @name: of the file, or of what it is
 */
struct line {
	unsigned long long start;
	unsigned long long end;
	unsigned long long offset;
	unsigned int major;
	unsigned long long inode;
	bool private;
	const char *name;
};

static bool parse_line(char *text, struct line *line)
{
	char perms[5];
	int name = 0;

	text[strcspn(text, "\n")] = '\0';
	if (sscanf(text, "%llx-%llx %4s %llx %x:%*x %llu %n", &line->start,
		   &line->end, perms, &line->offset, &line->major,
		   &line->inode, &name) != 6)
		return false;
	line->private = perms[3] == 'p';
	line->name = name ? text + name : "";
	return true;
}

/* Only the file system of snapshots, which has no device, has such a name. */
static bool is_snapshot(const struct line *line, uint64_t *snapshot)
{
	unsigned long long id;

	if (!line->private || line->major ||
	    sscanf(line->name, "/vmfork:%llu", &id) != 1)
		return false;
	*snapshot = id;
	return true;
}

static enum backing_kind kind_of_file(int pid, const struct line *line)
{
	enum backing_kind kind = line->private ? BACKING_FILE : BACKING_SHARED;
	struct statfs fs;
	struct stat st;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		 line->start, line->end);
	/* Not to be read: opening a device can do things. */
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return kind;
	if (!fstat(fd, &st) && !fstatfs(fd, &fs)) {
		if (fs.f_type == HUGETLBFS_MAGIC)
			kind = BACKING_HUGETLB;
		else if (!S_ISREG(st.st_mode) ||
			 fs.f_type == ANON_INODE_FS_MAGIC)
			kind = BACKING_DEVICE;
	}
	close(fd);
	return kind;
}

static void classify(int pid, const struct line *line, struct backing *backing)
{
	*backing = (struct backing){
		.start = line->start,
		.end = line->end,
		.kind = BACKING_ANONYMOUS,
	};
	if (is_snapshot(line, &backing->snapshot)) {
		backing->kind = BACKING_SNAPSHOT;
		backing->offset = line->offset;
	} else if (line->inode) {
		backing->kind = kind_of_file(pid, line);
	} else if (!line->private || !strncmp(line->name, "[v", 2)) {
		backing->kind = BACKING_DEVICE;		/* [vdso], [vvar] */
	}
}

/* Whether they are one, because only their flags have kept them apart */
static bool join(struct backing *a, const struct backing *b)
{
	if (a->end != b->start || a->kind != b->kind ||
	    a->snapshot != b->snapshot)
		return false;
	if (a->kind == BACKING_SNAPSHOT &&
	    a->offset + (a->end - a->start) != b->offset)
		return false;
	a->end = b->end;
	return true;
}

static bool add(struct backings *backings, const struct backing *new)
{
	struct backing *grown;
	size_t nr = backings->nr;

	if (nr && join(&backings->ranges[nr - 1], new))
		return true;
	grown = grow(backings->ranges, nr, sizeof(*grown));
	if (!grown)
		return false;
	backings->ranges = grown;
	backings->ranges[backings->nr++] = *new;
	return true;
}

static int read_maps(int pid, FILE *file, struct backings *backings)
{
	struct backing backing;
	struct line line;
	char *text = NULL;
	size_t size = 0;
	int error = 0;

	while (!error && getline(&text, &size, file) > 0) {
		if (!parse_line(text, &line))
			continue;
		classify(pid, &line, &backing);
		if (!add(backings, &backing))
			error = ENOMEM;
	}
	free(text);
	/* A process that has just ended has no memory. */
	if (!error && ferror(file) && errno != ESRCH)
		error = errno;
	return error;
}

int backing_read(int pid, struct backings *backings)
{
	char path[64];
	FILE *file;
	int error = 0;

	*backings = (struct backings){ 0 };
	if (!pid)
		return DONE;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (file) {
		error = read_maps(pid, file, backings);
		fclose(file);
	} else if (errno != ENOENT && errno != ESRCH) {
		error = errno;
	}
	if (!error)
		return DONE;
	return failure(FAILED, error, "Memory of process %d can not be looked at: %s.",
		       pid, strerror(error));
}

void backing_free(struct backings *backings)
{
	free(backings->ranges);
	*backings = (struct backings){ 0 };
}

/* The first range that ends behind the address */
static const struct backing *find(const struct backings *backings,
				  uint64_t address)
{
	size_t low = 0, high = backings->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (backings->ranges[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low < backings->nr ? &backings->ranges[low] : NULL;
}

struct backing backing_at(const struct backings *backings, uint64_t start,
			  uint64_t end)
{
	const struct backing *found = find(backings, start);
	struct backing at = { .start = start, .end = end };

	if (!backings->nr) {
		at.kind = BACKING_GONE;
	} else if (found && found->start <= start) {
		at = *found;
		at.offset += at.kind == BACKING_SNAPSHOT ?
			     start - at.start : 0;
		at.start = start;
	} else if (found && found->start < end) {
		at.end = found->start;
	}
	if (at.end > end)
		at.end = end;
	return at;
}

const char *backing_name(enum backing_kind kind)
{
	static const char *const names[] = {
		[BACKING_NONE] = "unmapped",
		[BACKING_GONE] = "gone",
		[BACKING_ANONYMOUS] = "anonymous",
		[BACKING_SNAPSHOT] = "snapshot",
		[BACKING_SHARED] = "shared",
		[BACKING_FILE] = "file",
		[BACKING_HUGETLB] = "hugetlb",
		[BACKING_DEVICE] = "device",
	};

	return names[kind];
}
