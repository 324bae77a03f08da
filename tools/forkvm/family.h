/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A family: a guest that was booted and all that were forked from it, known by
 * number, gone at the end.
 */
#ifndef FORKVM_FAMILY_H
#define FORKVM_FAMILY_H

#include <stdbool.h>
#include <stdio.h>

#include "client.h"

#define MAX_GUESTS	32

extern struct guest guests[MAX_GUESTS];
extern unsigned int nr_guests;

bool family_gets_interrupts_twice(void);
struct guest *family_boot(const char *name, const char *const options[]);
struct guest *family_fork(struct guest *g, const char *how, unsigned int nr);
void family_kill(struct guest *g);
void family_end(void);
void family_print_console(FILE *out, const char *prefix);

#endif /* FORKVM_FAMILY_H */
