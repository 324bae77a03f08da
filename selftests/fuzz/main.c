// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz: finds programs that make the kernel, or memory, go wrong.
 *
 * Prints programs that reached something new (CORPUS) and those that went
 * wrong (FINDING) as it finds them, each with a program behind it, and at the
 * end its figures.  Runs where vmfork.ko is loaded, as root, on a machine that
 * may crash.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run.h"
#include "world.h"

#define FINDINGS_MAX	8
#define IDLE_EVERY	1000		/* programs */

static struct {
	uint64_t seed, seconds, executions;
	const char *corpus[16];
	unsigned int nr_corpus;
} config = { .seed = 1 };

static struct {
	uint64_t programs, timeouts, findings;
} done;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void print_prog(const char *head, const struct prog *p)
{
	static char text[PROG_TEXT];

	prog_print(p, text, sizeof(text));
	printf("%s\n%s\n", head, text);
	fflush(stdout);
}

static bool still_bad(const struct prog *p, void *data)
{
	char why[512];
	unsigned int i;

	(void)data;
	for (i = 0; i < 3; i++)
		if (server_run(p, why, sizeof(why)) != RUN_OK)
			return true;
	return false;
}

static void report(const struct prog *p, const char *why)
{
	struct prog shorter = *p;
	char head[640];
	bool again;

	done.findings++;
	snprintf(head, sizeof(head), "FINDING %s", why);
	print_prog(head, p);
	if (strstr(why, "can not be killed"))
		exit(1);
	again = still_bad(p, NULL);
	if (again)
		prog_minimize(&shorter, still_bad, NULL);
	snprintf(head, sizeof(head), "%s %s", again ? "MINIMIZED" :
		 "ONLY-ONCE", why);
	print_prog(head, &shorter);
}

/* A host that is busy makes a program late once, and not again. */
static bool never_ends(const struct prog *p)
{
	char why[512];
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (server_run(p, why, sizeof(why)) == RUN_OK)
			return false;
	return true;
}

static void count(enum outcome outcome, const struct prog *p, const char *why)
{
	done.programs++;
	if (outcome == RUN_TIMEOUT) {
		done.timeouts++;
		print_prog("TIMEOUT", p);
		if (never_ends(p)) {
			outcome = RUN_BAD;
			why = "does not end";
		}
	}
	if (outcome == RUN_BAD)
		report(p, why);
}

static void try(const struct prog *p)
{
	unsigned int nr = corpus_nr;
	char why[512] = "";

	count(corpus_try(p, why, sizeof(why)), p, why);
	if (corpus_nr > nr)
		print_prog("CORPUS", &corpus[corpus_nr - 1].prog);
}

/* As they are, since each was worth keeping once; or only the best of them */
static int load(const char *path, bool select)
{
	FILE *f = fopen(path, "r");
	char why[512] = "";
	struct prog p;
	int ret = 0;

	if (!f) {
		perror(path);
		return -1;
	}
	while ((ret = prog_read(f, &p)) > 0) {
		static struct signals s;
		enum outcome outcome;

		if (select) {
			try(&p);
			continue;
		}
		outcome = server_run(&p, why, sizeof(why));
		count(outcome, &p, why);
		cover_collect(&p, &s);
		corpus_add(&p, &s);
		if (outcome == RUN_OK)
			signals_add(&corpus_signals, &s);
	}
	fclose(f);
	return ret;
}

static void next_program(struct prog *p)
{
	if (!corpus_nr || one_in(20)) {
		prog_generate(p);
		return;
	}
	*p = *corpus_pick();
	prog_mutate(p, corpus_pick());
}

static void status(double start)
{
	double seconds = now() - start;

	printf("# %.0f s: %llu executions (%.0f/s), %u signals, %u blocks, "
	       "corpus %u, %llu timeouts, %llu findings\n", seconds,
	       (unsigned long long)server_runs,
	       server_runs / seconds, signals_count(&corpus_signals),
	       cover_blocks(), corpus_nr, (unsigned long long)done.timeouts,
	       (unsigned long long)done.findings);
	fflush(stdout);
}

static bool time_is_up(double start)
{
	if (config.executions)
		return server_runs >= config.executions;
	return now() - start >= config.seconds;
}

static int check_idle(void)
{
	int users = server_idle();

	if (users <= 0)
		return 0;
	printf("FINDING %d users of the module are left when no program is\n\n",
	       users);
	done.findings++;
	return -1;
}

static void set_up_kernel(void)
{
	static const char *const setting[][2] = {
		{ "/proc/sys/kernel/panic_on_warn", "1" },
		{ "/proc/sys/fs/lease-break-time", "1" },
		{ "/proc/sys/kernel/core_pattern", "/tmp/fuzz.core" },
		{ "/proc/sys/vm/nr_hugepages", "8" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(setting) / sizeof(setting[0]); i++) {
		FILE *f = fopen(setting[i][0], "w");

		if (!f)
			continue;
		fputs(setting[i][1], f);
		fclose(f);
	}
}

static int fuzz(void)
{
	double start = now(), told = start;
	unsigned int i;
	struct prog p;

	random_seed(config.seed);
	for (i = 0; i < config.nr_corpus; i++)
		if (load(config.corpus[i], false))
			return 1;
	printf("# seed %llu, %s, corpus %u\n", (unsigned long long)config.seed,
	       cover_works() ? "KCOV" : "no KCOV here", corpus_nr);
	status(start);
	while (!time_is_up(start) && done.findings < FINDINGS_MAX) {
		next_program(&p);
		try(&p);
		if (now() - told > 20) {
			told = now();
			status(start);
		}
		if (done.programs % IDLE_EVERY == 0 && check_idle())
			break;
	}
	check_idle();
	status(start);
	cover_print(stdout);
	printf("FIGURES {\"seed\": %llu, \"seconds\": %.0f, "
	       "\"executions\": %llu, \"executions_per_second\": %.1f, "
	       "\"signals\": %u, \"blocks\": %u, \"corpus\": %u, "
	       "\"timeouts\": %llu, \"findings\": %llu, \"kcov\": %s}\n",
	       (unsigned long long)config.seed, now() - start,
	       (unsigned long long)server_runs, server_runs / (now() - start),
	       signals_count(&corpus_signals), cover_blocks(), corpus_nr,
	       (unsigned long long)done.timeouts,
	       (unsigned long long)done.findings,
	       cover_works() ? "true" : "false");
	return done.findings ? 1 : 0;
}

/* Of the programs of all files, those that reach what those before do not */
static int merge(char **files, int nr)
{
	int i;

	options.edges_only = true;
	for (i = 0; i < (int)config.nr_corpus; i++)
		if (load(config.corpus[i], false))
			return 1;
	for (i = 0; i < nr; i++)
		if (load(files[i], true))
			return 1;
	status(0);
	return done.findings ? 1 : 0;
}

/* Each program of a file, that many times.  Return: how many went wrong */
static int replay(const char *path, unsigned int times, unsigned int *programs)
{
	FILE *f = fopen(path, "r");
	int bad = 0, ret = 0;
	char why[512] = "";
	struct prog p;
	unsigned int i;

	*programs = 0;
	if (!f) {
		perror(path);
		return 1;
	}
	while ((ret = prog_read(f, &p)) > 0) {
		++*programs;
		for (i = 0; i < times; i++) {
			double start = now();
			enum outcome outcome = server_run(&p, why,
							  sizeof(why));

			if (options.verbose)
				fprintf(stderr, "# program %u: %.3f s\n",
					*programs, now() - start);
			if (outcome == RUN_OK)
				continue;
			printf("# program %u: %s\n", *programs, why);
			bad += outcome == RUN_BAD;
			break;
		}
	}
	fclose(f);
	if (server_idle() > 0) {
		printf("# the module is still in use\n");
		bad++;
	}
	return bad + (ret < 0);
}

static int replay_files(char **files, int nr, unsigned int times)
{
	unsigned int programs;
	int i, bad, failed = 0;

	for (i = 0; i < nr; i++) {
		bad = replay(files[i], times, &programs);
		printf("%s: %u programs, %u times, %d bad\n", files[i],
		       programs, times, bad);
		failed |= bad;
	}
	return failed ? 1 : 0;
}

static int ktap(char **files, int nr, unsigned int times)
{
	unsigned int programs;
	int i, failed = 0;
	double start;

	printf("TAP version 13\n1..%d\n", nr);
	for (i = 0; i < nr; i++) {
		int bad;

		start = now();
		bad = replay(files[i], times, &programs);
		/* A file of nothing tests nothing. */
		bad |= !programs;
		failed |= bad;
		printf("%sok %d %s\n", bad ? "not " : "", i + 1, files[i]);
		printf("# %u programs, %u times, %.1f s\n", programs, times,
		       now() - start);
		fflush(stdout);
	}
	return failed ? 1 : 0;
}

static void usage(void)
{
	fputs("fuzz [options] [-c CORPUS]...	look for programs that go wrong\n"
	      "fuzz [options] -r FILE...	run programs\n"
	      "fuzz [options] -k FILE...	the same, with results as KTAP\n"
	      "fuzz [-c CORPUS]... -M FILE...	choose a corpus that reaches more\n"
	      "fuzz -l FILE			print the log of a dead VM\n"
	      "  -s SEED  -m MINUTES | -n EXECUTIONS   (-r, -k: -n TIMES)\n"
	      "  -t MS	limit for each program	-v	say what is called\n"
	      "  -p	poison memory, too\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	char mode = 'f';
	int opt;

	while ((opt = getopt(argc, argv, "s:m:n:c:t:prkMvl:Z")) != -1) {
		switch (opt) {
		case 's': config.seed = strtoull(optarg, NULL, 0); break;
		case 'm': config.seconds = 60 * strtod(optarg, NULL); break;
		case 'n': config.executions = strtoull(optarg, NULL, 0); break;
		case 't': options.timeout_ms = atoi(optarg); break;
		case 'p': options.poison = true; break;
		case 'v': options.verbose = true; break;
		case 'r': case 'k': case 'M': mode = opt; break;
		case 'l': return ring_print(optarg);
		case 'Z':	/* what programs execute */
			usleep(30000);
			return 0;
		case 'c':
			if (config.nr_corpus < 16)
				config.corpus[config.nr_corpus++] = optarg;
			break;
		default: usage();
		}
	}
	if (mode == 'f' ? optind < argc : optind == argc)
		usage();
	if (access(VMFORK_DEVICE, F_OK)) {
		printf("1..0 # SKIP vmfork.ko is not loaded\n");
		return 4;
	}
	if (mode != 'k')
		set_up_kernel();
	if (server_setup())
		return 1;
	kmsg_open();
	if (mode == 'k')
		return ktap(argv + optind, argc - optind,
			    config.executions ? config.executions : 1);
	ring_open();
	if (mode == 'r')
		return replay_files(argv + optind, argc - optind,
				    config.executions ? config.executions : 1);
	cover_open();
	if (mode == 'M')
		return merge(argv + optind, argc - optind);
	if (!config.executions && !config.seconds)
		config.seconds = 60;
	return fuzz();
}
