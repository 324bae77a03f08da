/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BPF programs (bpf/): load and attach one, read its ring buffer.
 *
 *	skel = NAME_bpf__open();
 *	status = bpf_ready(skel);
 *	skel->rodata->... = ...;	what it has to know
 *	status = bpf_start(skel->skeleton);
 *	...
 *	NAME_bpf__destroy(skel);
 *
 * Each function that returns an enum status has told of a failure by
 * failure().
 */
#ifndef VMFORK_BPF_H
#define VMFORK_BPF_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "cli.h"

struct bpf_map;
struct bpf_object_skeleton;

/**
 * bpf_start() - load the programs of a skeleton and attach them
 *
 * Where the module has BTF these are its tp_btf, else its raw_tp programs;
 * and those of any other kind.
 */
int bpf_start(struct bpf_object_skeleton *skeleton);

/** bpf_module() - whether the module is there, for those who trace it */
int bpf_module(void);

/** bpf_failed() - say why programs can not be used, by a libbpf error (< 0) */
int bpf_failed(int error);

/**
 * bpf_ready() - whether a program could be opened
 * @skeleton: what NAME_bpf__open() returned; NULL is a failure by errno
 */
static inline int bpf_ready(const void *skeleton)
{
	if (skeleton)
		return DONE;
	bpf_failed(-errno);
	return FAILED;
}

/**
 * struct bpf_ring - the ring buffer of a program (bpf/ring.h)
 */
struct bpf_ring;

/**
 * typedef bpf_event_fn - called with each event
 * @context: from bpf_ring_open()
 * @event: it
 *
 * Return: false to read no more
 */
typedef bool (*bpf_event_fn)(void *context, const void *event);

/**
 * bpf_ring_size() - set the size of a ring buffer, before bpf_start()
 * @ring: the map
 * @wake: the program's ring_wake
 * @bytes: rounded up to what is possible
 */
int bpf_ring_size(struct bpf_map *ring, __u64 *wake, uint64_t bytes);

/**
 * bpf_ring_open() - begin to read a ring buffer, after bpf_start()
 * @opened: out
 * @map: the map with the events
 * @drops: the map with the count of those that did not fit
 * @event: called with each
 * @context: for it
 */
int bpf_ring_open(struct bpf_ring **opened, const struct bpf_map *map,
		  const struct bpf_map *drops, bpf_event_fn event,
		  void *context);

/** bpf_ring_close() - with what bpf_ring_open() gave; NULL is nothing */
void bpf_ring_close(struct bpf_ring *ring);

/** bpf_ring_read() - hand over what there is, without waiting */
int bpf_ring_read(struct bpf_ring *ring);

/** bpf_ring_drops() - how many events were lost since bpf_start() */
int bpf_ring_drops(const struct bpf_ring *ring, uint64_t *drops);

/**
 * struct bpf_until - when to stop
 * @pidfd: when this process has ended; -1 for never
 * @duration: after so many nanoseconds; 0 for never
 * @live: events are wanted as they come; else whoever is watched is disturbed
 *	as seldom as can be
 *
 * In any case at a signal that signals_catch() has caught.
 */
struct bpf_until {
	int pidfd;
	uint64_t duration;
	bool live;
};

/**
 * bpf_ring_follow() - hand over events as they come, until it is time to stop
 * @ring: the ring
 * @until: when that is
 * @ns: out: how long it took
 *
 * All events from before the end are handed over.
 */
int bpf_ring_follow(struct bpf_ring *ring, const struct bpf_until *until,
		    uint64_t *ns);

#endif /* VMFORK_BPF_H */
