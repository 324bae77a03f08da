// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork prefault: map, or copy, memory of a process ahead of its use.
 */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "open.h"
#include "out.h"
#include "signals.h"
#include "target.h"

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

static int open_and_prefault(const struct target *target, bool write)
{
	int dev, pidfd, status;

	status = open_device(&dev);
	if (status)
		return status;
	status = open_process(target->pid, &pidfd);
	if (!status) {
		status = prefault(target, dev, pidfd, write);
		close(pidfd);
	}
	close(dev);
	return status;
}

static int run_prefault(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_LONG,
		{ "write", no_argument, NULL, 'w' },
		COMMON_LONG,
		{ 0 }
	};
	struct target target = { 0 };
	bool write = false;
	int option, status;

	while ((option = next_option(&command_prefault, argc, argv,
				     TARGET_SHORT "w" COMMON_SHORT,
				     options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (option == 'w') {
			write = true;
			continue;
		}
		status = target_option(&target, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help prefault.",
			       argv[optind]);
	status = target_check(&target);
	if (status)
		return status;
	signals_catch();
	status = open_and_prefault(&target, write);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_prefault = {
	.name = "prefault",
	.arguments = "-p PID --range ADDR:LEN... [--write]",
	.summary = "Map, or copy, memory of a process ahead of its use",
	.options =
	"  -p, --pid PID       the process\n"
	"  -r, --range ADDR:LEN\n"
	"                      mappings of snapshots, in the order in which they are wanted\n"
	"  -w, --write         copy the pages, as if they were written to\n"
	"\n"
	"Numbers are decimal, or hexadecimal with 0x; K, M, G and T may follow.\n",
	.run = run_prefault,
};
