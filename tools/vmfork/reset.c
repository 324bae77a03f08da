// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork reset: put memory of a process back to a snapshot, where it is.
 */
#include <string.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "open.h"
#include "out.h"
#include "signals.h"
#include "target.h"

static int report(const struct target *target, const struct vmfork_info *info,
		  const struct vmfork_reset *result)
{
	out_number("snapshot", info->id);
	target_report(target);
	out_open("pages");
	out_number("dropped", result->pages_dropped);
	out_number("changed", result->pages_changed);
	out_close();
	return out_finish();
}

static int reset(const struct target *target, int snapshot, int pidfd,
		 const struct vmfork_info *info)
{
	struct vmfork_reset result;
	struct refused refused = { 0 };
	int err = vmfork_reset(snapshot, pidfd, target->ranges, target->nr,
			       &result);

	if (!err)
		return report(target, info, &result);
	refused.refusal = result.refusal;
	refused.range = result.refused_range;
	refused.addr = result.refused_addr;
	refused.pages_pinned = result.pages_pinned;
	return target_failed(target, "reset", -err, &refused);
}

static int open_and_reset(const struct target *target, const char *path)
{
	struct vmfork_info info;
	int snapshot, pidfd, status;

	status = open_snapshot(path, &snapshot, &info);
	if (status)
		return status;
	status = open_process(target->pid, &pidfd);
	if (!status) {
		status = reset(target, snapshot, pidfd, &info);
		close(pidfd);
	}
	close(snapshot);
	return status;
}

static int run_reset(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_LONG,
		COMMON_LONG,
		{ 0 }
	};
	struct target target = { 0 };
	int option, status;

	while ((option = next_option(&command_reset, argc, argv,
				     TARGET_SHORT COMMON_SHORT,
				     options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		status = target_option(&target, option);
		if (status)
			return status;
	}
	status = target_check(&target);
	if (status)
		return status;
	if (optind == argc)
		return failure(BAD_USAGE, 0,
			       "No snapshot is given: add one, such as /proc/PID/fd/N.");
	if (argc - optind > 1)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: give one snapshot.",
			       argv[optind + 1]);
	signals_catch();
	status = open_and_reset(&target, argv[optind]);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_reset = {
	.name = "reset",
	.arguments = "-p PID --range ADDR:LEN... SNAPSHOT",
	.summary = "Put memory of a process back to a snapshot",
	.options =
	"  SNAPSHOT            such as /proc/PID/fd/N; the ranges are mappings of it,\n"
	"                      or of another of the same size\n"
	"  -p, --pid PID       the process; pause what runs in it\n"
	"  -r, --range ADDR:LEN\n"
	"                      what is put back; writes to it are lost\n"
	"\n"
	"Numbers are decimal, or hexadecimal with 0x; K, M, G and T may follow.\n",
	.run = run_reset,
};
