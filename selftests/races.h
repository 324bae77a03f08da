/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that is raced on, and who disturbs it.
 */
#ifndef SELFTESTS_RACES_H
#define SELFTESTS_RACES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib.h"

#define CORE	1024UL
#define ZONE	64UL
#define ALL	(CORE + 2 * ZONE)
/* With the place away, and a guard page before, between and after */
#define ROOM	(ALL + ZONE + 3)
#define WORDS	(PAGE / sizeof(uint64_t))
#define WRITERS	2
/* Captures that have to work in each test */
#define ENOUGH	3
#define MAX_DISTURBERS 16

/* In memory that is shared with peers; a writer writes every second page. */
struct race {
	char *zone[2];			/* before and after the core */
	char *away;			/* where a zone may go for a moment */
	volatile uint64_t *core;
	volatile uint64_t wrote[CORE];
	volatile uint64_t lost;
	volatile bool stop;
	uint64_t seed;
	int nr_threads;
	pthread_t thread[WRITERS + MAX_DISTURBERS];
};

struct worker {
	struct race *race;
	unsigned int nr;
	uint64_t seed;
};

/* Something that goes on beside the captures: one turn of it. */
struct disturber {
	void (*turn)(struct race *race, uint64_t *seed);
	bool in_zones;
	const char *(*missing)(void);
	int allowed[3];			/* errors, besides EAGAIN */
};

/* The disturbers, by their place in the table. */
enum {
	FAULT, MAP, PROTECT, DISCARD, MOVE, LOCK, HUGE_, SWAP, MERGE, FORK,
	THREAD, GUP, CAPTURE, KHUGEPAGED,
	NR_DISTURBERS
};

extern const struct disturber disturbers[NR_DISTURBERS];

struct disturb_arg {
	struct worker worker;
	const struct disturber *what;
};

void *disturb(void *arg);

#endif /* SELFTESTS_RACES_H */
