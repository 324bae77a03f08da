/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Linux guests for tests: a family that works on a table in its memory.
 */
#ifndef SELFTESTS_GUESTS_H
#define SELFTESTS_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "family.h"

/* Why guests can not be run here, NULL if they can. */
const char *guests_refused(void);
struct guest *guests_boot(const char *cpus, bool thp, const char *name);
/* Its memory is a private mapping of a file. */
struct guest *guests_boot_on(const char *ram, const char *name);
bool guest_verified(struct guest *g);
uint64_t guest_counter(struct guest *g);
/* Its counter rises above @counter, which is set, and each page fits its seed. */
bool guest_works(struct guest *g, uint64_t *counter);

#endif /* SELFTESTS_GUESTS_H */
