/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every command of vmfork shares: the tables that find it, its exit
 * status, its output and its failure.
 */
#ifndef VMFORK_CLI_H
#define VMFORK_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * enum status - exit status, as documented in vmfork(1)
 * @DONE: it worked
 * @FAILED: something that no other status says
 * @BAD_USAGE: the command line makes no sense
 * @NO_MODULE: /dev/vmfork is not there, or may not be opened
 * @REFUSED: the kernel refused this memory (enum vmfork_refusal)
 */
enum status {
	DONE = 0,
	FAILED = 1,
	BAD_USAGE = 2,
	NO_MODULE = 3,
	REFUSED = 4,
};

/**
 * struct command - a verb, or an object that has verbs
 * @object: of a verb: whose it is; otherwise NULL
 * @name: the word on the command line
 * @arguments: what follows it, for the usage line
 * @summary: one line
 * @options: description of its options, lines, for its help
 * @run: called with @name as argv[0]; returns an enum status
 * @verbs: in place of @run: table of what an object can do, ended by no name
 */
struct command {
	const char *object;
	const char *name;
	const char *arguments;
	const char *summary;
	const char *options;
	int (*run)(int argc, char **argv);
	const struct command *verbs;
};

extern const struct command command_capture;
extern const struct command command_diff;
extern const struct command command_doctor;
extern const struct command command_export;
extern const struct command command_faults;
extern const struct command command_heat;
extern const struct command command_import;
extern const struct command command_info;
extern const struct command command_ls;
extern const struct command command_monitor;
extern const struct command command_mount;
extern const struct command command_prefault;
extern const struct command command_qemu;
extern const struct command command_record;
extern const struct command command_reset;
extern const struct command command_rm;
extern const struct command command_slow;
extern const struct command command_top;
extern const struct command command_tree;
extern const struct command command_vms;

/* Options that every command takes, for its tables of getopt_long(3). */
#define COMMON_SHORT	"hj"
#define COMMON_LONG					\
	{ "help", no_argument, NULL, 'h' },		\
	{ "json", no_argument, NULL, 'j' }

/**
 * next_option() - getopt_long(3) that handles the common options itself
 * @command: whose help --help prints; the process exits then
 *
 * Return: an option of the command's own, -1 after the last, '?' for one that
 * is wrong, after a failure() that said so.
 */
int next_option(const struct command *command, int argc, char **argv,
		const char *short_options, const struct option *long_options);

/**
 * take_seconds() - the value of an option that is a time
 * @text: what was given
 * @ns: out
 *
 * Return: an enum status; BAD_USAGE, which has been told, if it is none, or 0.
 */
int take_seconds(const char *text, uint64_t *ns);

/** print_command_help() - usage, summary and options of one command */
void print_command_help(const struct command *command);

#endif /* VMFORK_CLI_H */
