/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs hand over to tools/vmfork.
 *
 * Units are those of the tracepoints: bytes, pages of 4096 bytes, nanoseconds.
 */
#ifndef VMFORK_BPF_EVENTS_H
#define VMFORK_BPF_EVENTS_H

#include <linux/types.h>

/* A kind of struct event_fault besides those of enum vmfork_fault_kind */
#define EVENT_COW	255

/**
 * struct event_fault - a fault, or a write that broke a sharing
 * @time: when it was over, by CLOCK_MONOTONIC
 * @snapshot: ID of the snapshot
 * @mapping: ID of the mapping
 * @addr: the page's address in its process
 * @offset: its offset in the snapshot
 * @first: where in the snapshot the pages begin that the fault mapped
 * @ns: how long it took; 0 for EVENT_COW, which nobody has measured
 * @span: from @first on, how many pages that were, or could have been
 * @pages: how many of them were mapped
 * @kind: enum vmfork_fault_kind, or EVENT_COW
 * @flags: VMFORK_FAULT_* or, for EVENT_COW, VMFORK_COW_*
 * @pid: process whose thread did it, in the initial PID namespace
 * @tid: the thread
 * @comm: its name
 */
struct event_fault {
	__u64 time;
	__u64 snapshot;
	__u64 mapping;
	__u64 addr;
	__u64 offset;
	__u64 first;
	__u64 ns;
	__u32 span;
	__u32 pages;
	__u32 kind;
	__u32 flags;
	__u32 pid;
	__u32 tid;
	char comm[16];
};

/**
 * struct event_access - memory of a snapshot that was wanted
 * @offset: where it begins
 * @pages: how many
 * @write: whether it was written to
 */
struct event_access {
	__u64 offset;
	__u32 pages;
	__u32 write;
};

#endif /* VMFORK_BPF_EVENTS_H */
