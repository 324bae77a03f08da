// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork rm: take names of snapshots away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "mounts.h"
#include "open.h"
#include "out.h"

/* Nothing but names on vmforkfs: rm(1) is there for the rest. */
static int check(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return fail_open(path);
	if (S_ISREG(st.st_mode) && is_vmforkfs(path))
		return DONE;
	return failure(FAILED, 0,
		       "%s is no name of a snapshot: use rm, if it is to be removed.",
		       path);
}

/* What it is, if one may look. */
static void report_one(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct vmfork_info info;
	struct stat st;

	out_open(NULL);
	out_string("path", path);
	if (fd >= 0 && !vmfork_info(fd, &info))
		out_number("snapshot", info.id);
	else
		out_none("snapshot");
	if (!stat(path, &st))
		out_number("links", st.st_nlink - 1);
	out_close();
	if (fd >= 0)
		close(fd);
}

static int remove_one(const char *name)
{
	char path[PATH_MAX];
	int status;

	name_path(name, path);
	status = check(path);
	if (status)
		return status;
	report_one(path);
	if (!unlink(path))
		return DONE;
	return failure(FAILED, errno, "%s can not be removed: %s.", path,
		       strerror(errno));
}

static int run_rm(int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG, { 0 } };
	int status = DONE;

	if (next_option(&command_rm, argc, argv, COMMON_SHORT, options) != -1)
		return BAD_USAGE;
	if (optind == argc)
		return failure(BAD_USAGE, 0,
			       "No snapshot is given: add its name.");
	out_open_table("removed");
	for (; !status && optind < argc; optind++)
		status = remove_one(argv[optind]);
	if (status)
		return status;
	out_close();
	return out_finish();
}

const struct command command_rm = {
	.name = "rm",
	.arguments = "NAME...",
	.summary = "Take names of snapshots away; who uses them goes on",
	.options =
	"  NAME                a path on vmforkfs, or, without a slash, a name there\n",
	.run = run_rm,
};
