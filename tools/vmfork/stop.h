/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that is stopped for a moment, by SIGSTOP, and goes on.
 */
#ifndef VMFORK_STOP_H
#define VMFORK_STOP_H

#include <stdbool.h>

/**
 * struct stop - a process to stop
 * @pid: it
 * @pidfd: the same
 * @ours: it was stopped here, so it is let go here
 * @error: why it could not be stopped: errno
 */
struct stop {
	int pid;
	int pidfd;
	bool ours;
	int error;
};

/**
 * stop_begin() - stop it; returns when none of its threads runs
 * @arg: struct stop
 *
 * A process that was stopped before stays so, and stop_end() leaves it alone.
 *
 * Return: 0; -errno, after it was let go again: -ETIMEDOUT if a thread did not
 * stop within five seconds, -EINTR after a signal.
 */
int stop_begin(void *arg);

/** stop_end() - let it go on */
void stop_end(void *arg);

#endif /* VMFORK_STOP_H */
