/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose a QEMU is: its children are to be the same user's, and no more may than
 * it may.
 */
#ifndef VMFORK_QEMUUSER_H
#define VMFORK_QEMUUSER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define QEMU_MAX_GROUPS	1024

/**
 * struct qemu_user - a user
 * @uid: its number
 * @gid: of its group
 * @groups: others that it is in
 * @nr: length of @groups
 */
struct qemu_user {
	uid_t uid;
	gid_t gid;
	gid_t groups[QEMU_MAX_GROUPS];
	size_t nr;
};

/**
 * qemu_user_read() - of a process
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_user_read(int pid, struct qemu_user *user);

/** qemu_user_parse() - from its /proc/PID/status; false if that does not say */
bool qemu_user_parse(const char *text, struct qemu_user *user);

/**
 * qemu_user_own() - give it a file of ours; 0 or errno
 *
 * By a descriptor: in a directory of that user's, a path may lead to any other
 * file by now.
 */
int qemu_user_own(const struct qemu_user *user, int fd);

/** qemu_user_become() - from here on, this process is its; 0 or errno */
int qemu_user_become(const struct qemu_user *user);

/**
 * qemu_user_begin() - files are looked for, and made, as that user's
 * @user: NULL for ours
 *
 * Names in a directory of that user's may lead anywhere at any time: what it
 * could not do itself is not done for it.  Not to be nested.
 *
 * Return: 0 or errno.
 */
int qemu_user_begin(const struct qemu_user *user);

/** qemu_user_end() - from here on, they are ours again */
void qemu_user_end(const struct qemu_user *user);

/** qemu_user_open() - open(2) as that user; links are not followed */
int qemu_user_open(const struct qemu_user *user, const char *path, int flags,
		   mode_t mode);

/** qemu_user_unlink() - unlink(2) as that user */
void qemu_user_unlink(const struct qemu_user *user, const char *path);

#endif /* VMFORK_QEMUUSER_H */
