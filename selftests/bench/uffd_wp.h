/* SPDX-License-Identifier: GPL-2.0 */
/* The background of a write-protect snapshot */
#ifndef BENCH_UFFD_WP_H
#define BENCH_UFFD_WP_H

#include "memory.h"

/* Copies out what no fault has asked for, while the guest runs. */
void uffd_wp_background(const struct memory *mem);

#endif
