/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk that a process serves (NBD): as one of another machine, that may fail
 * or not answer.
 */
#ifndef SELFTESTS_NBD_H
#define SELFTESTS_NBD_H

#include <stddef.h>
#include <sys/types.h>

#include "remote.h"

#define NBD_DISK	"/dev/nbd0"

/**
 * struct nbd - a disk
 * @remote: what the test says to its server
 * @dev: the device, open
 * @client: the process that the kernel does I/O in the name of
 * @server: the process that has the disk's contents
 */
struct nbd {
	struct remote remote;
	int dev;
	pid_t client, server;
};

/* Why there can be none on this machine, or NULL. */
const char *nbd_missing(void);
/* Connects NBD_DISK, @size bytes of zeroes; NULL with a note. */
struct nbd *nbd_start(size_t size);
/* Nobody may use it any more. */
void nbd_stop(struct nbd *nbd);

#endif
