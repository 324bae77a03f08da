// SPDX-License-Identifier: GPL-2.0
/*
 * The moment for which a QEMU's guest stops.
 *
 *	here				QEMU
 *	pre-arm				the guest runs
 *	stop, save ------------------->	the guest stops
 *					devices' state, into a FIFO that is
 *					full before it is all there
 *	capture				waits to write, and holds its lock
 *	transaction, cont ------------>
 *	read the FIFO ---------------->	writes the rest, takes the disks
 *					the guest runs
 *
 * While QEMU waits to write, none of its threads changes memory or devices: so
 * what is captured then belongs to that state, even where a stopped guest's
 * devices would have taken in what comes from outside.  Its disks are as they
 * were since the guest stopped.
 *
 * Commands are sent as early as they can be: QEMU finds the next one when it
 * has done with one, and nobody has to wake up in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "out.h"
#include "qemuguard.h"
#include "qemustop.h"
#include "qemuuser.h"
#include "qmp.h"
#include "signals.h"
#include "target.h"

/* A pass that takes so few pages is as good as it gets. */
#define ENOUGH_PAGES	256
#define MAX_PASSES	4

#define MAX_TRIES	3

/* So that QEMU has to wait; and so that it does not */
#define FIFO_SMALL	4096
#define FIFO_LARGE	(1 << 20)

/* No errno */
#define NOT_TRIED	INT32_MIN

static int fail_capture(const struct qemu_stop *stop, int error,
			const struct vmfork_capture *result)
{
	struct refused refused = {
		.refusal = result->refusal,
		.range = result->refused_region,
		.addr = result->refused_addr,
		.pages_pinned = result->pages_pinned,
	};
	struct target target = { .pid = stop->pid, .nr = stop->nr };
	size_t i;

	for (i = 0; i < stop->nr; i++)
		target.ranges[i] = (struct vmfork_range){
			.start = stop->regions[i].addr,
			.len = stop->regions[i].len,
		};
	return target_failed(&target, "captured", error, &refused);
}

/* The stop itself may be the cure for these. */
static bool may_pass(const struct vmfork_capture *result)
{
	return result->refusal == VMFORK_RACE ||
	       result->refusal == VMFORK_PINNED;
}

static int prearm(struct qemu_stop *stop)
{
	struct vmfork_capture result;
	uint64_t taken = UINT64_MAX, before;
	int err;

	do {
		err = vmfork_prearm(stop->dev, stop->pidfd, stop->regions,
				    stop->nr, 0, &result);
		if (signals_caught())
			return FAILED;
		if (err == -ENOTTY || (err && may_pass(&result)))
			return DONE;
		if (err)
			return fail_capture(stop, -err, &result);
		before = taken;
		taken = result.pages_stolen + result.pages_copied;
		stop->prearmed += taken;
		stop->passes++;
	} while (taken > ENOUGH_PAGES && taken < before &&
		 stop->passes < MAX_PASSES);
	return DONE;
}

static uint64_t add_save(const struct qemu_stop *stop)
{
	struct json_object *arguments = json_make("filename", stop->fifo,
						  NULL);

	json_object_object_add(arguments, "live",
			       json_object_new_boolean(false));
	return qmp_add(stop->qmp, "xen-save-devices-state", arguments);
}

static uint64_t add_transaction(struct qemu_stop *stop)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "actions", stop->actions);
	stop->actions = NULL;
	return qmp_add(stop->qmp, "transaction", arguments);
}

/* An answer before there is any state can not be a good one. */
static int state_refused(struct qemu_stop *stop, uint64_t save)
{
	int err = qmp_reply(stop->qmp, save, NULL);

	return err ? err : -EPROTO;
}

/* What came with the first message is on the socket no more. */
static int hear_all(struct qmp *qmp)
{
	int err;

	do {
		err = qmp_hear(qmp, 0);
	} while (!err && qmp->in_start < qmp->in_end);
	return err;
}

/* Until QEMU writes, or has said that it will not */
static int wait_for_state(struct qemu_stop *stop, int fifo, uint64_t save)
{
	struct pollfd fds[] = {
		{ .fd = fifo, .events = POLLIN },
		{ .fd = stop->qmp->fd, .events = POLLIN },
	};
	const uint64_t until = now_ns() + stop->qmp->timeout_ns;
	int err = 0;

	while (!err && !(fds[0].revents & POLLIN)) {
		const uint64_t now = now_ns();

		if (qmp_answered(stop->qmp, save))
			return state_refused(stop, save);
		if (now >= until)
			return -ETIMEDOUT;
		if (poll(fds, 2, (until - now) / 1000000 + 1) < 0) {
			if (errno != EINTR)
				return -errno;
			fds[0].revents = fds[1].revents = 0;
		}
		if (fds[1].revents)
			err = hear_all(stop->qmp);
	}
	return err;
}

static int read_state(struct qemu_stop *stop, int fifo)
{
	struct pollfd fds = { .fd = fifo, .events = POLLIN };
	int timeout = stop->qmp->timeout_ns / 1000000 + 1;
	size_t room = 0;
	ssize_t n;

	for (;;) {
		if (room - stop->len < 65536) {
			char *grown = realloc(stop->devices,
					      room + (1 << 20));

			if (!grown)
				return -ENOMEM;
			stop->devices = grown;
			room += 1 << 20;
		}
		n = read(fifo, stop->devices + stop->len, room - stop->len);
		if (!n)
			return 0;
		if (n > 0)
			stop->len += n;
		else if (errno == EAGAIN && !poll(&fds, 1, timeout))
			return -ETIMEDOUT;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

/**
 * struct batch - numbers of the commands that were sent; 0 if one was not
 * @stop: stops the guest
 * @save: saves devices
 * @disks: the transaction
 * @cont: lets it go on
 * @failed: which of the first two failed, if one did
 * @unanswered: nobody knows whether QEMU has come to @cont
 */
struct batch {
	uint64_t stop;
	uint64_t save;
	uint64_t disks;
	uint64_t cont;
	const char *failed;
	bool unanswered;
};

/* From here to the answer to cont, nothing may be left undone. */
static int take(struct qemu_stop *stop, int fifo, struct batch *batch,
		int *captured)
{
	struct qmp *qmp = stop->qmp;
	int err, refused = 0;

	batch->stop = qmp_add(qmp, "stop", NULL);
	batch->save = add_save(stop);
	batch->failed = "xen-save-devices-state";
	err = qmp_flush(qmp);
	if (!err)
		err = wait_for_state(stop, fifo, batch->save);
	/* The answer to stop is there, or there would be no state. */
	if (!err)
		refused = qmp_reply(qmp, batch->stop, NULL);
	if (refused)
		batch->failed = "stop";
	if (!err && !refused) {
		*captured = vmfork_capture(stop->dev, stop->pidfd,
					   stop->regions, stop->nr,
					   &stop->capture);
		if (*captured >= 0 && stop->actions) {
			qemu_guard_used(stop->guard);
			batch->disks = add_transaction(stop);
		}
	}
	batch->cont = qmp_add(qmp, "cont", NULL);
	if (qmp_flush(qmp))
		return err ? err : -EPIPE;
	if (err)
		return err;
	/* Whatever was refused, QEMU waits until somebody reads. */
	fcntl(fifo, F_SETPIPE_SZ, FIFO_LARGE);
	err = read_state(stop, fifo);
	if (!err && *captured >= 0)
		err = qmp_reply(qmp, batch->save, NULL);
	return refused ? refused : err;
}

/* What failed first is what is to be told. */
static void keep_error(char *first, const struct qmp *qmp, int err)
{
	if (err == -EREMOTEIO && !*first)
		memcpy(first, qmp->error, sizeof(qmp->error));
}

/* If there is a way for the guest to go on, it does. */
static int insist(struct qmp *qmp, int cont)
{
	unsigned int tries;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (cont == -EPIPE && qmp_again(qmp))
			return cont;
		if (cont != -EPIPE && cont != -EREMOTEIO)
			return cont;
		cont = qmp_call(qmp, "cont", NULL, NULL);
	}
	return cont;
}

/* The order is that in which QEMU answers. */
static int conclude(struct qemu_stop *stop, struct batch *batch,
		    int captured, int err)
{
	struct qmp *qmp = stop->qmp;
	char first[sizeof(qmp->error)] = "";
	int disks = 0, cont, status = DONE;

	keep_error(first, qmp, err);
	if (batch->disks)
		disks = qmp_reply(qmp, batch->disks, NULL);
	/* Without an answer it may have been done. */
	stop->transacted = batch->disks && disks != -EREMOTEIO;
	keep_error(first, qmp, disks);
	cont = insist(qmp, qmp_reply(qmp, batch->cont, NULL));
	batch->unanswered = cont && cont != -EREMOTEIO;
	keep_error(first, qmp, cont);
	memcpy(qmp->error, first, sizeof(first));

	if (captured < 0 && captured != NOT_TRIED)
		status = fail_capture(stop, -captured, &stop->capture);
	else if (err)
		status = qmp_failed(qmp, batch->failed, err);
	else if (disks)
		status = qmp_failed(qmp, "transaction", disks);
	else if (cont)
		status = qmp_failed(qmp, "cont", cont);
	if (captured >= 0 && !status)
		stop->snapshot = captured;
	else if (captured >= 0)
		close(captured);
	if (qmp->resumed && qmp->resumed_us >= qmp->stopped_us)
		stop->stopped_ns = 1000 * (qmp->resumed_us - qmp->stopped_us);
	return status;
}

static int stop_guarded(struct qemu_stop *stop, int *fifo)
{
	struct batch batch = { 0 };
	int err, captured = NOT_TRIED, status;

	qemu_guard_stop(stop->guard, true);
	stop->qmp->deaf = true;
	stop->qmp->resumed = false;
	stop->qmp->error[0] = '\0';
	err = take(stop, *fifo, &batch, &captured);
	if (err) {
		/* QEMU may be about to open it, or wait to write. */
		qemu_user_unlink(stop->user, stop->fifo);
		close(*fifo);
		*fifo = -1;
	}
	status = conclude(stop, &batch, captured, err);
	stop->qmp->deaf = false;
	stop->unanswered = batch.unanswered;
	if (!stop->unanswered)
		qemu_guard_stop(stop->guard, false);
	if (!status && signals_caught())
		status = FAILED;
	return status;
}

/* Return: 0 or errno */
static int name_fifo(const struct qemu_stop *stop)
{
	int error = qemu_user_begin(stop->user);

	if (error)
		return error;
	if (mkfifo(stop->fifo, 0600))
		error = errno;
	qemu_user_end(stop->user);
	return error;
}

static bool is_fifo(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

static int make_fifo(const struct qemu_stop *stop, int *fifo)
{
	int error = name_fifo(stop);

	if (error)
		return failure(FAILED, error, "%s can not be made: %s.",
			       stop->fifo, strerror(error));
	qemu_guard_file(stop->guard, stop->fifo);
	*fifo = qemu_user_open(stop->user, stop->fifo, O_RDONLY | O_NONBLOCK,
			       0);
	if (*fifo < 0)
		error = errno;
	else if (!is_fifo(*fifo))
		error = EINVAL;
	if (!error) {
		fcntl(*fifo, F_SETPIPE_SZ, FIFO_SMALL);
		return DONE;
	}
	if (*fifo >= 0)
		close(*fifo);
	qemu_user_unlink(stop->user, stop->fifo);
	return failure(FAILED, error, "%s can not be used: %s.", stop->fifo,
		       strerror(error));
}

int qemu_stop(struct qemu_stop *stop)
{
	int fifo = -1, status;

	stop->snapshot = -1;
	stop->transacted = false;
	stop->unanswered = false;
	status = make_fifo(stop, &fifo);
	if (!status) {
		status = prearm(stop);
		if (!status)
			status = stop_guarded(stop, &fifo);
		qemu_user_unlink(stop->user, stop->fifo);
		if (fifo >= 0)
			close(fifo);
	}
	json_object_put(stop->actions);
	stop->actions = NULL;
	return status;
}
