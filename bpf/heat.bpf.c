// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts of faults, and of writes that break a sharing, for each range of a
 * snapshot: for vmfork heat.
 *
 * Nothing is handed over but these counts, so nothing can be lost.
 */
#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <linux/vmfork.h>

#include "heat_count.h"
#include "tracepoint.h"

char LICENSE[] SEC("license") = "GPL";

/* Only memory of this process, and of this snapshot, where it is not 0 */
const volatile __u32 only_pid;
const volatile __u64 only_snapshot;
/* A range has 1 << range_shift bytes. */
const volatile __u32 range_shift = 12;

/* One for each range; the reader says how many, and maps them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heat_count);
} ranges SEC(".maps");

/* What lies behind the last range, which is that of a larger snapshot. */
__u64 outside;

/* A kernel thread that works for a process (vhost) has its memory. */
static __always_inline bool is_wanted(u64 snapshot)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (only_snapshot && snapshot != only_snapshot)
		return false;
	if (!only_pid || bpf_get_current_pid_tgid() >> 32 == only_pid)
		return true;
	if (!bpf_core_field_exists(task->mm->owner))
		return false;
	return BPF_CORE_READ(task, mm, owner, tgid) == (s32)only_pid;
}

static __always_inline struct heat_count *count_at(u64 snapshot, u64 offset)
{
	struct heat_count *count;
	u32 index;

	if (!is_wanted(snapshot))
		return NULL;
	index = offset >> range_shift;
	count = bpf_map_lookup_elem(&ranges, &index);
	if (!count)
		__sync_fetch_and_add(&outside, 1);
	return count;
}

VMFORK_TRACEPOINT(vmfork_fault, u64 snapshot, u64 mapping, u64 addr,
		  u64 offset, u32 kind)
{
	struct heat_count *count = count_at(snapshot, offset);

	if (!count)
		return 0;
	if (kind == VMFORK_FAULT_WRITE || kind == VMFORK_FAULT_WRITE_HOLE)
		__sync_fetch_and_add(&count->writes, 1);
	else
		__sync_fetch_and_add(&count->reads, 1);
	return 0;
}

VMFORK_TRACEPOINT(vmfork_cow, u64 snapshot, u64 mapping, u64 addr, u64 offset)
{
	struct heat_count *count = count_at(snapshot, offset);

	if (count)
		__sync_fetch_and_add(&count->breaks, 1);
	return 0;
}
