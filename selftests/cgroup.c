// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups for tests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "lib.h"

int cgroup_make(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), CGROUPS "%s", name);
	rmdir(path);
	if (mkdir(path, 0755))
		return -errno;
	snprintf(path, sizeof(path), CGROUPS "%s/memory.current", name);
	return access(path, R_OK) ? -errno : 0;
}

int cgroup_remove(const char *name)
{
	char path[80];
	int try;

	snprintf(path, sizeof(path), CGROUPS "%s", name);
	for (try = 0; try < 40; try++) {
		if (!rmdir(path))
			return 0;
		usleep(50000);
	}
	return -errno;
}

int cgroup_enter(const char *name, pid_t pid)
{
	char path[80], text[16];

	snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", name);
	snprintf(text, sizeof(text), "%d", pid);
	return write_file(path, text);
}

long cgroup_pages(const char *name)
{
	char path[80];
	long bytes;

	snprintf(path, sizeof(path), CGROUPS "%s/memory.current", name);
	bytes = read_number(path);
	return bytes < 0 ? bytes : bytes / (long)PAGE;
}

long cgroup_dying(void)
{
	char text[256], *at;

	if (read_file(CGROUPS "cgroup.stat", text, sizeof(text)) < 0)
		return -1;
	at = strstr(text, "nr_dying_descendants ");
	return at ? strtol(at + 21, NULL, 10) : -1;
}

int cgroup_set(const char *name, const char *what, const char *to)
{
	char path[96];

	snprintf(path, sizeof(path), CGROUPS "%s/%s", name, what);
	return write_file(path, to);
}

long cgroup_event(const char *name, const char *event)
{
	char path[80], text[512], *at;

	snprintf(path, sizeof(path), CGROUPS "%s/memory.events", name);
	if (read_file(path, text, sizeof(text)) < 0)
		return -1;
	at = strstr(text, event);
	return at ? strtol(at + strlen(event), NULL, 10) : -1;
}
