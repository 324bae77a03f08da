/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What commands work on: the device, a process, a snapshot.
 *
 * Each function returns an enum status, and has told of a failure by
 * failure().  Who called closes what was opened.
 */
#ifndef VMFORK_OPEN_H
#define VMFORK_OPEN_H

struct vmfork_info;

int open_device(int *dev);

/** open_process() - a pidfd */
int open_process(int pid, int *pidfd);

/** open_snapshot() - by its path or name, and what it says of itself */
int open_snapshot(const char *name, int *fd, struct vmfork_info *info);

/** ask_snapshot() - what the snapshot @fd, called @name, says of itself */
int ask_snapshot(int fd, const char *name, struct vmfork_info *info);

/** fail_open() - failure() of what could not be opened, by errno */
int fail_open(const char *name);

int fail_no_snapshot(const char *name);

#endif /* VMFORK_OPEN_H */
