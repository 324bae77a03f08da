// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command in a terminal of its own, and prints what it prints there.
 *
 *   in_terminal COLUMNS LINES COMMAND [ARGUMENTS]
 *
 * A line "COLUMNS LINES" on standard input gives the terminal another size; a
 * line "end" is Ctrl-C.  The exit status is the command's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "in_terminal: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Return: whether there may be more lines */
static int obey(int terminal)
{
	struct winsize size = { 0 };
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return 0;
	if (sscanf(line, "%hu %hu", &size.ws_col, &size.ws_row) == 2) {
		if (ioctl(terminal, TIOCSWINSZ, &size))
			die("TIOCSWINSZ");
	} else if (!strcmp(line, "end\n")) {
		if (write(terminal, "\003", 1) != 1)
			die("write");
	}
	return 1;
}

static void pass_on(int terminal)
{
	struct pollfd polled[] = { { terminal, POLLIN, 0 },
				   { STDIN_FILENO, POLLIN, 0 } };
	char buf[4096];
	ssize_t got;

	for (;;) {
		if (poll(polled, 2, -1) < 0)
			die("poll");
		if (polled[1].revents && !obey(terminal))
			polled[1].fd = -1;
		if (!polled[0].revents)
			continue;
		/* It is an error to read from one that nobody has open. */
		got = read(terminal, buf, sizeof(buf));
		if (got <= 0)
			return;
		if (write(STDOUT_FILENO, buf, got) != got)
			die("write");
	}
}

int main(int argc, char **argv)
{
	struct winsize size = { 0 };
	int terminal, status;
	pid_t pid;

	if (argc < 4) {
		fprintf(stderr, "usage: in_terminal COLUMNS LINES COMMAND...\n");
		return 125;
	}
	/* One line at a time, or poll() would not know of the others. */
	setvbuf(stdin, NULL, _IONBF, 0);
	size.ws_col = atoi(argv[1]);
	size.ws_row = atoi(argv[2]);
	pid = forkpty(&terminal, NULL, NULL, &size);
	if (pid < 0)
		die("forkpty");
	if (!pid) {
		/* A shell has what it runs in the background ignore it. */
		signal(SIGINT, SIG_DFL);
		execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	pass_on(terminal);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}
