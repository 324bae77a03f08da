/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Children of a QEMU that are started here.
 */
#ifndef VMFORK_QEMUSTART_H
#define VMFORK_QEMUSTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "qemucmd.h"

struct qemu_user;

/* Where a child finds the file descriptor of its state */
#define QEMU_STATE_FD	3

/**
 * struct qemu_forward - a port of the host that leads to the guest
 * @port: on the host
 * @guest: in the guest
 * @udp: it is UDP's, not TCP's
 */
struct qemu_forward {
	unsigned int port;
	unsigned int guest;
	bool udp;
};

/**
 * struct qemu_child - one that is started
 * @cmd: its command line
 * @env: its environment, as execve(2) takes it
 * @qmp: path of its socket
 * @log: path of a file for what it prints
 * @user: whose it is, NULL for ours
 * @logged: that file was made
 * @started: there was a process, which may have made its socket
 * @since_ns: it made no file before that
 * @pid: its process, 0 if there is none
 * @forwards: ports that lead to it
 * @nr_forwards: length of @forwards
 */
struct qemu_child {
	struct qemu_cmd cmd;
	char *const *env;
	char *qmp;
	char *log;
	const struct qemu_user *user;
	bool logged;
	bool started;
	uint64_t since_ns;
	pid_t pid;
	struct qemu_forward *forwards;
	size_t nr_forwards;
};

/**
 * qemu_start() - start one
 * @child: @pid is set, and @user
 * @state: path of what it is to read
 * @user: whose it is to be, as are its files; NULL for ours
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_start(struct qemu_child *child, const char *state,
	       const struct qemu_user *user);

/**
 * qemu_start_wait() - until its guest runs
 * @child: @forwards is set
 * @timeout_ns: how long that may take
 */
int qemu_start_wait(struct qemu_child *child, uint64_t timeout_ns);

/** qemu_start_undo() - end it, and leave nothing of it */
void qemu_start_undo(struct qemu_child *child);

/** qemu_forwards() - from the answer to "info usernet"; false: no memory */
bool qemu_forwards(const char *text, struct qemu_child *child);

#endif /* VMFORK_QEMUSTART_H */
