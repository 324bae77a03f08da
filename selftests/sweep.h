/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sweep: a scenario is run again and again with the 1st, 2nd, 3rd ...
 * allocation (or copy from and to user memory) in it failing, until none does.
 *
 * A scenario is a row of a table, made of functions: @setup makes what it
 * needs, @act is what fails, @check judges what came of it, @undo takes
 * everything back.  A new one is added as a SCENARIO() (sweep_harness.h) and
 * nowhere else.
 *
 * The kernel does the failing (/proc/PID/task/TID/fail-nth, see
 * Documentation/fault-injection of its source).
 */
#ifndef SELFTESTS_SWEEP_H
#define SELFTESTS_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib.h"
#include "pages.h"
#include "peer.h"

struct sweep;

/* Whose allocations fail. */
enum sweep_where {
	SWEEP_CALLER,		/* all that the calling thread makes */
	SWEEP_INIT,		/* of these, what a module's init function does */
	SWEEP_WORKER,		/* what kernel threads do for vmfork.ko */
};

/**
 * struct scenario - what is swept
 * @setup: before each round; 0 or -errno
 * @act: with a failure ahead; not negative, or -errno.  It may be called
 *	again once it has failed.
 * @check: after that, @ret is what @act returned; NULL or what is wrong
 * @undo: after each round
 * @missing: why it can not be had on this machine, or NULL; may be absent
 * @where: whose allocations
 * @vmalloc: it calls vmalloc(), which complains to the log when it fails, and
 *	is none of ours: leave it out where that can be done
 * @robust: @act never fails, whatever allocation does
 * @keep: what @setup made is good for another round if @act has failed
 * @stride: only each so many'th failure (0 and 1: each)
 * @least: so many failures have to be there, or the sweep says nothing
 * @make, @kind, @pages, @offset, @arg: for the functions
 */
struct scenario {
	const char *name;
	int (*setup)(struct sweep *s);
	int (*act)(struct sweep *s);
	const char *(*check)(struct sweep *s, int ret);
	void (*undo)(struct sweep *s);
	const char *(*missing)(void);
	enum sweep_where where;
	bool vmalloc;
	bool robust;
	bool keep;
	unsigned int stride;
	unsigned int least;
	int (*make)(struct sweep *s);
	enum kind kind;
	size_t pages;
	uint64_t offset;
	long arg;
};

/**
 * struct sweep - a sweep under way, and what its scenario works on
 * @sc: the scenario
 * @dev: an open /dev/vmfork
 * @arena: shared memory is taken from here in each round
 * @fds: descriptors that are open between rounds
 * @area: the memory
 * @cap, @region: of captures, in shared memory
 * @fd: the snapshot that a capture under test made, or -1
 * @base: a snapshot that was made before, or -1
 * @view: a mapping of it
 * @peer: another process
 * @pipe: for what needs one
 * @out: another descriptor that @act opened, or -1
 * @zero: an open /dev/zero
 * @at: an address in @view
 * @value: what @act has read
 * @hit: something has failed in this round, or nobody knows whether it has
 */
struct sweep {
	const struct scenario *sc;
	int dev;
	void *arena;
	int fds;
	struct area area;
	struct vmfork_capture *cap;
	struct vmfork_region *region;
	int fd;
	int base;
	struct view view;
	struct peer *peer;
	int pipe[2];
	int out;
	int zero;
	char *at;
	uint64_t value;
	bool hit;
};

/* Why this kernel can not be swept, or NULL. */
const char *sweep_missing(void);
const char *sweep_where_missing(enum sweep_where where);
/* The whole sweep; false with notes of what was wrong. */
bool sweep_run(struct sweep *s, const struct scenario *sc);

/*
 * The parts: fail the @nth allocation from now on; was there an @nth one?
 * The injection is over when sweep_disarm() returns.
 */
int sweep_arm(enum sweep_where where, unsigned int nth);
enum sweep_hit { SWEEP_MISSED, SWEEP_HIT, SWEEP_UNSEEN };
enum sweep_hit sweep_disarm(enum sweep_where where, unsigned int nth);

/*
 * For scenarios of a mapping: maps all of @base (an @act); the mapping and the
 * snapshot, as far as they are there, have what they should, or what is wrong;
 * neither is there any more (an @undo).
 */
int sweep_mmap(struct sweep *s);
const char *sweep_check_mapping(struct sweep *s);
void sweep_undo_mapping(struct sweep *s);

/*
 * Another way: each allocation from a slab cache that is made for vmfork.ko
 * fails, in whatever thread, until sweep_fail_cache(NULL).
 */
int sweep_fail_cache(const char *cache);

#endif
