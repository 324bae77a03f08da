/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running programs, each in a process of its own, and what comes of it.
 */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "prog.h"

enum outcome { RUN_OK, RUN_TIMEOUT, RUN_BAD };

struct run_options {
	unsigned int timeout_ms;	/* for each program */
	bool poison;
	bool edges_only;		/* however calls end, where KCOV is */
	bool verbose;
};

extern struct run_options options;

/* server.c */
extern uint64_t server_runs;		/* programs that were run */
int server_setup(void);
enum outcome server_run(const struct prog *p, char *why, size_t size);
/* 0 once nothing is left of the programs; else what still holds the module */
int server_idle(void);

/* cover.c: what a program reached. Signals are numbers below NR_SIGNALS. */
#define NR_SIGNALS	(1U << 18)
#define SIGNAL_WORDS	(NR_SIGNALS / 64)

struct signals {
	uint64_t word[SIGNAL_WORDS];
};

/* Return: 0, or -errno: no KCOV here */
int cover_open(void);
bool cover_works(void);
void cover_enable(void);		/* in the process that runs a program */
void cover_collect(const struct prog *p, struct signals *s);
unsigned int signals_new(const struct signals *s, const struct signals *known);
void signals_add(struct signals *known, const struct signals *s);
void signals_and(struct signals *s, const struct signals *other);
unsigned int signals_count(const struct signals *s);
/* The module's code that was ever reached: blocks, and their list on a line */
unsigned int cover_blocks(void);
void cover_print(FILE *out);

/* ring.c: the last programs, where they outlive this kernel */
void ring_open(void);
void ring_begin(const struct prog *p);
void ring_end(void);
int ring_print(const char *file);

/* kmsg.c */
void kmsg_open(void);
/* true, and the first line of it, if the kernel has complained */
bool kmsg_complaint(char *line, size_t size);

/* corpus.c */
struct corpus_entry {
	struct prog prog;
	unsigned int signals;
};

extern struct corpus_entry *corpus;
extern unsigned int corpus_nr;
extern struct signals corpus_signals;

const struct prog *corpus_pick(void);
void corpus_add(const struct prog *p, const struct signals *s);
/* Tries a program; it becomes part of the corpus if it reaches more. */
enum outcome corpus_try(const struct prog *p, char *why, size_t size);

/* minimize.c */
typedef bool (*keep_fn)(const struct prog *p, void *data);
/* The shortest program that can be had by leaving out calls, for @keep. */
void prog_minimize(struct prog *p, keep_fn keep, void *data);

#endif
