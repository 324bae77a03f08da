// SPDX-License-Identifier: GPL-2.0
/*
 * A process that is stopped for a moment, by SIGSTOP, and goes on.
 *
 * A signal is sent in no time, but each thread stops when it gets to it; one
 * that runs a vCPU has to leave the guest first.  /proc says when all have.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

#include "clock.h"
#include "signals.h"
#include "stop.h"

#define TIMEOUT_NS	5000000000ULL
#define FIRST_WAIT_NS	20000
#define LONGEST_WAIT_NS	2000000

/* The letter behind the name, which may have anything in it; 0 if it is gone */
static char thread_state(int pid, const char *tid)
{
	char path[64], line[256];
	const char *end = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file))
		end = strrchr(line, ')');
	fclose(file);
	return end && end[1] ? end[2] : 0;
}

/* Stopped, by a debugger too, or not to run again */
static bool is_still(char state)
{
	return !state || strchr("TtZXx", state);
}

/* Return: 1 if all threads are still, 0 if one is not, -errno */
static int all_still(int pid)
{
	struct dirent *entry;
	char path[64];
	int still = 1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (still && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			still = is_still(thread_state(pid, entry->d_name));
	closedir(dir);
	return still;
}

static int wait_still(const struct stop *stop)
{
	uint64_t until = now_ns() + TIMEOUT_NS;
	struct timespec wait = { .tv_nsec = FIRST_WAIT_NS };
	int still;

	while (!(still = all_still(stop->pid))) {
		if (signals_caught())
			return -EINTR;
		if (now_ns() > until)
			return -ETIMEDOUT;
		nanosleep(&wait, NULL);
		if (wait.tv_nsec < LONGEST_WAIT_NS)
			wait.tv_nsec *= 2;
	}
	return still < 0 ? still : 0;
}

int stop_begin(void *arg)
{
	struct stop *stop = arg;
	int err = all_still(stop->pid);

	if (err > 0)
		return 0;
	if (!err) {
		stop->ours = true;
		if (pidfd_send_signal(stop->pidfd, SIGSTOP, NULL, 0))
			err = -errno;
		else
			err = wait_still(stop);
	}
	if (!err)
		return 0;
	stop->error = -err;
	stop_end(stop);
	return err;
}

void stop_end(void *arg)
{
	struct stop *stop = arg;

	if (stop->ours)
		pidfd_send_signal(stop->pidfd, SIGCONT, NULL, 0);
	stop->ours = false;
}
