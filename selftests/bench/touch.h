/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the first touch of each page costs, one page after the other: by the
 * process itself, and by a KVM guest whose memory it is.
 */
#ifndef BENCH_TOUCH_H
#define BENCH_TOUCH_H

#include "memory.h"

enum touch { PROCESS_READ, PROCESS_WRITE, GUEST_READ, GUEST_WRITE, NR_TOUCHES };

extern const char *const touch_names[NR_TOUCHES];

/* Instructions for each page; each kind of touch has a quarter of the memory. */
struct touched {
	double per_page[NR_TOUCHES];
};

/* The guest's memory is this from now on, and it knows it. */
void touch_begin(const struct memory *mem);
struct touched touch_all(const struct memory *mem, size_t slice);
void touch_end(void);
/* Has the guest know all of its memory, as one that has run for a while. */
void touch_guest_knows(const struct memory *mem);

#endif
