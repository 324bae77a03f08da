/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of a process that is a mapping already: what -p and --range say in
 * the commands that change mappings where they are.
 */
#ifndef VMFORK_TARGET_H
#define VMFORK_TARGET_H

#include <stddef.h>

#include <vmfork.h>

/**
 * struct target - ranges of a process
 * @pid: of whom, 0 if not given
 * @nr: length of @ranges
 * @ranges: of addresses there
 */
struct target {
	int pid;
	size_t nr;
	struct vmfork_range ranges[VMFORK_MAX_REGIONS];
};

/* For tables of getopt_long(3) */
#define TARGET_SHORT	"p:r:"
#define TARGET_LONG					\
	{ "pid", required_argument, NULL, 'p' },	\
	{ "range", required_argument, NULL, 'r' }

/*
 * Each returns an enum status, and has told of a failure by failure().
 */

/** target_option() - 'p' or 'r', with optarg */
int target_option(struct target *target, int option);

/** target_check() - whether it is complete, after the last option */
int target_check(const struct target *target);

/**
 * target_failed() - what the kernel said of it
 * @target: it
 * @doing: "reset": what can not be done
 * @error: errno
 * @refused: refusal, range, addr and pages_pinned are set; it is completed
 */
int target_failed(const struct target *target, const char *doing, int error,
		  struct refused *refused);

/** target_report() - pid and ranges, for the record */
void target_report(const struct target *target);

#endif /* VMFORK_TARGET_H */
