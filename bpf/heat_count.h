/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What heat.bpf.c counts for vmfork heat.
 */
#ifndef VMFORK_BPF_HEAT_COUNT_H
#define VMFORK_BPF_HEAT_COUNT_H

#include <linux/types.h>

/**
 * struct heat_count - accesses of one range of a snapshot, from all mappings
 * @reads: faults of reads
 * @writes: faults of writes to pages that were not mapped
 * @breaks: writes that broke the sharing of a page that was mapped
 */
struct heat_count {
	__u64 reads;
	__u64 writes;
	__u64 breaks;
};

#endif /* VMFORK_BPF_HEAT_COUNT_H */
