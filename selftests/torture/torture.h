/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Torture: a storm of everything that memory can meet, on memory whose every
 * byte is known.
 *
 * A supervisor (supervisor.c) starts actors (the table in actors.c), each a
 * process that does one thing again and again until the round is over or it is
 * killed; then it is started anew.  The most important actors are guests: they
 * have memory, a generator that writes and checks it, and a table of tricks
 * (tricks.c) that they play on it.
 *
 * To add an actor or a trick: a function in a file of its own, and a line in
 * the table.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "../lib.h"
#include "board.h"
#include "pattern.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#ifndef MADV_PAGEOUT
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define MAX_ACTORS	40	/* processes, not kinds */
#define MAX_FIGURES	400
#define MAX_ERRNOS	14
#define NR_CELLS	4	/* cgroups that actors live in */

/**
 * struct figure - how often something was done, and how it went
 */
struct figure {
	uint32_t used;
	char what[44];
	uint64_t good;
	struct {
		uint32_t err;
		uint64_t nr;
	} bad[MAX_ERRNOS];
};

/**
 * struct seat - one process of an actor
 * @pid: 0 while there is none
 * @mortal: it may be killed
 */
struct seat {
	volatile int32_t pid;
	uint32_t lives;
	bool mortal;
};

/**
 * struct shared - what all processes of a run share
 * @stop: the round is over
 * @failed: something was wrong; the first to say so is heard
 * @judged: captures that were; how far the run has come
 * @poisoned: pages that were told to be broken, and will not come back, alone
 *	or with the huge page (@poisoned_huge) that they were in
 */
struct shared {
	uint64_t seed;
	uint64_t next_object;
	volatile uint32_t stop;
	volatile uint32_t failed;
	volatile uint32_t judged;
	volatile uint32_t poisoned, poisoned_huge;
	uint32_t nr_seats;
	struct seat seats[MAX_ACTORS];
	struct figure figures[MAX_FIGURES];
	struct board boards[MAX_BOARDS];
};

extern struct shared *shared;

/**
 * struct options - what was asked for
 * @only: names of actors and tricks; all if there are none
 * @without: names of others
 */
struct options {
	uint64_t seed;
	unsigned int seconds;
	unsigned int round_seconds;
	const char *only[32];
	const char *without[32];
	unsigned int nr_only, nr_without;
	bool json, ktap, list;
};

extern struct options options;

/* Nothing was named, or this was, and it was not left out. */
bool wanted(const char *name);

/**
 * struct self - who this process is, and the source of its decisions
 * @rng: of rnd(), see lib.h
 * @seat: number of its seat
 * @nr: which of the actor's processes; @life: how often it was started
 */
struct self {
	const char *name;
	uint64_t rng;
	unsigned int seat, nr, life;
};

/**
 * struct actor - a kind of process
 * @weight: how many of them
 * @mortal: the killer may kill it at any time
 * @possible: NULL, or whether this kernel can do it
 * @run: until stopping(); may return when it has had enough
 * @guest: it has a board, @nr says which
 */
struct actor {
	const char *name;
	unsigned int weight;
	bool mortal;
	bool guest;
	bool (*possible)(void);
	void (*run)(struct self *self);
};

extern const struct actor actors[];
extern const unsigned int nr_actors;

/* --- figures */
/* @ret: 0 or more is good, else -errno. Returns @ret. */
long did(const char *what, long ret);
void count(const char *what, uint64_t nr);
void figures_print(FILE *out, const char *prefix);
void figures_json(FILE *out);

/* --- verdicts */
/* Something is not what it should be. The run ends. */
void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...);
/* Something could not be had; this life is over. */
void __attribute__((noreturn)) give_up(const char *what, long ret);
/* Describes what is at a page that is wrong, for fail(). */
const char *describe(const void *page, uint64_t tag, size_t nr);
/* @ret is no errno that this may end with: fail(). */
void expect_errno(const char *what, long ret, const int *allowed,
		  const char *more);

/* Of any capture: pages that go to swap, no memory, the user's quota. */
#define MAY_BE_REFUSED	EAGAIN, ENOMEM, EDQUOT
#define ALLOWED(...) ((const int[]){ __VA_ARGS__, 0 })

/* --- time and chance */
static inline bool stopping(void)
{
	return shared->stop || shared->failed;
}

static inline uint64_t draw(struct self *self, uint64_t below)
{
	return rnd(&self->rng) % below;
}

static inline bool chance(struct self *self, unsigned int percent)
{
	return draw(self, 100) < percent;
}

/* Sleeps a random time up to @most, in slices, so that it can be stopped. */
void doze(struct self *self, unsigned int most_us);
void nap(unsigned int us);
uint64_t mix(uint64_t a, uint64_t b);
uint64_t new_object(void);
/* For a process that @self has forked: its own decisions. */
void become(struct self *self, unsigned int nr);
/* Reaps @pid, killing it first if it does not end in a few seconds. */
int reap(pid_t pid);
/* At least this version. */
bool kernel_is(unsigned int major, unsigned int minor);
/* write_file() whose result is counted as "@what". */
int poke_file(const char *what, const char *path, const char *text);

#endif
