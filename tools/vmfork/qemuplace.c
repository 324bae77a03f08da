// SPDX-License-Identifier: GPL-2.0
/*
 * A fork of a QEMU: where its files are, and what they are called.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "mounts.h"
#include "out.h"
#include "qemufork.h"
#include "qemuuser.h"

static int choose_dir(struct qemu_fork *fork)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *dir;
	char *end;

	if (fork->wanted_dir || !fork->disks.nr) {
		dir = fork->wanted_dir ? fork->wanted_dir :
		      runtime && *runtime && fork->user.uid == geteuid() ?
		      runtime : "/tmp";
		fork->dir = realpath(dir, NULL);
		if (!fork->dir)
			return failure(FAILED, errno,
				       "The directory %s can not be used: %s.",
				       dir, strerror(errno));
		return DONE;
	}
	fork->dir = realpath(fork->disks.disks[0].base, NULL);
	if (!fork->dir)
		return failure(FAILED, errno, "%s can not be found: %s.",
			       fork->disks.disks[0].base, strerror(errno));
	end = strrchr(fork->dir, '/');
	end[end == fork->dir] = '\0';
	return DONE;
}

/* What is made there is QEMU's user's, and made as that one. */
static int check_dir(const struct qemu_fork *fork)
{
	int error = qemu_user_begin(&fork->user);

	if (!error) {
		if (faccessat(AT_FDCWD, fork->dir, W_OK | X_OK, AT_EACCESS))
			error = errno;
		qemu_user_end(&fork->user);
	}
	if (!error)
		return DONE;
	return failure(FAILED, error,
		       "QEMU's user (%u) can not write to %s: %s; give another --dir.",
		       fork->user.uid, fork->dir, strerror(error));
}

static bool make_paths(struct qemu_fork *fork, const char *mount,
		       const char *name)
{
	free(fork->name);
	free(fork->snapshot);
	free(fork->state);
	fork->snapshot = NULL;
	fork->state = NULL;
	fork->name = strdup(name);
	if (!fork->name ||
	    asprintf(&fork->snapshot, "%s/%s", mount, name) < 0) {
		fork->snapshot = NULL;
		return false;
	}
	if (asprintf(&fork->state, "%s/%s.state", fork->dir, name) < 0)
		fork->state = NULL;
	return fork->state;
}

/* Consumes @path, which may be NULL */
static bool is_there(char *path)
{
	struct stat st;
	bool there = path && !lstat(path, &st);

	free(path);
	return there;
}

/*
 * A parent and children of an earlier fork may run on, with what the two have
 * read removed: their disks and sockets are still theirs.
 */
static bool is_free(struct qemu_fork *fork)
{
	struct stat st;

	if (!lstat(fork->snapshot, &st) || !lstat(fork->state, &st))
		return false;
	fork->plan.dir = fork->dir;
	fork->plan.name = fork->name;
	fork->plan.disks = &fork->disks;
	if (is_there(qemu_file(&fork->plan, 1, ".qmp")))
		return false;
	return !fork->disks.nr ||
	       (!is_there(qemu_image_file(&fork->plan, QEMU_PARENT,
					  &fork->disks.disks[0])) &&
		!is_there(qemu_image_file(&fork->plan, 1,
					  &fork->disks.disks[0])));
}

/* A name in a file system, in options of QEMU's, and to people */
static bool is_name(const char *name)
{
	return *name && strlen(name) < 100 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789._-+@") == strlen(name) &&
	       *name != '.' && *name != '-';
}

static int choose_name(struct qemu_fork *fork)
{
	char mount[PATH_MAX], name[128], first[112];
	unsigned int serial = 1;

	if (!find_mount(mount))
		return failure(FAILED, ENOENT,
			       "Snapshots can not have names, which children need: mount vmforkfs by vmfork mount.");
	if (fork->wanted_name) {
		if (!is_name(fork->wanted_name))
			return failure(BAD_USAGE, 0,
				       "'%s' is no name: use letters, digits and ._-+@, up to 99.",
				       fork->wanted_name);
		if (!make_paths(fork, mount, fork->wanted_name))
			return failure_memory();
		if (is_free(fork))
			return DONE;
		return failure(FAILED, EEXIST,
			       "The name %s is taken, at %s or in %s: choose another --name.",
			       fork->name, fork->snapshot, fork->dir);
	}
	if (fork->guest && is_name(fork->guest))
		snprintf(first, sizeof(first), "%s", fork->guest);
	else
		snprintf(first, sizeof(first), "qemu-%d", fork->pid);
	do {
		if (serial == 1)
			snprintf(name, sizeof(name), "%s", first);
		else
			snprintf(name, sizeof(name), "%s-%u", first, serial);
		if (!make_paths(fork, mount, name))
			return failure_memory();
	} while (!is_free(fork) && serial++ < 10000);
	return DONE;
}

/*
 * A shell is started for what versions before 8.2 can not read themselves,
 * but by a file descriptor.
 */
static char *quoted(const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	if (!to)
		return NULL;
	qemu_cmd_quote(to, text);
	if (!fclose(to))
		return out;
	free(out);
	return NULL;
}

static int choose_incoming(struct qemu_fork *fork)
{
	char *path;
	int len;

	if (fork->version >= 802) {
		len = asprintf(&fork->incoming, "file:%s", fork->state);
	} else if (fork->start || qemu_cmd_has(&fork->cmd, "sandbox")) {
		/* Where no programs may be started, that ends QEMU. */
		len = asprintf(&fork->incoming, "fd:%d", QEMU_STATE_FD);
	} else {
		path = quoted(fork->state);
		len = path ? asprintf(&fork->incoming, "exec:cat %s", path) :
			     -1;
		free(path);
	}
	if (len >= 0)
		return DONE;
	fork->incoming = NULL;
	return failure_memory();
}

int qemu_fork_choose(struct qemu_fork *fork)
{
	int status = choose_dir(fork);

	if (!status)
		status = check_dir(fork);
	if (!status)
		status = choose_name(fork);
	if (!status)
		status = choose_incoming(fork);
	if (status)
		return status;
	fork->plan.cmd = &fork->cmd;
	fork->plan.disks = &fork->disks;
	fork->plan.ram = &fork->ram;
	fork->plan.dir = fork->dir;
	fork->plan.name = fork->name;
	fork->plan.snapshot = fork->snapshot;
	fork->plan.incoming = fork->incoming;
	fork->plan.start = fork->start;
	if (asprintf(&fork->fifo, "%s/%s.fifo", fork->dir, fork->name) < 0) {
		fork->fifo = NULL;
		return failure_memory();
	}
	return DONE;
}
