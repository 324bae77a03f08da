/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the first second of a clone went.
 */
#ifndef VMFORK_SLOW_H
#define VMFORK_SLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slow_parts.h"

#define SLOW_MAX_NOTES	8

/**
 * struct slow_life - a thread, when it is over
 * @tid: it
 * @thread: its numbers; its parts add up to @end - @start
 */
struct slow_life {
	int tid;
	struct slow_thread thread;
};

/**
 * struct slow_result - what became known of a process
 * @pid: it
 * @process: what the module has told of it
 * @lives: its threads, vCPUs first
 * @nr: how many
 * @nr_vcpus: of these, who have run a guest
 * @lost: threads that there was no room to follow
 * @since_birth: it was followed from its start
 * @ended: it ended before the time was over
 * @notes: what could not be told apart, sentences
 * @nr_notes: how many
 */
struct slow_result {
	int pid;
	struct slow_process process;
	struct slow_life *lives;
	size_t nr;
	size_t nr_vcpus;
	__u64 lost;
	bool since_birth;
	bool ended;
	const char *notes[SLOW_MAX_NOTES];
	unsigned int nr_notes;
};

/**
 * struct slow_sum - threads, added up
 * @wall: how long they lived
 * @ns: by enum slow_part; add up to @wall
 * @times: how often
 */
struct slow_sum {
	__u64 wall;
	__u64 ns[SLOW_NR_PARTS];
	__u64 times[SLOW_NR_PARTS];
};

/** slow_add_up() - all vCPU threads; all threads, if there are no vCPUs */
struct slow_sum slow_add_up(const struct slow_result *result);

/** slow_part_name() - as in JSON, and what it is, for text */
const char *slow_part_name(enum slow_part part);

/**
 * slow_advise() - what to do about it
 * @result: all that is known
 * @part: for the time that goes there
 * @text: out: one sentence
 * @size: room in @text
 *
 * Return: @text.
 */
const char *slow_advise(const struct slow_result *result, enum slow_part part,
			char *text, size_t size);

/**
 * slow_causes() - the parts that most of the time goes to
 * @sum: of the threads
 * @causes: out: those with a tenth of the time or more, the largest first;
 *	one at least if there is any time
 *
 * Return: how many.
 */
unsigned int slow_causes(const struct slow_sum *sum,
			 enum slow_part causes[SLOW_NR_PARTS]);

/** slow_report() - print it, as text or JSON; returns an enum status */
int slow_report(const struct slow_result *result);

/**
 * struct slow_job - whom to follow
 * @pid: this process, from now on; 0: one that is yet to come
 * @snapshot: it uses this one; 0: any
 * @anybody: whoever starts it; else it is @command or begins from it
 * @command: NULL or what to start
 * @seconds_ns: for how long, in ns
 */
struct slow_job {
	int pid;
	uint64_t snapshot;
	bool anybody;
	char **command;
	uint64_t seconds_ns;
};

/*
 * Each returns an enum status, and has told of a failure by failure().
 */

/** slow_follow() - do the job; slow_free() the result in any case */
int slow_follow(const struct slow_job *job, struct slow_result *result);

/** slow_wait_for_command() - until the one that slow_follow() started ends */
void slow_wait_for_command(void);

void slow_free(struct slow_result *result);

#endif /* VMFORK_SLOW_H */
