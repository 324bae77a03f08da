// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork record: which memory of a snapshot its users want, in order of first
 * access, as a working set for vmfork prefault.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <record.skel.h>

#include "bpf.h"
#include "cli.h"
#include "events.h"
#include "out.h"
#include "save.h"
#include "signals.h"
#include "watch.h"
#include "ws.h"

#define PAGE_SHIFT	12

/* Bits of a part of the snapshot, which may be huge and hardly used */
#define PART_PAGES	(1UL << 15)
#define PART_WORDS	(PART_PAGES / 64)

/**
 * struct seen - which pages have been wanted
 * @parts: @nr of them, each a bitmap, or NULL if there are none
 * @nr: enough for the snapshot
 */
struct seen {
	uint64_t **parts;
	size_t nr;
};

/**
 * struct record - a run of the command
 * @watch: what is watched
 * @output: name of the file
 * @force: whether it may be replaced
 * @events: how many there were
 * @read: pages that are among the reads
 * @written: pages that are among the writes
 * @ws: the working set
 * @error: errno of why it could not be noted
 */
struct record {
	struct watch watch;
	const char *output;
	bool force;
	uint64_t events;
	struct seen read;
	struct seen written;
	struct ws ws;
	int error;
};

static bool seen_init(struct seen *seen, uint64_t pages)
{
	seen->nr = (pages + PART_PAGES - 1) / PART_PAGES;
	seen->parts = calloc(seen->nr ? seen->nr : 1, sizeof(*seen->parts));
	return seen->parts;
}

static void seen_free(struct seen *seen)
{
	size_t i;

	for (i = 0; seen->parts && i < seen->nr; i++)
		free(seen->parts[i]);
	free(seen->parts);
}

static bool is_seen(const struct seen *seen, uint64_t page)
{
	const uint64_t *part = seen->parts[page / PART_PAGES];

	return part && part[page % PART_PAGES / 64] >> page % 64 & 1;
}

static bool see(struct seen *seen, uint64_t page)
{
	uint64_t **part = &seen->parts[page / PART_PAGES];

	if (!*part)
		*part = calloc(PART_WORDS, sizeof(**part));
	if (!*part)
		return false;
	(*part)[page % PART_PAGES / 64] |= 1ULL << page % 64;
	return true;
}

/*
 * What was written is not read for the first time any more: it is there.  The
 * other way round, a page is read first, then written.
 */
static bool is_new(const struct record *record, uint64_t page, bool write)
{
	if (is_seen(&record->written, page))
		return false;
	return write || !is_seen(&record->read, page);
}

static int note_page(struct record *record, uint64_t page, bool write)
{
	if (!is_new(record, page, write))
		return 0;
	if (!see(write ? &record->written : &record->read, page))
		return -ENOMEM;
	return ws_add(&record->ws, page << PAGE_SHIFT, 1 << PAGE_SHIFT, write);
}

static bool take(void *context, const void *data)
{
	const struct event_access *event = data;
	struct record *record = context;
	uint64_t page = event->offset >> PAGE_SHIFT;
	uint64_t end = record->ws.snapshot_size >> PAGE_SHIFT;
	int err = 0;

	record->events++;
	if (end > page + event->pages)
		end = page + event->pages;
	for (; !err && page < end; page++)
		err = note_page(record, page, event->write);
	record->error = -err;
	return !err;
}

static int noted(const struct record *record)
{
	if (record->error == E2BIG)
		return failure(FAILED, E2BIG,
			       "This working set has more than %u ranges: record for a shorter time.",
			       WS_MAX_RANGES);
	if (record->error)
		return failure(FAILED, record->error,
			       "There is no memory for the working set: record for a shorter time.");
	return DONE;
}

static void report_kind(const struct ws *ws, const char *name, bool write)
{
	uint64_t ranges = 0, bytes = 0;
	size_t i;

	for (i = 0; i < ws->nr; i++) {
		if (ws->ranges[i].write != write)
			continue;
		ranges++;
		bytes += ws->ranges[i].len;
	}
	out_open(name);
	out_number("ranges", ranges);
	out_number("pages", bytes >> PAGE_SHIFT);
	out_close();
}

static int report(const struct record *record)
{
	const struct ws *ws = &record->ws;

	out_number("snapshot", ws->snapshot);
	out_string("file", record->output);
	out_number("events", ws->faults);
	out_number("dropped", ws->dropped);
	out_nanoseconds("watched_ns", ws->seconds * 1e9);
	report_kind(ws, "reads", false);
	report_kind(ws, "writes", true);
	return out_finish();
}

static int save_set(const struct record *record, struct save *save)
{
	char *text = ws_text(&record->ws);
	int status;

	if (!text)
		return failure(FAILED, ENOMEM, "Out of memory.");
	status = save_text(save, text);
	free(text);
	return status ? status : save_commit(save);
}

static int follow(struct record *record, struct record_bpf *skel)
{
	struct bpf_ring *ring;
	uint64_t ns = 0;
	int status;

	status = bpf_ring_open(&ring, skel->maps.ring, skel->maps.drops, take,
			       record);
	if (status)
		return status;
	status = watch_begins(&record->watch);
	if (!status)
		status = bpf_ring_follow(ring, &record->watch.until, &ns);
	if (!status)
		status = noted(record);
	if (!status)
		status = bpf_ring_drops(ring, &record->ws.dropped);
	record->ws.faults = record->events;
	record->ws.seconds = ns / 1e9;
	bpf_ring_close(ring);
	return status;
}

static int watch_accesses(struct record *record)
{
	struct record_bpf *skel = record_bpf__open();
	int status = bpf_ready(skel);

	if (status)
		return status;
	skel->rodata->only_pid = record->watch.pid;
	skel->rodata->only_snapshot = record->watch.info.id;
	if (record->watch.buffer)
		status = bpf_ring_size(skel->maps.ring,
				       &skel->rodata->ring_wake,
				       record->watch.buffer);
	if (!status)
		status = bpf_start(skel->skeleton);
	if (!status)
		status = follow(record, skel);
	record_bpf__destroy(skel);
	return status;
}

static int record_set(struct record *record)
{
	const struct vmfork_info *info = &record->watch.info;
	uint64_t pages = info->snapshot_size >> PAGE_SHIFT;
	struct save save = { .fd = -1 };
	int status;

	record->ws.snapshot = info->id;
	record->ws.snapshot_size = info->snapshot_size;
	if (!seen_init(&record->read, pages) ||
	    !seen_init(&record->written, pages))
		return failure(FAILED, ENOMEM, "Out of memory.");
	status = save_open(&save, record->output, record->force);
	if (!status)
		status = watch_accesses(record);
	/* The signal said when to stop; another one says not to save. */
	signals_forget();
	if (!status)
		status = save_set(record, &save);
	save_abort(&save);
	if (!status)
		status = report(record);
	if (!status)
		watch_warn(record->ws.dropped);
	return status;
}

static int parse_options(struct record *record, int argc, char **argv)
{
	static const struct option options[] = {
		WATCH_LONG,
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		COMMON_LONG,
		{ 0 }
	};
	int option, status;

	while ((option = next_option(&command_record, argc, argv,
				     WATCH_SHORT "o:f" COMMON_SHORT,
				     options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		if (option == 'o') {
			record->output = optarg;
		} else if (option == 'f') {
			record->force = true;
		} else {
			status = watch_option(&record->watch, option);
			if (status)
				return status;
		}
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help record.",
			       argv[optind]);
	if (!record->watch.pid && !record->watch.path)
		return failure(BAD_USAGE, 0,
			       "Nothing to record is given: add -s PATH or -p PID.");
	if (!record->output)
		return failure(BAD_USAGE, 0,
			       "No file is given: add -o FILE.");
	return DONE;
}

static int run_record(int argc, char **argv)
{
	struct record record = { 0 };
	int status = parse_options(&record, argc, argv);

	if (status)
		return status;
	signals_catch();
	status = watch_open(&record.watch);
	if (!status && !record.watch.path)
		status = watch_find_snapshot(&record.watch);
	if (!status)
		status = record_set(&record);
	watch_close(&record.watch);
	seen_free(&record.read);
	seen_free(&record.written);
	ws_free(&record.ws);
	if (status && signals_caught())
		signals_die();
	return status;
}

const struct command command_record = {
	.name = "record",
	.arguments = "{-s PATH | -p PID} -o FILE [--duration SECONDS]",
	.summary = "Record which memory of a snapshot is used, and in which order",
	.options =
	WATCH_HELP
	"  -o, --output FILE   the working set, for vmfork prefault --working-set\n"
	"  -f, --force         replace FILE if it exists\n"
	"\n"
	"With -p alone: of the snapshot that the process maps.\n",
	.run = run_record,
};
