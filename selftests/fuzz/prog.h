/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs: short lists of calls, their text, and how to change them.
 *
 * A call is a name and a few numbers, and any numbers make a valid call: what
 * they stand for is decided when it runs.  So every change of a program is a
 * program, and its text is one line for each call, numbers in hex:
 *
 *	map 200 4 0 3 0
 *	write 200 4 7 1
 *	region 0 200 4 0 0
 *	capture 0 1 0 0 0
 */
#ifndef FUZZ_PROG_H
#define FUZZ_PROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_CALLS	40
#define MAX_ARGS	6
#define PROG_TEXT	8192		/* as text, at most */

struct call {
	unsigned int nr;		/* in the table of calls */
	uint64_t arg[MAX_ARGS];
};

struct prog {
	unsigned int nr;
	struct call call[MAX_CALLS];
};

/* What a number stands for, as far as it helps to choose one. */
enum arg_kind {
	ARG_NONE,
	ARG_PAGE,	/* of the arena */
	ARG_PAGES,	/* how many */
	ARG_ADDR,	/* a page of the arena, or an address of any kind */
	ARG_LEN,	/* pages, or a length of any kind */
	ARG_ENUM,	/* below .limit */
	ARG_BITS,	/* flags: any below .limit */
	ARG_FD,		/* slot of a file descriptor */
	ARG_PROC,	/* slot of a process */
	ARG_STAMP,	/* what is written: 0 to 255 */
	ARG_COUNT,	/* calls that follow: few */
	ARG_ANY,	/* 64 bits of anything */
};

struct arg {
	enum arg_kind kind;
	uint64_t limit;
};

struct call_type {
	const char *name;
	long (*run)(const uint64_t *arg);
	unsigned int weight;		/* how often it is chosen */
	struct arg arg[MAX_ARGS];
};

extern const struct call_type call_types[];
extern const unsigned int nr_call_types;

/* Numbers of the fuzzer itself: seeded, so that a run can be repeated. */
void random_seed(uint64_t seed);
uint64_t random_next(void);
/* 0 to @n - 1 */
uint64_t random_below(uint64_t n);
/* true once in @n */
bool one_in(uint64_t n);
/* a fixed function of its argument that looks random */
uint64_t mix(uint64_t x);

/* prog.c */
int prog_print(const struct prog *p, char *text, size_t size);
/* Return: 1 if there was one, 0 at the end of the file, or -1 with a note */
int prog_read(FILE *f, struct prog *p);
void prog_remove(struct prog *p, unsigned int at, unsigned int nr);

/* mutate.c */
void prog_generate(struct prog *p);
void prog_mutate(struct prog *p, const struct prog *other);

#endif
