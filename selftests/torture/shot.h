/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shots: a snapshot together with what it has to hold.
 *
 * The pool is a socket that holds shots as messages: who takes one has it, who
 * is killed with one has dropped it, and no memory is shared that he could
 * leave half written.
 */
#ifndef TORTURE_SHOT_H
#define TORTURE_SHOT_H

#include "torture.h"

#define MAX_REGIONS 6
#define MAX_WIPES 2

/**
 * struct shot - a snapshot and its model
 * @fd: of the snapshot
 * @offset: in it, of page 0
 * @tag: what each page holds
 */
struct shot {
	int fd;
	uint32_t pages;
	uint64_t offset;
	uint64_t tag[MAX_PAGES];
};

struct range {
	uint32_t first, nr;
};

/**
 * struct plan - which parts of a guest are captured, in which order
 * @part: pages of each region
 * @wipe: pages that are left out of them by VMFORK_REGION_WIPE
 * @whole: it is all of them, in one region
 * @ahead: it has just been captured ahead as one mapping, by the visit of this
 *	number; if nobody else has come since, and all of it is captured in
 *	place, that is one instant
 */
struct plan {
	unsigned int parts, wipes;
	struct range part[MAX_REGIONS], wipe[MAX_WIPES];
	bool whole;
	uint32_t ahead;
};

/* All of a guest. */
#define PLAN_WHOLE(b) { .parts = 1, .part = { { 0, (b)->pages } }, \
			.whole = true }

void plan_draw(struct self *self, const struct board *b, struct plan *plan);
/*
 * Captures a guest, whoever it is.  0, or -errno as the kernel gave it, or
 * -ECHILD if it was another guest by the end.  Judges what was captured,
 * between the two glances; then the shot's model is exact.
 */
int shot_take(struct shot *shot, struct board *b, int pidfd,
	      const struct plan *plan, const char *who);
/* Captures it ahead; what it reads as stays the same. */
int shot_prearm(struct self *self, struct board *b, int pidfd,
		const struct plan *plan);
/* Do two shots differ where the kernel says so?  In what they hold, or more. */
void shot_diff(struct self *self, const struct shot *a, const struct shot *b,
	       const char *who);
/* Why the last one was refused. */
const char *shot_refusal(void);
/* Every byte, by a mapping or by reading; the mapping is left in @map. */
void shot_check(struct self *self, const struct shot *shot, const char *who);
const uint64_t *shot_map(const struct shot *shot);
void shot_unmap(const struct shot *shot, const void *map);
void shot_drop(struct shot *shot);

void pool_open(void);
void pool_close(void);
/* False if the pool is full; the shot is dropped in any case. */
bool pool_put(struct shot *shot);
bool pool_get(struct shot *shot);
void pool_drain(void);

#endif
