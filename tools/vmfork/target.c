// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a process that is a mapping already: what -p and --range say in
 * the commands that change mappings where they are.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "parse.h"
#include "signals.h"
#include "target.h"

static int add_range(struct target *target, const char *text)
{
	if (target->nr == VMFORK_MAX_REGIONS)
		return failure(BAD_USAGE, 0,
			       "Too many ranges: give at most %d.",
			       VMFORK_MAX_REGIONS);
	if (!parse_addresses(text, &target->ranges[target->nr]))
		return failure(BAD_USAGE, 0,
			       "'%s' is no range: write ADDR:LEN, such as 0x7f0000000000:512M.",
			       text);
	target->nr++;
	return DONE;
}

int target_option(struct target *target, int option)
{
	if (option == 'r')
		return add_range(target, optarg);
	if (!parse_id(optarg, &target->pid) || !target->pid)
		return failure(BAD_USAGE, 0,
			       "'%s' is no process id: give a number above 0.",
			       optarg);
	return DONE;
}

int target_check(const struct target *target)
{
	if (!target->pid)
		return failure(BAD_USAGE, 0,
			       "No process is given: add -p PID.");
	if (!target->nr)
		return failure(BAD_USAGE, 0,
			       "No memory is given: add --range ADDR:LEN.");
	return DONE;
}

int target_failed(const struct target *target, const char *doing, int error,
		  struct refused *refused)
{
	if (error == EINTR && signals_caught())
		return FAILED;
	if (refused->refusal != VMFORK_OK && refused->range < target->nr) {
		refused->start = target->ranges[refused->range].start;
		refused->len = target->ranges[refused->range].len;
		return failure_refused(error, refused);
	}
	switch (error) {
	case EPERM:
		return failure(FAILED, error,
			       "Memory of process %d may not be %s: run as root, or with CAP_SYS_PTRACE in its user namespace.",
			       target->pid, doing);
	case EACCES:
		return failure(FAILED, error,
			       "Process %d has this memory mapped without the right to use it so: see /proc/%d/maps.",
			       target->pid, target->pid);
	case ESRCH:
		return failure(FAILED, error,
			       "Process %d has exited: give one that runs.",
			       target->pid);
	case ENOTTY:
	case E2BIG:
		return failure(FAILED, error,
			       "The vmfork module is too old for this program: update it.");
	case ENOMEM:
		return failure(FAILED, error,
			       "The kernel is out of memory: free some, then try again.");
	default:
		return failure(FAILED, error,
			       "Memory of process %d can not be %s: %s.",
			       target->pid, doing, strerror(error));
	}
}

void target_report(const struct target *target)
{
	size_t i;

	out_number("pid", target->pid);
	out_open_list("range");
	for (i = 0; i < target->nr; i++) {
		out_open(NULL);
		out_address("address", target->ranges[i].start);
		out_bytes("length", target->ranges[i].len);
		out_close();
	}
	out_close();
}
