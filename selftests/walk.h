/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world of the model walk: processes with an arena of memory each, and
 * snapshots, together with a model of what all of them hold.
 *
 * The model of a page is a number that fills it, and where it comes from.
 * The arenas lie at one address in all processes, so that fork(2) is a copy.
 */
#ifndef SELFTESTS_WALK_H
#define SELFTESTS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib.h"
#include "peer.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#endif

#define ARENA		((char *)0x10000000000UL)
#define ARENA_PAGES	3072UL
#define SNAP_PAGES	(ARENA_PAGES + 2048UL)
#define NR_PROCS	4
#define NR_SNAPS	256
#define MAX_FDS		9
#define NR_PLACES	8
#define NR_REGIONS	4
#define NR_LINES	48

/* A page of a process. */
struct page {
	uint64_t fill;		/* what it reads as; 0: zeroes */
	uint16_t snap;		/* it maps this one, counted from 1, or none */
	uint16_t at;		/* and this page of it */
	bool mapped, writable;
	bool loose;		/* who knows what is below what it reads as */
};

/* Where something was captured or mapped: it may be all of a mapping. */
struct place {
	size_t page, nr;
};

struct proc {
	struct peer *peer;	/* NULL: none */
	struct page *page;	/* in memory shared with the peers */
	struct place place[NR_PLACES];
	unsigned int next_place;
};

struct snap {
	int fd;			/* -1: nobody has it, but it may be mapped */
	bool used;
	size_t pages;
	uint64_t *fill;
};

/* A capture, or another call with a list, that a peer may make. */
struct call_arg {
	struct vmfork_capture cap;
	struct vmfork_region region[NR_REGIONS];
};

struct walk {
	struct proc proc[NR_PROCS];
	struct snap snap[NR_SNAPS];
	struct call_arg *call;	/* shared */
	uint64_t seed;
	int advice;		/* for anonymous memory; 0: any */
	uint64_t stamp;		/* the last one that was written */
	uint64_t in_place, taken, shared;	/* pages, by all captures */
	char line[NR_LINES][120];
	unsigned int lines;
};

struct op {
	const char *name;
	unsigned int weight;
	/* 0, or 1 if there was nothing to do it to, or -1 with a note */
	int (*fn)(struct walk *w);
};

extern const struct op walk_ops[];
extern const size_t nr_walk_ops;

/* Says what is being done, for when something is wrong afterwards. */
void walk_say(struct walk *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* 0 or -errno */
int walk_start(struct walk *w, uint64_t seed, int advice);
void walk_end(struct walk *w);
/* Compares everything; how many pages are wrong. */
long walk_check(struct walk *w);

static inline size_t walk_rnd(struct walk *w, size_t below)
{
	return below ? rnd(&w->seed) % below : 0;
}

static inline char *page_at(size_t page)
{
	return ARENA + page * PAGE;
}

struct proc *walk_proc(struct walk *w);
struct proc *walk_free_proc(struct walk *w);
unsigned int walk_nr_procs(const struct walk *w);
/* How many pages from @page on are mapped, @most at most. */
size_t walk_run(const struct proc *p, size_t page, size_t most);
/* A mapped range of a process; false if there is none. */
bool walk_range(struct walk *w, struct proc *p, size_t *page, size_t *nr);
/* One of its places that is a mapping of one snapshot still, if any is. */
bool walk_place(struct walk *w, struct proc *p, size_t *page, size_t *nr);
void walk_add_place(struct proc *p, size_t page, size_t nr);

/* A new snapshot of so many pages, all holes, numbered from 1. */
unsigned int walk_new_snap(struct walk *w, int fd, size_t pages);
/* One that there is a descriptor of, or 0. */
unsigned int walk_some_snap(struct walk *w);
unsigned int walk_nr_fds(const struct walk *w);
void walk_drop_snap(struct walk *w, unsigned int snap);

static inline struct snap *snap_of(struct walk *w, unsigned int nr)
{
	return &w->snap[nr - 1];
}

#endif
