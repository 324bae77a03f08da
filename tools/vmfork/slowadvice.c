// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork slow: what to do about the time that was spent.
 */
#include <stdio.h>
#include <string.h>

#include <vmfork.h>

#include "slow.h"

/* What is worth a sentence: a tenth */
#define WORTH	10

struct slow_sum slow_add_up(const struct slow_result *result)
{
	size_t i, nr = result->nr_vcpus ? result->nr_vcpus : result->nr;
	struct slow_sum sum = { 0 };
	unsigned int part;

	for (i = 0; i < nr; i++) {
		const struct slow_thread *thread = &result->lives[i].thread;

		sum.wall += thread->end - thread->start;
		for (part = 0; part < SLOW_NR_PARTS; part++) {
			sum.ns[part] += thread->ns[part];
			sum.times[part] += thread->times[part];
		}
	}
	return sum;
}

const char *slow_part_name(enum slow_part part)
{
	static const char *const names[SLOW_NR_PARTS] = {
		[SLOW_GUEST] = "guest",
		[SLOW_EXITS] = "exits",
		[SLOW_KVM_FAULTS] = "second_level_faults",
		[SLOW_FAULTS] = "host_faults",
		[SLOW_COPIES] = "copies",
		[SLOW_MMAP_LOCK] = "mmap_lock",
		[SLOW_LOCKS] = "other_locks",
		[SLOW_NO_CPU] = "no_cpu",
		[SLOW_HALTED] = "halted",
		[SLOW_ASLEEP] = "asleep",
		[SLOW_OTHER] = "other",
	};

	return names[part];
}

unsigned int slow_causes(const struct slow_sum *sum,
			 enum slow_part causes[SLOW_NR_PARTS])
{
	unsigned int part, nr = 0, i;

	for (part = 0; part < SLOW_NR_PARTS; part++) {
		if (!sum->ns[part])
			continue;
		/* Among those before, the first that is smaller makes room. */
		for (i = nr; i > 0 && sum->ns[causes[i - 1]] < sum->ns[part];
		     i--)
			causes[i] = causes[i - 1];
		causes[i] = part;
		nr++;
	}
	while (nr > 1 && sum->ns[causes[nr - 1]] < sum->wall / WORTH)
		nr--;
	return nr;
}

static const char *advise_on_faults(const struct slow_result *result,
				    const struct slow_sum *sum, char *text,
				    size_t size)
{
	const struct slow_process *process = &result->process;
	__u64 reads = process->faults[VMFORK_FAULT_READ];
	__u64 huge = process->faults[VMFORK_FAULT_READ_HUGE];

	if (!reads && !huge)
		snprintf(text, size,
			 "%llu host faults are none of a snapshot's memory: look at what else the process touches (perf trace -F all).",
			 sum->times[SLOW_FAULTS]);
	else if (reads > 8 * huge)
		snprintf(text, size,
			 "%llu host faults for reads, %llu of them of 4 KiB pages: record a working set (vmfork record) and have it mapped ahead (vmfork prefault --working-set), or give the parent huge pages (madvise(2), MADV_HUGEPAGE) before the capture, of which one fault maps 512 pages.",
			 sum->times[SLOW_FAULTS], reads);
	else
		snprintf(text, size,
			 "%llu host faults for reads, %llu of them of huge pages already: record a working set (vmfork record) and have it mapped ahead (vmfork prefault --working-set).",
			 sum->times[SLOW_FAULTS], huge);
	return text;
}

static const char *advise_on_kvm(const struct slow_result *result,
				 const struct slow_sum *sum, char *text,
				 size_t size)
{
	__u64 huge = result->process.faults[VMFORK_FAULT_READ_HUGE];

	snprintf(text, size,
		 "%llu second-level faults of KVM: %s have KVM map memory ahead where it can (KVM_PRE_FAULT_MEMORY, Linux 6.11; forkvm does with a working set).",
		 sum->times[SLOW_KVM_FAULTS],
		 huge ? "the snapshot has huge pages already, so" :
			"give the parent huge pages before the capture (madvise(2), MADV_HUGEPAGE), of which KVM maps 512 pages at once, or");
	return text;
}

const char *slow_advise(const struct slow_result *result, enum slow_part part,
			char *text, size_t size)
{
	struct slow_sum sum = slow_add_up(result);

	switch (part) {
	case SLOW_FAULTS:
		return advise_on_faults(result, &sum, text, size);
	case SLOW_KVM_FAULTS:
		return advise_on_kvm(result, &sum, text, size);
	case SLOW_COPIES:
		snprintf(text, size,
			 "%llu pages were copied for writes: record a working set (vmfork record), which has the writes apart, and have them copied ahead (vmfork prefault --working-set).",
			 sum.times[part]);
		break;
	case SLOW_MMAP_LOCK:
		snprintf(text, size,
			 "Waited %llu times for the process' mmap lock: let mmap(2), munmap(2), prefaults and captures in it be over before the vCPUs run; from Linux 6.4 on most faults do without this lock.",
			 sum.times[part]);
		break;
	case SLOW_LOCKS:
		snprintf(text, size,
			 "Waited %llu times for locks of the kernel: perf lock contention -b says which; vCPUs that fault at the same time wait for KVM's, so have memory mapped ahead.",
			 sum.times[part]);
		break;
	case SLOW_NO_CPU:
		snprintf(text, size,
			 "Ready %llu times with no CPU free: start fewer clones at a time, or give them CPUs of their own (taskset(1), cpuset).",
			 sum.times[part]);
		break;
	case SLOW_HALTED:
		snprintf(text, size,
			 "The guest has halted its CPUs: it has nothing to do, or waits for a device or a timer, and memory is not what it waits for.");
		break;
	case SLOW_ASLEEP:
		snprintf(text, size,
			 "Asleep outside of the guest: see what the VMM waits for (strace -f -T), such as the start of its devices, or of other clones.");
		break;
	case SLOW_EXITS:
		snprintf(text, size,
			 "%llu times out of the guest: perf kvm stat says for what reasons; devices that are emulated cost an exit for each access.",
			 sum.times[part]);
		break;
	case SLOW_GUEST:
		snprintf(text, size,
			 "The guest itself runs: there is little that can be won outside of it.");
		break;
	default:
		snprintf(text, size,
			 "The VMM's own code and system calls, such as those that make the virtual machine: perf record -g says which.");
	}
	return text;
}
