/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_SLAB_H
#define UNIT_SLAB_H

#include <linux/slab.h>

/* Objects that were allocated and not freed. */
extern long slab_live;

/* How many allocations will work before they fail; -1: all of them. */
extern long slab_fail_after;

#endif /* UNIT_SLAB_H */
