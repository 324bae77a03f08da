/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world: how the kernel is set up for the storm, and what of its memory
 * has to be back when the storm is over.
 */
#ifndef TORTURE_WORLD_H
#define TORTURE_WORLD_H

#include <stdbool.h>

void world_prepare(void);
void world_restore(void);
/* All CPUs there, nobody frozen, nothing watching. */
void world_calm(void);

/* What the kernel counts: swapped, migrated, split; as figures. */
void world_deeds(bool before);
/* What there is before anything was done; may be asked for again. */
void world_measure(void);
/* With nobody left: what is missing, a line for each; how many lines. */
int world_missing(unsigned int round);

/* What kmemleak has found, where the kernel has it. */
int world_leaks(void);

int module_unload(void);
int module_load(void);

#endif
