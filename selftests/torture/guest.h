/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests: processes with memory that somebody writes, and tricks that are
 * played on it meanwhile.
 */
#ifndef TORTURE_GUEST_H
#define TORTURE_GUEST_H

#include <pthread.h>

#include "torture.h"
#include "vcpu.h"

/**
 * struct guest - one life of a guest, in its own process
 * @map: its memory, @len bytes
 * @fresh: it began as anonymous memory, not as a mapping of a snapshot
 * @has_vcpu: a vCPU writes, not a thread
 */
struct guest {
	struct self *self;
	struct board *b;
	char *map;
	size_t len;
	bool fresh;
	bool has_vcpu;
	struct vcpu vcpu;
	pthread_t runner;
};

/**
 * struct trick - something that a guest does to its memory
 * @weight: how often, relative to the others
 * @quiet: the generator has to be paused meanwhile
 */
struct trick {
	const char *name;
	unsigned int weight;
	bool quiet;
	void (*play)(struct guest *g);
};

extern const struct trick tricks[];
extern const unsigned int nr_tricks;

/* A random part of the memory: pages, or whole huge pages. */
void part_draw(struct guest *g, size_t *first, size_t *nr, size_t most);
static inline char *page_at(struct guest *g, size_t page)
{
	return g->map + page * PAGE;
}

void trick_capture(struct guest *g);
void trick_capture_still(struct guest *g);
void trick_check(struct guest *g);
void trick_discard(struct guest *g);
void trick_free(struct guest *g);
void trick_advise(struct guest *g);
void trick_twins(struct guest *g);
void trick_protect(struct guest *g);
void trick_move(struct guest *g);
void trick_replace(struct guest *g);
void trick_file(struct guest *g);
void trick_fork(struct guest *g);
void trick_splice(struct guest *g);
void trick_disk_write(struct guest *g);
void trick_disk_read(struct guest *g);
void trick_pin(struct guest *g);
void trick_prearm(struct guest *g);
void trick_reset(struct guest *g);
void trick_prefault(struct guest *g);
void trick_uffd(struct guest *g);
void trick_lock(struct guest *g);

void guest_run(struct self *self);
void guest_run_vcpu(struct self *self);

#endif
