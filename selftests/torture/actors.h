/* SPDX-License-Identifier: GPL-2.0 */
/* What the table of actors knows of each. */
#ifndef TORTURE_ACTORS_H
#define TORTURE_ACTORS_H

#include <stdbool.h>

struct self;

void capturer_run(struct self *self);
void reader_run(struct self *self);
void asker_run(struct self *self);
void namer_run(struct self *self);
void peeker_run(struct self *self);
void killer_run(struct self *self);
void hog_run(struct self *self);
void oom_run(struct self *self);
void mover_run(struct self *self);
void tuner_run(struct self *self);
void poisoner_run(struct self *self);
void hotplugger_run(struct self *self);
void freezer_run(struct self *self);
void unloader_run(struct self *self);
void watcher_run(struct self *self);

void namer_clean(void);

bool oom_possible(void);
bool poisoner_possible(void);
bool hotplugger_possible(void);
bool freezer_possible(void);
bool watcher_possible(void);

#endif
