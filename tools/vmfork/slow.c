// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork slow: say where the first second of a clone went.
 */
#include "cli.h"
#include "out.h"
#include "signals.h"
#include "slow.h"
#include "watch.h"

static int check(const struct watch *watch, char **command)
{
	if (watch->pid && (watch->path || command))
		return failure(BAD_USAGE, 0,
			       "-p PID is a process that runs already: give neither -s nor a command with it.");
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
	struct watch watch = { .until.duration = 1000000000 };
	struct slow_job job = { 0 };
	int option, status;

	while ((option = next_option(&command_slow, argc, argv,
				     "p:s:d:" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		status = watch_option(&watch, option);
		if (status)
			return status;
	}
	if (optind < argc)
		job.command = argv + optind;
	status = check(&watch, job.command);
	if (status)
		return status;
	status = watch_open(&watch);
	/* Whichever process it will be, the programs have the host's number. */
	if (!status)
		status = watch_namespace();
	watch_close(&watch);
	job.pid = watch.pid;
	job.snapshot = watch.info.id;
	job.seconds_ns = watch.until.duration;
	job.anybody = !job.pid && !job.command;
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
