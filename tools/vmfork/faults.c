// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork faults: the faults of mappings as they happen, or a summary of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/vmfork.h>

#include <faults.skel.h>

#include "bpf.h"
#include "cli.h"
#include "events.h"
#include "out.h"
#include "signals.h"
#include "tally.h"
#include "watch.h"

/* Parts of a snapshot are 2 MiB at first, and get larger if they are many. */
#define PART_SHIFT	21
#define MAX_PARTS	1024	/* while counting */
#define MAX_ROWS	16	/* in the summary */

/**
 * struct faults - a run of the command
 * @watch: what is watched
 * @summary: whether faults are counted in place of printed
 * @start: time of the first event
 * @count: of events
 * @kinds: by kind_index()
 * @threads: by their IDs
 * @parts: by offset >> @part_shift
 * @part_shift: what that is now
 * @status: enum status, of the last event
 */
struct faults {
	struct watch watch;
	bool summary;
	uint64_t start;
	uint64_t count;
	struct group kinds[NR_KINDS];
	struct tally threads;
	struct tally parts;
	unsigned int part_shift;
	int status;
};

static bool is_copied(const struct event_fault *event)
{
	return event->kind != EVENT_COW && event->flags & VMFORK_FAULT_COPIED;
}

static bool is_maybe(const struct event_fault *event)
{
	return event->kind == EVENT_COW && event->flags & VMFORK_COW_MAYBE;
}

static int print_json(const struct event_fault *event)
{
	out_number("time_ns", event->time);
	out_string("kind", kind_name(kind_index(event->kind)));
	out_number("snapshot", event->snapshot);
	out_number("mapping", event->mapping);
	out_address("offset", event->offset);
	out_address("address", event->addr);
	out_number("pages", event->pages);
	out_address("first", event->first);
	out_number("span", event->span);
	if (event->kind != EVENT_COW) {
		out_number("took_ns", event->ns);
		out_bool("copied", is_copied(event));
	} else {
		out_bool("maybe", is_maybe(event));
	}
	out_number("pid", event->pid);
	out_number("tid", event->tid);
	out_string("comm", event->comm);
	return out_finish();
}

static void print_heading(void)
{
	printf("%12s %7s %-16s %-10s %8s %14s %14s %5s %9s\n", "SECONDS",
	       "TID", "COMM", "KIND", "SNAPSHOT", "OFFSET", "ADDRESS", "PAGES",
	       "US");
}

static int print_text(const struct event_fault *event, uint64_t start)
{
	printf("%12.6f %7u %-16.16s %-10s %8llu %#14llx %#14llx %5u",
	       (event->time - start) / 1e9, event->tid, event->comm,
	       kind_name(kind_index(event->kind)), event->snapshot,
	       event->offset, event->addr, event->pages);
	if (event->kind == EVENT_COW)
		printf(" %9s%s\n", "-", is_maybe(event) ? " maybe" : "");
	else
		printf(" %9.1f%s\n", event->ns / 1e3,
		       is_copied(event) ? " copied" : "");
	return out_flush();
}

static int fail_counting(void)
{
	return failure(FAILED, ENOMEM,
		       "There is no memory for the counts: free some, then try again.");
}

static int count_in(struct faults *faults, const struct event_fault *event)
{
	struct group *thread, *part;

	group_add(&faults->kinds[kind_index(event->kind)], event);
	thread = tally_at(&faults->threads, event->tid);
	if (!thread)
		return fail_counting();
	thread->pid = event->pid;
	memcpy(thread->comm, event->comm, sizeof(thread->comm));
	group_add(thread, event);
	part = tally_at(&faults->parts, event->offset >> faults->part_shift);
	if (!part)
		return fail_counting();
	group_add(part, event);
	while (faults->parts.nr > MAX_PARTS) {
		tally_halve(&faults->parts);
		faults->part_shift++;
	}
	return DONE;
}

static bool take(void *context, const void *data)
{
	const struct event_fault *event = data;
	struct faults *faults = context;

	if (!faults->count++)
		faults->start = event->time;
	if (faults->summary)
		faults->status = count_in(faults, event);
	else if (out_is_json())
		faults->status = print_json(event);
	else
		faults->status = print_text(event, faults->start);
	return faults->status == DONE;
}

static uint64_t writes_of(const struct group *group)
{
	return group->kinds[VMFORK_FAULT_WRITE] +
	       group->kinds[VMFORK_FAULT_WRITE_HOLE];
}

static uint64_t reads_of(const struct group *group)
{
	return group->kinds[VMFORK_FAULT_READ] +
	       group->kinds[VMFORK_FAULT_READ_HUGE] +
	       group->kinds[VMFORK_FAULT_READ_HOLE];
}

static void report_group(const struct group *group)
{
	out_number("reads", reads_of(group));
	out_number("writes", writes_of(group));
	out_number("cows", group->kinds[NR_KINDS - 1]);
	out_number("pages", group->pages);
	out_nanoseconds("p50_ns", histogram_percentile(&group->took, 50));
	out_nanoseconds("p99_ns", histogram_percentile(&group->took, 99));
	if (out_is_json())
		histogram_report_buckets(&group->took);
}

static void report_kinds(const struct faults *faults)
{
	unsigned int i;

	out_open_table("kinds");
	for (i = 0; i < NR_KINDS; i++) {
		const struct group *group = &faults->kinds[i];

		if (!group_count(group))
			continue;
		out_open(NULL);
		out_string("kind", kind_name(i));
		out_number("count", group_count(group));
		out_number("pages", group->pages);
		histogram_report(&group->took);
		if (out_is_json())
			histogram_report_buckets(&group->took);
		out_close();
	}
	out_close();
}

static void report_parts(struct faults *faults)
{
	size_t i;

	while (faults->parts.nr > MAX_ROWS) {
		tally_halve(&faults->parts);
		faults->part_shift++;
	}
	out_open_table("ranges");
	for (i = 0; i < faults->parts.nr; i++) {
		const struct group *group = &faults->parts.groups[i];

		out_open(NULL);
		out_address("offset", group->key << faults->part_shift);
		out_bytes("length", 1ULL << faults->part_shift);
		report_group(group);
		out_close();
	}
	out_close();
}

static void report_threads(const struct faults *faults)
{
	size_t i;

	out_open_table("threads");
	for (i = 0; i < faults->threads.nr; i++) {
		const struct group *group = &faults->threads.groups[i];

		out_open(NULL);
		out_number("tid", group->key);
		out_number("pid", group->pid);
		out_string("comm", group->comm);
		report_group(group);
		out_close();
	}
	out_close();
}

static void report_end(const struct faults *faults, uint64_t drops,
		       uint64_t ns)
{
	out_number("events", faults->count);
	out_number("dropped", drops);
	out_nanoseconds("watched_ns", ns);
}

static void print_histograms(const struct faults *faults)
{
	unsigned int i;

	for (i = 0; i < NR_KINDS; i++) {
		if (!faults->kinds[i].took.count)
			continue;
		printf("%s:\n", kind_name(i));
		histogram_print(&faults->kinds[i].took);
	}
}

static int report(struct faults *faults, uint64_t drops, uint64_t ns)
{
	int status;

	if (!faults->summary && !out_is_json()) {
		printf("%" PRIu64 " events, %" PRIu64 " dropped, in %.1f s\n",
		       faults->count, drops, ns / 1e9);
		return out_flush();
	}
	report_end(faults, drops, ns);
	if (!faults->summary)
		return out_finish();
	report_kinds(faults);
	report_parts(faults);
	report_threads(faults);
	status = out_finish();
	if (status || out_is_json())
		return status;
	print_histograms(faults);
	return out_flush();
}

static int follow(struct faults *faults, struct faults_bpf *skel)
{
	struct bpf_ring *ring;
	uint64_t drops, ns;
	int status;

	status = bpf_ring_open(&ring, skel->maps.ring, skel->maps.drops, take,
			       faults);
	if (status)
		return status;
	status = watch_begins(&faults->watch);
	if (!status && !faults->summary && !out_is_json())
		print_heading();
	faults->watch.until.live = !faults->summary;
	if (!status)
		status = bpf_ring_follow(ring, &faults->watch.until, &ns);
	if (!status)
		status = faults->status;
	if (!status)
		status = bpf_ring_drops(ring, &drops);
	if (!status) {
		status = report(faults, drops, ns);
		watch_warn(drops);
	}
	bpf_ring_close(ring);
	return status;
}

static int watch_faults(struct faults *faults)
{
	struct faults_bpf *skel = faults_bpf__open();
	int status = bpf_ready(skel);

	if (status)
		return status;
	skel->rodata->only_pid = faults->watch.pid;
	skel->rodata->only_snapshot = faults->watch.info.id;
	if (faults->watch.buffer)
		status = bpf_ring_size(skel->maps.ring,
				       &skel->rodata->ring_wake,
				       faults->watch.buffer);
	if (!status)
		status = bpf_start(skel->skeleton);
	if (!status)
		status = follow(faults, skel);
	faults_bpf__destroy(skel);
	return status;
}

static int parse_options(struct faults *faults, int argc, char **argv)
{
	static const struct option options[] = {
		WATCH_LONG,
		{ "summary", no_argument, NULL, 'S' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	while ((option = next_option(&command_faults, argc, argv,
				     WATCH_SHORT "S" COMMON_SHORT,
				     options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (option == 'S') {
			faults->summary = true;
			continue;
		}
		status = watch_option(&faults->watch, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help faults.",
			       argv[optind]);
	return DONE;
}

static int run_faults(int argc, char **argv)
{
	struct faults faults = { .part_shift = PART_SHIFT };
	int status = parse_options(&faults, argc, argv);

	if (status)
		return status;
	signals_catch();
	status = watch_open(&faults.watch);
	if (!status)
		status = watch_faults(&faults);
	watch_close(&faults.watch);
	tally_free(&faults.threads);
	tally_free(&faults.parts);
	return status;
}

const struct command command_faults = {
	.name = "faults",
	.arguments = "[-p PID] [-s PATH] [--summary] [--duration SECONDS]",
	.summary = "Watch the faults of mappings, and writes that break a sharing",
	.options =
	WATCH_HELP
	"  -S, --summary       count them: by kind, range of the snapshot and thread\n"
	"\n"
	"Without -p and -s: those of all processes and snapshots.\n",
	.run = run_faults,
};
