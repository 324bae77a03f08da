// SPDX-License-Identifier: GPL-2.0
/*
 * Whose a QEMU is.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"
#include "qemuuser.h"

/* The effective one of "Uid:	real	effective	saved	..." */
static bool take_id(const char *text, const char *name, unsigned int *id)
{
	const char *line = strstr(text, name);

	return line && sscanf(line + strlen(name), "%*u %u", id) == 1;
}

bool qemu_user_parse(const char *text, struct qemu_user *user)
{
	static const char name[] = "\nGroups:";
	const char *at = strstr(text, name);
	char *next;

	*user = (struct qemu_user){ 0 };
	if (!at || !take_id(text, "\nUid:", &user->uid) ||
	    !take_id(text, "\nGid:", &user->gid))
		return false;
	at += strlen(name);
	while (user->nr < QEMU_MAX_GROUPS) {
		at += strspn(at, " \t");
		if (*at < '0' || *at > '9')
			break;
		user->groups[user->nr++] = strtoul(at, &next, 10);
		at = next;
	}
	return true;
}

int qemu_user_read(int pid, struct qemu_user *user)
{
	char path[64], text[32768];
	size_t len = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (file) {
		len = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[len] = '\0';
	if (qemu_user_parse(text, user))
		return DONE;
	return failure(FAILED, ESRCH,
		       "Whose process %d is can not be found out: see whether it runs.",
		       pid);
}

int qemu_user_own(const struct qemu_user *user, int fd)
{
	if (user->uid == geteuid() || !fchown(fd, user->uid, user->gid))
		return 0;
	return errno;
}

int qemu_user_become(const struct qemu_user *user)
{
	if (user->uid == geteuid())
		return 0;
	if (setgroups(user->nr, user->groups) ||
	    setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return errno;
	return 0;
}

/* Groups of this process, while it looks at files as somebody else */
static gid_t own_groups[QEMU_MAX_GROUPS];
static int nr_own_groups;

static bool is_other(const struct qemu_user *user)
{
	return user && user->uid != geteuid();
}

int qemu_user_begin(const struct qemu_user *user)
{
	int error = 0;

	if (!is_other(user))
		return 0;
	nr_own_groups = getgroups(QEMU_MAX_GROUPS, own_groups);
	if (nr_own_groups < 0 || setgroups(user->nr, user->groups))
		return errno;
	setfsgid(user->gid);
	setfsuid(user->uid);
	/* They do not fail; an impossible one only tells what is. */
	if (setfsgid(-1) != (int)user->gid || setfsuid(-1) != (int)user->uid)
		error = EPERM;
	if (error)
		qemu_user_end(user);
	return error;
}

void qemu_user_end(const struct qemu_user *user)
{
	if (!is_other(user))
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
	if (setgroups(nr_own_groups, own_groups))
		abort();
}

int qemu_user_open(const struct qemu_user *user, const char *path, int flags,
		   mode_t mode)
{
	int fd = -1, error = qemu_user_begin(user);

	if (!error) {
		fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
		error = errno;
		qemu_user_end(user);
	}
	errno = error;
	return fd;
}

void qemu_user_unlink(const struct qemu_user *user, const char *path)
{
	if (qemu_user_begin(user))
		return;
	unlink(path);
	qemu_user_end(user);
}
