/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the time of a thread goes, as slow.bpf.c and vmfork slow see it.
 *
 * A thread is in some of the situations SLOW_IN_* at once (a host fault within
 * a second-level fault, waiting for a lock there).  Its time goes to the one
 * that slow_part() says, and to no other: so the parts add up to its life.
 */
#ifndef VMFORK_BPF_SLOW_PARTS_H
#define VMFORK_BPF_SLOW_PARTS_H

#include <linux/types.h>

/**
 * enum slow_part - what time is spent for
 * @SLOW_GUEST: instructions of the guest
 * @SLOW_EXITS: KVM, after the guest has left and before it goes on
 * @SLOW_KVM_FAULTS: KVM, filling the second-level page tables
 * @SLOW_FAULTS: host page faults, other than @SLOW_COPIES
 * @SLOW_COPIES: host page faults of writes to private mappings of files, which
 *	snapshots are: the page is copied
 * @SLOW_MMAP_LOCK: waiting for the process' mmap lock
 * @SLOW_LOCKS: waiting for any other lock of the kernel
 * @SLOW_NO_CPU: could run, but others have the CPUs
 * @SLOW_HALTED: asleep, since the guest's CPU has nothing to do
 * @SLOW_ASLEEP: asleep for any other reason
 * @SLOW_OTHER: everything else: the VMM's own code and its system calls
 */
enum slow_part {
	SLOW_GUEST,
	SLOW_EXITS,
	SLOW_KVM_FAULTS,
	SLOW_FAULTS,
	SLOW_COPIES,
	SLOW_MMAP_LOCK,
	SLOW_LOCKS,
	SLOW_NO_CPU,
	SLOW_HALTED,
	SLOW_ASLEEP,
	SLOW_OTHER,
	SLOW_NR_PARTS
};

#define SLOW_IN_GUEST		(1U << 0)
#define SLOW_IN_EXIT		(1U << 1)
#define SLOW_IN_KVM_FAULT	(1U << 2)
#define SLOW_IN_FAULT		(1U << 3)
#define SLOW_IN_COPY		(1U << 4)
#define SLOW_IN_MMAP_LOCK	(1U << 5)
#define SLOW_IN_LOCK		(1U << 6)
#define SLOW_IN_QUEUE		(1U << 7)
#define SLOW_IN_SLEEP		(1U << 8)
/* It was there before we were: its next event tells what it is doing. */
#define SLOW_IN_UNKNOWN		(1U << 9)

/** slow_part() - to which part the time of a thread goes that is in @state */
static inline enum slow_part slow_part(__u32 state)
{
	if (state & SLOW_IN_QUEUE)
		return SLOW_NO_CPU;
	if (state & SLOW_IN_MMAP_LOCK)
		return SLOW_MMAP_LOCK;
	if (state & SLOW_IN_LOCK)
		return SLOW_LOCKS;
	if (state & SLOW_IN_COPY)
		return SLOW_COPIES;
	if (state & SLOW_IN_FAULT)
		return SLOW_FAULTS;
	if (state & SLOW_IN_KVM_FAULT)
		return SLOW_KVM_FAULTS;
	if (state & SLOW_IN_SLEEP)
		return state & SLOW_IN_EXIT ? SLOW_HALTED : SLOW_ASLEEP;
	if (state & SLOW_IN_GUEST)
		return SLOW_GUEST;
	return state & SLOW_IN_EXIT ? SLOW_EXITS : SLOW_OTHER;
}

/**
 * struct slow_thread - a thread that is followed; times by CLOCK_MONOTONIC, ns
 * @start: since when
 * @end: until when at most; brought forward when it exits
 * @last: what was before is in @ns
 * @entered: when it first ran a guest, 0 if it never has
 * @ns: by enum slow_part
 * @times: how often that began
 * @lock: for which it waits
 * @state: SLOW_IN_*
 * @busy: its numbers are being changed: an interrupt leaves them alone
 * @tgid: its process
 * @vcpu: which vCPU, -1 if that is not known
 * @comm: its name, when it was last looked at
 */
struct slow_thread {
	__u64 start;
	__u64 end;
	__u64 last;
	__u64 entered;
	__u64 ns[SLOW_NR_PARTS];
	__u64 times[SLOW_NR_PARTS];
	__u64 lock;
	__u32 state;
	__u32 busy;
	__u32 tgid;
	__s32 vcpu;
	char comm[16];
};

/* enum vmfork_fault_kind, at most */
#define SLOW_NR_KINDS	8

/**
 * struct slow_process - what the module has told of a process
 * @start: CLOCK_MONOTONIC, ns
 * @faults: by enum vmfork_fault_kind
 * @pages: that they mapped
 * @ns: that they took, within the module
 * @breaks: writes that broke the sharing of a mapped page
 * @prefaulted: pages that were mapped or copied by VMFORK_PREFAULT
 * @snapshot: of the last fault
 */
struct slow_process {
	__u64 start;
	__u64 faults[SLOW_NR_KINDS];
	__u64 pages[SLOW_NR_KINDS];
	__u64 ns[SLOW_NR_KINDS];
	__u64 breaks;
	__u64 prefaulted;
	__u64 snapshot;
};

#endif /* VMFORK_BPF_SLOW_PARTS_H */
