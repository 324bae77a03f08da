// SPDX-License-Identifier: GPL-2.0
/*
 * The process that faults.sh watches: it maps a snapshot, prints where, and
 * touches the pages that it is told to, in that order.
 *
 *   toucher PATH BYTES
 *
 * prints "ADDRESS BYTES", then answers each line with "done":
 *
 *   read P N STEP	reads from N pages, from page P on
 *   write P N STEP	writes to them
 *   drop		has nothing mapped again
 *   other		the same in a thread of its own, from now on
 *
 * and ends with its input, or at a line "quit".
 *
 *   toucher interruptible COMMAND [ARGUMENTS]
 *
 * runs a command that SIGINT can end: a shell has what it runs in the
 * background ignore that.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)

static char *memory;
static size_t size;
static bool in_thread;

static void die(const char *what)
{
	fprintf(stderr, "toucher: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* At an address at which huge pages fit */
static void map_snapshot(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uintptr_t room;
	char *p;

	if (fd < 0)
		die(path);
	p = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED)
		die("mmap");
	room = ((uintptr_t)p + HUGE - 1) & ~(HUGE - 1);
	memory = mmap((void *)room, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_FIXED, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	close(fd);
}

static const char *touch(const char *line)
{
	size_t at = 0, nr = 1, step = 1;
	char verb[16] = "";

	if (sscanf(line, "%15s %zu %zu %zu", verb, &at, &nr, &step) < 1)
		return "what?";
	if (!strcmp(verb, "drop"))
		return madvise(memory, size, MADV_DONTNEED) ? "no" : "done";
	for (; nr; nr--, at += step) {
		volatile char *p = memory + at * PAGE;

		if (at >= size / PAGE)
			return "where?";
		if (!strcmp(verb, "read"))
			(void)*p;
		else if (!strcmp(verb, "write"))
			*p = 1;
		else
			return "what?";
	}
	return "done";
}

static void *touch_in_thread(void *line)
{
	prctl(PR_SET_NAME, "other");
	return (void *)touch(line);
}

static const char *obey(char *line)
{
	pthread_t thread;
	void *answer = NULL;

	if (!strcmp(line, "other\n")) {
		in_thread = true;
		return "done";
	}
	if (!in_thread)
		return touch(line);
	if (pthread_create(&thread, NULL, touch_in_thread, line) ||
	    pthread_join(thread, &answer))
		die("thread");
	return answer;
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc > 2 && !strcmp(argv[1], "interruptible")) {
		signal(SIGINT, SIG_DFL);
		execvp(argv[2], argv + 2);
		die(argv[2]);
	}
	if (argc != 3) {
		fprintf(stderr, "usage: toucher PATH BYTES\n");
		return 2;
	}
	size = strtoul(argv[2], NULL, 0) / PAGE * PAGE;
	map_snapshot(argv[1]);
	setlinebuf(stdout);
	printf("0x%lx %zu\n", (unsigned long)memory, size);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n"))
		puts(obey(line));
	return 0;
}
