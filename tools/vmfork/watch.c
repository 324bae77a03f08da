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
		return take_seconds(optarg, &watch->until.duration);
	default:
		if (parse_size(optarg, &watch->buffer) && watch->buffer)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no size: give bytes, or such as 512K.",
			       optarg);
	}
}

int watch_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == PROC_PID_INIT_INO)
		return DONE;
	return failure(FAILED, EXDEV,
		       "A process can be watched only from the host's PID namespace: run vmfork there, or watch a snapshot by faults, record or heat.");
}

/* Its ID is all that is needed; nobody is to keep it for us. */
static int ask_path(struct watch *watch, const char *path)
{
	int fd, status = open_snapshot(path, &fd, &watch->info);

	if (!status)
		close(fd);
	return status;
}

int watch_open(struct watch *watch)
{
	int status = bpf_module();

	watch->until.pidfd = -1;
	if (!status && watch->pid) {
		status = watch_namespace();
		if (!status)
			status = open_process(watch->pid, &watch->until.pidfd);
	}
	if (!status && watch->path)
		status = ask_path(watch, watch->path);
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

int watch_clones(const struct watch *watch, struct clones *clones)
{
	int status = clones_of(clones, watch->pid, 0);
	const struct clone_mapping *first = clones->mappings, *each = first;
	char path[80];

	if (status)
		return status;
	if (!clones->nr)
		return failure(FAILED, ENOENT,
			       "Process %d maps no snapshot: give one that does, or a snapshot by -s PATH.",
			       watch->pid);
	while (++each < first + clones->nr) {
		if (each->snapshot == first->snapshot)
			continue;
		clone_path(each, path, sizeof(path));
		return failure(FAILED, EINVAL,
			       "Process %d maps snapshots %" PRIu64 " and %" PRIu64
			       ": choose one by -s PATH, such as %s.",
			       watch->pid, first->snapshot, each->snapshot, path);
	}
	return DONE;
}

int watch_find_snapshot(struct watch *watch)
{
	struct clones clones;
	char path[80];
	int status;

	status = watch_clones(watch, &clones);
	if (!status) {
		clone_path(clones.mappings, path, sizeof(path));
		status = ask_path(watch, path);
	}
	clones_free(&clones);
	return status;
}
