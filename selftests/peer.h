/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers: other processes that do what a test asks of them.
 *
 * A peer is forked from the test, so functions have the same addresses in
 * both: a test sends a function and its argument, and gets back what the
 * function returned.  A NULL peer stands for the test itself.
 */
#ifndef SELFTESTS_PEER_H
#define SELFTESTS_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmfork_capture;

struct peer {
	pid_t pid;
	int pidfd;
	int sock;
};

#define PEER_ARG_MAX 256

/* @fd is -1 or a copy of the caller's descriptor, closed after the call. */
typedef long (*peer_fn)(int fd, const void *arg);

struct peer *peer_start(void);
/* One that is forked from another, with its memory. */
struct peer *peer_fork(struct peer *from);
long peer_call(struct peer *peer, peer_fn fn, int fd, const void *arg,
	       size_t size);
/* The two halves of peer_call(), to have peers work at the same time. */
int peer_send(struct peer *peer, peer_fn fn, int fd, const void *arg,
	      size_t size);
long peer_wait(struct peer *peer);
/*
 * A capture that @peer makes, of itself (@pidfd -1) or of another process.
 * Returns a descriptor of the test's own, the peer keeps none; or -errno.
 */
int peer_capture(struct peer *peer, int pidfd, const void *addr, size_t len,
		 uint64_t offset, struct vmfork_capture *out);
/* Takes a descriptor from a peer, who has none then; or -errno. */
int peer_take_fd(struct peer *peer, int theirs);
/* Kills the peer, waits until it is gone, and forgets it. */
void peer_kill(struct peer *peer);
/* Lets the peer exit by itself and returns its exit status. */
int peer_exit(struct peer *peer);

/*
 * Memory that the test and all of its peers share, whenever they were
 * started; zeroed.  Only the test itself may ask for it.
 */
void *shared_alloc(size_t size);
/* Takes @mark, and all that was asked for since, back. */
void shared_reset(void *mark);

#endif
