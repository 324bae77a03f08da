/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring buffer by which a program hands over events, and how many did not
 * fit into it.
 *
 * Waking a reader costs more than all the rest of an event.  So nobody is
 * woken: the reader looks every now and then, by itself; unless a quarter of
 * the ring is full before that.
 */
#ifndef VMFORK_BPF_RING_H
#define VMFORK_BPF_RING_H

#include <bpf/bpf_helpers.h>

#include "kernel.h"

/* The reader says how large; a power of two of pages. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} drops SEC(".maps");

/* How much of the ring may be full until the reader is woken, in bytes. */
const volatile __u64 ring_wake = 1 << 20;

/* Events since that was last looked at; not counted with care */
__u32 ring_since;

static __always_inline void ring_count_drop(void)
{
	u32 zero = 0;
	u64 *count = bpf_map_lookup_elem(&drops, &zero);

	/* Only this CPU has it, but an interrupt here may count as well. */
	if (count)
		__sync_fetch_and_add(count, 1);
}

/**
 * ring_reserve() - room for an event
 * @size: in bytes, a constant
 *
 * Return: for ring_submit(); or NULL, and then it is counted as dropped.
 */
#define ring_reserve(size)						\
({									\
	void *event_ = bpf_ringbuf_reserve(&ring, (size), 0);		\
									\
	if (!event_)							\
		ring_count_drop();					\
	event_;								\
})

/* Where the ring is large, it is not looked at for each event. */
static __always_inline void ring_submit(void *event)
{
	u64 flags = BPF_RB_NO_WAKEUP;

	if (++ring_since >= ring_wake >> 14) {
		ring_since = 0;
		if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= ring_wake)
			flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(event, flags);
}

#endif /* VMFORK_BPF_RING_H */
