// SPDX-License-Identifier: GPL-2.0
/*
 * torture: rounds of a storm, and after each of them the question whether all
 * memory is back and the module can go.  See torture.h.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "actors.h"
#include "cells.h"
#include "guest.h"
#include "supervisor.h"
#include "world.h"

static void usage(void)
{
	fprintf(stderr,
		"usage: torture [-s SEED] [-t SECONDS] [-r SECONDS] [-a NAME]... [-x NAME]... [-jkl]\n"
		"  -s SEED     of all decisions (default 1)\n"
		"  -t SECONDS  in all (default 60)\n"
		"  -r SECONDS  of a round, after which the module is reloaded (default 120)\n"
		"  -a NAME     this actor or trick, and no others but guests; may be repeated\n"
		"  -x NAME     not this actor or trick; may be repeated\n"
		"  -j          the figures as JSON, in the last line\n"
		"  -k          KTAP\n"
		"  -l          list the actors and tricks\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	int c;

	options = (struct options){ .seed = 1, .seconds = 60,
				    .round_seconds = 120 };
	while ((c = getopt(argc, argv, "s:t:r:a:x:jkl")) != -1) {
		switch (c) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			options.round_seconds = strtoul(optarg, NULL, 0);
			break;
		case 'a':
			if (options.nr_only == ARRAY_SIZE(options.only))
				usage();
			options.only[options.nr_only++] = optarg;
			break;
		case 'x':
			if (options.nr_without == ARRAY_SIZE(options.without))
				usage();
			options.without[options.nr_without++] = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		case 'k':
			options.ktap = true;
			break;
		case 'l':
			options.list = true;
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !options.seconds || !options.round_seconds)
		usage();
}

static bool is_known(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_actors; i++)
		if (!strcmp(actors[i].name, name))
			return true;
	for (i = 0; i < nr_tricks; i++)
		if (!strcmp(tricks[i].name, name))
			return true;
	return false;
}

static void check_names(const char *const *names, unsigned int nr)
{
	while (nr--)
		if (!is_known(names[nr])) {
			fprintf(stderr, "torture: no actor or trick \"%s\"\n",
				names[nr]);
			exit(2);
		}
}

static void list(void)
{
	unsigned int i;

	for (i = 0; i < nr_actors; i++)
		printf("actor %-14s %u\n", actors[i].name, actors[i].weight);
	for (i = 0; i < nr_tricks; i++)
		printf("trick %-14s %u\n", tricks[i].name, tricks[i].weight);
}

/**
 * struct verdict - how it went, in as many words
 */
struct verdict {
	int wrong, missing, stuck;
	unsigned int rounds;
};

static void report(const struct verdict *v)
{
	bool ok = !v->wrong && !v->missing && !v->stuck;

	printf("#\n# what was done, how often, and how often it was refused:\n");
	figures_print(stdout, "#   ");
	printf("# seed %llu, %u rounds, %s\n", (unsigned long long)options.seed,
	       v->rounds, ok ? "nothing lost" : "FAILED");
	if (options.ktap) {
		printf("%sok 1 every page was right, every process ended\n",
		       v->wrong ? "not " : "");
		printf("%sok 2 all memory is back\n", v->missing ? "not " : "");
		printf("%sok 3 the module can be unloaded and loaded\n",
		       v->stuck ? "not " : "");
	}
	if (!options.json)
		return;
	printf("{\"seed\": %llu, \"seconds\": %u, \"rounds\": %u, \"ok\": %s, \"figures\": ",
	       (unsigned long long)options.seed, options.seconds, v->rounds,
	       ok ? "true" : "false");
	figures_json(stdout);
	printf("}\n");
}

static void run(struct verdict *v)
{
	uint64_t end = now_ns() + options.seconds * 1000000000ULL;
	int64_t left;

	while ((left = end - now_ns()) > 0 && !v->wrong) {
		unsigned int seconds = (left + 999999999) / 1000000000;

		if (seconds > options.round_seconds)
			seconds = options.round_seconds;
		v->rounds++;
		v->wrong += supervise(v->rounds, seconds);
		world_calm();
		namer_clean();
		if (!v->wrong)
			v->missing += world_missing(v->rounds);
		if (module_unload() || module_load()) {
			v->stuck++;
			return;
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct verdict v = {};

	parse(argc, argv);
	check_names(options.only, options.nr_only);
	check_names(options.without, options.nr_without);
	if (options.list) {
		list();
		return 0;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	/* Its pages are there before memory is measured. */
	memset(shared, 0, sizeof(*shared));
	shared->seed = mix(options.seed, 1);
	if (options.ktap)
		printf("TAP version 13\n1..3\n");
	write_file("/proc/self/oom_score_adj", "-1000");
	signal(SIGPIPE, SIG_IGN);
	world_prepare();
	if (!cells_make())
		printf("# no cgroup v2: no cells\n");
	world_measure();
	world_deeds(true);
	run(&v);
	world_deeds(false);
	if (!v.wrong)
		v.missing += world_leaks();
	cells_remove();
	world_restore();
	report(&v);
	return v.wrong || v.missing || v.stuck;
}
