/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the commands that watch faults have in common: whose, of which
 * snapshot, and for how long.
 */
#ifndef VMFORK_WATCH_H
#define VMFORK_WATCH_H

#include <stdint.h>

#include <vmfork.h>

#include "bpf.h"
#include "clones.h"

/**
 * struct watch - what is watched
 * @pid: whose faults; 0: everybody's
 * @path: of which snapshot; NULL: of all
 * @buffer: size of the ring buffer in bytes; 0: as the program has it
 * @until: when to stop; its pidfd is @pid's
 * @info: the snapshot, once it is open
 */
struct watch {
	int pid;
	const char *path;
	uint64_t buffer;
	struct bpf_until until;
	struct vmfork_info info;
};

/* For tables of getopt_long(3) */
#define WATCH_SHORT	"p:s:d:b:"
#define WATCH_LONG					\
	{ "pid", required_argument, NULL, 'p' },	\
	{ "snapshot", required_argument, NULL, 's' },	\
	{ "duration", required_argument, NULL, 'd' },	\
	{ "buffer", required_argument, NULL, 'b' }
#define WATCH_HELP							\
	"  -p, --pid PID       the process; ends when it does\n"	\
	"  -s, --snapshot PATH the snapshot, such as /proc/PID/fd/N\n"	\
	"  -d, --duration SECONDS\n"					\
	"                      how long (default: until Ctrl-C)\n"	\
	"  -b, --buffer SIZE   of events that are on their way (default: 4M)\n"

/*
 * Each returns an enum status, and has told of a failure by failure().
 */

/** watch_option() - one of WATCH_SHORT, with optarg */
int watch_option(struct watch *watch, int option);

/**
 * watch_namespace() - that processes have the numbers here that the programs see
 *
 * watch_open() asks for itself where there is a process.
 */
int watch_namespace(void);

/**
 * watch_open() - look at what is to be watched, after the last option
 * @watch: all zero but for watch_option()
 *
 * watch_close() in any case.
 */
int watch_open(struct watch *watch);

/**
 * watch_clones() - where the process maps a snapshot
 * @watch: after watch_open()
 * @clones: out; clones_free() it in any case
 *
 * It has to map one, and only one.
 */
int watch_clones(const struct watch *watch, struct clones *clones);

/**
 * watch_find_snapshot() - of a process, when no snapshot was given
 * @watch: after watch_open()
 *
 * By watch_clones().
 */
int watch_find_snapshot(struct watch *watch);

/**
 * watch_begins() - say that from now on nothing is missed
 *
 * In JSON that is a line of its own, before all others.
 */
int watch_begins(const struct watch *watch);

/** watch_warn() - say that events were dropped, if any were */
void watch_warn(uint64_t drops);

void watch_close(struct watch *watch);

#endif /* VMFORK_WATCH_H */
