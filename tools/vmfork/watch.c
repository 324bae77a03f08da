// SPDX-License-Identifier: GPL-2.0
/*
 * What the commands that watch faults have in common: whose, of which
 * snapshot, and for how long.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "open.h"
#include "out.h"
#include "parse.h"
#include "watch.h"

/* The initial PID namespace always has this inode. */
#define PROC_PID_INIT_INO	0xEFFFFFFCU

int watch_option(struct watch *watch, int option)
{
	switch (option) {
	case 'p':
		if (parse_id(optarg, &watch->pid) && watch->pid)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no process id: give a number above 0.",
			       optarg);
	case 's':
		watch->path = optarg;
		return DONE;
	case 'd':
		if (parse_seconds(optarg, &watch->until.duration) &&
		    watch->until.duration)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no time: give seconds, such as 10 or 0.5.",
			       optarg);
	default:
		if (parse_size(optarg, &watch->buffer) && watch->buffer)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no size: give bytes, or such as 512K.",
			       optarg);
	}
}

/* The programs compare it with the number that it has there. */
static int check_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == PROC_PID_INIT_INO)
		return DONE;
	return failure(FAILED, EXDEV,
		       "A process can be watched only from the host's PID namespace: run vmfork there, or give a snapshot in place of -p.");
}

int watch_open(struct watch *watch)
{
	int fd, status = bpf_module();

	watch->until.pidfd = -1;
	if (!status && watch->pid) {
		status = check_namespace();
		if (!status)
			status = open_process(watch->pid, &watch->until.pidfd);
	}
	if (!status && watch->path) {
		status = open_snapshot(watch->path, &fd, &watch->info);
		/* Its ID is all that is needed; nobody is to keep it for us. */
		if (!status)
			close(fd);
	}
	return status;
}

void watch_close(struct watch *watch)
{
	if (watch->until.pidfd >= 0)
		close(watch->until.pidfd);
	watch->until.pidfd = -1;
}

int watch_begins(const struct watch *watch)
{
	if (out_is_json()) {
		out_bool("watching", true);
		if (watch->info.id)
			out_number("snapshot", watch->info.id);
		return out_finish();
	}
	fprintf(stderr, "vmfork: Watching%s.\n",
		watch->until.duration ? "" : "; Ctrl-C ends it");
	return DONE;
}

/* Nobody should have to guess why there is less than there should be. */
void watch_warn(uint64_t drops)
{
	if (drops)
		fprintf(stderr,
			"vmfork: %" PRIu64 " events did not fit into the buffer "
			"and are missing: give a larger --buffer.\n",
			drops);
}

/* Whether a line of /proc/PID/maps is a mapping of a snapshot, and of which. */
static bool is_mapping(const char *line, char *addresses, uint64_t *id)
{
	unsigned long long number;
	char end;

	if (sscanf(line, "%63s %*s %*s %*s %*s /vmfork:%llu (deleted%c",
		   addresses, &number, &end) != 3 || end != ')')
		return false;
	*id = number;
	return true;
}

static int find_mapping(const struct watch *watch, FILE *maps, char *path,
			size_t size)
{
	char line[512], addresses[64];
	uint64_t id, found = 0;

	while (fgets(line, sizeof(line), maps)) {
		if (!is_mapping(line, addresses, &id) || id == found)
			continue;
		if (found)
			return failure(FAILED, 0,
				       "Process %d maps snapshot %llu and snapshot %llu: choose one by -s PATH.",
				       watch->pid, (unsigned long long)found,
				       (unsigned long long)id);
		found = id;
		snprintf(path, size, "/proc/%d/map_files/%s", watch->pid,
			 addresses);
	}
	if (!found)
		return failure(FAILED, ENOENT,
			       "Process %d maps no snapshot: give one that does, or a snapshot by -s PATH.",
			       watch->pid);
	return DONE;
}

int watch_find_snapshot(struct watch *watch)
{
	char path[128];
	int fd, status;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", watch->pid);
	maps = fopen(path, "re");
	if (!maps)
		return fail_open(path);
	status = find_mapping(watch, maps, path, sizeof(path));
	fclose(maps);
	if (status)
		return status;
	status = open_snapshot(path, &fd, &watch->info);
	if (!status)
		close(fd);
	return status;
}
