// SPDX-License-Identifier: GPL-2.0
/*
 * Children of a QEMU that are started here.
 *
 * A child has a session of its own, nothing to read, and a file for what it
 * says: it outlives this process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "grow.h"
#include "out.h"
#include "qemustart.h"
#include "qemuuser.h"
#include "qmp.h"
#include "signals.h"

#define FIRST_WAIT_NS	1000000
#define LONGEST_WAIT_NS	16000000
/* How long QEMU may take to end when it is asked to */
#define END_NS		3000000000ULL

static void become(const struct qemu_child *child, char **words, int state,
		   int log, const struct qemu_user *user)
{
	int null = open("/dev/null", O_RDONLY), error;

	setsid();
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0)
		_exit(127);
	/* dup2() to itself would leave it to be closed. */
	if (state == QEMU_STATE_FD)
		fcntl(state, F_SETFD, 0);
	else if (dup2(state, QEMU_STATE_FD) < 0)
		_exit(127);
	closefrom(QEMU_STATE_FD + 1);
	error = user ? qemu_user_become(user) : 0;
	if (!error && chdir(child->cmd.cwd)) {
		dprintf(2, "%s can not be entered: %s\n", child->cmd.cwd,
			strerror(errno));
		_exit(127);
	}
	if (!error) {
		execve(child->cmd.exe, words, child->env);
		error = errno;
	}
	dprintf(2, "%s can not be run: %s\n", child->cmd.exe,
		strerror(error));
	_exit(127);
}

static int fail_start(const struct qemu_child *child, int error)
{
	if (!child->logged)
		return failure(FAILED, error, "%s can not be made: %s.",
			       child->log, strerror(error));
	return failure(FAILED, error, "%s can not be started: %s.",
		       child->cmd.exe, strerror(error));
}

int qemu_start(struct qemu_child *child, const char *state,
	       const struct qemu_user *user)
{
	char **words = qemu_cmd_words(&child->cmd);
	int in, log = -1, error = 0;

	child->user = user;
	in = qemu_user_open(user, state, O_RDONLY, 0);
	if (in < 0)
		error = errno;
	/* What stamps files is this clock. */
	child->since_ns = clock_ns(CLOCK_REALTIME_COARSE);
	if (!error) {
		log = qemu_user_open(user, child->log,
				     O_WRONLY | O_CREAT | O_EXCL, 0600);
		child->logged = log >= 0;
		if (log < 0)
			error = errno;
		else if (!words)
			error = ENOMEM;
	}
	if (!error) {
		child->pid = fork();
		if (!child->pid)
			become(child, words, in, log, user);
		if (child->pid < 0) {
			error = errno;
			child->pid = 0;
		}
		child->started = child->pid;
	}
	if (in >= 0)
		close(in);
	if (log >= 0)
		close(log);
	qemu_cmd_free_words(words);
	if (in < 0)
		return failure(FAILED, error, "%s can not be read: %s.", state,
			       strerror(error));
	return error ? fail_start(child, error) : DONE;
}

/* The last line that it wrote */
static void last_words(const struct qemu_child *child, char *text,
		       size_t size)
{
	int fd = qemu_user_open(child->user, child->log, O_RDONLY, 0);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[400];

	snprintf(text, size, "it says nothing");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			snprintf(text, size, "%s", line);
	}
	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
}

static int check_alive(struct qemu_child *child)
{
	char why[400];
	int how;

	if (waitpid(child->pid, &how, WNOHANG) != child->pid)
		return DONE;
	child->pid = 0;
	last_words(child, why, sizeof(why));
	return failure(FAILED, ECHILD, "The child %s ended at its start: %s",
		       child->qmp, why);
}

/* Its log goes with it, so what that says is told. */
static int fail_late(const struct qemu_child *child, const char *is)
{
	char why[400];

	last_words(child, why, sizeof(why));
	return failure(FAILED, ETIMEDOUT,
		       "The child %s does not run yet (%s): %s; give it longer with --timeout.",
		       child->qmp, is, why);
}

static int wait_running(struct qemu_child *child, struct qmp *qmp,
			uint64_t until)
{
	struct json_object *answer;
	bool runs = false;
	int status = DONE;

	while (!status && !runs) {
		int err = qmp_call(qmp, "query-status", NULL, &answer);
		const char *text = json_text(answer, "status");
		char is[32];

		snprintf(is, sizeof(is), "%s", text ? text : "no answer");
		runs = !err && json_true(answer, "running");
		json_object_put(answer);
		if (err == -EINTR)
			return FAILED;
		if (err || !runs) {
			status = check_alive(child);
			if (!status && now_ns() > until)
				status = fail_late(child, is);
		}
		/* What is waited for is the event RESUME. */
		if (!err && !runs && !status)
			qmp_hear(qmp, LONGEST_WAIT_NS);
	}
	return status;
}

bool qemu_forwards(const char *text, struct qemu_child *child)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		struct qemu_forward new = { 0 }, *grown;
		char kind[4];

		if (sscanf(text,
			   " %3[A-Z][HOST_FORWARD] %*s %*s %u %*s %u", kind,
			   &new.port, &new.guest) != 3)
			continue;
		new.udp = !strcmp(kind, "UDP");
		grown = grow(child->forwards, child->nr_forwards, sizeof(new));
		if (!grown)
			return false;
		child->forwards = grown;
		grown[child->nr_forwards++] = new;
	}
	return true;
}

/* A QEMU without user networking does not know the question. */
static void ask_forwards(struct qemu_child *child, struct qmp *qmp)
{
	struct json_object *answer;
	const char *text;

	if (qmp_call(qmp, "human-monitor-command",
		     json_make("command-line", "info usernet", NULL), &answer))
		return;
	text = json_text(answer, "");
	if (text)
		qemu_forwards(text, child);
	json_object_put(answer);
}

/* Its socket is a name in a directory of its user's, too. */
static int connect_to(const struct qemu_child *child, struct qmp *qmp,
		      uint64_t timeout_ns)
{
	int err = -qemu_user_begin(child->user);

	if (err) {
		*qmp = (struct qmp){ .fd = -1 };
		return err;
	}
	err = qmp_connect(qmp, child->qmp, timeout_ns);
	qemu_user_end(child->user);
	return err;
}

int qemu_start_wait(struct qemu_child *child, uint64_t timeout_ns)
{
	const uint64_t until = now_ns() + timeout_ns;
	struct timespec wait = { .tv_nsec = FIRST_WAIT_NS };
	struct qmp qmp;
	int err, status = DONE;

	for (;;) {
		err = connect_to(child, &qmp, timeout_ns);
		if (!err)
			status = wait_running(child, &qmp, until);
		if (!err && !status)
			ask_forwards(child, &qmp);
		qmp_close(&qmp);
		if (!err)
			return status;
		status = check_alive(child);
		if (status)
			return status;
		if (err != -ENOENT && err != -ECONNREFUSED && err != -EPIPE)
			return qmp_failed(&qmp, child->qmp, err);
		if (signals_caught())
			return FAILED;
		if (now_ns() > until)
			return fail_late(child, "no socket");
		nanosleep(&wait, NULL);
		if (wait.tv_nsec < LONGEST_WAIT_NS)
			wait.tv_nsec *= 2;
	}
}

static bool made_since(int dir, const char *name, uint64_t since)
{
	struct statx st;

	return !statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &st) &&
	       (st.stx_mask & STATX_BTIME) &&
	       st.stx_btime.tv_sec * 1000000000ULL + st.stx_btime.tv_nsec >=
		       since;
}

/*
 * Sockets, logs and whatever else a child makes have names that begin like its
 * log's.  What was there before it is not its own.
 */
static void remove_dated(const struct qemu_child *child)
{
	const char *name = strrchr(child->log, '/') + 1;
	const size_t len = strlen(name) - strlen(".log");
	struct dirent *entry;
	char *path = strndup(child->log, name - child->log);
	DIR *dir = path ? opendir(path) : NULL;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, name, len) &&
		    (entry->d_name[len] == '.' || entry->d_name[len] == '-') &&
		    made_since(dirfd(dir), entry->d_name, child->since_ns))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	free(path);
}

/* Its log and its socket are known to be its own, whatever has dates. */
static void remove_made(const struct qemu_child *child)
{
	if (qemu_user_begin(child->user))
		return;
	unlink(child->log);
	if (child->started)
		unlink(child->qmp);
	remove_dated(child);
	qemu_user_end(child->user);
}

void qemu_start_undo(struct qemu_child *child)
{
	const struct timespec wait = { .tv_nsec = LONGEST_WAIT_NS };
	const uint64_t until = now_ns() + END_NS;

	if (child->pid) {
		kill(child->pid, SIGTERM);
		while (!waitpid(child->pid, NULL, WNOHANG)) {
			if (now_ns() > until)
				kill(child->pid, SIGKILL);
			nanosleep(&wait, NULL);
		}
		child->pid = 0;
	}
	if (child->logged)
		remove_made(child);
	child->logged = false;
	child->started = false;
}
