// SPDX-License-Identifier: GPL-2.0
/*
 * Ctrl-C and its like end a command in order: it cleans up, then dies of the
 * signal.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "signals.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
#define NR_ENDING	(sizeof(ending) / sizeof(ending[0]))

static volatile sig_atomic_t caught;

static void catch(int signo)
{
	caught = signo;
}

void signals_catch(void)
{
	struct sigaction old, new = { .sa_handler = catch };
	size_t i;

	for (i = 0; i < NR_ENDING; i++) {
		sigaction(ending[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(ending[i], &new, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

bool signals_caught(void)
{
	return caught;
}

void signals_wait(void)
{
	sigset_t block, old;
	size_t i;

	/* One that comes between the test and the sleep has to wait. */
	sigemptyset(&block);
	for (i = 0; i < NR_ENDING; i++)
		sigaddset(&block, ending[i]);
	sigprocmask(SIG_BLOCK, &block, &old);
	while (!caught)
		sigsuspend(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void signals_forget(void)
{
	caught = 0;
}

void signals_die(void)
{
	signal(caught, SIG_DFL);
	raise(caught);
	_exit(128 + caught);
}
