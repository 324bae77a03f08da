// SPDX-License-Identifier: GPL-2.0
/*
 * The supervisor starts every actor, starts it anew when it has ended or was
 * killed, and ends all of them when the round is over.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cells.h"
#include "shot.h"
#include "supervisor.h"

static const struct actor *actor_of[MAX_ACTORS];
static unsigned int nr_of[MAX_ACTORS];

/* Each decision of each life follows from the seed, the actor, and which. */
static uint64_t seed_of(const struct actor *actor, unsigned int nr,
			unsigned int life)
{
	uint64_t seed = shared->seed;
	const char *c;

	for (c = actor->name; *c; c++)
		seed = mix(seed, *c);
	return mix(mix(seed, nr), life);
}

static void start(unsigned int i)
{
	const struct actor *actor = actor_of[i];
	struct seat *seat = &shared->seats[i];
	struct self self = {
		.name = actor->name, .seat = i, .nr = nr_of[i],
		.life = seat->lives,
	};
	pid_t pid;

	self.rng = seed_of(actor, self.nr, seat->lives++);
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		did("actors: fork", -errno);
		return;
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_file("/proc/self/oom_score_adj", "0");
		cell_enter(i % NR_CELLS);
		/* Guests never rest, and would leave the others nothing. */
		if (!actor->guest)
			setpriority(PRIO_PROCESS, 0, -5);
		actor->run(&self);
		_exit(0);
	}
	seat->pid = pid;
	count("actors started", 1);
}

/* What the generator of a guest that is gone has done. */
static void count_guest(unsigned int i)
{
	struct board *b = &shared->boards[nr_of[i]];

	count("pages checked by generators", b->checked);
	count("pages written by generators", b->written);
	b->checked = b->written = 0;
}

static void ended(unsigned int i, int status)
{
	const struct actor *actor = actor_of[i];

	shared->seats[i].pid = 0;
	if (actor->guest)
		count_guest(i);
	if (WIFEXITED(status)) {
		if (WEXITSTATUS(status) == 0)
			count("actors ended", 1);
		else if (WEXITSTATUS(status) == 3)
			count("actors that gave up", 1);
		else
			shared->failed = 1;
		return;
	}
	switch (WTERMSIG(status)) {
	case SIGKILL:
		count("actors killed", 1);
		break;
	case SIGABRT:
		count("actors that dumped core", !!WCOREDUMP(status));
		break;
	default:
		printf("# FAILED: %s %u died of signal %d\n", actor->name,
		       nr_of[i], WTERMSIG(status));
		shared->failed = 1;
		break;
	}
}

static void reap_all(void)
{
	unsigned int i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < shared->nr_seats; i++)
			if (shared->seats[i].pid == pid)
				ended(i, status);
}

/* Boards are numbered by guests, whatever writes to them. */
static void seat_all(void)
{
	unsigned int i, j, guests = 0;

	shared->nr_seats = 0;
	for (i = 0; i < nr_actors; i++) {
		const struct actor *actor = &actors[i];

		/* Without guests there is nothing to do anything to. */
		if (!actor->guest && !wanted(actor->name))
			continue;
		if (actor->possible && !actor->possible()) {
			printf("# no %s on this kernel\n", actor->name);
			continue;
		}
		for (j = 0; j < actor->weight; j++) {
			unsigned int seat = shared->nr_seats;

			if (seat == MAX_ACTORS ||
			    (actor->guest && guests == MAX_BOARDS))
				break;
			actor_of[seat] = actor;
			nr_of[seat] = actor->guest ? guests++ : j;
			shared->seats[seat].mortal = actor->mortal;
			shared->nr_seats++;
		}
	}
}

static void say_stacks(void)
{
	char path[60], text[2000];
	unsigned int i;

	for (i = 0; i < shared->nr_seats; i++) {
		int pid = shared->seats[i].pid;

		if (!pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stack", pid);
		if (read_file(path, text, sizeof(text)) > 0)
			printf("# %s %u is at:\n%s", actor_of[i]->name,
			       nr_of[i], text);
	}
}

/* Some end by themselves, some have to be helped. */
static int end_round(void)
{
	unsigned int i, try, left = 1;

	shared->stop = 1;
	for (try = 0; try < 100 && left && !shared->failed; try++) {
		usleep(50000);
		reap_all();
		for (i = 0, left = 0; i < shared->nr_seats; i++)
			left += !!shared->seats[i].pid;
	}
	count("actors helped to end", left);
	for (i = 0; i < shared->nr_seats; i++)
		if (shared->seats[i].pid)
			kill(shared->seats[i].pid, SIGKILL);
	for (try = 0; try < 1200 && left; try++) {
		reap_all();
		for (i = 0, left = 0; i < shared->nr_seats; i++)
			left += !!shared->seats[i].pid;
		usleep(50000);
	}
	if (left) {
		printf("# FAILED: %u actors can not be killed\n", left);
		say_stacks();
		return 1;
	}
	/* What they have forked */
	if (!cells_kill()) {
		printf("# FAILED: somebody in a cgroup can not be killed\n");
		return 1;
	}
	for (i = 0; i < MAX_BOARDS; i++)
		shared->boards[i].life &= ~1U;
	return 0;
}

int supervise(unsigned int round, unsigned int seconds)
{
	uint64_t until = now_ns() + seconds * 1000000000ULL;
	uint64_t say = now_ns() + 60ULL * 1000000000;
	unsigned int i;
	int bad;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	shared->stop = 0;
	seat_all();
	pool_open();
	while (now_ns() < until && !shared->failed) {
		for (i = 0; i < shared->nr_seats; i++)
			if (!shared->seats[i].pid)
				start(i);
		usleep(30000);
		reap_all();
		if (now_ns() > say) {
			say += 60ULL * 1000000000;
			printf("# round %u: %u captures judged\n", round,
			       shared->judged);
			fflush(stdout);
		}
	}
	bad = end_round();
	pool_drain();
	pool_close();
	return bad + !!shared->failed;
}
