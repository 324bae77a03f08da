/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory cgroups for tests.
 */
#ifndef SELFTESTS_CGROUP_H
#define SELFTESTS_CGROUP_H

#include <sys/types.h>

#define CGROUPS "/sys/fs/cgroup/"

/* Where there are none with the memory controller, this fails: 0 or -errno. */
int cgroup_make(const char *name);
int cgroup_remove(const char *name);
int cgroup_enter(const char *name, pid_t pid);
/* What is charged to it now. */
long cgroup_pages(const char *name);
/* Those that are removed, and have something charged to them still. */
long cgroup_dying(void);
/* Writes to one of its files, as memory.max. */
int cgroup_set(const char *name, const char *what, const char *to);
/* A count of memory.events; @event ends in a space. */
long cgroup_event(const char *name, const char *event);

#endif
