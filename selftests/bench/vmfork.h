/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmfork's calls, each measured by the caller.  They return -ENOTTY or -EINVAL
 * where the module does not have them, and end the program on other errors.
 */
#ifndef BENCH_VMFORK_H
#define BENCH_VMFORK_H

#include <stdbool.h>

#include <linux/vmfork.h>

#include "memory.h"

/* Returns the snapshot's descriptor, which is the caller's. */
int vmfork_capture(const struct memory *mem, struct vmfork_capture *cap);
/* The same, of a snapshot that is larger: the rest is a hole. */
int vmfork_capture_sized(const struct memory *mem, size_t size,
			 struct vmfork_capture *cap);
/* Captures ahead; 0 or -errno. */
int vmfork_prearm(const struct memory *mem, struct vmfork_capture *cap);
int vmfork_reset(int snapshot, const struct memory *mem);
int vmfork_prefault(const void *start, size_t size, bool write);
/* The pages in which they differ, or -errno */
long vmfork_diff(int snapshot, int other);
/* Opened again when it is needed: the module can be unloaded meanwhile. */
void vmfork_close(void);
/* Ends the program if what was captured is not that many pages of the kind. */
void check_capture(const struct vmfork_capture *cap, size_t pages,
		   enum kind kind);

#endif
