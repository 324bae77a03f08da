// SPDX-License-Identifier: GPL-2.0-only
/*
 * An event for each fault of a mapping, and for each write that breaks the
 * sharing of a page that was mapped already: for vmfork faults.
 */
#include "kernel.h"
#include "events.h"
#include "ring.h"
#include "tracepoint.h"

char LICENSE[] SEC("license") = "GPL";

/* Only faults of this process, and of this snapshot, where it is not 0 */
const volatile __u32 only_pid;
const volatile __u64 only_snapshot;

static __always_inline struct event_fault *begin(u64 snapshot)
{
	u64 who = bpf_get_current_pid_tgid();
	struct event_fault *event;

	if (only_pid && who >> 32 != only_pid)
		return NULL;
	if (only_snapshot && snapshot != only_snapshot)
		return NULL;
	event = ring_reserve(sizeof(*event));
	if (!event)
		return NULL;
	event->time = bpf_ktime_get_ns();
	event->snapshot = snapshot;
	event->pid = who >> 32;
	event->tid = who;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	return event;
}

VMFORK_TRACEPOINT(vmfork_fault, u64 snapshot, u64 mapping, u64 addr,
		  u64 offset, u32 kind, u32 flags, u32 pages, u64 ns,
		  u64 first, u32 span)
{
	struct event_fault *event = begin(snapshot);

	if (!event)
		return 0;
	event->mapping = mapping;
	event->addr = addr;
	event->offset = offset;
	event->first = first;
	event->ns = ns;
	event->span = span;
	event->pages = pages;
	event->kind = kind;
	event->flags = flags;
	ring_submit(event);
	return 0;
}

VMFORK_TRACEPOINT(vmfork_cow, u64 snapshot, u64 mapping, u64 addr,
		  u64 offset, u32 flags)
{
	struct event_fault *event = begin(snapshot);

	if (!event)
		return 0;
	event->mapping = mapping;
	event->addr = addr;
	event->offset = offset;
	event->first = offset;
	event->ns = 0;
	event->span = 1;
	event->pages = 1;
	event->kind = EVENT_COW;
	event->flags = flags;
	ring_submit(event);
	return 0;
}
