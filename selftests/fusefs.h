/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file system with one file, for tests: a process serves it (FUSE), and does
 * what the test says.  It stands for any that another machine is behind.
 */
#ifndef SELFTESTS_FUSEFS_H
#define SELFTESTS_FUSEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote.h"

/**
 * struct fusefs - shared with the process that serves
 * @remote: what the test says to it
 * @dir: where it is mounted
 * @path: of the file
 * @server: the process
 * @data: what the file holds, @room bytes of it
 * @hang_opens: who opens it is not answered
 * @size: of the file, in bytes
 * @mtime: and @ctime, in seconds
 */
struct fusefs {
	struct remote remote;
	char dir[32];
	char path[40];
	pid_t server;
	char *data;
	size_t room;
	volatile bool hang_opens;
	volatile uint64_t size;
	volatile uint64_t mtime;
	volatile uint64_t ctime;
};

/* Why there can be none on this machine, or NULL. */
const char *fusefs_missing(void);
/* Mounts it, with a file of @size bytes of zeroes; NULL with a note. */
struct fusefs *fusefs_start(size_t size);
void fusefs_stop(struct fusefs *fs);

#endif
