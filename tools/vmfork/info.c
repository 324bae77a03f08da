// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork info: describe a snapshot, or the module if none is given.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vmfork.h>

#include "ask.h"
#include "cli.h"
#include "clock.h"
#include "ls.h"
#include "open.h"
#include "out.h"
#include "parse.h"

#define MODULE	"/sys/module/vmfork"

/* First line of a file below MODULE; sysfs has parameters nobody may read. */
static bool read_attribute(const char *name, char *text, size_t size)
{
	char path[512];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), MODULE "/%s", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	good = fgets(text, size, file);
	fclose(file);
	if (good)
		text[strcspn(text, "\n")] = '\0';
	return good;
}

static void report_attribute(const char *name)
{
	char text[256];

	if (read_attribute(name, text, sizeof(text)))
		out_string(name, text);
}

static void report_parameters(void)
{
	struct dirent *entry;
	DIR *dir = opendir(MODULE "/parameters");
	char name[280], text[256];

	if (!dir)
		return;
	out_open("parameters");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "parameters/%s", entry->d_name);
		if (read_attribute(name, text, sizeof(text)))
			out_string(entry->d_name, text);
	}
	out_close();
	closedir(dir);
}

static int info_module(void)
{
	char users[32];
	int dev;

	if (access(MODULE, F_OK))
		return failure(NO_MODULE, ENOENT,
			       "The vmfork module is not loaded: load it by modprobe vmfork.");
	dev = vmfork_open();
	out_open("module");
	out_bool("loaded", true);
	report_attribute("version");
	report_attribute("srcversion");
	if (read_attribute("refcnt", users, sizeof(users)))
		out_number("users", strtoull(users, NULL, 10));
	out_string("device", VMFORK_DEVICE);
	out_bool("usable", dev >= 0);
	report_parameters();
	out_close();
	if (dev >= 0)
		close(dev);
	return out_finish();
}

static uint64_t age_of(uint64_t created_ns)
{
	uint64_t ns = clock_ns(CLOCK_BOOTTIME);

	return ns > created_ns ? ns - created_ns : 0;
}

/*
 * What the module says to those who may see the snapshot without having it;
 * who has it may be another.
 */
static int report_more(uint64_t id)
{
	struct world world = { 0 };
	struct ask ask;
	int status = ask_open(&ask);

	if (status)
		return status;
	status = ask_one(&ask, id, &world);
	ask_close(&ask);
	if (!status && world.nr_snapshots) {
		out_open("known");
		report_snapshot(&world.snapshots[0]);
		out_close();
	}
	world_free(&world);
	return status;
}

static int report_info(const struct vmfork_info *info)
{
	int status;

	out_number("snapshot", info->id);
	out_bytes("size", info->snapshot_size);
	out_open("pages");
	out_number("held", info->pages);
	out_number("huge", info->pages_huge);
	out_number("hole", info->pages_hole);
	out_number("file", info->pages_file);
	out_number("read", info->pages_read);
	out_close();
	if (info->pages_file) {
		out_number("read_errors", info->read_errors);
		out_bool("guarded",
			 !(info->file_flags & VMFORK_FILE_UNGUARDED));
		out_bool("changed", info->file_flags & VMFORK_FILE_CHANGED);
	}
	out_number("creator", info->creator);
	out_nanoseconds("created_ns", info->created_ns);
	out_nanoseconds("age_ns", age_of(info->created_ns));
	status = report_more(info->id);
	return status ? status : out_finish();
}

static int info_path(const char *path)
{
	struct vmfork_info info;
	int fd, status;

	status = open_snapshot(path, &fd, &info);
	if (status)
		return status;
	close(fd);
	return report_info(&info);
}

static int info_fd(int fd, const char *name)
{
	struct vmfork_info info;
	struct stat st;
	int status;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return fail_no_snapshot(name);
	status = ask_snapshot(fd, name, &info);
	return status ? status : report_info(&info);
}

/* Not by /proc/PID/fd/N: that is a new open, which a mode may forbid. */
static int info_process(int pid, int number)
{
	char name[64];
	int pidfd, fd, status;

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, number);
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return fail_open(name);
	fd = pidfd_getfd(pidfd, number, 0);
	if (fd < 0) {
		status = fail_open(name);
	} else {
		status = info_fd(fd, name);
		close(fd);
	}
	close(pidfd);
	return status;
}

/* One that is nowhere open, by its number */
static int info_id(uint64_t id)
{
	struct world world = { 0 };
	struct ask ask;
	int status = ask_open(&ask);

	if (status)
		return status;
	status = ask_one(&ask, id, &world);
	if (!status && !world.nr_snapshots)
		status = failure(FAILED, ENOENT,
				 "There is no snapshot %llu, or you may not read it: see vmfork ls.",
				 (unsigned long long)id);
	if (!status)
		status = ask_mappings(&ask, 0, true, &world);
	ask_close(&ask);
	if (!status) {
		report_snapshot(&world.snapshots[0]);
		out_open_table("mapping");
		report_mappings_of(&world, id);
		out_close();
		status = out_finish();
	}
	world_free(&world);
	return status;
}

static int run_info(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "fd", required_argument, NULL, 'F' },
		{ "id", required_argument, NULL, 'I' },
		COMMON_LONG,
		{ 0 }
	};
	int option, pid = 0, number = -1, id = 0;

	while ((option = next_option(&command_info, argc, argv,
				     "p:" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (!parse_id(optarg, option == 'p' ? &pid :
				      option == 'I' ? &id : &number))
			return failure(BAD_USAGE, 0,
				       "'%s' is no number: give a process id or a file descriptor.",
				       optarg);
	}
	if (argc - optind > 1)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: ask for one snapshot at a time.",
			       argv[optind + 1]);
	if (!pid != (number < 0))
		return failure(BAD_USAGE, 0,
			       "-p PID and --fd N belong together: give both.");
	if (id && (pid || optind < argc))
		return failure(BAD_USAGE, 0,
			       "--id N says which snapshot it is: give nothing else.");
	if (id)
		return info_id(id);
	if (pid && optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: give either a path or -p PID --fd N.",
			       argv[optind]);
	if (pid)
		return info_process(pid, number);
	if (optind < argc)
		return info_path(argv[optind]);
	return info_module();
}

const struct command command_info = {
	.name = "info",
	.arguments = "[PATH | -p PID --fd N | --id N]",
	.summary = "Describe a snapshot, or the module",
	.options =
	"  PATH                a snapshot, such as /proc/PID/fd/N\n"
	"  -p, --pid PID       the process that holds the snapshot\n"
	"      --fd N          its file descriptor there\n"
	"      --id N          the snapshot with this number, open or not\n"
	"\n"
	"Without arguments: whether the module is loaded, its version and parameters.\n",
	.run = run_info,
};
