// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of snapshots in the processes of this host, and what is in them, as
 * /proc shows it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "clones.h"
#include "grow.h"
#include "out.h"
#include "parse.h"

#define PAGE_SIZE	4096ULL

/* An entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst) */
#define ENTRY_FILE	(1ULL << 61)
#define ENTRY_SWAP	(1ULL << 62)
#define ENTRY_PRESENT	(1ULL << 63)

static bool add_mapping(struct clones *clones,
			const struct clone_mapping *mapping)
{
	struct clone_mapping *list;

	list = grow(clones->mappings, clones->nr, sizeof(*list));
	if (!list)
		return false;
	clones->mappings = list;
	list[clones->nr++] = *mapping;
	return true;
}

/* A line of /proc/PID/maps: is it a mapping of a snapshot? */
static bool parse_mapping(const char *line, struct clone_mapping *mapping)
{
	unsigned long long start, end, offset, snapshot;

	if (sscanf(line, "%llx-%llx %*s %llx %*s %*s /vmfork:%llu", &start,
		   &end, &offset, &snapshot) != 4)
		return false;
	mapping->addr = start;
	mapping->len = end - start;
	mapping->offset = offset;
	mapping->snapshot = snapshot;
	return true;
}

static int find_in_process(struct clones *clones, int pid, uint64_t snapshot)
{
	struct clone_mapping mapping = { .pid = pid };
	char *line = NULL, path[32];
	size_t room = 0;
	FILE *maps;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!err && getline(&line, &room, maps) > 0) {
		if (!parse_mapping(line, &mapping) ||
		    (snapshot && mapping.snapshot != snapshot))
			continue;
		if (!add_mapping(clones, &mapping))
			err = -ENOMEM;
	}
	free(line);
	fclose(maps);
	return err;
}

int clones_find(struct clones *clones, int pid, uint64_t snapshot)
{
	struct dirent *entry;
	int err = 0, each;
	DIR *proc;

	memset(clones, 0, sizeof(*clones));
	if (pid) {
		err = find_in_process(clones, pid, snapshot);
		return err == -ENOENT || err == -ESRCH ? 0 : err;
	}
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (err != -ENOMEM && (entry = readdir(proc))) {
		if (parse_id(entry->d_name, &each) && each)
			err = find_in_process(clones, each, snapshot);
	}
	closedir(proc);
	return err == -ENOMEM ? err : 0;
}

int clones_of(struct clones *clones, int pid, uint64_t snapshot)
{
	int err = clones_find(clones, pid, snapshot);

	if (!err)
		return DONE;
	return failure(FAILED, -err,
		       "The mappings of process %d can not be read: run as root, or with CAP_SYS_PTRACE in its user namespace.",
		       pid);
}

void clones_free(struct clones *clones)
{
	free(clones->mappings);
	memset(clones, 0, sizeof(*clones));
}

void clone_path(const struct clone_mapping *mapping, char *path, size_t room)
{
	snprintf(path, room, "/proc/%d/map_files/%llx-%llx", mapping->pid,
		 (unsigned long long)mapping->addr,
		 (unsigned long long)mapping->addr + mapping->len);
}

bool clone_size(const struct clone_mapping *mapping, uint64_t *size)
{
	struct stat st;
	char path[80];

	clone_path(mapping, path, sizeof(path));
	if (stat(path, &st))
		return false;
	*size = st.st_size;
	return true;
}

static enum clone_page page_of(uint64_t entry)
{
	if (entry & ENTRY_SWAP)
		return CLONE_PRIVATE;
	if (!(entry & ENTRY_PRESENT))
		return CLONE_NOTHING;
	return (entry & ENTRY_FILE) ? CLONE_SHARED : CLONE_PRIVATE;
}

int clones_read(const struct clone_mapping *mapping,
		void (*page)(void *arg, uint64_t offset, enum clone_page what),
		void *arg)
{
	uint64_t entries[4096], at = 0, pages = mapping->len / PAGE_SIZE, i;
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", mapping->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while (at < pages) {
		uint64_t want = pages - at < 4096 ? pages - at : 4096;

		got = pread(fd, entries, want * sizeof(*entries),
			    (mapping->addr / PAGE_SIZE + at) *
			    sizeof(*entries));
		/* The process has gone: none of its memory is there. */
		if (got < (ssize_t)sizeof(*entries))
			break;
		for (i = 0; i < got / sizeof(*entries); i++, at++) {
			enum clone_page what = page_of(entries[i]);

			if (what != CLONE_NOTHING)
				page(arg, mapping->offset + at * PAGE_SIZE,
				     what);
		}
	}
	close(fd);
	return at < pages ? -ESRCH : 0;
}
