/* SPDX-License-Identifier: GPL-2.0 */
/* Captures as methods: what the last one has made and counted. */
#ifndef BENCH_CAPTURE_H
#define BENCH_CAPTURE_H

#include "method.h"
#include "vmfork.h"

/* What re-captures and pre-armed ones find written, unless it is set. */
#define USUAL_PERMILLE	10

struct dirt {
	unsigned int permille;
	enum pattern pattern;
};

extern struct dirt dirt;

int captured_snapshot(void);
/* Where the instructions of the last capture went, as figures of @key. */
void capture_phases(const char *key);

#endif
