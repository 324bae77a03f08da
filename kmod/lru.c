// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU batches of pages on their way to an LRU list.  Each holds a
 * reference on its pages, for as long as nothing else happens on that CPU.
 *
 * lru_add_drain() is not exported, but releasing a batch of any kind calls
 * it: an empty one will do.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/pagevec.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "lru.h"

static DEFINE_PER_CPU(struct work_struct, drain_work);
static struct workqueue_struct *drain_wq;

static void drain_this_cpu(struct work_struct *unused)
{
	struct folio_batch batch;

	folio_batch_init(&batch);
	__folio_batch_release(&batch);
}

/**
 * vmfork_lru_drain() - empty the LRU batches of all CPUs
 *
 * May sleep; may be called with an mmap lock held.  A CPU that goes away
 * meanwhile is drained by the kernel.  Several may do this at a time: work that
 * somebody else has queued and that has not begun is as good as one's own.
 */
void vmfork_lru_drain(void)
{
	unsigned int cpu;
	cpumask_var_t cpus;

	drain_this_cpu(NULL);
	if (num_online_cpus() == 1 || !zalloc_cpumask_var(&cpus, GFP_KERNEL))
		return;

	for_each_online_cpu(cpu) {
		queue_work_on(cpu, drain_wq, per_cpu_ptr(&drain_work, cpu));
		cpumask_set_cpu(cpu, cpus);
	}
	for_each_cpu(cpu, cpus)
		flush_work(per_cpu_ptr(&drain_work, cpu));
	free_cpumask_var(cpus);
}

/**
 * vmfork_lru_setup() - once, before the first capture
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_lru_setup(void)
{
	unsigned int cpu;

	drain_wq = alloc_workqueue("vmfork_lru", WQ_MEM_RECLAIM | WQ_HIGHPRI,
				   0);
	if (!drain_wq)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&drain_work, cpu), drain_this_cpu);
	return 0;
}

/**
 * vmfork_lru_cleanup() - undo vmfork_lru_setup()
 */
void vmfork_lru_cleanup(void)
{
	destroy_workqueue(drain_wq);
}
