/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QMP: talking to QEMU over its socket.
 *
 * Commands may be sent several at a time; QEMU executes them one after the
 * other, with nothing of ours in between.
 *
 *	first = qmp_add(&qmp, "stop", NULL);
 *	second = qmp_add(&qmp, "cont", NULL);
 *	err = qmp_flush(&qmp);
 *	err = qmp_reply(&qmp, first, NULL);
 *	err = qmp_reply(&qmp, second, NULL);
 */
#ifndef VMFORK_QMP_H
#define VMFORK_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;
struct json_tokener;

/**
 * struct qmp - a connection
 * @fd: socket
 * @path: of what it is connected to
 * @timeout_ns: how long an answer may take
 * @deaf: signals do not interrupt: something has to be put right again
 * @pid: the process that made the socket, by the kernel
 * @stopped_us: when QEMU last said that its guest stopped, by its clock
 * @resumed_us: when it last said that it went on
 * @resumed: it has said so
 * @error: what QEMU said of the last command that failed, or ""
 * @next_id: number of the next command
 * @out: what is to be sent
 * @out_len: length of @out
 * @in: what was received and not yet looked at
 * @in_start: where that begins
 * @in_end: where it ends
 * @parser: json-c's
 * @partial: it holds the first part of a message
 * @broken: what came was no QMP, so nobody knows where a message begins
 * @pending: answers that came before they were waited for
 */
struct qmp {
	int fd;
	char *path;
	uint64_t timeout_ns;
	bool deaf;
	pid_t pid;
	uint64_t stopped_us;
	uint64_t resumed_us;
	bool resumed;
	char error[512];
	uint64_t next_id;
	char *out;
	size_t out_len;
	char in[16384];
	size_t in_start;
	size_t in_end;
	struct json_tokener *parser;
	bool partial;
	bool broken;
	struct json_object *pending;
};

/**
 * qmp_connect() - connect, and agree on what is spoken
 * @qmp: out; qmp_close() it, whatever is returned
 * @path: of the socket
 * @timeout_ns: how long an answer may take, this one included
 *
 * Return: 0 or -errno: -ETIMEDOUT if there is no greeting, which is what
 * somebody else's connection to the same socket looks like.
 */
int qmp_connect(struct qmp *qmp, const char *path, uint64_t timeout_ns);

/**
 * qmp_again() - connect once more, where the connection was lost
 *
 * Answers that have not come do not come any more.
 *
 * Return: 0 or -errno, as of qmp_connect(); -ECONNREFUSED also if it is another
 * process that listens there now.
 */
int qmp_again(struct qmp *qmp);

void qmp_close(struct qmp *qmp);

/**
 * qmp_add() - prepare a command
 * @execute: its name
 * @arguments: of it, or NULL; consumed
 *
 * Return: its number.
 */
uint64_t qmp_add(struct qmp *qmp, const char *execute,
		 struct json_object *arguments);

/** qmp_flush() - send all that was added; return: 0 or -errno */
int qmp_flush(struct qmp *qmp);

/**
 * qmp_reply() - wait for the answer to a command
 * @id: its number
 * @value: out: what it returned, or NULL if nobody wants to know
 *
 * Return: 0; -EREMOTEIO if it failed, and then @error says why; -EPIPE if QEMU
 * is gone; -ETIMEDOUT; -EINTR after a signal; -EPROTO for what is no QMP.
 */
int qmp_reply(struct qmp *qmp, uint64_t id, struct json_object **value);

/** qmp_call() - all of this for one command */
int qmp_call(struct qmp *qmp, const char *execute,
	     struct json_object *arguments, struct json_object **value);

/**
 * qmp_hear() - take note of what comes
 * @ns: how long to wait for it at most
 *
 * Return: 0, also if nothing came; -errno as of qmp_reply().
 */
int qmp_hear(struct qmp *qmp, uint64_t ns);

/** qmp_answered() - whether the answer to a command was heard already */
bool qmp_answered(const struct qmp *qmp, uint64_t id);

/**
 * qmp_failed() - failure() for what any of these returned
 * @doing: "query-block": what was done
 *
 * Return: FAILED.
 */
int qmp_failed(const struct qmp *qmp, const char *doing, int err);

/** qmp_ask() - qmp_call() that tells of its failure; returns an enum status */
int qmp_ask(struct qmp *qmp, const char *execute,
	    struct json_object *arguments, struct json_object **value);

/** qmp_monitor() - what the human monitor says to a line; to be freed */
int qmp_monitor(struct qmp *qmp, const char *line, char **answer);

/**
 * json_parse() - of a text, as deep as chains of images are
 *
 * Return: to be put; NULL if it is no JSON.
 */
struct json_object *json_parse(const char *text);

/* What is in an object, by a path such as "image.filename". */
struct json_object *json_at(struct json_object *object, const char *path);

/** json_nth() - an element of an array, NULL behind its end */
struct json_object *json_nth(struct json_object *array, size_t n);

/** json_length() - of an array; 0 if it is none */
size_t json_length(struct json_object *array);

/** json_named() - whether an element of an array has this "name" */
bool json_named(struct json_object *array, const char *name);

/** json_text() - a string there, or NULL */
const char *json_text(struct json_object *object, const char *path);

/** json_true() - whether there is a true */
bool json_true(struct json_object *object, const char *path);

/** json_number() - a number there, or 0 */
uint64_t json_number(struct json_object *object, const char *path);

/**
 * json_make() - an object of strings
 * @name: of the first, followed by its value, then by more such pairs, and
 *	NULL; a pair whose value is NULL is left out
 */
struct json_object *json_make(const char *name, ...)
	__attribute__((sentinel));

#endif /* VMFORK_QMP_H */
