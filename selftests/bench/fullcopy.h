/* SPDX-License-Identifier: GPL-2.0 */
/* The file of a full copy, for those who also use it. */
#ifndef BENCH_FULLCOPY_H
#define BENCH_FULLCOPY_H

#include "memory.h"

int fullcopy_prepare(const struct memory *mem);
void fullcopy_pause(const struct memory *mem);
void fullcopy_finish(const struct memory *mem);
int fullcopy_file(void);

#endif
