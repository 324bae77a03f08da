/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A QEMU that is a process of the test: it speaks QMP, and disobeys where it
 * is told to.  It knows of disks which nodes there are and which are on top.
 */
#ifndef UNIT_FAKEQEMU_H
#define UNIT_FAKEQEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fakeout.h"

#define FAKE_STATE_LEN	50000
#define FAKE_DISKS	2
#define FAKE_NODES	8

/* What QEMU does at a command, in place of doing as it is told */
enum deed { OBEY, REFUSE, DIE, HANG, CLOSE, CLOSE_LATE };

/**
 * struct fake - what a test and its QEMU have in common
 * @dir: where all files are
 * @socket: path it listens at
 * @fifo: where it writes its devices' state to
 * @at: the command at which it does not obey
 * @skip: how often it obeys that before
 * @deed: what it does then; CLOSE_LATE: close, and take nobody for a second
 * @once: it refuses only once
 * @style: how it answers; TOGETHER: what it was asked together
 * @log: initials of commands, in order; "C" of the capture
 * @running: whether its guest runs
 * @ram: its guest's RAM, in the test's process
 * @ram_len: bytes of it
 * @diskless: it says that it has no disks
 * @top: of the disks "disk0" and "disk1", the node on top; at first "base0"
 *	and "base1"
 * @node: those that were added
 * @nr_nodes: length of @node
 * @job: node that is being written back, or ""
 * @written_back: how many were
 */
struct fake {
	char dir[32];
	char socket[100];
	char fifo[100];
	char at[32];
	unsigned int skip;
	enum deed deed;
	bool once;
	enum { PLAIN, PRETTY, BY_BYTE, NOISY, TOGETHER } style;
	char log[256];
	bool running;
	void *ram;
	size_t ram_len;
	bool diskless;
	char top[FAKE_DISKS][32];
	char node[FAKE_NODES][32];
	unsigned int nr_nodes;
	char job[32];
	unsigned int written_back;
};

extern struct fake *fake;

/** fake_new() - none runs yet; false if there is no place for it */
bool fake_new(void);

/** fake_begin() - one that disobeys at a command; its process id, or -errno */
pid_t fake_begin(const char *at, enum deed deed);

/** fake_end() - kill it */
void fake_end(pid_t pid);

/** fake_free() - return: whether nothing was left in its directory */
bool fake_free(void);

/** fake_note() - add to @log */
void fake_note(char what);

#endif /* UNIT_FAKEQEMU_H */
