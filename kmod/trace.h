/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: stable, and described in Documentation/tracepoints.rst.
 *
 * Programs take the arguments by their position (raw tracepoints), so these
 * have the order of the fields.  New ones go to the end.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmfork

#if !defined(VMFORK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMFORK_TRACE_H

#include <linux/tracepoint.h>
#include <linux/vmfork.h>

#include "watch.h"

TRACE_DEFINE_ENUM(VMFORK_PHASE_PREPARE);
TRACE_DEFINE_ENUM(VMFORK_PHASE_COLLECT);
TRACE_DEFINE_ENUM(VMFORK_PHASE_UNMAP);
TRACE_DEFINE_ENUM(VMFORK_PHASE_STEAL);

#define show_phase(phase)					\
	__print_symbolic(phase,					\
		{ VMFORK_PHASE_PREPARE,		"prepare" },	\
		{ VMFORK_PHASE_COLLECT,		"collect" },	\
		{ VMFORK_PHASE_UNMAP,		"unmap" },	\
		{ VMFORK_PHASE_STEAL,		"steal" })

TRACE_DEFINE_ENUM(VMFORK_FAULT_READ);
TRACE_DEFINE_ENUM(VMFORK_FAULT_READ_HUGE);
TRACE_DEFINE_ENUM(VMFORK_FAULT_READ_HOLE);
TRACE_DEFINE_ENUM(VMFORK_FAULT_WRITE);
TRACE_DEFINE_ENUM(VMFORK_FAULT_WRITE_HOLE);

#define show_kind(kind)						\
	__print_symbolic(kind,					\
		{ VMFORK_FAULT_READ,		"read" },	\
		{ VMFORK_FAULT_READ_HUGE,	"read_huge" },	\
		{ VMFORK_FAULT_READ_HOLE,	"read_hole" },	\
		{ VMFORK_FAULT_WRITE,		"write" },	\
		{ VMFORK_FAULT_WRITE_HOLE,	"write_hole" })

TRACE_EVENT(vmfork_capture_begin,
	TP_PROTO(u64 snapshot, u32 pid, u32 flags, u32 nr_regions, u64 bytes),
	TP_ARGS(snapshot, pid, flags, nr_regions, bytes),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u32, pid)
		__field(u32, flags)
		__field(u32, nr_regions)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->pid = pid;
		__entry->flags = flags;
		__entry->nr_regions = nr_regions;
		__entry->bytes = bytes;
	),
	TP_printk("snapshot=%llu pid=%u flags=%#x nr_regions=%u bytes=%llu",
		  __entry->snapshot, __entry->pid, __entry->flags,
		  __entry->nr_regions, __entry->bytes)
);

TRACE_EVENT(vmfork_capture_phase,
	TP_PROTO(u64 snapshot, u32 pid, u32 phase, u64 ns),
	TP_ARGS(snapshot, pid, phase, ns),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u32, pid)
		__field(u32, phase)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->pid = pid;
		__entry->phase = phase;
		__entry->ns = ns;
	),
	TP_printk("snapshot=%llu pid=%u phase=%s ns=%llu",
		  __entry->snapshot, __entry->pid, show_phase(__entry->phase),
		  __entry->ns)
);

TRACE_EVENT(vmfork_capture_end,
	TP_PROTO(u64 snapshot, u32 pid, s32 err, u64 pages_stolen,
		 u64 pages_copied, u64 pages_in_place, u64 ns_longest),
	TP_ARGS(snapshot, pid, err, pages_stolen, pages_copied, pages_in_place,
		ns_longest),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u32, pid)
		__field(s32, err)
		__field(u64, pages_stolen)
		__field(u64, pages_copied)
		__field(u64, pages_in_place)
		__field(u64, ns_longest)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->pid = pid;
		__entry->err = err;
		__entry->pages_stolen = pages_stolen;
		__entry->pages_copied = pages_copied;
		__entry->pages_in_place = pages_in_place;
		__entry->ns_longest = ns_longest;
	),
	TP_printk("snapshot=%llu pid=%u err=%d pages_stolen=%llu pages_copied=%llu pages_in_place=%llu ns_longest=%llu",
		  __entry->snapshot, __entry->pid, __entry->err,
		  __entry->pages_stolen, __entry->pages_copied,
		  __entry->pages_in_place, __entry->ns_longest)
);

TRACE_EVENT(vmfork_fault,
	TP_PROTO(u64 snapshot, u64 mapping, u64 addr, u64 offset, u32 kind,
		 u32 flags, u32 pages, u64 ns, u64 first, u32 span),
	TP_ARGS(snapshot, mapping, addr, offset, kind, flags, pages, ns, first,
		span),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u64, mapping)
		__field(u64, addr)
		__field(u64, offset)
		__field(u32, kind)
		__field(u32, flags)
		__field(u32, pages)
		__field(u64, ns)
		__field(u64, first)
		__field(u32, span)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->mapping = mapping;
		__entry->addr = addr;
		__entry->offset = offset;
		__entry->kind = kind;
		__entry->flags = flags;
		__entry->pages = pages;
		__entry->ns = ns;
		__entry->first = first;
		__entry->span = span;
	),
	TP_printk("snapshot=%llu mapping=%llu addr=%#llx offset=%#llx kind=%s flags=%s pages=%u ns=%llu first=%#llx span=%u",
		  __entry->snapshot, __entry->mapping, __entry->addr,
		  __entry->offset, show_kind(__entry->kind),
		  __print_flags(__entry->flags, "|",
				{ VMFORK_FAULT_COPIED, "copied" },
				{ VMFORK_FAULT_IMPORTED, "imported" }),
		  __entry->pages, __entry->ns, __entry->first, __entry->span)
);

TRACE_EVENT_FN(vmfork_cow,
	TP_PROTO(u64 snapshot, u64 mapping, u64 addr, u64 offset, u32 flags),
	TP_ARGS(snapshot, mapping, addr, offset, flags),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u64, mapping)
		__field(u64, addr)
		__field(u64, offset)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->mapping = mapping;
		__entry->addr = addr;
		__entry->offset = offset;
		__entry->flags = flags;
	),
	TP_printk("snapshot=%llu mapping=%llu addr=%#llx offset=%#llx flags=%s",
		  __entry->snapshot, __entry->mapping, __entry->addr,
		  __entry->offset,
		  __print_flags(__entry->flags, "|",
				{ VMFORK_COW_MAYBE, "maybe" })),
	vmfork_watch_enable,
	vmfork_watch_disable
);

TRACE_EVENT(vmfork_reset,
	TP_PROTO(u64 snapshot, u64 from, u32 pid, s32 err, u64 pages_dropped,
		 u64 pages_changed, u64 ns),
	TP_ARGS(snapshot, from, pid, err, pages_dropped, pages_changed, ns),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u64, from)
		__field(u32, pid)
		__field(s32, err)
		__field(u64, pages_dropped)
		__field(u64, pages_changed)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->from = from;
		__entry->pid = pid;
		__entry->err = err;
		__entry->pages_dropped = pages_dropped;
		__entry->pages_changed = pages_changed;
		__entry->ns = ns;
	),
	TP_printk("snapshot=%llu from=%llu pid=%u err=%d pages_dropped=%llu pages_changed=%llu ns=%llu",
		  __entry->snapshot, __entry->from, __entry->pid, __entry->err,
		  __entry->pages_dropped, __entry->pages_changed, __entry->ns)
);

TRACE_EVENT(vmfork_prefault,
	TP_PROTO(u64 snapshot, u32 pid, s32 err, u32 flags, u64 addr, u64 len,
		 u64 pages_mapped, u64 pages_copied, u64 ns),
	TP_ARGS(snapshot, pid, err, flags, addr, len, pages_mapped,
		pages_copied, ns),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u32, pid)
		__field(s32, err)
		__field(u32, flags)
		__field(u64, addr)
		__field(u64, len)
		__field(u64, pages_mapped)
		__field(u64, pages_copied)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->pid = pid;
		__entry->err = err;
		__entry->flags = flags;
		__entry->addr = addr;
		__entry->len = len;
		__entry->pages_mapped = pages_mapped;
		__entry->pages_copied = pages_copied;
		__entry->ns = ns;
	),
	TP_printk("snapshot=%llu pid=%u err=%d flags=%#x addr=%#llx len=%#llx pages_mapped=%llu pages_copied=%llu ns=%llu",
		  __entry->snapshot, __entry->pid, __entry->err,
		  __entry->flags, __entry->addr, __entry->len,
		  __entry->pages_mapped, __entry->pages_copied, __entry->ns)
);

TRACE_EVENT(vmfork_drop,
	TP_PROTO(u64 snapshot, u64 pages, u64 pages_freed, u64 ns),
	TP_ARGS(snapshot, pages, pages_freed, ns),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u64, pages)
		__field(u64, pages_freed)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->pages = pages;
		__entry->pages_freed = pages_freed;
		__entry->ns = ns;
	),
	TP_printk("snapshot=%llu pages=%llu pages_freed=%llu ns=%llu",
		  __entry->snapshot, __entry->pages, __entry->pages_freed,
		  __entry->ns)
);

TRACE_EVENT(vmfork_import,
	TP_PROTO(u64 snapshot, u32 dev, u64 ino, u64 offset, u64 len,
		 u64 pages_file, u64 pages_hole),
	TP_ARGS(snapshot, dev, ino, offset, len, pages_file, pages_hole),
	TP_STRUCT__entry(
		__field(u64, snapshot)
		__field(u32, dev)
		__field(u64, ino)
		__field(u64, offset)
		__field(u64, len)
		__field(u64, pages_file)
		__field(u64, pages_hole)
	),
	TP_fast_assign(
		__entry->snapshot = snapshot;
		__entry->dev = dev;
		__entry->ino = ino;
		__entry->offset = offset;
		__entry->len = len;
		__entry->pages_file = pages_file;
		__entry->pages_hole = pages_hole;
	),
	TP_printk("snapshot=%llu dev=%u:%u ino=%llu offset=%#llx len=%#llx pages_file=%llu pages_hole=%llu",
		  __entry->snapshot, MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->ino, __entry->offset, __entry->len,
		  __entry->pages_file, __entry->pages_hole)
);

TRACE_EVENT(vmfork_file_read,
	TP_PROTO(u32 dev, u64 ino, u64 offset, u64 pages, s32 err, u64 ns),
	TP_ARGS(dev, ino, offset, pages, err, ns),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u64, ino)
		__field(u64, offset)
		__field(u64, pages)
		__field(s32, err)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->ino = ino;
		__entry->offset = offset;
		__entry->pages = pages;
		__entry->err = err;
		__entry->ns = ns;
	),
	TP_printk("dev=%u:%u ino=%llu offset=%#llx pages=%llu err=%d ns=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->offset, __entry->pages, __entry->err, __entry->ns)
);

#endif /* VMFORK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
