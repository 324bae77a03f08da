// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork: find the command in the tables, and help where there is none.
 *
 * A new command is an entry in a table.  An object with several verbs is an
 * entry whose own table has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "parse.h"

static int run_help(int argc, char **argv);

static const struct command command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Say how a command is used",
	.run = run_help,
};

/* The linker knows the commands' addresses, not their contents. */
static const struct command *const commands[] = {
	&command_capture,
	&command_diff,
	&command_doctor,
	&command_export,
	&command_faults,
	&command_heat,
	&command_import,
	&command_info,
	&command_ls,
	&command_monitor,
	&command_mount,
	&command_prefault,
	&command_qemu,
	&command_record,
	&command_reset,
	&command_rm,
	&command_slow,
	&command_top,
	&command_tree,
	&command_vms,
	&command_help,
	NULL
};

static const char common_options[] =
	"  -j, --json          print JSON\n"
	"  -h, --help          print this\n";

static const struct command *find_command(const char *name)
{
	int i;

	for (i = 0; commands[i]; i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

static const struct command *find_verb(const struct command *object,
				       const char *name)
{
	const struct command *verb;

	for (verb = object->verbs; verb->name; verb++) {
		if (!strcmp(verb->name, name))
			return verb;
	}
	return NULL;
}

void print_command_help(const struct command *command)
{
	const struct command *verb;

	printf("Usage: vmfork %s%s%s %s\n\n%s.\n\n",
	       command->object ? command->object : "",
	       command->object ? " " : "", command->name,
	       command->arguments, command->summary);
	if (command->options)
		puts(command->options);
	for (verb = command->verbs; verb && verb->name; verb++)
		printf("  %-10s %s\n             %s.\n\n%s\n", verb->name,
		       verb->arguments, verb->summary, verb->options);
	fputs(common_options, stdout);
}

static void print_help(FILE *to)
{
	int i;

	fputs("Usage: vmfork [--json] COMMAND [ARGUMENTS]\n\n"
	      "Fork the memory of a running virtual machine.\n\n", to);
	for (i = 0; commands[i]; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name,
			commands[i]->summary);
	fprintf(to, "\n%s  -V, --version       print the version\n\n"
		"vmfork help COMMAND says more; so does the manual, vmfork(1).\n",
		common_options);
}

static void report_command(const struct command *command)
{
	out_open(NULL);
	out_string("name", command->name);
	out_string("arguments", command->arguments);
	out_string("summary", command->summary);
	out_close();
}

static int report_commands(const struct command *only)
{
	int i;

	out_open_list("commands");
	for (i = 0; commands[i]; i++) {
		if (!only || only == commands[i])
			report_command(commands[i]);
	}
	out_close();
	return out_finish();
}

static int help_of(const struct command *command)
{
	if (out_is_json())
		return report_commands(command);
	if (command)
		print_command_help(command);
	else
		print_help(stdout);
	return DONE;
}

static int fail_unknown(const char *name)
{
	return failure(BAD_USAGE, 0,
		       "There is no command '%s': see vmfork help.", name);
}

static int run_help(int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG, { 0 } };
	const struct command *command = NULL;

	if (next_option(&command_help, argc, argv, COMMON_SHORT, options) != -1)
		return BAD_USAGE;
	if (optind < argc) {
		command = find_command(argv[optind]);
		if (!command)
			return fail_unknown(argv[optind]);
	}
	return help_of(command);
}

static const char *help_topic(const struct command *command)
{
	return command->object ? command->object : command->name;
}

int take_seconds(const char *text, uint64_t *ns)
{
	if (parse_seconds(text, ns) && *ns)
		return DONE;
	return failure(BAD_USAGE, 0,
		       "'%s' is no time: give seconds, such as 10 or 0.5.",
		       text);
}

int next_option(const struct command *command, int argc, char **argv,
		const char *short_options, const struct option *long_options)
{
	char optstring[64];
	int option;

	/* The leading colon tells a missing argument from a wrong option. */
	snprintf(optstring, sizeof(optstring), ":%s", short_options);
	for (;;) {
		option = getopt_long(argc, argv, optstring, long_options, NULL);
		if (option == 'j') {
			out_use_json();
		} else if (option == 'h') {
			exit(help_of(command));
		} else if (option == ':') {
			failure(BAD_USAGE, 0,
				"Option '%s' needs an argument: see vmfork help %s.",
				argv[optind - 1], help_topic(command));
			return '?';
		} else if (option == '?') {
			failure(BAD_USAGE, 0,
				"Option '%s' is wrong: see vmfork help %s.",
				argv[optind - 1], help_topic(command));
			return '?';
		} else {
			return option;
		}
	}
}

static int run_command(const struct command *command, int argc, char **argv)
{
	if (command->verbs) {
		const struct command *verb = NULL;

		if (argc > 1 && (!strcmp(argv[1], "-h") ||
				 !strcmp(argv[1], "--help")))
			return help_of(command);
		if (argc > 1)
			verb = find_verb(command, argv[1]);
		if (!verb)
			return failure(BAD_USAGE, 0,
				       "'%s' needs one of its verbs: see vmfork help %s.",
				       command->name, command->name);
		return run_command(verb, argc - 1, argv + 1);
	}
	optind = 0; /* glibc: begin again, with another argv */
	return command->run(argc, argv);
}

static int report_version(void)
{
	if (!out_is_json()) {
		puts("vmfork " VMFORK_VERSION);
		return DONE;
	}
	out_string("version", VMFORK_VERSION);
	return out_finish();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "version", no_argument, NULL, 'V' },
		COMMON_LONG,
		{ 0 }
	};
	const struct command *command;
	int option;
	bool version = false, help = false;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+V" COMMON_SHORT, options,
				     NULL)) != -1) {
		if (option == 'j')
			out_use_json();
		else if (option == 'V')
			version = true;
		else if (option == 'h')
			help = true;
		else
			return failure(BAD_USAGE, 0,
				       "Option '%s' is wrong: see vmfork help.",
				       argv[optind - 1]);
	}
	if (version)
		return report_version();
	if (help)
		return help_of(NULL);
	if (optind == argc)
		return failure(BAD_USAGE, 0,
			       "No command is given: see vmfork help.");
	command = find_command(argv[optind]);
	if (!command)
		return fail_unknown(argv[optind]);
	return run_command(command, argc - optind, argv + optind);
}
