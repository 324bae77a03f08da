/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults, counted by what they have in common: their kind, the thread that
 * took them, the part of the snapshot they are in.
 */
#ifndef VMFORK_TALLY_H
#define VMFORK_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"
#include "histogram.h"

/* enum vmfork_fault_kind, and EVENT_COW as the last one */
#define NR_KINDS	6

/** kind_index() - of struct event_fault's @kind, below NR_KINDS */
unsigned int kind_index(uint32_t kind);

/** kind_name() - of a kind_index() */
const char *kind_name(unsigned int index);

/**
 * struct group - faults that have something in common
 * @key: what: a thread's ID, or a part's number
 * @kinds: how many of each kind
 * @pages: how many pages they have mapped
 * @took: how long each took, but for EVENT_COW
 * @pid: for a thread, its process
 * @comm: for a thread, its name
 */
struct group {
	uint64_t key;
	uint64_t kinds[NR_KINDS];
	uint64_t pages;
	struct histogram took;
	uint32_t pid;
	char comm[16];
};

/**
 * struct tally - groups in the order of their keys; all zero is an empty one
 */
struct tally {
	struct group *groups;
	size_t nr;
	size_t room;
};

/** tally_at() - the group of that key, a new one if need be; NULL: no memory */
struct group *tally_at(struct tally *tally, uint64_t key);

/** group_add() - count a fault */
void group_add(struct group *group, const struct event_fault *event);

/** group_count() - how many faults and broken sharings there are in it */
uint64_t group_count(const struct group *group);

/** tally_halve() - make one group of the two whose keys are 2n and 2n + 1 */
void tally_halve(struct tally *tally);

void tally_free(struct tally *tally);

#endif /* VMFORK_TALLY_H */
