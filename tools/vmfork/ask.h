/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the module over netlink, and hearing of events.
 *
 * Each function that returns an int returns an enum status, and has told of a
 * failure by failure().
 */
#ifndef VMFORK_ASK_H
#define VMFORK_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "world.h"

struct nl_sock;

/**
 * struct ask - a socket
 * @sock: libnl's
 * @family: number of the module's family
 * @text: what the kernel said of the last failure, or ""
 */
struct ask {
	struct nl_sock *sock;
	int family;
	char text[128];
};

/**
 * struct event - what has happened; what it does not say is 0 or NULL
 * @name: of what happened, as in the specification
 * @path: the name that a snapshot was given
 * @has_uid: @uid is said
 */
struct event {
	const char *name;
	const char *path;
	uint64_t seq, time_ns, snapshot, parent, from, mapping, size, offset;
	uint64_t pages, file, stolen, copied, dropped, freed;
	uint32_t pid, uid;
	bool has_uid, ahead;
};

int ask_open(struct ask *ask);
void ask_close(struct ask *ask);

/**
 * ask_world() - all snapshots, and all mappings, that we may see
 * @count: also what costs a walk over their pages
 */
int ask_world(struct ask *ask, bool count, struct world *world);

/** ask_mappings() - mappings alone, of one process or (0) all */
int ask_mappings(struct ask *ask, uint32_t pid, bool count,
		 struct world *world);

/**
 * ask_one() - one snapshot, counted
 *
 * Return: DONE, and no snapshot is in @world if there is none by that number,
 * or it may not be seen.
 */
int ask_one(struct ask *ask, uint64_t id, struct world *world);

/** ask_join() - from now on, there are events */
int ask_join(struct ask *ask);

/**
 * ask_hear() - wait for an event
 * @ns: so long at most
 * @event: out: good until the next call; without a name if none came
 * @lost: out: some were lost
 *
 * Return: false if it is time to end: for a signal.
 */
bool ask_hear(struct ask *ask, uint64_t ns, struct event *event, bool *lost);

#endif /* VMFORK_ASK_H */
