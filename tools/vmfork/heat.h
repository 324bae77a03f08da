/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vmfork heat knows: counts of the BPF program, and what /proc shows of
 * the mappings.
 */
#ifndef VMFORK_HEAT_H
#define VMFORK_HEAT_H

#include <stdint.h>

#include "clones.h"
#include "heatmap.h"

struct heat_bpf;
struct heat_count;

/**
 * struct heat - all of it
 * @pid: whose memory; 0: that of all who map the snapshot
 * @snapshot: of this one; 0: of whatever the process maps
 * @size: of the snapshot
 * @clones: its mappings, as they were last
 * @map: the ranges
 * @bpf: the program that counts
 * @counts: what it has counted, one for each range
 */
struct heat {
	int pid;
	uint64_t snapshot;
	uint64_t size;
	struct clones clones;
	struct heat_map map;
	struct heat_bpf *bpf;
	const volatile struct heat_count *counts;
};

/*
 * Each that returns an int returns an enum status, and has told of a failure
 * by failure().
 */

/** heat_start() - count from here on; heat_stop() it in any case */
int heat_start(struct heat *heat);

/**
 * heat_take() - bring the map up to date
 *
 * What the mappings have is that of the last time when there were any.
 */
int heat_take(struct heat *heat);

/** heat_outside() - how many accesses were behind the end of the snapshot */
uint64_t heat_outside(const struct heat *heat);

void heat_stop(struct heat *heat);

#endif /* VMFORK_HEAT_H */
