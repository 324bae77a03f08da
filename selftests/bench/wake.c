// SPDX-License-Identifier: GPL-2.0
/*
 * Waking a clone: a Linux guest in the middle of a Python program is forked;
 * how long does a child take for its next hundred lines of output, with a
 * working set applied before it runs and without?
 *
 * All children are of one fork, so that they do the very same.  Those of which
 * working sets are recorded come first; nothing else runs beside a child.
 */
#include <ctype.h>
#include <err.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <family.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "lib.h"
#include "recorder.h"

#define KERNEL		"/guest/vmlinux"
#define INITRD		"/guest/python-initrd"
#define PROGRAM		"rdinit=/usr/bin/python3 PYTHONHASHSEED=0 -- -S -B /index.py"
#define LINES		100
#define SECOND		1000000000ULL
#define BOOT_SECONDS	900

/*
 * What a child took from its first instruction on.  The one that has nothing
 * is measured for a second; the others until they have done the same.
 */
struct wake {
	uint64_t lines;			/* until it had written its lines */
	uint64_t all;			/* until it had done what is measured */
	unsigned int all_lines;		/* which is so many lines */
	uint64_t faults;		/* of the host, meanwhile */
	uint64_t exits;			/* from the guest */
	uint64_t second_level;		/* faults of KVM's tables */
};

void client_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "wake: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	family_print_console(stderr, "console: ");
	family_end();
	exit(1);
}

/* Page faults of all threads, those on behalf of a guest included */
static uint64_t faults_of(const struct guest *g)
{
	char name[32], text[1024];
	unsigned long faults;
	const char *rest;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/stat", g->pid);
	f = fopen(name, "r");
	if (!f || !fgets(text, sizeof(text), f))
		err(1, "%s", name);
	fclose(f);
	/* The name of the program is in parentheses. */
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %lu",
			    &faults) != 1)
		errx(1, "%s has no count of faults", name);
	return faults;
}

/* One of the statistics that KVM keeps of each guest */
static uint64_t kvm_count(const struct guest *g, const char *what)
{
	char pattern[64];
	glob_t found;
	long count;

	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/kvm/%d-*/%s",
		 g->pid, what);
	if (glob(pattern, 0, NULL, &found))
		errx(1, "no %s", pattern);
	count = read_number(found.gl_pathv[0]);
	if (count < 0)
		errx(1, "%s can not be read", found.gl_pathv[0]);
	globfree(&found);
	return count;
}

static void sleep_until(uint64_t when)
{
	uint64_t now = clock_now();

	if (now < when)
		usleep((when - now) / 1000);
}

/* Return: the number that the next line of the program begins with. */
static unsigned int next_number(struct guest *g)
{
	do {
		guest_ask(g, "wait");
	} while (!isdigit((unsigned char)g->reply[3]));
	return atoi(g->reply + 3);
}

/* Return: that of the newest line of a guest that is paused. */
static unsigned int last_number(struct guest *g)
{
	unsigned int number = 0;

	while (!guest_try(g, "wait"))
		if (isdigit((unsigned char)g->reply[3]))
			number = atoi(g->reply + 3);
	return number;
}

static void until_line(struct guest *g, unsigned int number, uint64_t *at)
{
	/* We get the CPU some time after the line has come. */
	guest_ask(g, "when %u 240", number);
	*at = reply_number(g, "at_ns");
}

/* @all_lines: how much it is to do; 0: as much as it can in a second */
static void measure(struct guest *g, unsigned int last, unsigned int all_lines,
		    struct wake *wake)
{
	uint64_t exits = kvm_count(g, "exits");
	uint64_t taken = kvm_count(g, "pf_taken");
	uint64_t before = faults_of(g), start = clock_now();
	unsigned int first = last - LINES;

	guest_ask(g, "resume");
	until_line(g, last, &wake->lines);
	wake->lines -= start;
	wake->all = start + SECOND;
	if (all_lines)
		until_line(g, first + all_lines, &wake->all);
	else
		sleep_until(wake->all);
	wake->all -= start;
	wake->faults = faults_of(g) - before;
	wake->exits = kvm_count(g, "exits") - exits;
	wake->second_level = kvm_count(g, "pf_taken") - taken;
	guest_ask(g, "pause");
	wake->all_lines = all_lines ? all_lines : last_number(g) - first;
	if (wake->all_lines < LINES)
		errx(1, "in a second it writes %u lines", wake->all_lines);
	family_kill(g);
}

/*
 * Makes a working set of what a child does.  Each fault maps one page, so that
 * it has what was touched, and nothing else.
 */
static void record(struct guest *g, const char *path)
{
	fault_around(1);
	recorder_start(g->pid, path);
	guest_ask(g, "resume");
}

static void recorded(struct guest *g, const char *key)
{
	guest_ask(g, "pause");
	figure_count(recorder_stop(), "wake_%s_recorded", key);
	fault_around(0);
	figure_count(recorder_pages("reads"), "wake_%s_read_pages", key);
	figure_count(recorder_pages("writes"), "wake_%s_written_pages", key);
	family_kill(g);
}

static struct guest *boot(void)
{
	const char *const options[] = { "--kernel", KERNEL, "--initrd", INITRD,
		"--mem", "256M", "--append", PROGRAM, NULL };
	struct guest *g = family_boot("wake", options);

	guest_ask(g, "wait ready %u", BOOT_SECONDS);
	guest_ask(g, "wait 50 240");
	return g;
}

static void put(const struct wake *wake, const char *key)
{
	figure_count(wake->lines, "wake_%s_100_lines", key);
	figure_count(wake->all, "wake_%s_all_lines", key);
	figure_count(wake->faults, "wake_%s_faults", key);
	figure_count(wake->second_level, "wake_%s_second_level_faults", key);
	figure_count(wake->exits, "wake_%s_exits", key);
}

static uint64_t apply(struct guest *g, const char *path, const char *key)
{
	uint64_t start = clock_now(), took, memory, tables;

	guest_ask(g, "prefault %s", path);
	took = clock_now() - start;
	figure_count(reply_number(g, "mapped"), "wake_%s_mapped", key);
	figure_count(reply_number(g, "copied"), "wake_%s_copied", key);
	figure_count(reply_number(g, "second_level"), "wake_%s_second_level",
		     key);
	memory = reply_number(g, "memory_ns");
	tables = reply_number(g, "second_level_ns");
	figure_count(memory, "wake_%s_apply_memory", key);
	figure_count(tables, "wake_%s_apply_second_level", key);
	/* And what is left: of a fork the parent has that, once. */
	figure_count(took - memory - tables, "wake_%s_read_file", key);
	return memory + tables;
}

void chapter_wake(enum kind kind)
{
	struct wake cold, lines, second;
	struct guest *parent, *child;
	uint64_t applied;
	unsigned int last;
	char path[2][64];

	(void)kind;
	if (access(INITRD, R_OK) || access("/dev/kvm", R_OK | W_OK)) {
		remark("wake: no guest, or no KVM for it");
		return;
	}
	parent = boot();
	snprintf(path[0], sizeof(path[0]), "/tmp/lines.json");
	snprintf(path[1], sizeof(path[1]), "/tmp/second.json");
	guest_ask(parent, "pause");
	child = family_fork(parent, "paused", 5);
	for (last = 0; last < 5; last++)
		guest_connect(&child[last], 10);

	record(&child[0], path[0]);
	last = next_number(&child[0]) + LINES - 1;
	guest_ask(&child[0], "wait %u 240", last);
	recorded(&child[0], "lines");

	/* One that has what it wants gets further in the same time. */
	record(&child[1], path[1]);
	usleep(2 * SECOND / 1000);
	recorded(&child[1], "second");

	measure(&child[2], last, 0, &cold);
	figure_count(cold.all_lines, "wake_lines_in_second");
	put(&cold, "cold");
	applied = apply(&child[3], path[0], "lines");
	measure(&child[3], last, cold.all_lines, &lines);
	put(&lines, "lines");
	apply(&child[4], path[1], "second");
	measure(&child[4], last, cold.all_lines, &second);
	put(&second, "second");
	family_end();
	unlink(path[0]);
	unlink(path[1]);

	figure(2, (double)cold.lines / lines.lines, "prefault_speedup");
	figure(2, (double)cold.lines / (lines.lines + applied),
	       "prefault_speedup_with_apply");
	figure(2, 100 - 100.0 * second.faults / cold.faults,
	       "prefault_fault_reduction_pct");
}
