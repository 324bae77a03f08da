// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a snapshot is wanted, and whether to read or to write: for vmfork
 * record.  As little as that takes: it runs while a guest waits.
 */
#include "kernel.h"
#include "events.h"
#include "ring.h"
#include "tracepoint.h"

#include <linux/vmfork.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 only_snapshot;
/* Only what this process wants, where it is not 0 */
const volatile __u32 only_pid;

static __always_inline void note(u64 snapshot, u64 offset, u32 pages,
				 bool write)
{
	struct event_access *event;

	if (snapshot != only_snapshot)
		return;
	if (only_pid && bpf_get_current_pid_tgid() >> 32 != only_pid)
		return;
	event = ring_reserve(sizeof(*event));
	if (!event)
		return;
	event->offset = offset;
	event->pages = pages;
	event->write = write;
	ring_submit(event);
}

/* The pages around a read are wanted, too: with them it was one fault. */
VMFORK_TRACEPOINT(vmfork_fault, u64 snapshot, u64 mapping, u64 addr,
		  u64 offset, u32 kind, u32 flags, u32 pages, u64 ns,
		  u64 first, u32 span)
{
	note(snapshot, first, span, kind == VMFORK_FAULT_WRITE ||
	     kind == VMFORK_FAULT_WRITE_HOLE);
	return 0;
}

VMFORK_TRACEPOINT(vmfork_cow, u64 snapshot, u64 mapping, u64 addr,
		  u64 offset, u32 flags)
{
	note(snapshot, offset, 1, true);
	return 0;
}
