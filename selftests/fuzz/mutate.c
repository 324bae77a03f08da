// SPDX-License-Identifier: GPL-2.0
/*
 * New programs out of nothing, and out of old ones.
 */
#include <string.h>

#include "prog.h"

static uint64_t state;

uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void random_seed(uint64_t seed)
{
	state = mix(seed);
}

uint64_t random_next(void)
{
	return mix(state += 0x9e3779b97f4a7c15ULL);
}

uint64_t random_below(uint64_t n)
{
	return n ? random_next() % n : 0;
}

bool one_in(uint64_t n)
{
	return !random_below(n);
}

/*
 * Pages of the arena: a few starts that programs come back to, so that their
 * calls meet; 512 pages are a huge page.
 */
static uint64_t some_page(void)
{
	static const uint16_t starts[] = {
		0, 0, 0, 1, 2, 8, 64, 511, 512, 512, 513, 520, 1024, 1024,
		1023, 1536, 2040, 2047,
	};

	if (one_in(12))
		return random_below(2048);
	return starts[random_below(sizeof(starts) / sizeof(starts[0]))];
}

static uint64_t some_pages(void)
{
	static const uint16_t lens[] = {
		1, 1, 1, 2, 2, 3, 4, 8, 8, 16, 64, 511, 512, 512, 513, 1024,
		2048, 0,
	};

	if (one_in(16))
		return random_below(2049);
	return lens[random_below(sizeof(lens) / sizeof(lens[0]))];
}

/* Numbers at which something changes, and any. */
static uint64_t some_number(void)
{
	uint64_t n = 1ULL << random_below(64);

	switch (random_below(6)) {
	case 0: return n;
	case 1: return n - 1;
	case 2: return -n;
	case 3: return n + random_below(9) - 4;
	case 4: return random_below(16);
	default: return random_next();
	}
}

static uint64_t some_bits(uint64_t limit)
{
	uint64_t bits = 0;

	if (one_in(3))
		return 0;
	do {
		bits ^= 1ULL << random_below(64);
	} while (!one_in(3));
	return limit ? bits % limit : bits;
}

static uint64_t some_arg(const struct arg *arg)
{
	switch (arg->kind) {
	case ARG_PAGE:
		return some_page();
	case ARG_PAGES:
		return some_pages();
	case ARG_ADDR:
		if (one_in(8))		/* one of the table of addresses */
			return 0x10000 + random_below(32);
		return one_in(24) ? some_number() : some_page();
	case ARG_LEN:
		if (one_in(16))
			return 0x10000 + random_below(16);
		return one_in(24) ? some_number() : some_pages();
	case ARG_ENUM:
		return random_below(arg->limit);
	case ARG_BITS:
		return one_in(2) ? random_below(arg->limit) :
				   some_bits(arg->limit);
	case ARG_FD:
		return one_in(3) ? random_below(12) : random_below(3);
	case ARG_PROC:
		return one_in(4) ? random_below(16) : random_below(3);
	case ARG_STAMP:
		return random_below(256);
	case ARG_COUNT:
		return random_below(6);
	case ARG_ANY:
		return some_number();
	case ARG_NONE:
		break;
	}
	return 0;
}

static void some_call(struct call *call)
{
	static unsigned int total;
	const struct call_type *type;
	uint64_t at;
	unsigned int i;

	if (!total)
		for (i = 0; i < nr_call_types; i++)
			total += call_types[i].weight;
	at = random_below(total);
	for (i = 0; at >= call_types[i].weight; i++)
		at -= call_types[i].weight;
	memset(call, 0, sizeof(*call));
	call->nr = i;
	type = &call_types[i];
	for (i = 0; i < MAX_ARGS && type->arg[i].kind; i++)
		call->arg[i] = some_arg(&type->arg[i]);
}

static bool insert(struct prog *p, unsigned int at, const struct call *calls,
		   unsigned int nr)
{
	if (nr > MAX_CALLS - p->nr)
		return false;
	memmove(&p->call[at + nr], &p->call[at],
		(p->nr - at) * sizeof(p->call[0]));
	memcpy(&p->call[at], calls, nr * sizeof(*calls));
	p->nr += nr;
	return true;
}

static void mutate_arg(struct call *call)
{
	const struct call_type *type = &call_types[call->nr];
	unsigned int nr = 0, a;
	uint64_t *arg;

	while (nr < MAX_ARGS && type->arg[nr].kind)
		nr++;
	if (!nr)
		return;
	a = random_below(nr);
	arg = &call->arg[a];
	switch (random_below(8)) {
	case 0:
		*arg ^= 1ULL << random_below(64);
		break;
	case 1:
		*arg += random_below(9) - 4;
		break;
	case 2:
		*arg = some_number();
		break;
	default:
		*arg = some_arg(&type->arg[a]);
	}
}

/* A part of another program, in the middle of this one */
static void splice(struct prog *p, const struct prog *other)
{
	unsigned int from, nr;

	if (!other->nr)
		return;
	from = random_below(other->nr);
	nr = 1 + random_below(other->nr - from);
	insert(p, random_below(p->nr + 1), &other->call[from], nr);
}

static void mutate_once(struct prog *p, const struct prog *other)
{
	struct call call;

	switch (p->nr ? random_below(16) : 0) {
	case 0 ... 4:
		some_call(&call);
		insert(p, random_below(p->nr + 1), &call, 1);
		break;
	case 5 ... 10:
		mutate_arg(&p->call[random_below(p->nr)]);
		break;
	case 11:
		prog_remove(p, random_below(p->nr), 1);
		break;
	case 12:
		call = p->call[random_below(p->nr)];
		insert(p, random_below(p->nr + 1), &call, 1);
		break;
	case 13: {
		struct call *a = &p->call[random_below(p->nr)];
		struct call *b = &p->call[random_below(p->nr)];

		call = *a;
		*a = *b;
		*b = call;
		break;
	}
	default:
		splice(p, other);
	}
}

/** prog_mutate() - change a program a little, with parts of @other */
void prog_mutate(struct prog *p, const struct prog *other)
{
	do {
		mutate_once(p, other);
	} while (!one_in(3));
}

/** prog_generate() - a program of random calls, which may well make no sense */
void prog_generate(struct prog *p)
{
	unsigned int nr = 4 + random_below(16);

	p->nr = 0;
	while (p->nr < nr)
		some_call(&p->call[p->nr++]);
}
