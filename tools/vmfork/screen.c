// SPDX-License-Identifier: GPL-2.0
/*
 * The terminal that a picture is shown on, and what ends it.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen.h"

/* xterm's, which all others have taken over */
#define OTHER_SCREEN	"\033[?1049h"
#define FIRST_SCREEN	"\033[?1049l"
#define NO_CURSOR	"\033[?25l"
#define CURSOR		"\033[?25h"
/* What is too long for a line ends there. */
#define NO_WRAPPING	"\033[?7l"
#define WRAPPING	"\033[?7h"

static volatile sig_atomic_t ended;
static sigset_t waiting;

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool can_go_back(void)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb");
}

bool screen_is_terminal(void)
{
	return isatty(STDOUT_FILENO) && can_go_back();
}

/* As the C library would say it, of which this one, static, has no locales. */
bool screen_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (!value || !*value)
			continue;
		return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

void screen_look(struct heat_view *view)
{
	struct winsize size = { 0 };

	memset(view, 0, sizeof(*view));
	view->columns = 80;
	view->lines = 40;
	if (!isatty(STDOUT_FILENO))
		return;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col &&
	    size.ws_row) {
		view->columns = size.ws_col;
		view->lines = size.ws_row;
	}
	view->colours = can_go_back() && !is_set("NO_COLOR");
	view->blocks = screen_is_utf8();
}

static void end(int signo)
{
	(void)signo;
	ended = 1;
}

/* It is enough that the wait is over. */
static void resized(int signo)
{
	(void)signo;
}

void screen_catch(void)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old, new = { .sa_handler = end,
				      .sa_flags = SA_RESETHAND };
	struct sigaction resize = { .sa_handler = resized };
	sigset_t block;
	size_t i;

	sigemptyset(&block);
	for (i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		sigaction(ending[i], NULL, &old);
		if (old.sa_handler == SIG_IGN)
			continue;
		sigaction(ending[i], &new, NULL);
		sigaddset(&block, ending[i]);
	}
	sigaction(SIGWINCH, &resize, NULL);
	sigaddset(&block, SIGWINCH);
	/* They come while we wait, and at no other time. */
	sigprocmask(SIG_BLOCK, &block, &waiting);
}

void screen_begin(void)
{
	fputs(OTHER_SCREEN NO_CURSOR NO_WRAPPING, stdout);
}

void screen_end(void)
{
	fputs(WRAPPING CURSOR FIRST_SCREEN, stdout);
	fflush(stdout);
}

static bool can_read(uint64_t ns, int fd)
{
	struct timespec timeout = { ns / 1000000000, ns % 1000000000 };
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return ppoll(&polled, 1, &timeout, &waiting) > 0;
}

bool screen_wait(uint64_t ns, int pidfd)
{
	return !can_read(ns, pidfd) && !ended;
}

bool screen_wait_fd(uint64_t ns, int fd)
{
	can_read(ns, fd);
	return !ended;
}
