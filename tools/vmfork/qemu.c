// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork qemu: fork a QEMU that was started as anybody starts one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "parse.h"
#include "qemufork.h"
#include "signals.h"

#define MAX_CHILDREN	1000
#define TIMEOUT_NS	30000000000ULL

static const struct command verbs[2];

static int set_option(struct qemu_fork *fork, int option)
{
	int number;

	switch (option) {
	case 'q':
		fork->socket = optarg;
		return DONE;
	case 'n':
		if (!parse_id(optarg, &number) || !number ||
		    number > MAX_CHILDREN)
			return failure(BAD_USAGE, 0,
				       "'%s' is no number of children: give 1 to %d.",
				       optarg, MAX_CHILDREN);
		fork->children = number;
		return DONE;
	case 'N':
		fork->wanted_name = optarg;
		return DONE;
	case 'd':
		fork->wanted_dir = optarg;
		return DONE;
	case 's':
		fork->start = true;
		return DONE;
	case 'p':
		if (!parse_id(optarg, &fork->pid) || !fork->pid)
			return failure(BAD_USAGE, 0,
				       "'%s' is no process id: give a number above 0.",
				       optarg);
		return DONE;
	case 't':
		if (!parse_seconds(optarg, &fork->timeout_ns) ||
		    !fork->timeout_ns ||
		    fork->timeout_ns > 86400 * 1000000000ULL)
			return failure(BAD_USAGE, 0,
				       "'%s' is no time: give seconds, up to a day.",
				       optarg);
		return DONE;
	default:
		return BAD_USAGE;
	}
}

static int parse_request(struct qemu_fork *fork, int argc, char **argv)
{
	static const struct option options[] = {
		{ "qmp", required_argument, NULL, 'q' },
		{ "children", required_argument, NULL, 'n' },
		{ "name", required_argument, NULL, 'N' },
		{ "dir", required_argument, NULL, 'd' },
		{ "start", no_argument, NULL, 's' },
		{ "pid", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	memset(fork, 0, sizeof(*fork));
	fork->qmp.fd = -1;
	fork->stop.dev = -1;
	fork->stop.snapshot = -1;
	fork->children = 1;
	fork->timeout_ns = TIMEOUT_NS;
	while ((option = next_option(&verbs[0], argc, argv,
				     "q:n:d:sp:t:" COMMON_SHORT, options)) !=
	       -1) {
		status = set_option(fork, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help qemu.",
			       argv[optind]);
	if (!fork->socket)
		return failure(BAD_USAGE, 0,
			       "No QEMU is given: add --qmp SOCKET.");
	return DONE;
}

/*
 * For a shell: in the parent's directory, which paths are relative to, with the
 * state as the descriptor that it is read from, if it is.
 */
static char *command_line(const struct qemu_fork *fork,
			  const struct qemu_cmd *cmd, char **words)
{
	char *text = NULL;
	size_t len, i;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	fputs("cd ", to);
	qemu_cmd_quote(to, cmd->cwd);
	fputs(" && exec", to);
	for (i = 0; words[i]; i++) {
		fputc(' ', to);
		qemu_cmd_quote(to, words[i]);
	}
	if (!strncmp(fork->incoming, "fd:", 3)) {
		fprintf(to, " %d<", QEMU_STATE_FD);
		qemu_cmd_quote(to, fork->state);
	}
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

static void report_words(char **words)
{
	out_open_list("argv");
	for (; *words; words++)
		out_string(NULL, *words);
	out_close();
}

static void report_forwards(const struct qemu_child *child)
{
	size_t i;

	out_open_table("forward");
	for (i = 0; i < child->nr_forwards; i++) {
		const struct qemu_forward *forward = &child->forwards[i];

		out_open(NULL);
		out_string("protocol", forward->udp ? "udp" : "tcp");
		out_number("port", forward->port);
		out_number("guest_port", forward->guest);
		out_close();
	}
	out_close();
}

static void report_disks(const struct qemu_fork *fork, unsigned int number)
{
	const size_t nr = fork->disks.nr;
	size_t i;

	out_open_table("disk");
	for (i = 0; i < nr; i++) {
		const struct qemu_disk *disk = &fork->disks.disks[i];
		const char *file = fork->overlays.paths[number * nr + i];

		out_open(NULL);
		out_string("device", disk->device);
		if (number == QEMU_PARENT && disk->settled)
			file = disk->base;
		out_string("file", file);
		if (file == disk->base || (number && disk->reflink))
			out_none("base");
		else
			out_string("base", disk->base);
		out_close();
	}
	out_close();
}

static int report_child(const struct qemu_fork *fork, unsigned int number)
{
	const struct qemu_child *child = &fork->child[number - 1];
	char **words = qemu_cmd_words(&child->cmd);
	char *line = words ? command_line(fork, &child->cmd, words) : NULL;

	if (!line) {
		qemu_cmd_free_words(words);
		return failure(FAILED, ENOMEM, "Out of memory.");
	}
	out_open(NULL);
	if (child->pid)
		out_number("pid", child->pid);
	out_string("qmp", child->qmp);
	if (child->pid)
		out_string("log", child->log);
	report_disks(fork, number);
	report_forwards(child);
	if (out_is_json()) {
		report_words(words);
		out_string("cwd", child->cmd.cwd);
		out_string("command", line);
	}
	out_close();
	free(line);
	qemu_cmd_free_words(words);
	return DONE;
}

static void report_memory(const struct qemu_fork *fork)
{
	size_t i;

	out_open_table("memory");
	for (i = 0; i < fork->ram.nr; i++) {
		const struct qemu_block *block = &fork->ram.blocks[i];

		out_open(NULL);
		out_string("name", block->name);
		out_bytes("length", block->len);
		out_address("address", block->hva);
		out_address("offset", block->offset);
		out_close();
	}
	out_close();
}

static int report(const struct qemu_fork *fork)
{
	const struct vmfork_capture *capture = &fork->stop.capture;
	unsigned int i;
	int status = DONE;

	out_string("name", fork->name);
	out_number("pid", fork->pid);
	out_string("snapshot", fork->snapshot);
	out_number("id", capture->id);
	out_bytes("size", capture->snapshot_size);
	out_string("state", fork->state);
	out_nanoseconds("stopped_ns", fork->stop.stopped_ns);
	out_open("pages");
	out_number("prearmed", fork->stop.prearmed);
	out_number("passes", fork->stop.passes);
	out_number("stolen", capture->pages_stolen);
	out_number("shared", capture->pages_shared);
	out_number("copied", capture->pages_copied);
	out_close();
	report_memory(fork);
	report_disks(fork, QEMU_PARENT);
	out_open_list("child");
	for (i = 1; !status && i <= fork->children; i++)
		status = report_child(fork, i);
	out_close();
	return status ? status : out_finish();
}

/* What is to be run, and nothing else, so that a shell can take it as it is */
static int print_commands(const struct qemu_fork *fork)
{
	unsigned int i;

	for (i = 0; i < fork->children; i++) {
		const struct qemu_cmd *cmd = &fork->child[i].cmd;
		char **words = qemu_cmd_words(cmd);
		char *line = words ? command_line(fork, cmd, words) : NULL;

		qemu_cmd_free_words(words);
		if (!line)
			return failure(FAILED, ENOMEM, "Out of memory.");
		puts(line);
		free(line);
	}
	return out_flush();
}

static int run_fork(int argc, char **argv)
{
	struct qemu_fork fork;
	int status = parse_request(&fork, argc, argv);

	if (status)
		return status;
	signals_catch();
	status = qemu_fork(&fork);
	if (!status) {
		if (fork.start || out_is_json())
			status = report(&fork);
		else
			status = print_commands(&fork);
		if (status)
			qemu_fork_undo(&fork);
	}
	qemu_fork_free(&fork);
	if (status && signals_caught())
		signals_die();
	return status;
}

static const struct command verbs[2] = {
	{
		.object = "qemu",
		.name = "fork",
		.arguments = "--qmp SOCKET [-n N] [--name NAME] [--dir DIR] [--start]",
		.summary = "Fork a QEMU that runs, with its disks",
		.options =
	"  -q, --qmp SOCKET    where it listens for QMP\n"
	"  -n, --children N    how many children (default: 1)\n"
	"      --name NAME     the snapshot's on vmforkfs, and what files begin with\n"
	"                      (default: the guest's, or qemu-PID)\n"
	"  -d, --dir DIR       where overlays, sockets and the devices' state go\n"
	"                      (default: beside the first disk)\n"
	"  -s, --start         start the children, and wait until they run\n"
	"                      (default: print their command lines, one a line)\n"
	"  -p, --pid PID       its process (default: the one that made the socket)\n"
	"  -t, --timeout SECONDS\n"
	"                      how long an answer, or a start, may take (default: 30)\n",
		.run = run_fork,
	},
	{ 0 }
};

const struct command command_qemu = {
	.name = "qemu",
	.arguments = "VERB [ARGUMENTS]",
	.summary = "Fork a QEMU that runs",
	.verbs = verbs,
};
