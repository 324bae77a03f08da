// SPDX-License-Identifier: GPL-2.0
/*
 * A guard of what is done to a QEMU.
 *
 * It has a pipe, by which it is told what has been begun, and which ends when
 * this process does.  It has the connection, without which QEMU would forget
 * what it was told.  Messages are a letter and a text, ended by a zero byte;
 * one that was cut off is of something that is not done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "grow.h"
#include "out.h"
#include "qemuguard.h"
#include "qemuuser.h"
#include "qmp.h"

/* How long QEMU may take to come to what it is told last */
#define GUARD_NS	600000000000ULL
#define MAX_TRIES	3

/* What the last of what QEMU is told is called */
#define LAST		"\"guard\""

enum message {
	MADE = 'f',
	OURS = 'o',
	DISK = 'd',
	NODE = 'n',
	USED = 'u',
	STOPPED = 's',
	GOES_ON = 'g',
	END = 'e',
};

/**
 * struct begun - what was begun
 * @files: paths of those that were made
 * @nr: length of @files
 * @ours: the same, of those that are this user's
 * @nr_ours: length of @ours
 * @disks: the same, of those that the guest writes to later
 * @nr_disks: length of @disks
 * @nodes: names of nodes
 * @nr_nodes: length of @nodes
 * @stopped: the guest may stand still
 */
struct begun {
	char **files;
	size_t nr;
	char **ours;
	size_t nr_ours;
	char **disks;
	size_t nr_disks;
	char **nodes;
	size_t nr_nodes;
	bool stopped;
};

static void add(char ***list, size_t *nr, const char *text)
{
	char **grown = grow(*list, *nr, sizeof(*grown));

	if (!grown)
		return;
	*list = grown;
	grown[*nr] = strdup(text);
	if (grown[*nr])
		(*nr)++;
}

static void take(struct begun *begun, const char *message)
{
	switch (message[0]) {
	case MADE:
		add(&begun->files, &begun->nr, message + 1);
		break;
	case OURS:
		add(&begun->ours, &begun->nr_ours, message + 1);
		break;
	case DISK:
		add(&begun->disks, &begun->nr_disks, message + 1);
		break;
	case NODE:
		add(&begun->nodes, &begun->nr_nodes, message + 1);
		break;
	case USED:
		begun->nr_nodes = 0;
		begun->nr_disks = 0;
		break;
	case STOPPED:
	case GOES_ON:
		begun->stopped = message[0] == STOPPED;
		break;
	case END:
		_exit(0);
	}
}

/* Until this process's parent is no more */
static void listen_to(int from, struct begun *begun)
{
	FILE *file = fdopen(from, "r");
	char *message = NULL;
	size_t room = 0;
	ssize_t len;

	while (file && (len = getdelim(&message, &room, '\0', file)) > 0)
		if (!message[len - 1])
			take(begun, message);
}

/*
 * Whoever waits for a reader has one; but nobody comes after him: one that is
 * gone keeps QEMU from waiting for somebody to read it.
 */
static void remove_file(const char *path)
{
	struct stat st;
	int fd = -1;

	if (!lstat(path, &st) && S_ISFIFO(st.st_mode))
		fd = open(path, O_RDONLY | O_NONBLOCK);
	unlink(path);
	if (fd >= 0)
		close(fd);
}

/* Return: whether all of it was */
static bool send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

/* Return: false if the connection was lost before that */
static bool await_last(int fd)
{
	const uint64_t until = now_ns() + GUARD_NS;
	struct pollfd fds = { .fd = fd, .events = POLLIN };
	char answer[4096];
	size_t kept = 0;

	while (now_ns() < until && poll(&fds, 1, 1000) >= 0) {
		ssize_t n;

		if (!fds.revents)
			continue;
		n = recv(fd, answer + kept, sizeof(answer) - kept - 1,
			 MSG_DONTWAIT);
		if (n <= 0)
			return false;
		answer[kept + n] = '\0';
		if (strstr(answer, LAST))
			break;
		/* It may come in parts. */
		n += kept;
		kept = n < (ssize_t)strlen(LAST) ? n : (ssize_t)strlen(LAST);
		memmove(answer, answer + n - kept, kept);
	}
	return true;
}

/*
 * QEMU executes them one after the other; the last one has a name.  What this
 * process's parent has not read of its connection comes first.
 */
static bool tell_qemu(int fd, const struct begun *begun)
{
	char *text = NULL;
	bool told = false;
	size_t len, i;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return false;
	for (i = 0; i < begun->nr_nodes; i++)
		fprintf(to, "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"%s\"}}\n",
			begun->nodes[i]);
	fprintf(to, "{\"execute\":\"%s\",\"id\":" LAST "}\n",
		begun->stopped ? "cont" : "query-name");
	if (!fclose(to))
		told = send_all(fd, text, len) && await_last(fd);
	free(text);
	return told;
}

/* Return: 0, also if it was refused; or -errno */
static int order(struct qmp *qmp, const char *execute, const char *node)
{
	int err = qmp_call(qmp, execute, node ?
			   json_make("node-name", node, NULL) : NULL, NULL);

	return err == -EREMOTEIO ? 0 : err;
}

/* The same, where that connection is no more */
static void tell_anew(struct qmp *qmp, const struct begun *begun)
{
	unsigned int tries;

	qmp->timeout_ns = GUARD_NS;
	qmp->deaf = true;
	for (tries = 0; tries < MAX_TRIES; tries++) {
		int err = qmp_again(qmp);
		size_t i;

		for (i = 0; !err && i < begun->nr_nodes; i++)
			err = order(qmp, "blockdev-del", begun->nodes[i]);
		if (!err && begun->stopped)
			err = order(qmp, "cont", NULL);
		if (err != -EPIPE)
			break;
	}
}

static void remove_files(const struct begun *begun,
			 const struct qemu_user *user)
{
	size_t i;

	for (i = 0; i < begun->nr_ours; i++)
		unlink(begun->ours[i]);
	if (qemu_user_begin(user))
		return;
	for (i = 0; i < begun->nr; i++)
		remove_file(begun->files[i]);
	for (i = 0; i < begun->nr_disks; i++)
		remove_file(begun->disks[i]);
	qemu_user_end(user);
}

static void stand_guard(int from, struct qmp *qmp, const struct qemu_user *user)
{
	struct begun begun = { 0 };

	setsid();
	/* It has nothing to do with a signal: others end, and it sees to that. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Whoever reads what this process prints is not to wait for it. */
	close(0);
	close(1);
	close(2);
	listen_to(from, &begun);
	remove_files(&begun, user);
	if ((begun.stopped || begun.nr_nodes) && !tell_qemu(qmp->fd, &begun))
		tell_anew(qmp, &begun);
	/* QEMU makes a file where it finds no FIFO. */
	remove_files(&begun, user);
	_exit(0);
}

int qemu_guard_start(struct qemu_guard *guard, const struct qmp *qmp,
		     const struct qemu_user *user)
{
	struct qmp copy = *qmp;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC))
		return failure(FAILED, errno, "No pipe can be made: %s.",
			       strerror(errno));
	guard->pid = fork();
	if (!guard->pid) {
		close(ends[1]);
		stand_guard(ends[0], &copy, user);
	}
	error = errno;
	close(ends[0]);
	guard->to = ends[1];
	if (guard->pid > 0)
		return DONE;
	guard->pid = 0;
	close(guard->to);
	return failure(FAILED, error, "No process can be made: %s.",
		       strerror(error));
}

static void tell(const struct qemu_guard *guard, enum message what,
		 const char *text)
{
	size_t done = 0, len = strlen(text) + 2;
	char *message = guard->pid ? malloc(len) : NULL;

	if (!message)
		return;
	message[0] = what;
	strcpy(message + 1, text);
	while (done < len) {
		ssize_t n = write(guard->to, message + done, len - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? n : 0;
	}
	free(message);
}

void qemu_guard_file(const struct qemu_guard *guard, const char *path)
{
	tell(guard, MADE, path);
}

void qemu_guard_snapshot(const struct qemu_guard *guard, const char *path)
{
	tell(guard, OURS, path);
}

void qemu_guard_disk(const struct qemu_guard *guard, const char *path)
{
	tell(guard, DISK, path);
}

void qemu_guard_node(const struct qemu_guard *guard, const char *node)
{
	tell(guard, NODE, node);
}

void qemu_guard_used(const struct qemu_guard *guard)
{
	tell(guard, USED, "");
}

void qemu_guard_stop(const struct qemu_guard *guard, bool stopped)
{
	tell(guard, stopped ? STOPPED : GOES_ON, "");
}

void qemu_guard_end(struct qemu_guard *guard)
{
	if (!guard->pid)
		return;
	tell(guard, END, "");
	close(guard->to);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard->pid = 0;
}

void qemu_guard_leave(struct qemu_guard *guard)
{
	if (guard->pid)
		close(guard->to);
	guard->pid = 0;
}
