/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Linux guests for tests: booted in forkvm, known by number, gone at the end.
 */
#ifndef SELFTESTS_GUESTS_H
#define SELFTESTS_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"

#define MAX_GUESTS	32

extern struct guest guests[MAX_GUESTS];
extern unsigned int nr_guests;

/* Why guests can not be run here, NULL if they can. */
const char *guests_refused(void);
struct guest *guests_boot(const char *cpus, bool thp, const char *dir_suffix);
struct guest *guests_fork(struct guest *g, const char *how, unsigned int nr);
bool guest_verified(struct guest *g);
uint64_t guest_counter(struct guest *g);
void guest_kill(struct guest *g);
void guests_end(void);

#endif /* SELFTESTS_GUESTS_H */
