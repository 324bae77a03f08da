// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork prefault: map, or copy, memory of a process ahead of its use.
 */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "mapped.h"
#include "open.h"
#include "out.h"
#include "parse.h"
#include "signals.h"
#include "target.h"
#include "ws.h"

/* What the command line asks for: ranges, or a working set */
struct wish {
	struct target target;		/* of which the latter has only the pid */
	bool write;
	const char *file;		/* NULL: ranges */
	uint64_t snapshot;		/* 0: whichever is mapped */
	uint64_t max_bytes, max_ms;	/* 0: no limit */
};

static int report(const struct target *target,
		  const struct vmfork_prefault *result)
{
	target_report(target);
	out_open("pages");
	out_number("mapped", result->pages_mapped);
	out_number("copied", result->pages_copied);
	out_close();
	return out_finish();
}

static int prefault(const struct target *target, int dev, int pidfd, bool write)
{
	struct vmfork_prefault result;
	struct refused refused = { 0 };
	int err = vmfork_prefault(dev, pidfd, target->ranges, target->nr,
				  write ? VMFORK_PREFAULT_WRITE : 0, &result);

	if (!err)
		return report(target, &result);
	refused.refusal = result.refusal;
	refused.range = result.refused_range;
	refused.addr = result.refused_addr;
	return target_failed(target, "prefaulted", -err, &refused);
}

static const char *end_name(enum vmfork_ws_end end)
{
	switch (end) {
	case VMFORK_WS_COMPLETE:
		return "complete";
	case VMFORK_WS_BYTES:
		return "bytes";
	case VMFORK_WS_TIME:
		return "time";
	default:
		return "stopped";
	}
}

static int report_set(const struct wish *wish, const struct ws *ws,
		      const struct mapped *mapped,
		      const struct vmfork_ws_result *result)
{
	out_number("pid", wish->target.pid);
	out_number("snapshot", mapped->id);
	out_string("working_set", wish->file);
	out_string("end", end_name(result->end));
	out_open("ranges");
	out_number("all", ws->nr);
	out_number("done", result->ranges_done);
	out_close();
	out_open("pages");
	out_number("mapped", result->pages_mapped);
	out_number("copied", result->pages_copied);
	out_number("outside", result->pages_outside);
	out_close();
	return out_finish();
}

static int fail_set(const struct wish *wish, const struct ws *ws, int error,
		    const struct vmfork_ws_result *result)
{
	struct refused refused = {
		.refusal = result->refusal,
		.range = result->refused_range,
		.addr = result->refused_addr,
	};

	if (refused.refusal == VMFORK_OK || result->refused_range >= ws->nr)
		return target_failed(&wish->target, "prefaulted", error,
				     &refused);
	/* Its place in the snapshot stands in for an address. */
	refused.start = ws->ranges[result->refused_range].offset;
	refused.len = ws->ranges[result->refused_range].len;
	return failure_refused(error, &refused);
}

static bool stop(void *arg)
{
	(void)arg;
	return signals_caught();
}

static int apply_set(const struct wish *wish, const struct ws *ws, int dev,
		     int pidfd)
{
	const struct vmfork_ws_options options = {
		.max_bytes = wish->max_bytes,
		.max_ns = wish->max_ms * 1000000,
		.stop = stop,
	};
	struct vmfork_ws_result result;
	struct mapped mapped;
	int status, err;

	status = mapped_find(wish->target.pid, wish->snapshot,
			     ws->snapshot_size, &mapped);
	if (status)
		return status;
	err = vmfork_ws_apply(dev, pidfd, mapped.regions, mapped.nr,
			      ws->ranges, ws->nr, &options, &result);
	if (err)
		return fail_set(wish, ws, -err, &result);
	if (result.end == VMFORK_WS_STOPPED)
		return FAILED;
	return report_set(wish, ws, &mapped, &result);
}

static int prefault_set(const struct wish *wish, int dev, int pidfd)
{
	struct ws_error error = { 0 };
	struct ws ws;
	int status;

	if (ws_read(&ws, wish->file, &error))
		return failure(FAILED, error.error, "%s.", error.text);
	status = apply_set(wish, &ws, dev, pidfd);
	ws_free(&ws);
	return status;
}

static int open_and_prefault(const struct wish *wish)
{
	int dev, pidfd, status;

	status = open_device(&dev);
	if (status)
		return status;
	status = open_process(wish->target.pid, &pidfd);
	if (!status) {
		status = wish->file ?
			 prefault_set(wish, dev, pidfd) :
			 prefault(&wish->target, dev, pidfd, wish->write);
		close(pidfd);
	}
	close(dev);
	return status;
}

static int need_number(const char *text, uint64_t most, uint64_t *number)
{
	if (parse_size(text, number) && *number && *number <= most)
		return DONE;
	return failure(BAD_USAGE, 0, "'%s' is no number above 0.", text);
}

enum { OPT_MAX_BYTES = 256, OPT_MAX_MS };

static int take_option(struct wish *wish, int option)
{
	switch (option) {
	case 'w':
		wish->write = true;
		return DONE;
	case 'W':
		wish->file = optarg;
		return DONE;
	case 's':
		return need_number(optarg, UINT64_MAX, &wish->snapshot);
	case OPT_MAX_BYTES:
		return need_number(optarg, UINT64_MAX, &wish->max_bytes);
	case OPT_MAX_MS:
		return need_number(optarg, UINT64_MAX / 1000000, &wish->max_ms);
	default:
		return target_option(&wish->target, option);
	}
}

static int check(const struct wish *wish)
{
	if (!wish->file) {
		if (wish->snapshot || wish->max_bytes || wish->max_ms)
			return failure(BAD_USAGE, 0,
				       "This goes with --working-set: see vmfork help prefault.");
		return target_check(&wish->target);
	}
	if (wish->target.nr || wish->write)
		return failure(BAD_USAGE, 0,
			       "A working set says itself which memory it is: leave out --range and --write.");
	if (!wish->target.pid)
		return failure(BAD_USAGE, 0,
			       "No process is given: add -p PID.");
	return DONE;
}

static int run_prefault(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_LONG,
		{ "write", no_argument, NULL, 'w' },
		{ "working-set", required_argument, NULL, 'W' },
		{ "snapshot", required_argument, NULL, 's' },
		{ "max-bytes", required_argument, NULL, OPT_MAX_BYTES },
		{ "max-ms", required_argument, NULL, OPT_MAX_MS },
		COMMON_LONG,
		{ 0 }
	};
	struct wish wish = { 0 };
	int option, status;

	while ((option = next_option(&command_prefault, argc, argv,
				     TARGET_SHORT "wW:s:" COMMON_SHORT,
				     options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		status = take_option(&wish, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help prefault.",
			       argv[optind]);
	status = check(&wish);
	if (status)
		return status;
	signals_catch();
	status = open_and_prefault(&wish);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_prefault = {
	.name = "prefault",
	.arguments = "-p PID {--range ADDR:LEN... [--write] | --working-set FILE}",
	.summary = "Map, or copy, memory of a process ahead of its use",
	.options =
	"  -p, --pid PID       the process\n"
	"  -r, --range ADDR:LEN\n"
	"                      mappings of snapshots, in the order in which they are wanted\n"
	"  -w, --write         copy the pages, as if they were written to\n"
	"  -W, --working-set FILE\n"
	"                      map what a clone will read, copy what it will write\n"
	"  -s, --snapshot ID   the snapshot, if the process maps several\n"
	"      --max-bytes SIZE\n"
	"      --max-ms N      no more of the working set than this\n"
	"\n"
	"Numbers are decimal, or hexadecimal with 0x; K, M, G and T may follow.\n",
	.run = run_prefault,
};
