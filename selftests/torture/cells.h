/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cells: the cgroups that actors live in, so that they can be frozen, limited,
 * and all killed together, whatever they have forked.
 */
#ifndef TORTURE_CELLS_H
#define TORTURE_CELLS_H

#include <stdbool.h>

#define CELLS "/sys/fs/cgroup/torture/"

bool cells_make(void);
/* This process; cell @nr of NR_CELLS. */
void cell_enter(unsigned int nr);
void cell_freeze(unsigned int nr, bool frozen);
/* Everybody in any cell; false if somebody would not die. */
bool cells_kill(void);
void cells_remove(void);

#endif
