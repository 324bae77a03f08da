// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork record, while something is measured or a working set is made.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "recorder.h"

#define AROUND	"/sys/module/vmfork/parameters/fault_around"

static struct {
	pid_t pid;
	FILE *says;
	char line[512];
} recorder;

static void next_line(void)
{
	if (!fgets(recorder.line, sizeof(recorder.line), recorder.says))
		errx(1, "vmfork record says nothing");
}

void recorder_start(pid_t pid, const char *output)
{
	char number[16];
	int says[2];

	snprintf(number, sizeof(number), "%d", pid);
	if (pipe(says))
		err(1, "pipe");
	recorder.pid = fork();
	if (recorder.pid < 0)
		err(1, "fork");
	if (!recorder.pid) {
		dup2(says[1], STDOUT_FILENO);
		close(says[0]);
		close(says[1]);
		execlp("vmfork", "vmfork", "-j", "record", "-p", number, "-f",
		       "-o", output, NULL);
		err(1, "vmfork");
	}
	close(says[1]);
	recorder.says = fdopen(says[0], "r");
	if (!recorder.says)
		err(1, "fdopen");
	next_line();
}

static uint64_t number_at(const char *at, const char *name)
{
	at = at ? strstr(at, name) : NULL;
	if (!at)
		errx(1, "no %s in: %s", name, recorder.line);
	return strtoull(at + strlen(name), NULL, 10);
}

uint64_t recorder_stop(void)
{
	int status;

	kill(recorder.pid, SIGINT);
	next_line();
	if (waitpid(recorder.pid, &status, 0) < 0 || status)
		errx(1, "vmfork record: status %#x", status);
	fclose(recorder.says);
	if (number_at(recorder.line, "\"dropped\":"))
		errx(1, "it dropped some: %s", recorder.line);
	return number_at(recorder.line, "\"events\":");
}

uint64_t recorder_pages(const char *kind)
{
	char name[32];

	snprintf(name, sizeof(name), "\"%s\":", kind);
	return number_at(strstr(recorder.line, name), "\"pages\":");
}

void fault_around(unsigned int pages)
{
	static long usual;
	char text[16];

	if (!usual)
		usual = read_number(AROUND);
	snprintf(text, sizeof(text), "%ld", pages ? (long)pages : usual);
	if (write_file(AROUND, text))
		err(1, "%s", AROUND);
}
