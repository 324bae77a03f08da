/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory of a Linux guest, seen from outside, and compared byte by byte.
 */
#ifndef SELFTESTS_GUEST_MEMORY_H
#define SELFTESTS_GUEST_MEMORY_H

#include <stdint.h>

#include "guests.h"

/* A child's snapshot; its descriptor. */
int guest_open_snapshot(struct guest *g);
uint64_t guest_hash_file(int fd);
/*
 * Forks a paused guest into two that are paused, too.  Every byte is the same
 * in all three and in the snapshot, or else this is NULL, with a note.
 */
struct guest *guest_fork_same(struct guest *parent);

#endif /* SELFTESTS_GUEST_MEMORY_H */
