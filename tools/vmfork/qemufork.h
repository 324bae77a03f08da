/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fork of a QEMU, from the first look at it to children that run.
 */
#ifndef VMFORK_QEMUFORK_H
#define VMFORK_QEMUFORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qemuchild.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuguard.h"
#include "qemuoverlay.h"
#include "qemuram.h"
#include "qemustart.h"
#include "qemustop.h"
#include "qemuuser.h"
#include "qmp.h"

/**
 * struct qemu_fork - one of them
 * @socket: path of the parent's QMP socket
 * @children: how many there are to be
 * @wanted_name: what files are to be called, or NULL
 * @wanted_dir: where they are to be, or NULL
 * @start: children are started
 * @pid: the parent's process, 0 if its socket tells
 * @timeout_ns: how long an answer, or a child's start, may take
 *
 * These are given; what follows comes of it.
 *
 * @qmp: the parent
 * @user: whose it is
 * @cmd: its command line
 * @disks: its disks
 * @ram: its memory
 * @plan: for children
 * @overlays: of disks
 * @stop: the moment
 * @guard: of all this, until there are children
 * @dir: where files are
 * @name: what they begin with
 * @guest: the guest's own name, or NULL
 * @machine: "pc-i440fx-7.2"
 * @snapshot: path of the snapshot's name
 * @state: path of what children read
 * @fifo: path, in the stop
 * @incoming: how children come to @state
 * @child: of length @children, or NULL
 * @named: the snapshot has its name
 * @stated: the state's file is there
 * @version: of QEMU: 802 is 8.2
 */
struct qemu_fork {
	const char *socket;
	unsigned int children;
	const char *wanted_name;
	const char *wanted_dir;
	bool start;
	int pid;
	uint64_t timeout_ns;

	struct qmp qmp;
	struct qemu_user user;
	struct qemu_cmd cmd;
	struct qemu_disks disks;
	struct qemu_ram ram;
	struct qemu_plan plan;
	struct qemu_overlays overlays;
	struct qemu_stop stop;
	struct qemu_guard guard;
	char *dir;
	char *name;
	char *guest;
	char *machine;
	char *snapshot;
	char *state;
	char *fifo;
	char *incoming;
	struct qemu_child *child;
	bool named;
	bool stated;
	unsigned int version;
};

/**
 * qemu_fork() - do it
 * @fork: with no file open (-1); qemu_fork_free() it, whatever the status is
 *
 * Return: an enum status; a failure has been told, and left nothing: the parent
 * runs as it did.
 */
int qemu_fork(struct qemu_fork *fork);

/**
 * qemu_fork_undo() - take back one that succeeded
 *
 * Before qemu_fork_free(), where what it did could not be told.
 */
void qemu_fork_undo(struct qemu_fork *fork);

/**
 * qemu_fork_choose() - where files are to be, and what they are called
 * @fork: whose parent was looked at; @plan is set, but for @default_nic
 *
 * Return: an enum status; a failure has been told.
 */
int qemu_fork_choose(struct qemu_fork *fork);

void qemu_fork_free(struct qemu_fork *fork);

#endif /* VMFORK_QEMUFORK_H */
