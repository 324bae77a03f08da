// SPDX-License-Identifier: GPL-2.0
/*
 * A fork of a QEMU.
 *
 * In this order, so that what fails most fails while nothing has happened:
 * look at the parent; choose names; make files; stop, take, and go on; write
 * what children read; start them.  What was made is undone from the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "open.h"
#include "out.h"
#include "qemucheck.h"
#include "qemufork.h"
#include "qemureflink.h"
#include "qemustream.h"
#include "qemuuser.h"
#include "signals.h"

static int connect_qmp(struct qemu_fork *fork)
{
	int err = qmp_connect(&fork->qmp, fork->socket, fork->timeout_ns);

	switch (err) {
	case 0:
		break;
	case -ENOENT:
	case -ECONNREFUSED:
	case -ENOTSOCK:
		return failure(FAILED, -err,
			       "No QEMU listens at %s: start it with -qmp unix:%s,server=on,wait=off.",
			       fork->socket, fork->socket);
	case -ENAMETOOLONG:
		return failure(FAILED, -err,
			       "%s is too long for a socket's path: give it relative to another directory.",
			       fork->socket);
	case -ETIMEDOUT:
		return failure(FAILED, -err,
			       "%s does not answer: another program is connected to it; end that, or give QEMU a second -qmp.",
			       fork->socket);
	default:
		return qmp_failed(&fork->qmp, fork->socket, err);
	}
	if (!fork->pid)
		fork->pid = fork->qmp.pid;
	if (fork->pid)
		return DONE;
	return failure(FAILED, ESRCH,
		       "%s does not tell whose it is: give QEMU's process with --pid.",
		       fork->socket);
}

static int copy_answer(struct qmp *qmp, const char *execute,
		       struct json_object *arguments, const char *path,
		       char **to)
{
	struct json_object *answer;
	const char *text;
	int status = qmp_ask(qmp, execute, arguments, &answer);

	text = json_text(answer, path);
	if (!status && text) {
		*to = strdup(text);
		if (!*to)
			status = failure_memory();
	}
	json_object_put(answer);
	return status;
}

static int ask_version(struct qemu_fork *fork)
{
	struct json_object *answer;
	int status = qmp_ask(&fork->qmp, "query-version", NULL, &answer);

	fork->version = 100 * json_number(answer, "qemu.major") +
			json_number(answer, "qemu.minor");
	json_object_put(answer);
	return status;
}

/* Types of machines end in this; the state has what is before it. */
static int ask_machine(struct qemu_fork *fork)
{
	static const char end[] = "-machine";
	size_t len;
	int status = copy_answer(&fork->qmp, "qom-get",
				 json_make("path", "/machine", "property",
					   "type", NULL), "", &fork->machine);

	len = fork->machine ? strlen(fork->machine) : 0;
	if (!status && (len < sizeof(end) ||
			strcmp(fork->machine + len - strlen(end), end)))
		return failure(FAILED, EPROTO,
			       "QEMU does not say what machine it is.");
	if (!status)
		fork->machine[len - strlen(end)] = '\0';
	return status;
}

/* All that can stand in the way, before anything is done. */
static int look(struct qemu_fork *fork)
{
	int status = qemu_cmd_read(fork->pid, &fork->cmd);

	if (!status)
		status = qemu_user_read(fork->pid, &fork->user);
	if (!status)
		status = qemu_check_cmd(&fork->cmd);
	if (!status)
		status = qemu_check_state(&fork->qmp);
	if (!status)
		status = qemu_check_devices(&fork->qmp, &fork->cmd);
	if (!status)
		status = qemu_check_nic(&fork->qmp, &fork->cmd,
					&fork->plan.default_nic);
	if (!status)
		status = ask_version(fork);
	if (!status)
		status = ask_machine(fork);
	if (!status)
		status = copy_answer(&fork->qmp, "query-name", NULL, "name",
				     &fork->guest);
	if (!status)
		status = qemu_disks_find(&fork->qmp, &fork->cmd,
					 &fork->disks);
	return status ? status : qemu_ram_find(&fork->qmp, fork->pid,
					       &fork->ram);
}

static int make_children(struct qemu_fork *fork)
{
	unsigned int i;
	int status = DONE;

	fork->child = calloc(fork->children, sizeof(*fork->child));
	if (!fork->child)
		return failure_memory();
	for (i = 0; !status && i < fork->children; i++) {
		struct qemu_child *child = &fork->child[i];

		child->qmp = qemu_file(&fork->plan, i + 1, ".qmp");
		child->log = qemu_file(&fork->plan, i + 1, ".log");
		child->env = fork->cmd.env;
		status = child->qmp && child->log ?
			 qemu_child_cmd(&fork->plan, i + 1, &child->cmd) :
			 failure_memory();
	}
	return status;
}

/* All but the stop itself */
static int prepare(struct qemu_fork *fork)
{
	int status;

	qemu_reflink_find(&fork->disks, fork->dir, &fork->user);
	status = make_children(fork);
	if (!status)
		status = qemu_guard_start(&fork->guard, &fork->qmp,
					  &fork->user);
	if (status)
		return status;
	fork->overlays.plan = &fork->plan;
	fork->overlays.disks = &fork->disks;
	fork->overlays.guard = &fork->guard;
	fork->overlays.user = &fork->user;
	fork->overlays.children = fork->children;
	status = qemu_overlays_make(&fork->overlays, &fork->qmp);
	if (!status)
		qemu_overlays_sync(&fork->overlays);
	return status;
}

static int take(struct qemu_fork *fork)
{
	struct vmfork_region regions[VMFORK_MAX_REGIONS];
	int status;

	qemu_ram_regions(&fork->ram, regions);
	fork->stop.qmp = &fork->qmp;
	fork->stop.pid = fork->pid;
	fork->stop.regions = regions;
	fork->stop.nr = fork->ram.nr;
	fork->stop.fifo = fork->fifo;
	fork->stop.guard = &fork->guard;
	fork->stop.user = &fork->user;
	status = open_process(fork->pid, &fork->stop.pidfd);
	if (status)
		return status;
	fork->stop.actions = qemu_overlays_actions(&fork->overlays);
	status = qemu_stop(&fork->stop);
	close(fork->stop.pidfd);
	return status;
}

static int own_snapshot(const struct qemu_fork *fork)
{
	int err, fd = open(fork->snapshot, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = -qemu_user_own(&fork->user, fd);
	close(fd);
	return err;
}

static int name_snapshot(struct qemu_fork *fork)
{
	int err = vmfork_name(fork->stop.snapshot, fork->snapshot, 0600);

	fork->named = !err;
	if (!err) {
		qemu_guard_snapshot(&fork->guard, fork->snapshot);
		err = own_snapshot(fork);
	}
	if (!err)
		return DONE;
	return failure(FAILED, -err, "The snapshot can not be called %s: %s.",
		       fork->snapshot, strerror(-err));
}

static int write_state(struct qemu_fork *fork)
{
	int fd = qemu_user_open(&fork->user, fork->state,
				O_WRONLY | O_CREAT | O_EXCL, 0600);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
	int err = to ? 0 : -errno;

	fork->stated = fd >= 0;
	if (fork->stated)
		qemu_guard_file(&fork->guard, fork->state);
	if (to) {
		err = qemu_stream_write(to, fork->machine, &fork->ram,
					fork->stop.snapshot,
					fork->stop.devices, fork->stop.len);
		if (fclose(to) && !err)
			err = -errno;
	} else if (fd >= 0) {
		close(fd);
	}
	if (err == -EPROTO)
		return failure(FAILED, EPROTO,
			       "What QEMU wrote as the state of its devices is not understood: this version can not be forked.");
	if (err)
		return failure(FAILED, -err, "%s can not be written: %s.",
			       fork->state, strerror(-err));
	return signals_caught() ? FAILED : DONE;
}

static int start_children(struct qemu_fork *fork)
{
	unsigned int i;
	int status = DONE;

	for (i = 0; !status && i < fork->children; i++)
		status = qemu_start(&fork->child[i], fork->state,
				    &fork->user);
	for (i = 0; !status && i < fork->children; i++)
		status = qemu_start_wait(&fork->child[i], fork->timeout_ns);
	return status;
}

void qemu_fork_undo(struct qemu_fork *fork)
{
	unsigned int i;

	for (i = 0; fork->child && i < fork->children; i++)
		qemu_start_undo(&fork->child[i]);
	if (fork->stated)
		qemu_user_unlink(&fork->user, fork->state);
	if (fork->named)
		unlink(fork->snapshot);
	qemu_overlays_undo(&fork->overlays, &fork->qmp,
			   fork->stop.transacted);
	fork->stated = false;
	fork->named = false;
}

int qemu_fork(struct qemu_fork *fork)
{
	int status = open_device(&fork->stop.dev);

	if (!status)
		status = connect_qmp(fork);
	if (!status)
		status = look(fork);
	if (!status)
		status = qemu_fork_choose(fork);
	if (!status)
		status = prepare(fork);
	if (!status)
		status = take(fork);
	if (!status)
		status = qemu_overlays_settle(&fork->overlays, &fork->qmp);
	if (!status)
		status = name_snapshot(fork);
	if (!status)
		status = write_state(fork);
	/* Children are processes of their own, which use these files. */
	if (!status)
		qemu_guard_end(&fork->guard);
	if (!status && fork->start)
		status = start_children(fork);
	if (status)
		qemu_fork_undo(fork);
	if (fork->stop.unanswered)
		qemu_guard_leave(&fork->guard);
	qemu_guard_end(&fork->guard);
	return status;
}

void qemu_fork_free(struct qemu_fork *fork)
{
	unsigned int i;

	for (i = 0; fork->child && i < fork->children; i++) {
		qemu_cmd_free(&fork->child[i].cmd);
		free(fork->child[i].qmp);
		free(fork->child[i].log);
		free(fork->child[i].forwards);
	}
	free(fork->child);
	if (fork->stop.snapshot >= 0)
		close(fork->stop.snapshot);
	if (fork->stop.dev >= 0)
		close(fork->stop.dev);
	free(fork->stop.devices);
	qemu_overlays_free(&fork->overlays);
	qemu_ram_free(&fork->ram);
	qemu_disks_free(&fork->disks);
	qemu_cmd_free(&fork->cmd);
	qmp_close(&fork->qmp);
	free(fork->dir);
	free(fork->name);
	free(fork->guest);
	free(fork->machine);
	free(fork->snapshot);
	free(fork->state);
	free(fork->fifo);
	free(fork->incoming);
}
