// SPDX-License-Identifier: GPL-2.0
/*
 * Figures: how often what was done and how it went.  In shared memory, added
 * to without locks, as whoever adds may be killed at any instruction.
 */
#include <stdlib.h>

#include "torture.h"

static struct figure *figure_find(const char *what)
{
	unsigned int i;

	for (i = 0; i < MAX_FIGURES; i++) {
		struct figure *f = &shared->figures[i];
		uint32_t used = 0;

		/* 1: its name is being written; a killed writer loses it. */
		if (__atomic_compare_exchange_n(&f->used, &used, 1, false,
						__ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE)) {
			snprintf(f->what, sizeof(f->what), "%s", what);
			__atomic_store_n(&f->used, 2, __ATOMIC_RELEASE);
			return f;
		}
		if (used == 2 && !strncmp(f->what, what, sizeof(f->what) - 1))
			return f;
	}
	return NULL;
}

static void add_errno(struct figure *f, uint32_t err)
{
	unsigned int i;

	for (i = 0; i < MAX_ERRNOS; i++) {
		uint32_t was = 0;

		if (__atomic_compare_exchange_n(&f->bad[i].err, &was, err,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE) ||
		    was == err) {
			__atomic_add_fetch(&f->bad[i].nr, 1, __ATOMIC_RELAXED);
			return;
		}
	}
}

long did(const char *what, long ret)
{
	struct figure *f = figure_find(what);

	if (f && ret >= 0)
		__atomic_add_fetch(&f->good, 1, __ATOMIC_RELAXED);
	else if (f)
		add_errno(f, -ret);
	return ret;
}

void count(const char *what, uint64_t nr)
{
	struct figure *f = figure_find(what);

	if (f)
		__atomic_add_fetch(&f->good, nr, __ATOMIC_RELAXED);
}

static int by_name(const void *a, const void *b)
{
	const struct figure *const *f = a, *const *g = b;

	return strcmp((*f)->what, (*g)->what);
}

/* A figure can be there twice if its first writer was killed. */
static unsigned int sorted(struct figure **list)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAX_FIGURES; i++)
		if (shared->figures[i].used == 2)
			list[n++] = &shared->figures[i];
	qsort(list, n, sizeof(*list), by_name);
	return n;
}

static const char *errno_name(uint32_t err)
{
	const char *name = strerrorname_np(err);

	return name ?: "?";
}

void figures_print(FILE *out, const char *prefix)
{
	struct figure *list[MAX_FIGURES];
	unsigned int i, j, n = sorted(list);

	for (i = 0; i < n; i++) {
		fprintf(out, "%s%-36s %12llu", prefix, list[i]->what,
			(unsigned long long)list[i]->good);
		for (j = 0; j < MAX_ERRNOS && list[i]->bad[j].nr; j++)
			fprintf(out, "  %s %llu",
				errno_name(list[i]->bad[j].err),
				(unsigned long long)list[i]->bad[j].nr);
		fprintf(out, "\n");
	}
}

void figures_json(FILE *out)
{
	struct figure *list[MAX_FIGURES];
	unsigned int i, j, n = sorted(list);

	fprintf(out, "{");
	for (i = 0; i < n; i++) {
		fprintf(out, "%s\"%s\": {\"good\": %llu", i ? ", " : "",
			list[i]->what, (unsigned long long)list[i]->good);
		for (j = 0; j < MAX_ERRNOS && list[i]->bad[j].nr; j++)
			fprintf(out, ", \"%s\": %llu",
				errno_name(list[i]->bad[j].err),
				(unsigned long long)list[i]->bad[j].nr);
		fprintf(out, "}");
	}
	fprintf(out, "}");
}
