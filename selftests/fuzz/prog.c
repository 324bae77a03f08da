// SPDX-License-Identifier: GPL-2.0
/*
 * Programs as text.  An empty line ends a program, # begins a remark.
 */
#include <string.h>
#include <stdlib.h>

#include "prog.h"

/** prog_print() - Return: the length of its text, which ends with a newline */
int prog_print(const struct prog *p, char *text, size_t size)
{
	size_t used = 0;
	unsigned int i, a;

	text[0] = 0;
	for (i = 0; i < p->nr && used < size; i++) {
		const struct call_type *type = &call_types[p->call[i].nr];

		used += snprintf(text + used, size - used, "%s", type->name);
		for (a = 0; a < MAX_ARGS && type->arg[a].kind; a++)
			if (used < size)
				used += snprintf(text + used, size - used,
						 " %llx", (unsigned long long)
						 p->call[i].arg[a]);
		if (used < size)
			used += snprintf(text + used, size - used, "\n");
	}
	return used < size ? used : size - 1;
}

static int find_type(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_call_types; i++)
		if (!strcmp(call_types[i].name, name))
			return i;
	return -1;
}

static int parse_call(struct call *call, char *line)
{
	char *save, *word = strtok_r(line, " \t\n", &save), *end;
	const struct call_type *type;
	int nr = find_type(word);
	unsigned int a;

	if (nr < 0) {
		fprintf(stderr, "# no such call: %s\n", word);
		return -1;
	}
	memset(call, 0, sizeof(*call));
	call->nr = nr;
	type = &call_types[nr];
	for (a = 0; a < MAX_ARGS && type->arg[a].kind; a++) {
		word = strtok_r(NULL, " \t\n", &save);
		if (!word)
			break;		/* The rest is zero. */
		call->arg[a] = strtoull(word, &end, 16);
		if (*end) {
			fprintf(stderr, "# no number: %s\n", word);
			return -1;
		}
	}
	return 0;
}

int prog_read(FILE *f, struct prog *p)
{
	char line[512];

	p->nr = 0;
	while (fgets(line, sizeof(line), f)) {
		size_t blank = strspn(line, " \t\n");

		if (line[blank] == '#')
			continue;
		if (!line[blank]) {
			if (p->nr)
				return 1;
			continue;
		}
		if (p->nr == MAX_CALLS) {
			fprintf(stderr, "# a program of over %d calls\n",
				MAX_CALLS);
			return -1;
		}
		if (parse_call(&p->call[p->nr], line))
			return -1;
		p->nr++;
	}
	return p->nr ? 1 : 0;
}

void prog_remove(struct prog *p, unsigned int at, unsigned int nr)
{
	memmove(&p->call[at], &p->call[at + nr],
		(p->nr - at - nr) * sizeof(p->call[0]));
	p->nr -= nr;
}
