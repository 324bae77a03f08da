/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is reported of a snapshot, and of a mapping, in whatever command.
 */
#ifndef VMFORK_LS_H
#define VMFORK_LS_H

#include "world.h"

/** report_snapshot() - into the group that is open */
void report_snapshot(const struct snapshot *s);

/** report_mapping() - likewise */
void report_mapping(const struct mapping *m);

/** report_mappings_of() - those of a snapshot (0: all), into the table that is open */
void report_mappings_of(const struct world *world, uint64_t id);

/** report_mappings() - all, as a table "mapping" */
void report_mappings(const struct world *world);

#endif /* VMFORK_LS_H */
