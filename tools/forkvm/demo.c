// SPDX-License-Identifier: GPL-2.0
/*
 * forkvm-demo: a running Linux guest becomes eight more, one of them four.
 *
 * The guest's /init changes a table in memory and counts and hashes what it
 * reads.  forkvm keeps that counter and hash as they were at the instant of a
 * fork (its "watch"), so parent and child can be compared at the same instant.
 * The demo succeeds only if everything that its table shows was checked.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "guest/table.h"

#define NR_CHILDREN		8
#define NR_GRANDCHILDREN	4
#define THE_CHILD		3	/* that is forked itself */
#define MS(ns)			((ns) / 1e6)

/* A fork, seen from the guest that was forked */
struct fork {
	uint64_t pause_ns, save_ns, capture_ns, total_ns;
	uint64_t prearm_ns, passes, prearmed;
	uint64_t stolen, copied, shared, huge;
	uint64_t counter, hash;		/* at the fork */
};

static char checks[16][80];
static unsigned int nr_checks;

static const char *kernel = "/guest/bzImage", *initrd = "/guest/initrd";
static const char *mem = "128M", *cpus = "1";
static bool thp;

void client_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "\nforkvm-demo: FAILED: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	family_print_console(stderr, "console: ");
	family_end();
	exit(1);
}

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

/* What was checked is said at the end, in these words */
static void checked(bool good, const char *what)
{
	if (!good)
		client_fail("it does not hold that %s", what);
	snprintf(checks[nr_checks++], sizeof(checks[0]), "%s", what);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static struct guest *boot(void)
{
	const char *const options[] = { "--kernel", kernel, "--initrd", initrd,
		"--mem", mem, "--cpus", cpus,
		"--append", "fv.table=16 fv.batch=4 fv.sleep=40000",
		thp ? "--thp" : NULL, NULL };

	return family_boot("forkvm-demo", options);
}

/* Has the guest's own account watched, and lets it work for a while */
static void get_ready(struct guest *g)
{
	double start = seconds();

	guest_ask(g, "wait ready 300");
	say("  it is up after %.1f s, with %llu CPUs", seconds() - start,
	    (unsigned long long)reply_number(g, "cpus"));
	guest_ask(g, "watch %#llx %zu",
		  (unsigned long long)reply_number(g, "gpa"),
		  sizeof(struct status));
	do {
		usleep(200000);
		guest_ask(g, "ask status");
	} while (reply_number(g, "counter") < 50);
	if (reply_number(g, "errors"))
		client_fail("the guest's memory is bad before any fork");
}

static void get_watched(const struct guest *g, uint64_t *counter,
			uint64_t *hash)
{
	char hex[2 * sizeof(struct status) + 1];
	struct status then = { 0 };
	unsigned int i, byte;

	reply_text(g, "watched", hex, sizeof(hex));
	for (i = 0; i < sizeof(then); i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			client_fail("guest %s: what is watched is \"%s\"",
				    g->path, hex);
		((uint8_t *)&then)[i] = byte;
	}
	if (then.magic != STATUS_MAGIC)
		client_fail("guest %s: its status is not in its memory",
			    g->path);
	*counter = then.counter;
	*hash = then.hash;
}

static void fork_guest(struct guest *g, unsigned int nr, struct fork *f)
{
	say("  fork of guest %s into %u", g->path, nr);
	family_fork(g, "", nr);
	f->pause_ns = reply_number(g, "pause_ns");
	f->save_ns = reply_number(g, "save_ns");
	f->capture_ns = reply_number(g, "capture_ns");
	f->total_ns = reply_number(g, "total_ns");
	f->prearm_ns = reply_number(g, "prearm_ns");
	f->passes = reply_number(g, "passes");
	f->prearmed = reply_number(g, "prearmed");
	f->stolen = reply_number(g, "stolen");
	f->copied = reply_number(g, "copied");
	f->shared = reply_number(g, "shared");
	f->huge = reply_number(g, "huge");
	get_watched(g, &f->counter, &f->hash);
}

static void read_status(struct guest *g)
{
	guest_ask(g, "ask status");
	g->counter = reply_number(g, "counter");
	g->hash = reply_hex(g, "hash");
	g->errors = reply_number(g, "errors");
}

static void examine(struct guest *g)
{
	guest_ask(g, "ask random");
	snprintf(g->random, sizeof(g->random), "%.32s", g->reply + 10);
	g->renewed = reply_number(g, "renewed");
	do {
		read_status(g);
	} while (g->counter <= g->counter_then + 4);
	guest_ask(g, "ask verify");
	g->errors += reply_number(g, "errors");
	guest_memory(g);
	if (g == guests)
		return;
	guest_ask(g, "info");
	g->first_run_ns = reply_number(g, "first_run_ns");
	g->first_line_ns = reply_number(g, "first_line_ns");
	get_watched(g, &g->counter_then, &g->hash_then);
}

static bool all_differ(size_t field, size_t size)
{
	unsigned int i, j;

	for (i = 0; i < nr_guests; i++)
		for (j = 0; j < i; j++)
			if (!memcmp((char *)&guests[i] + field,
				    (char *)&guests[j] + field, size))
				return false;
	return true;
}

static bool same_instant(const struct guest *first, unsigned int nr,
			 const struct fork *f)
{
	for (; nr--; first++)
		if (first->counter_then != f->counter ||
		    first->hash_then != f->hash)
			return false;
	return true;
}

static void check_all(const struct fork *first, const struct fork *second)
{
	bool went_on = true, verified = true, renewed = true, timed = true;
	uint64_t half_kib = (first->stolen + first->copied + first->shared) *
			    4 / 2;
	bool shared = true;
	unsigned int i;

	for (i = 0; i < nr_guests; i++) {
		const struct guest *g = &guests[i];

		went_on &= g->counter > g->counter_then;
		verified &= !g->errors;
		renewed &= i == 0 || g->renewed;
		timed &= i == 0 || (g->first_run_ns &&
				    g->first_line_ns > g->first_run_ns);
		shared &= g->shared_kib && g->private_kib &&
			  g->private_kib < half_kib;
	}
	checked(first->pause_ns && second->pause_ns &&
		half_kib, "both forks were measured");
	checked(timed, "every child ran, and said a line after that");
	checked(same_instant(&guests[1], NR_CHILDREN, first),
		"8 children began with guest 0's counter and hash");
	checked(same_instant(&guests[1 + NR_CHILDREN], NR_GRANDCHILDREN,
			     second),
		"4 grandchildren began with guest 3's counter and hash");
	checked(went_on, "every guest went on from there");
	checked(all_differ(offsetof(struct guest, hash), sizeof(uint64_t)),
		"no two guests have the same hash now");
	checked(all_differ(offsetof(struct guest, random), 32),
		"no two guests drew the same random number");
	checked(renewed, "vmgenid renewed the random state of every child");
	checked(verified, "all memory of all guests reads as written");
	checked(shared, "each guest shares memory, and owns less than half of it");
}

static void print_fork(const struct guest *g, unsigned int nr,
		       const struct fork *f)
{
	say("guest %s into %u: paused %.1f ms (state %.1f, capture %.1f, the "
	    "rest waiting for CPUs),", g->path, nr, MS(f->pause_ns),
	    MS(f->save_ns), MS(f->capture_ns));
	say("  before that %llu pages were captured in %llu passes and %.0f "
	    "ms while it ran;", (unsigned long long)f->prearmed,
	    (unsigned long long)f->passes, MS(f->prearm_ns));
	say("  in the pause %llu were stolen, %llu copied, %llu known from "
	    "before; %llu of all are", (unsigned long long)f->stolen,
	    (unsigned long long)f->copied, (unsigned long long)f->shared,
	    (unsigned long long)f->huge);
	say("  in huge pages; all children were let go after %.0f ms",
	    MS(f->total_ns));
}

static void print_guest(const struct guest *g)
{
	char run[16] = "-", line[16] = "-";

	if (g->first_run_ns) {
		snprintf(run, sizeof(run), "%.0f", MS(g->first_run_ns));
		snprintf(line, sizeof(line), "%.0f", MS(g->first_line_ns));
	}
	say("%-5s %7s %7s  %6llu %08llx  %6llu %08llx  %.8s  %6.1f %7.1f",
	    g->path, run, line, (unsigned long long)g->counter_then,
	    (unsigned long long)g->hash_then >> 32,
	    (unsigned long long)g->counter, (unsigned long long)g->hash >> 32,
	    g->random, g->shared_kib / 1024.0, g->private_kib / 1024.0);
}

static void print_table(const struct fork *first, const struct fork *second)
{
	unsigned int i;

	say("");
	print_fork(&guests[0], NR_CHILDREN, first);
	print_fork(&guests[THE_CHILD], NR_GRANDCHILDREN, second);
	say("");
	say("      ms until first  at its fork      now              random"
	    "    memory MiB");
	say("guest  instr.    line   count hash       count hash      number"
	    "    shared private");
	for (i = 0; i < nr_guests; i++)
		print_guest(&guests[i]);
	say("shared: seen in a snapshot so far; private: written since, a copy "
	    "of its own");
	say("");
}

/* The parent is still there when all others are gone */
static void parent_alone(void)
{
	struct guest *g = &guests[0];
	uint64_t before = g->counter;
	unsigned int i;

	for (i = 1; i < nr_guests; i++) {
		guest_ask(&guests[i], "quit");
		guests[i].pid = 0;
	}
	do {
		read_status(g);
	} while (g->counter <= before + 8);
	guest_ask(g, "ask verify");
	checked(!g->errors && !reply_number(g, "errors"),
		"guest 0 lost nothing, alone again");
	guest_ask(g, "ask stop");
}

static void demo(void)
{
	struct fork first, second;
	struct guest *g;
	unsigned int i;

	say("A Linux guest boots in forkvm: %s, %s, %s vCPU%s", kernel, mem,
	    cpus, strcmp(cpus, "1") ? "s" : "");
	g = boot();
	get_ready(g);
	say("  it counts and hashes pages of a 16 MiB table that it changes");
	fork_guest(g, NR_CHILDREN, &first);
	g->counter_then = first.counter;
	g->hash_then = first.hash;
	for (i = 1; i <= NR_CHILDREN; i++)
		guest_meet(&guests[i]);
	fork_guest(&guests[THE_CHILD], NR_GRANDCHILDREN, &second);
	for (; i < nr_guests; i++)
		guest_meet(&guests[i]);
	say("  %u guests run; looking at each", nr_guests);
	for (i = 0; i < nr_guests; i++)
		examine(&guests[i]);
	print_table(&first, &second);
	check_all(&first, &second);
	parent_alone();
	for (i = 0; i < nr_checks; i++)
		say("checked: %s", checks[i]);
}

static void usage(int result)
{
	fprintf(result ? stderr : stdout,
		"forkvm-demo [--kernel FILE] [--initrd FILE] [--mem SIZE] "
		"[--cpus N] [--thp]\n"
		"Boots a Linux guest, forks it into 8 while it runs, one of "
		"them into 4, and\nchecks what became of them. Exit status 0 "
		"means that all of it was as it should.\n");
	exit(result);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "mem", required_argument, NULL, 'm' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "thp", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "k:i:m:c:th", options, NULL)) >= 0)
		switch (c) {
		case 'k':
			kernel = optarg;
			break;
		case 'i':
			initrd = optarg;
			break;
		case 'm':
			mem = optarg;
			break;
		case 'c':
			cpus = optarg;
			break;
		case 't':
			thp = true;
			break;
		default:
			usage(c == 'h' ? 0 : 2);
		}
	if (access("/dev/vmfork", R_OK | W_OK))
		client_fail("can not use /dev/vmfork: %s; load vmfork.ko",
			    strerror(errno));
	if (family_gets_interrupts_twice())
		say("Beware: several CPUs on one thread of QEMU's TCG "
		    "(thread=single) deliver some of a\nnested guest's "
		    "interrupts twice, and it crashes or hangs; use -smp 1.");
	demo();
	family_end();
	return 0;
}
