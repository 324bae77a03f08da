// SPDX-License-Identifier: GPL-2.0
/*
 * Talks to a QEMU, or to the guest in it, over a socket that it may not have
 * made yet.
 *
 *	talk ready SOCKET SECONDS		until the guest says that it is
 *	talk guest SOCKET SECONDS WORD [ARGUMENT]...	and wait for its answer
 *	talk qmp SOCKET SECONDS COMMAND [EVENT]	and wait for the event as well
 *	talk now				print the time, in nanoseconds
 *	talk hold SOCKET SECONDS		be QEMU's only client, say "held", and do nothing
 *	talk run PROGRAM [ARGUMENT]...		run it, so that it can be interrupted:
 *						what a shell has in the background
 *						can not
 *
 * Prints what was answered, of a guest with the time at which the line began.
 * Exit status: 1 if QEMU's answer is an error, 2 if none came.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_US	2000

static uint64_t deadline;	/* ns */
static int fd = -1;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void fail(const char *what) __attribute__((noreturn));
static void fail(const char *what)
{
	fprintf(stderr, "talk: %s: %s\n", what,
		errno ? strerror(errno) : "no answer in time");
	exit(2);
}

static void wait_more(const char *what)
{
	if (now() > deadline) {
		errno = 0;
		fail(what);
	}
	usleep(RETRY_US);
}

static void meet(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket");
	while (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		if (errno != ENOENT && errno != ECONNREFUSED)
			fail(path);
		wait_more(path);
	}
}

static void say(const char *text)
{
	size_t len = strlen(text);

	/* A guest's serial port takes what its FIFO takes. */
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("send");
		text += n;
		len -= n;
	}
}

/* Return: the next line without its end, the time of its first byte in *at. */
static const char *hear(const char *whose, uint64_t *at)
{
	static char line[1 << 20];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	for (;;) {
		uint64_t t = now();

		if (t > deadline || !poll(&p, 1, (deadline - t) / 1000000 + 1)) {
			errno = 0;
			fail(whose);
		}
		if (len == sizeof(line) - 1 || read(fd, line + len, 1) != 1)
			fail(whose);
		if (!len)
			*at = now();
		if (line[len] == '\n')
			break;
		len++;
	}
	line[len] = 0;
	return line;
}

/* Text before the mark is not the guest program's, but a part of its line. */
static void until_marked(const char *whose, const char *word)
{
	const char *line, *mark;
	size_t len = strlen(word);
	uint64_t at;

	for (;;) {
		line = hear(whose, &at);
		mark = strchr(line, '@');
		if (!mark)
			continue;
		if (!strncmp(mark + 1, "died", 4) ||
		    strstr(mark, " is no command")) {
			fprintf(stderr, "talk: %s\n", line);
			exit(1);
		}
		if (!strncmp(mark + 1, word, len))
			break;
	}
	printf("%.*s at=%llu\n", (int)strcspn(mark + 1, "\r"), mark + 1,
	       (unsigned long long)at);
}

static void ask_guest(const char *path, char **words)
{
	/*
	 * What a child's serial port takes before its state is there is lost with
	 * what it was then: one byte, of which nobody makes anything.
	 */
	char line[512] = "\n";
	char **word;

	for (word = words; *word; word++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
			 "%s%s", *word, word[1] ? " " : "\n");
	say(line);
	until_marked(path, words[0]);
}

static const char *until_has(const char *path, const char *what,
			     const char *other)
{
	const char *line;
	uint64_t at;

	do {
		line = hear(path, &at);
	} while (!strstr(line, what) && !(other && strstr(line, other)));
	return line;
}

/* A line with "return" or "error" is an answer, others are events. */
static int ask_qemu(const char *path, const char *command, const char *event)
{
	const char *line;
	bool refused;

	until_has(path, "\"QMP\"", NULL);
	say("{\"execute\": \"qmp_capabilities\"}\n");
	until_has(path, "\"return\"", NULL);
	say(command);
	say("\n");
	line = until_has(path, "\"return\"", "\"error\"");
	refused = !strncmp(line, "{\"error\"", 8) || strstr(line, "\"error\": {");
	printf("%.*s\n", (int)strcspn(line, "\r"), line);
	if (!refused && event)
		printf("%s\n", until_has(path, event, NULL));
	return refused;
}

/* Who is greeted is the one. */
static void hold(const char *path, unsigned int seconds)
{
	until_has(path, "\"QMP\"", NULL);
	printf("held\n");
	fflush(stdout);
	sleep(seconds);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "now")) {
		printf("%llu\n", (unsigned long long)now());
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "run")) {
		signal(SIGINT, SIG_DFL);
		execv(argv[2], argv + 2);
		fail(argv[2]);
	}
	if (argc < 4) {
		fprintf(stderr, "usage: talk ready|guest|qmp|hold SOCKET SECONDS ...\n");
		return 2;
	}
	deadline = now() + atoi(argv[3]) * 1000000000ULL;
	meet(argv[2]);
	if (!strcmp(argv[1], "ready"))
		until_marked(argv[2], "ready");
	else if (!strcmp(argv[1], "guest") && argv[4])
		ask_guest(argv[2], argv + 4);
	else if (!strcmp(argv[1], "qmp") && argv[4])
		return ask_qemu(argv[2], argv[4], argv[5]);
	else if (!strcmp(argv[1], "hold"))
		hold(argv[2], atoi(argv[3]));
	else
		return 2;
	return 0;
}
