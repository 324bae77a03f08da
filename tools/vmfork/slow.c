// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork slow: say where the first second of a clone went.
 */
#include <unistd.h>

#include <vmfork.h>

#include "bpf.h"
#include "cli.h"
#include "open.h"
#include "out.h"
#include "parse.h"
#include "signals.h"
#include "slow.h"

static int take_option(struct slow_job *job, const char **path, int option)
{
	switch (option) {
	case 'p':
		if (parse_id(optarg, &job->pid) && job->pid)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no process id: give a number above 0.",
			       optarg);
	case 's':
		*path = optarg;
		return DONE;
	case 'd':
		if (parse_seconds(optarg, &job->seconds_ns) && job->seconds_ns)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no time: give seconds, such as 0.5.",
			       optarg);
	default:
		return BAD_USAGE;
	}
}

static int check(const struct slow_job *job, const char *path)
{
	if (job->pid && (path || job->command))
		return failure(BAD_USAGE, 0,
			       "-p PID is a process that runs already: give neither -s nor a command with it.");
	return bpf_module();
}

static int find_snapshot(struct slow_job *job, const char *path)
{
	struct vmfork_info info;
	int fd, status;

	status = open_snapshot(path, &fd, &info);
	if (status)
		return status;
	close(fd);
	job->snapshot = info.id;
	return DONE;
}

static int follow_and_report(const struct slow_job *job)
{
	struct slow_result result;
	int status;

	signals_catch();
	status = slow_follow(job, &result);
	if (!status)
		status = slow_report(&result);
	slow_free(&result);
	slow_wait_for_command();
	if (status && signals_caught())
		signals_die();
	return status;
}

static int run_slow(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "snapshot", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 'd' },
		{ "duration", required_argument, NULL, 'd' },
		COMMON_LONG,
		{ 0 }
	};
	struct slow_job job = { .seconds_ns = 1000000000 };
	const char *path = NULL;
	int option, status;

	while ((option = next_option(&command_slow, argc, argv,
				     "p:s:d:" COMMON_SHORT, options)) != -1) {
		status = take_option(&job, &path, option);
		if (status)
			return status;
	}
	if (optind < argc)
		job.command = argv + optind;
	job.anybody = !job.pid && !job.command;
	status = check(&job, path);
	if (!status && path)
		status = find_snapshot(&job, path);
	return status ? status : follow_and_report(&job);
}

const struct command command_slow = {
	.name = "slow",
	.arguments = "[-p PID | -s SNAPSHOT] [-- COMMAND...]",
	.summary = "Say where the first second of a clone went",
	.options =
	"  -p, --pid PID       this process, from now on\n"
	"  -s, --snapshot PATH the next process that uses this snapshot, such as\n"
	"                      /proc/PID/fd/N, from its start\n"
	"  -- COMMAND...       run it; it, or the first process that it starts and that\n"
	"                      uses a snapshot, from its start\n"
	"  -d, --seconds SECONDS\n"
	"                      for how long (default: 1)\n"
	"\n"
	"Without any of these: the next process that uses any snapshot.\n",
	.run = run_slow,
};
