// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the time of each thread of some processes goes: for vmfork slow.
 *
 * Each hook says what situation (SLOW_IN_*) a thread has come into or left.
 * The time since the thread's last event goes to what it was in until then.
 *
 * A thread's numbers are changed by itself, on the CPU where it runs; and,
 * while it sleeps, by who wakes it, with the lock of its run queue held.  So
 * no lock is needed but against interrupts in the midst of a change.
 */
#include "kernel.h"
#include <asm/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <linux/vmfork.h>

#include "slow_parts.h"
#include "tracepoint.h"

char LICENSE[] SEC("license") = "GPL";

#define FAULT_FLAG_WRITE	(1U << 0)
#define FAULT_FLAG_UNSHARE	(1U << 10)
#define VM_SHARED		(1UL << 3)
/* What KVM says of an access to a device: no page is to be mapped. */
#define PFERR_RSVD		(1U << 3)

/* How long each process is followed from its start, in ns */
const volatile __u64 window;
/* Processes are followed that begin after us, whoever starts them. */
const volatile bool follow_all;
/* Only a fault of this snapshot makes a process the clone, where not 0. */
const volatile __u64 only_snapshot;

/* The clone: the first process followed that uses a snapshot. */
__u32 chosen;
/* Threads that there was no room to follow */
__u64 lost;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct slow_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, __u32);
	__type(value, struct slow_process);
} processes SEC(".maps");

static __always_inline struct slow_thread *current_thread(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&threads, &tid);
}

/* A thread leaves some situations and comes into others. */
static __always_inline void change(struct slow_thread *thread, u32 left,
				   u32 entered, u32 was)
{
	u64 now = bpf_ktime_get_ns();
	u32 state = thread->state, part;

	thread->busy = 1;
	barrier_var(state);
	if (state & SLOW_IN_UNKNOWN)
		state = was;
	if (now > thread->end)
		now = thread->end;
	if (now > thread->last) {
		part = slow_part(state);
		if (part < SLOW_NR_PARTS)
			thread->ns[part] += now - thread->last;
		thread->last = now;
	}
	state = (state & ~left) | entered;
	part = slow_part(state);
	if (entered && part < SLOW_NR_PARTS &&
	    part != slow_part(state & ~entered) && now < thread->end)
		thread->times[part]++;
	thread->state = state;
	barrier_var(state);
	thread->busy = 0;
}

/*
 * The calling thread's event.  @was: in what it was until then, should this
 * be the first that is heard of it.
 */
static __always_inline int changed(u32 left, u32 entered, u32 was)
{
	struct slow_thread *thread = current_thread();

	if (thread && !thread->busy)
		change(thread, left, entered, was);
	return 0;
}

/* --- the guest ----------------------------------------------------------- */

SEC("raw_tp/kvm_entry")
int BPF_PROG(kvm_entry, struct kvm_vcpu *vcpu)
{
	struct slow_thread *thread = current_thread();

	if (!thread || thread->busy)
		return 0;
	/* Not within any fault: a probe may have missed the end of one. */
	change(thread, SLOW_IN_EXIT | SLOW_IN_KVM_FAULT | SLOW_IN_FAULT |
	       SLOW_IN_COPY, SLOW_IN_GUEST, SLOW_IN_EXIT);
	if (!thread->entered) {
		thread->entered = thread->last;
		if (bpf_core_field_exists(vcpu->vcpu_id))
			thread->vcpu = BPF_CORE_READ(vcpu, vcpu_id);
	}
	return 0;
}

SEC("raw_tp/kvm_exit")
int BPF_PROG(kvm_exit)
{
	return changed(SLOW_IN_GUEST, SLOW_IN_EXIT, SLOW_IN_GUEST);
}

SEC("raw_tp/kvm_userspace_exit")
int BPF_PROG(kvm_userspace_exit)
{
	return changed(SLOW_IN_GUEST | SLOW_IN_EXIT | SLOW_IN_KVM_FAULT, 0,
		       SLOW_IN_EXIT);
}

static __always_inline int begin_kvm_fault(u64 error)
{
	if (error & PFERR_RSVD)
		return 0;
	return changed(0, SLOW_IN_KVM_FAULT, SLOW_IN_EXIT);
}

SEC("fentry/kvm_mmu_page_fault")
int BPF_PROG(kvm_fault_begin, struct kvm_vcpu *vcpu, u64 gpa, u64 error)
{
	return begin_kvm_fault(error);
}

SEC("fexit/kvm_mmu_page_fault")
int BPF_PROG(kvm_fault_end)
{
	return changed(SLOW_IN_KVM_FAULT, 0, SLOW_IN_KVM_FAULT | SLOW_IN_EXIT);
}

SEC("kprobe/kvm_mmu_page_fault")
int BPF_KPROBE(kvm_fault_begin_probe, void *vcpu, u64 gpa, u64 error)
{
	return begin_kvm_fault(error);
}

SEC("kretprobe/kvm_mmu_page_fault")
int BPF_KRETPROBE(kvm_fault_end_probe)
{
	return changed(SLOW_IN_KVM_FAULT, 0, SLOW_IN_KVM_FAULT | SLOW_IN_EXIT);
}

/* --- host faults --------------------------------------------------------- */

/* A write to a private mapping of a file gets a copy of its page. */
static __always_inline int begin_fault(struct vm_area_struct *vma, u32 flags)
{
	u32 entered = SLOW_IN_FAULT;

	if ((flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) &&
	    BPF_CORE_READ(vma, vm_file) &&
	    !(BPF_CORE_READ(vma, vm_flags) & VM_SHARED))
		entered = SLOW_IN_COPY;
	return changed(0, entered, 0);
}

static __always_inline int end_fault(void)
{
	return changed(SLOW_IN_FAULT | SLOW_IN_COPY, 0, SLOW_IN_FAULT);
}

SEC("fentry/handle_mm_fault")
int BPF_PROG(fault_begin, struct vm_area_struct *vma, unsigned long address,
	     unsigned int flags)
{
	return begin_fault(vma, flags);
}

SEC("fexit/handle_mm_fault")
int BPF_PROG(fault_end)
{
	return end_fault();
}

SEC("kprobe/handle_mm_fault")
int BPF_KPROBE(fault_begin_probe, struct vm_area_struct *vma,
	       unsigned long address, unsigned int flags)
{
	return begin_fault(vma, flags);
}

SEC("kretprobe/handle_mm_fault")
int BPF_KRETPROBE(fault_end_probe)
{
	return end_fault();
}

/* --- locks --------------------------------------------------------------- */

/*
 * Within the wait for one lock others may be waited for (the rwsem's own
 * spinlock), and a mutex says twice that it is waited for: the first counts.
 */
SEC("raw_tp/contention_begin")
int BPF_PROG(contention_begin, void *lock)
{
	struct slow_thread *thread = current_thread();
	struct task_struct *task;
	struct mm_struct *mm;

	if (!thread || thread->busy || thread->lock)
		return 0;
	thread->lock = (u64)lock;
	task = (void *)bpf_get_current_task();
	mm = BPF_CORE_READ(task, mm);
	change(thread, 0, mm && lock == (void *)mm +
	       bpf_core_field_offset(mm->mmap_lock) ?
	       SLOW_IN_MMAP_LOCK : SLOW_IN_LOCK, 0);
	return 0;
}

SEC("raw_tp/contention_end")
int BPF_PROG(contention_end, void *lock)
{
	struct slow_thread *thread = current_thread();

	if (!thread || thread->busy ||
	    (thread->lock != (u64)lock && !(thread->state & SLOW_IN_UNKNOWN)))
		return 0;
	thread->lock = 0;
	change(thread, SLOW_IN_MMAP_LOCK | SLOW_IN_LOCK, 0, SLOW_IN_LOCK);
	return 0;
}

/* --- the scheduler ------------------------------------------------------- */

SEC("raw_tp/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next, unsigned int prev_state)
{
	struct slow_thread *thread;
	u32 tid;

	tid = BPF_CORE_READ(prev, pid);
	thread = bpf_map_lookup_elem(&threads, &tid);
	if (thread && !thread->busy)
		change(thread, 0, preempt || !prev_state ? SLOW_IN_QUEUE :
							   SLOW_IN_SLEEP, 0);
	tid = BPF_CORE_READ(next, pid);
	thread = bpf_map_lookup_elem(&threads, &tid);
	if (thread && !thread->busy)
		change(thread, SLOW_IN_QUEUE | SLOW_IN_SLEEP, 0, SLOW_IN_SLEEP);
	return 0;
}

/* Who is not asleep yet runs on another CPU, and is none of ours. */
SEC("raw_tp/sched_wakeup")
int BPF_PROG(sched_wakeup, struct task_struct *task)
{
	struct slow_thread *thread;
	u32 tid;

	tid = BPF_CORE_READ(task, pid);
	thread = bpf_map_lookup_elem(&threads, &tid);
	if (thread && !thread->busy && (thread->state & SLOW_IN_SLEEP))
		change(thread, SLOW_IN_SLEEP, SLOW_IN_QUEUE, SLOW_IN_SLEEP);
	return 0;
}

/* --- processes and threads come and go ----------------------------------- */

static __always_inline void follow(u32 tid, u32 tgid, u64 now, u64 end)
{
	struct slow_thread thread = {
		.start = now, .last = now, .end = end,
		.tgid = tgid, .vcpu = -1, .state = SLOW_IN_QUEUE,
	};

	thread.times[SLOW_NO_CPU] = 1;
	if (bpf_map_update_elem(&threads, &tid, &thread, BPF_ANY))
		__sync_fetch_and_add(&lost, 1);
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent,
	     struct task_struct *child)
{
	struct slow_process process = { 0 };
	struct slow_thread *thread = current_thread();
	u32 tid = BPF_CORE_READ(child, pid), tgid = BPF_CORE_READ(child, tgid);
	u64 now = bpf_ktime_get_ns();

	if (thread && thread->tgid == tgid) {
		if (now < thread->end)
			follow(tid, tgid, now, thread->end);
		return 0;
	}
	/* A thread of a process that was there before us is no clone. */
	if (tid != tgid || chosen || (!thread && !follow_all))
		return 0;
	process.start = now;
	if (bpf_map_update_elem(&processes, &tgid, &process, BPF_ANY))
		__sync_fetch_and_add(&lost, 1);
	else
		follow(tid, tgid, now, now + window);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int BPF_PROG(process_exit)
{
	struct slow_thread *thread = current_thread();
	u32 tid = bpf_get_current_pid_tgid();

	if (!thread)
		return 0;
	change(thread, ~0U, 0, 0);
	bpf_get_current_comm(thread->comm, sizeof(thread->comm));
	/* Nothing is added to it any more. */
	thread->end = thread->last;
	if (!follow_all || thread->tgid == chosen)
		return 0;
	if (thread->tgid == tid)
		bpf_map_delete_elem(&processes, &tid);
	bpf_map_delete_elem(&threads, &tid);
	return 0;
}

/* --- what the module says ------------------------------------------------- */

/* The process of the calling thread, which uses this snapshot. */
static __always_inline struct slow_process *user_of(u64 snapshot)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct slow_process *process;

	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process || (only_snapshot && snapshot != only_snapshot))
		return NULL;
	process->snapshot = snapshot;
	if (!chosen)
		__sync_val_compare_and_swap(&chosen, 0, tgid);
	return process;
}

static __always_inline bool is_over(void)
{
	struct slow_thread *thread = current_thread();

	return thread && bpf_ktime_get_ns() >= thread->end;
}

VMFORK_TRACEPOINT(vmfork_fault, u64 snapshot, u64 mapping, u64 addr,
		  u64 offset, u32 kind, u32 flags, u32 pages, u64 ns)
{
	struct slow_process *process = user_of(snapshot);

	if (!process || kind >= SLOW_NR_KINDS || is_over())
		return 0;
	/* The verifier has not understood the test as clang compiles it. */
	barrier_var(kind);
	kind &= SLOW_NR_KINDS - 1;
	__sync_fetch_and_add(&process->faults[kind], 1);
	__sync_fetch_and_add(&process->pages[kind], pages);
	__sync_fetch_and_add(&process->ns[kind], ns);
	return 0;
}

VMFORK_TRACEPOINT(vmfork_cow, u64 snapshot)
{
	struct slow_process *process = user_of(snapshot);

	if (process && !is_over())
		__sync_fetch_and_add(&process->breaks, 1);
	return 0;
}

/* One process may fill the memory of another. */
VMFORK_TRACEPOINT(vmfork_prefault, u64 snapshot, u32 pid, s32 err, u32 flags,
		  u64 addr, u64 len, u64 pages_mapped, u64 pages_copied)
{
	struct slow_process *process;

	process = bpf_map_lookup_elem(&processes, &pid);
	if (process)
		__sync_fetch_and_add(&process->prefaulted,
				     pages_mapped + pages_copied);
	return 0;
}
