/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test and a process that serves a file system or a disk share.
 */
#ifndef SELFTESTS_REMOTE_H
#define SELFTESTS_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct remote - the other side
 * @error: an errno for each read, or 0
 * @hang: reads are not answered
 * @hanging: reads that were not answered yet
 * @reads: requests to read
 * @bytes: that were asked for, in all of them
 */
struct remote {
	volatile int error;
	volatile bool hang;
	volatile int hanging;
	volatile uint64_t reads;
	volatile uint64_t bytes;
};

#endif
