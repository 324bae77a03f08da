// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork monitor: what happens to snapshots and mappings, as it happens.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "cli.h"
#include "clock.h"
#include "out.h"
#include "parse.h"
#include "screen.h"
#include "units.h"

/**
 * struct monitor - the command line
 * @duration: ns, 0 for no end
 * @count: of events, 0 for no end
 */
struct monitor {
	uint64_t duration;
	int count;
};

/* The time of day that it was when CLOCK_BOOTTIME was @ns */
static void print_time(uint64_t ns)
{
	uint64_t day = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) + ns;
	time_t seconds = day / 1000000000;
	struct tm tm;
	char text[16];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%06u ", text, (unsigned int)(day % 1000000000 / 1000));
}

static void print_who(const struct event *event)
{
	if (event->pid)
		printf(" by %u", event->pid);
	if (event->has_uid)
		printf(" of user %u", event->uid);
}

static void print_pages(const char *what, uint64_t pages)
{
	char text[UNITS_SIZE];

	printf(", %s%s", units_bytes(pages * WORLD_PAGE, text), what);
}

static void print_details(const struct event *event)
{
	char text[UNITS_SIZE], plain[4200];

	if (event->path && *event->path)
		printf(" %s", units_plain(event->path, plain, sizeof(plain)));
	if (event->from)
		printf(" from %" PRIu64, event->from);
	if (event->parent)
		printf(" on top of %" PRIu64, event->parent);
	print_who(event);
	if (event->ahead)
		printf(", ahead");
	if (event->size)
		printf(", size %s", units_bytes(event->size, text));
	if (event->offset)
		printf(" from 0x%" PRIx64, event->offset);
	if (event->pages)
		print_pages(" held", event->pages);
	if (event->file)
		print_pages(" of a file", event->file);
	if (!strcmp(event->name, "captured")) {
		print_pages(" stolen", event->stolen);
		print_pages(" copied", event->copied);
	}
	if (!strcmp(event->name, "reset"))
		print_pages(" dropped", event->dropped);
	if (!strcmp(event->name, "dropped"))
		print_pages(" given back", event->freed);
}

static int print_event(const struct event *event)
{
	print_time(event->time_ns);
	printf("%-8s %" PRIu64, event->name, event->snapshot);
	print_details(event);
	putchar('\n');
	return fflush(stdout) ? FAILED : DONE;
}

static void report_number(const char *name, uint64_t value)
{
	if (value)
		out_number(name, value);
}

static int report_event(const struct event *event)
{
	out_string("event", event->name);
	out_number("seq", event->seq);
	out_number("time_ns", event->time_ns);
	out_number("snapshot", event->snapshot);
	if (event->path)
		out_string("name", event->path);
	report_number("parent", event->parent);
	report_number("from", event->from);
	report_number("mapping", event->mapping);
	report_number("pid", event->pid);
	if (event->has_uid)
		out_number("uid", event->uid);
	report_number("size", event->size);
	if (!strcmp(event->name, "mapped"))
		out_number("offset", event->offset);
	if (event->ahead)
		out_bool("ahead", true);
	if (!strcmp(event->name, "captured")) {
		out_number("pages", event->pages);
		out_number("pages_stolen", event->stolen);
		out_number("pages_copied", event->copied);
	} else if (!strcmp(event->name, "reset")) {
		out_number("pages_dropped", event->dropped);
	} else if (!strcmp(event->name, "dropped")) {
		out_number("pages", event->pages);
		out_number("pages_freed", event->freed);
	} else if (!strcmp(event->name, "imported")) {
		out_number("pages_file", event->file);
	} else if (!strcmp(event->name, "named")) {
		out_number("pages", event->pages);
	}
	return out_finish();
}

/* Nobody is to take what follows for all that has happened. */
static int tell_lost(void)
{
	if (out_is_json()) {
		out_string("event", "lost");
		return out_finish();
	}
	fputs("vmfork: Some events were lost, because they came faster than they were read:"
	      " see vmfork ls for what there is.\n", stderr);
	return DONE;
}

/* So that who started it knows from when on nothing is missed */
static int begins(void)
{
	if (out_is_json()) {
		out_string("event", "listening");
		return out_finish();
	}
	fputs("vmfork: Listening; Ctrl-C ends it.\n", stderr);
	return DONE;
}

static int listen_to(struct ask *ask, const struct monitor *monitor)
{
	uint64_t end = now_ns() + monitor->duration, now;
	uint64_t wait = 3600ULL * 1000000000;
	struct event event;
	int status, heard = 0;
	bool lost;

	status = begins();
	while (!status && (!monitor->count || heard < monitor->count)) {
		if (monitor->duration) {
			now = now_ns();
			if (now >= end)
				break;
			wait = end - now;
		}
		if (!ask_hear(ask, wait, &event, &lost))
			break;
		if (lost)
			status = tell_lost();
		if (!event.name)
			continue;
		heard++;
		status = out_is_json() ? report_event(&event) :
					 print_event(&event);
	}
	return status;
}

static int take_option(struct monitor *monitor, int option)
{
	switch (option) {
	case 'd':
		return take_seconds(optarg, &monitor->duration);
	case 'n':
		if (parse_id(optarg, &monitor->count) && monitor->count)
			return DONE;
		return failure(BAD_USAGE, 0,
			       "'%s' is no count: give a number above 0.",
			       optarg);
	default:
		return BAD_USAGE;
	}
}

static int run_monitor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "duration", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'n' },
		COMMON_LONG,
		{ 0 }
	};
	struct monitor monitor = { 0 };
	struct ask ask;
	int option, status;

	while ((option = next_option(&command_monitor, argc, argv,
				     "d:n:" COMMON_SHORT, options)) != -1) {
		status = take_option(&monitor, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help monitor.",
			       argv[optind]);
	status = ask_open(&ask);
	if (status)
		return status;
	screen_catch();
	status = ask_join(&ask);
	if (!status)
		status = listen_to(&ask, &monitor);
	ask_close(&ask);
	return status;
}

const struct command command_monitor = {
	.name = "monitor",
	.arguments = "[-d SECONDS] [-n COUNT]",
	.summary = "Tell of captures, mappings and resets as they happen",
	.options =
	"  -d, --duration SECONDS\n"
	"                      how long (default: until Ctrl-C)\n"
	"  -n, --count COUNT   end after so many events\n"
	"\n"
	"A line for each event; with --json, an object.  What could not be read in time\n"
	"is said to be lost.\n",
	.run = run_monitor,
};
