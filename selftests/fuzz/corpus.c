// SPDX-License-Identifier: GPL-2.0
/*
 * The corpus: programs each of which reached what none before it did.
 */
#include <stdlib.h>

#include "run.h"

#define CORPUS_MAX	4096
#define AGAIN		2	/* runs in which what is new must show again */

struct corpus_entry *corpus;
unsigned int corpus_nr;
struct signals corpus_signals;

void corpus_add(const struct prog *p, const struct signals *s)
{
	if (!corpus)
		corpus = calloc(CORPUS_MAX, sizeof(*corpus));
	if (!corpus || corpus_nr == CORPUS_MAX)
		return;
	corpus[corpus_nr].prog = *p;
	corpus[corpus_nr++].signals = signals_count(s);
}

/** corpus_pick() - newer ones more often */
const struct prog *corpus_pick(void)
{
	static const struct prog empty;
	uint64_t a, b;

	if (!corpus_nr)
		return &empty;
	a = random_below(corpus_nr);
	b = random_below(corpus_nr);
	return &corpus[one_in(3) || a > b ? a : b].prog;
}

struct wanted {
	struct signals *what;
	struct signals found;
};

static bool still_new(const struct prog *p, void *data)
{
	struct wanted *wanted = data;
	char why[512];

	if (server_run(p, why, sizeof(why)) != RUN_OK)
		return false;
	cover_collect(p, &wanted->found);
	return !signals_new(wanted->what, &wanted->found);
}

enum outcome corpus_try(const struct prog *p, char *why, size_t size)
{
	static struct signals seen, again;
	static struct wanted wanted;
	struct prog shorter = *p;
	enum outcome outcome = server_run(p, why, size);
	unsigned int i;

	if (outcome != RUN_OK)
		return outcome;
	cover_collect(p, &seen);
	if (!signals_new(&seen, &corpus_signals))
		return RUN_OK;
	/* Of what is new, keep what is not by chance. */
	for (i = 0; i < SIGNAL_WORDS; i++)
		seen.word[i] &= ~corpus_signals.word[i];
	for (i = 0; i < AGAIN; i++) {
		outcome = server_run(p, why, size);
		if (outcome != RUN_OK)
			return outcome;
		cover_collect(p, &again);
		signals_and(&seen, &again);
	}
	if (!signals_count(&seen))
		return RUN_OK;
	wanted.what = &seen;
	prog_minimize(&shorter, still_new, &wanted);
	corpus_add(&shorter, &seen);
	signals_add(&corpus_signals, &seen);
	return RUN_OK;
}
