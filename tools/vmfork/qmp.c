// SPDX-License-Identifier: GPL-2.0
/*
 * QMP: talking to QEMU over its socket.
 *
 * What comes in is a stream of JSON objects with anything white in between.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "cli.h"
#include "out.h"
#include "qmp.h"
#include "signals.h"

/* As QEMU itself: each image of a chain is in what is said of the one above. */
#define MAX_NESTING	1024

struct json_object *json_parse(const char *text)
{
	struct json_tokener *parser = json_tokener_new_ex(MAX_NESTING);
	struct json_object *object;

	if (!parser)
		return NULL;
	object = json_tokener_parse_ex(parser, text, strlen(text) + 1);
	json_tokener_free(parser);
	return object;
}

struct json_object *json_at(struct json_object *object, const char *path)
{
	while (object && *path) {
		size_t len = strcspn(path, ".");
		char name[64];

		if (len >= sizeof(name) ||
		    !json_object_is_type(object, json_type_object))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		if (!json_object_object_get_ex(object, name, &object))
			return NULL;
		path += len + (path[len] == '.');
	}
	return object;
}

struct json_object *json_nth(struct json_object *array, size_t n)
{
	return json_object_array_get_idx(array, n);
}

size_t json_length(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ?
	       json_object_array_length(array) : 0;
}

bool json_named(struct json_object *array, const char *name)
{
	size_t i;

	for (i = 0; i < json_length(array); i++) {
		const char *other = json_text(json_nth(array, i), "name");

		if (other && !strcmp(other, name))
			return true;
	}
	return false;
}

const char *json_text(struct json_object *object, const char *path)
{
	struct json_object *value = json_at(object, path);

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

bool json_true(struct json_object *object, const char *path)
{
	struct json_object *value = json_at(object, path);

	return json_object_is_type(value, json_type_boolean) &&
	       json_object_get_boolean(value);
}

uint64_t json_number(struct json_object *object, const char *path)
{
	struct json_object *value = json_at(object, path);

	if (!json_object_is_type(value, json_type_int))
		return 0;
	return json_object_get_uint64(value);
}

struct json_object *json_make(const char *name, ...)
{
	struct json_object *object = json_object_new_object();
	const char *value;
	va_list args;

	va_start(args, name);
	for (; name; name = va_arg(args, const char *)) {
		value = va_arg(args, const char *);
		if (value)
			json_object_object_add(object, name,
					       json_object_new_string(value));
	}
	va_end(args);
	return object;
}

uint64_t qmp_add(struct qmp *qmp, const char *execute,
		 struct json_object *arguments)
{
	struct json_object *command = json_object_new_object();
	const char *text;
	char *grown;
	size_t len;

	json_object_object_add(command, "execute",
			       json_object_new_string(execute));
	if (arguments)
		json_object_object_add(command, "arguments", arguments);
	json_object_object_add(command, "id",
			       json_object_new_uint64(qmp->next_id));
	text = json_object_to_json_string_length(command,
						 JSON_C_TO_STRING_PLAIN, &len);
	grown = realloc(qmp->out, qmp->out_len + len + 1);
	if (!grown)
		abort();
	qmp->out = grown;
	memcpy(grown + qmp->out_len, text, len);
	qmp->out_len += len;
	grown[qmp->out_len++] = '\n';
	json_object_put(command);
	return qmp->next_id++;
}

/* Return: 0 if there may be something, -ETIMEDOUT, or -EINTR */
static int wait_for(struct qmp *qmp, short events, uint64_t until)
{
	struct pollfd poll_fd = { .fd = qmp->fd, .events = events };

	for (;;) {
		uint64_t now = now_ns();
		int timeout = now < until ? (until - now) / 1000000 + 1 : 0;
		int ready = poll(&poll_fd, 1, timeout);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (!qmp->deaf && signals_caught())
			return -EINTR;
		if (!ready && now >= until)
			return -ETIMEDOUT;
	}
}

int qmp_flush(struct qmp *qmp)
{
	uint64_t until = now_ns() + qmp->timeout_ns;
	size_t done = 0;
	int err = qmp->fd < 0 ? -EPIPE : 0;

	while (!err && done < qmp->out_len) {
		ssize_t n = send(qmp->fd, qmp->out + done, qmp->out_len - done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			done += n;
		else if (errno == EAGAIN)
			err = wait_for(qmp, POLLOUT, until);
		else if (errno != EINTR)
			err = errno == ECONNRESET ? -EPIPE : -errno;
	}
	qmp->out_len = 0;
	return err;
}

/* One more part of a message; a whole one is @message. */
static int parse(struct qmp *qmp, struct json_object **message)
{
	struct json_object *object;

	*message = NULL;
	object = json_tokener_parse_ex(qmp->parser, qmp->in + qmp->in_start,
				       qmp->in_end - qmp->in_start);
	qmp->in_start += json_tokener_get_parse_end(qmp->parser);
	qmp->partial =
		json_tokener_get_error(qmp->parser) == json_tokener_continue;
	if (qmp->partial)
		return 0;
	if (json_tokener_get_error(qmp->parser) != json_tokener_success)
		return -EPROTO;
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return -EPROTO;
	}
	*message = object;
	return 0;
}

static void skip_white(struct qmp *qmp)
{
	while (qmp->in_start < qmp->in_end &&
	       strchr(" \t\r\n", qmp->in[qmp->in_start]) &&
	       qmp->in[qmp->in_start])
		qmp->in_start++;
}

static int receive(struct qmp *qmp, uint64_t until,
		   struct json_object **message)
{
	int err = qmp->broken ? -EPROTO : 0;

	*message = NULL;
	while (!err && !*message) {
		ssize_t n;

		if (!qmp->partial)
			skip_white(qmp);
		if (qmp->in_start < qmp->in_end) {
			err = parse(qmp, message);
			qmp->broken = err;
			continue;
		}
		err = wait_for(qmp, POLLIN, until);
		if (err)
			break;
		n = recv(qmp->fd, qmp->in, sizeof(qmp->in), MSG_DONTWAIT);
		qmp->in_start = 0;
		qmp->in_end = n > 0 ? n : 0;
		if (!n || (n < 0 && errno == ECONNRESET))
			err = -EPIPE;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			err = -errno;
	}
	return err;
}

static void take_event(struct qmp *qmp, struct json_object *message)
{
	const char *event = json_text(message, "event");
	uint64_t us = json_number(message, "timestamp.seconds") * 1000000 +
		      json_number(message, "timestamp.microseconds");

	if (event && !strcmp(event, "STOP")) {
		qmp->stopped_us = us;
	} else if (event && !strcmp(event, "RESUME")) {
		qmp->resumed_us = us;
		qmp->resumed = true;
	}
}

/* The answer to a command, if it has been heard; and no longer */
static struct json_object *take_pending(struct qmp *qmp, uint64_t id)
{
	size_t i, nr = json_object_array_length(qmp->pending);

	for (i = 0; i < nr; i++) {
		struct json_object *message =
			json_object_array_get_idx(qmp->pending, i);

		if (json_number(message, "id") != id)
			continue;
		json_object_get(message);
		json_object_array_del_idx(qmp->pending, i, 1);
		return message;
	}
	return NULL;
}

bool qmp_answered(const struct qmp *qmp, uint64_t id)
{
	size_t i, nr = json_object_array_length(qmp->pending);

	for (i = 0; i < nr; i++)
		if (json_number(json_object_array_get_idx(qmp->pending, i),
				"id") == id)
			return true;
	return false;
}

/* An event is noted, an answer kept. */
static int hear(struct qmp *qmp, uint64_t until)
{
	struct json_object *message;
	int err = receive(qmp, until, &message);

	if (err)
		return err;
	take_event(qmp, message);
	if (json_at(message, "id"))
		json_object_array_add(qmp->pending, message);
	else
		json_object_put(message);
	return 0;
}

int qmp_hear(struct qmp *qmp, uint64_t ns)
{
	int err = hear(qmp, now_ns() + ns);

	return err == -ETIMEDOUT ? 0 : err;
}

int qmp_reply(struct qmp *qmp, uint64_t id, struct json_object **value)
{
	const uint64_t until = now_ns() + qmp->timeout_ns;
	struct json_object *message, *error;
	int err = 0;

	if (value)
		*value = NULL;
	while (!(message = take_pending(qmp, id))) {
		err = hear(qmp, until);
		if (err)
			return err;
	}
	error = json_at(message, "error");
	if (error) {
		const char *desc = json_text(error, "desc");

		snprintf(qmp->error, sizeof(qmp->error), "%s",
			 desc ? desc : "it does not say why");
		err = -EREMOTEIO;
	} else if (value) {
		*value = json_object_get(json_at(message, "return"));
	}
	json_object_put(message);
	return err;
}

int qmp_call(struct qmp *qmp, const char *execute,
	     struct json_object *arguments, struct json_object **value)
{
	uint64_t id = qmp_add(qmp, execute, arguments);
	int err = qmp_flush(qmp);

	if (value)
		*value = NULL;
	return err ? err : qmp_reply(qmp, id, value);
}

/*
 * QEMU may answer to a new connection first what was asked on the last one: it
 * talks to it while it is still at work on that.
 */
static int greet(struct qmp *qmp)
{
	const uint64_t until = now_ns() + qmp->timeout_ns;
	const bool first = qmp->next_id == 1;
	struct json_object *greeting;
	bool right = false;
	int err;

	do {
		err = receive(qmp, until, &greeting);
		right = !err && json_at(greeting, "QMP");
		json_object_put(greeting);
	} while (!err && !right && !first);
	if (err)
		return err;
	return right ? qmp_call(qmp, "qmp_capabilities", NULL, NULL) : -EPROTO;
}

/*
 * QEMU speaks to one client; there is room for another one to wait in, and the
 * next would wait in connect(2).
 */
static int connect_to(struct qmp *qmp, const struct sockaddr_un *address)
{
	/* None at all would be for ever. */
	const uint64_t us = qmp->timeout_ns / 1000 + 1;
	const struct timeval limit = {
		.tv_sec = us / 1000000,
		.tv_usec = us % 1000000,
	};

	if (setsockopt(qmp->fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
		       sizeof(limit)))
		return -errno;
	if (!connect(qmp->fd, (const struct sockaddr *)address,
		     sizeof(*address)))
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int open_socket(struct qmp *qmp)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int err;

	if (strlen(qmp->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, qmp->path);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (qmp->fd < 0)
		return -errno;
	err = connect_to(qmp, &address);
	if (err)
		return err;
	if (!getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		qmp->pid = peer.pid;
	return greet(qmp);
}

int qmp_connect(struct qmp *qmp, const char *path, uint64_t timeout_ns)
{
	memset(qmp, 0, sizeof(*qmp));
	qmp->timeout_ns = timeout_ns;
	qmp->fd = -1;
	qmp->path = strdup(path);
	qmp->parser = json_tokener_new_ex(MAX_NESTING);
	qmp->pending = json_object_new_array();
	/* What has no number is number 0. */
	qmp->next_id = 1;
	if (!qmp->path || !qmp->parser || !qmp->pending)
		return -ENOMEM;
	/* A message ends where it ends, whatever begins behind it. */
	json_tokener_set_flags(qmp->parser, JSON_TOKENER_STRICT |
			       JSON_TOKENER_ALLOW_TRAILING_CHARS);
	return open_socket(qmp);
}

int qmp_again(struct qmp *qmp)
{
	const pid_t pid = qmp->pid;
	int err;

	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
	qmp->in_start = 0;
	qmp->in_end = 0;
	qmp->out_len = 0;
	qmp->partial = false;
	qmp->broken = false;
	json_tokener_reset(qmp->parser);
	err = open_socket(qmp);
	if (!err && qmp->pid == pid)
		return 0;
	/* What was begun was begun with another QEMU; or nobody was greeted. */
	qmp->pid = pid;
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
	return err ? err : -ECONNREFUSED;
}

void qmp_close(struct qmp *qmp)
{
	if (qmp->parser)
		json_tokener_free(qmp->parser);
	if (qmp->fd >= 0)
		close(qmp->fd);
	free(qmp->out);
	free(qmp->path);
	qmp->path = NULL;
	json_object_put(qmp->pending);
	qmp->pending = NULL;
	qmp->parser = NULL;
	qmp->out = NULL;
	qmp->fd = -1;
}

int qmp_failed(const struct qmp *qmp, const char *doing, int err)
{
	switch (err) {
	case -EINTR:
		return FAILED;
	case -EREMOTEIO:
		return failure(FAILED, EREMOTEIO, "QEMU refuses %s: %s", doing,
			       qmp->error);
	case -EPIPE:
		return failure(FAILED, EPIPE,
			       "QEMU has ended, or closed the connection, at %s: see its own messages.",
			       doing);
	case -ETIMEDOUT:
		return failure(FAILED, ETIMEDOUT,
			       "QEMU does not answer to %s: give it longer with --timeout, or see what it does.",
			       doing);
	case -EPROTO:
		return failure(FAILED, EPROTO,
			       "What answers to %s does not speak QMP: give the socket of a -qmp, not of a -monitor.",
			       doing);
	default:
		return failure(FAILED, -err, "QEMU can not be asked for %s: %s.",
			       doing, strerror(-err));
	}
}

int qmp_ask(struct qmp *qmp, const char *execute,
	    struct json_object *arguments, struct json_object **value)
{
	int err = qmp_call(qmp, execute, arguments, value);

	return err ? qmp_failed(qmp, execute, err) : DONE;
}

int qmp_monitor(struct qmp *qmp, const char *line, char **answer)
{
	struct json_object *value;
	const char *text;
	int err = qmp_call(qmp, "human-monitor-command",
			   json_make("command-line", line, NULL), &value);

	*answer = NULL;
	if (err)
		return qmp_failed(qmp, line, err);
	text = json_text(value, "");
	*answer = strdup(text ? text : "");
	json_object_put(value);
	if (!*answer)
		return failure(FAILED, ENOMEM, "Out of memory.");
	return DONE;
}
