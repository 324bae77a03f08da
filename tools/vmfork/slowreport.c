// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork slow: what it says, as text or JSON.
 */
#include <stdio.h>
#include <string.h>

#include <vmfork.h>

#include "cli.h"
#include "out.h"
#include "slow.h"

/* Threads beside each other in 80 columns */
#define ABREAST		3

static const char *const labels[SLOW_NR_PARTS] = {
	[SLOW_GUEST] = "guest",
	[SLOW_EXITS] = "KVM exits",
	[SLOW_KVM_FAULTS] = "second-level faults",
	[SLOW_FAULTS] = "host faults",
	[SLOW_COPIES] = "copies for writes",
	[SLOW_MMAP_LOCK] = "mmap lock",
	[SLOW_LOCKS] = "other locks",
	[SLOW_NO_CPU] = "no CPU free",
	[SLOW_HALTED] = "halted",
	[SLOW_ASLEEP] = "asleep",
	[SLOW_OTHER] = "everything else",
};

static const char *const kinds[] = {
	[VMFORK_FAULT_READ] = "read",
	[VMFORK_FAULT_READ_HUGE] = "read_huge",
	[VMFORK_FAULT_READ_HOLE] = "read_hole",
	[VMFORK_FAULT_WRITE] = "write",
	[VMFORK_FAULT_WRITE_HOLE] = "write_hole",
};

#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

/* The guest's first instruction, in ns from the beginning; or 0 */
static __u64 first_entry(const struct slow_result *result)
{
	__u64 first = 0, ns;
	size_t i;

	for (i = 0; i < result->nr_vcpus; i++) {
		ns = result->lives[i].thread.entered - result->process.start;
		if (!first || ns < first)
			first = ns;
	}
	return first;
}

static const char *life_name(const struct slow_life *life, char *text,
			     size_t size)
{
	/* The kernel's names have no end if they are as long as can be. */
	snprintf(text, size, "%.16s", life->thread.comm);
	return text;
}

/* --- JSON ------------------------------------------------------------------ */

static void report_parts(const __u64 *ns, const __u64 *times)
{
	unsigned int part;

	out_open("ns");
	for (part = 0; part < SLOW_NR_PARTS; part++)
		out_number(slow_part_name(part), ns[part]);
	out_close();
	out_open("times");
	for (part = 0; part < SLOW_NR_PARTS; part++)
		out_number(slow_part_name(part), times[part]);
	out_close();
}

static void report_life(const struct slow_result *result,
			const struct slow_life *life)
{
	const struct slow_thread *thread = &life->thread;
	char name[32];

	out_open(NULL);
	out_number("tid", life->tid);
	out_string("name", life_name(life, name, sizeof(name)));
	if (thread->entered && thread->vcpu >= 0)
		out_number("vcpu", thread->vcpu);
	out_number("start_ns", thread->start - result->process.start);
	if (thread->entered)
		out_number("first_entry_ns",
			   thread->entered - result->process.start);
	out_number("wall_ns", thread->end - thread->start);
	report_parts(thread->ns, thread->times);
	out_close();
}

static void report_faults(const struct slow_process *process)
{
	size_t kind;

	out_open_list("faults");
	for (kind = 0; kind < NR_KINDS; kind++) {
		out_open(NULL);
		out_string("kind", kinds[kind]);
		out_number("times", process->faults[kind]);
		out_number("pages", process->pages[kind]);
		out_number("ns", process->ns[kind]);
		out_close();
	}
	out_close();
	out_number("breaks", process->breaks);
	out_number("prefaulted", process->prefaulted);
}

static void report_advice(const struct slow_result *result,
			  const struct slow_sum *sum)
{
	enum slow_part causes[SLOW_NR_PARTS];
	unsigned int nr = slow_causes(sum, causes), i;
	char text[512];

	out_open_list("advice");
	for (i = 0; i < nr; i++) {
		out_open(NULL);
		out_string("cause", slow_part_name(causes[i]));
		out_string("text", slow_advise(result, causes[i], text,
					       sizeof(text)));
		out_close();
	}
	out_close();
	out_open_list("notes");
	for (i = 0; i < result->nr_notes; i++)
		out_string(NULL, result->notes[i]);
	out_close();
}

static int report_json(const struct slow_result *result)
{
	struct slow_sum sum = slow_add_up(result);
	size_t i;

	out_number("pid", result->pid);
	out_number("snapshot", result->process.snapshot);
	out_bool("from_start", result->since_birth);
	out_bool("ended", result->ended);
	out_number("lost_threads", result->lost);
	out_number("vcpus", result->nr_vcpus);
	if (result->nr_vcpus)
		out_number("first_entry_ns", first_entry(result));
	out_open("sum");
	out_number("wall_ns", sum.wall);
	report_parts(sum.ns, sum.times);
	out_close();
	out_open_list("threads");
	for (i = 0; i < result->nr; i++)
		report_life(result, &result->lives[i]);
	out_close();
	report_faults(&result->process);
	report_advice(result, &sum);
	return out_finish();
}

/* --- text ------------------------------------------------------------------ */

static void print_ms(__u64 ns)
{
	printf("%14.3f", ns / 1e6);
}

static void print_heading(const struct slow_result *result)
{
	printf("Process %d", result->pid);
	if (result->process.snapshot)
		printf(", of snapshot %llu", result->process.snapshot);
	printf("%s%s\n", result->since_birth ? ", from its start" :
					       ", from now on",
	       result->ended ? " to its end" : "");
	if (result->nr_vcpus)
		printf("First instruction of the guest after %.3f ms\n",
		       first_entry(result) / 1e6);
	if (result->lost)
		printf("%llu threads more than can be followed\n",
		       result->lost);
}

static void print_sum(const struct slow_result *result,
		      const struct slow_sum *sum)
{
	unsigned int part;

	printf("\n%-20s%14s%10s%12s\n",
	       result->nr_vcpus ? "all vCPUs" : "all threads", "ms", "share",
	       "times");
	for (part = 0; part < SLOW_NR_PARTS; part++) {
		printf("%-20s", labels[part]);
		print_ms(sum->ns[part]);
		printf("%8.1f %%%12llu\n",
		       sum->wall ? 100.0 * sum->ns[part] / sum->wall : 0.0,
		       sum->times[part]);
	}
	printf("%-20s", "sum");
	print_ms(sum->wall);
	putchar('\n');
}

/* A table of up to ABREAST threads */
static void print_lives(const struct slow_life *lives, size_t nr)
{
	unsigned int part;
	char name[32];
	size_t i;

	printf("\n%-20s", "ms");
	for (i = 0; i < nr; i++)
		printf("%18s", life_name(&lives[i], name, sizeof(name)));
	printf("\n%-20s", "thread");
	for (i = 0; i < nr; i++)
		printf("%18d", lives[i].tid);
	putchar('\n');
	for (part = 0; part < SLOW_NR_PARTS; part++) {
		printf("%-20s", labels[part]);
		for (i = 0; i < nr; i++)
			printf("%18.3f", lives[i].thread.ns[part] / 1e6);
		putchar('\n');
	}
	printf("%-20s", "sum");
	for (i = 0; i < nr; i++)
		printf("%18.3f", (lives[i].thread.end -
				  lives[i].thread.start) / 1e6);
	putchar('\n');
}

static void print_advice(const struct slow_result *result,
			 const struct slow_sum *sum)
{
	enum slow_part causes[SLOW_NR_PARTS];
	unsigned int nr = slow_causes(sum, causes), i;
	char text[512];

	for (i = 0; i < nr; i++)
		printf("%s%.0f %% %s: %s\n", i ? "" : "\n",
		       100.0 * sum->ns[causes[i]] / sum->wall,
		       labels[causes[i]],
		       slow_advise(result, causes[i], text, sizeof(text)));
	for (i = 0; i < result->nr_notes; i++)
		printf("Note: %s\n", result->notes[i]);
}

static int report_text(const struct slow_result *result)
{
	struct slow_sum sum = slow_add_up(result);
	size_t i, nr;

	print_heading(result);
	print_sum(result, &sum);
	for (i = 0; i < result->nr; i += nr) {
		nr = result->nr - i < ABREAST ? result->nr - i : ABREAST;
		print_lives(&result->lives[i], nr);
	}
	print_advice(result, &sum);
	return out_flush();
}

int slow_report(const struct slow_result *result)
{
	return out_is_json() ? report_json(result) : report_text(result);
}
