// SPDX-License-Identifier: GPL-2.0
/*
 * What a program reached: edges in vmfork.ko, by KCOV, and how its calls ended.
 *
 * A kernel without KCOV leaves the latter, which still tells a program that
 * made a call succeed or fail in a new way from one that did not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#include "run.h"
#include "world.h"

#define COVER_ENTRIES	(64UL << 10)
#define TEXT_MAX	(1UL << 20)

static int kcov = -1;
static uint64_t *trace;
static uint64_t text_start, text_end;
static uint64_t blocks[TEXT_MAX / 64];

static uint64_t read_hex(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtoull(text, NULL, 16);
}

int cover_open(void)
{
	text_start = read_hex("/sys/module/vmfork/sections/.text");
	if (!text_start)
		return -ENOENT;
	text_end = text_start + TEXT_MAX;
	kcov = open("/sys/kernel/debug/kcov", O_RDWR);
	if (kcov < 0)
		return -errno;
	if (ioctl(kcov, KCOV_INIT_TRACE, COVER_ENTRIES))
		return -errno;
	trace = mmap(NULL, COVER_ENTRIES * sizeof(*trace), PROT_READ |
		     PROT_WRITE, MAP_SHARED, kcov, 0);
	if (trace == MAP_FAILED) {
		trace = NULL;
		return -errno;
	}
	return 0;
}

bool cover_works(void)
{
	return trace;
}

void cover_enable(void)
{
	if (!trace)
		return;
	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
	ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC);
}

static void set(struct signals *s, uint64_t signal)
{
	signal = mix(signal) % NR_SIGNALS;
	s->word[signal / 64] |= 1ULL << signal % 64;
}

static void collect_edges(struct signals *s)
{
	uint64_t i, nr = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	uint64_t at, before = 0;

	if (nr > COVER_ENTRIES - 1)
		nr = COVER_ENTRIES - 1;
	for (i = 1; i <= nr; i++) {
		if (trace[i] < text_start || trace[i] >= text_end) {
			before = 0;
			continue;
		}
		at = trace[i] - text_start;
		blocks[at / 64] |= 1ULL << at % 64;
		set(s, at << 24 ^ before);
		before = at;
	}
	trace[0] = 0;
}

/* Which operation it was, for calls that are one of many */
static uint64_t variant(const struct call *call)
{
	const struct call_type *type = &call_types[call->nr];
	unsigned int a;

	for (a = 0; a < MAX_ARGS && type->arg[a].kind; a++)
		if (type->arg[a].kind == ARG_ENUM && type->arg[a].limit > 8)
			return call->arg[a] % type->arg[a].limit;
	return 0;
}

void cover_collect(const struct prog *p, struct signals *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	if (trace)
		collect_edges(s);
	for (i = 0; i < p->nr && !(trace && options.edges_only); i++)
		set(s, 1ULL << 63 | (uint64_t)p->call[i].nr << 48 |
		    variant(&p->call[i]) << 40 | shared->result[i]);
}

unsigned int signals_new(const struct signals *s, const struct signals *known)
{
	unsigned int i, nr = 0;

	for (i = 0; i < SIGNAL_WORDS; i++)
		if (s->word[i] & ~known->word[i])
			nr += __builtin_popcountll(s->word[i] &
						   ~known->word[i]);
	return nr;
}

void signals_add(struct signals *known, const struct signals *s)
{
	unsigned int i;

	for (i = 0; i < SIGNAL_WORDS; i++)
		known->word[i] |= s->word[i];
}

void signals_and(struct signals *s, const struct signals *other)
{
	unsigned int i;

	for (i = 0; i < SIGNAL_WORDS; i++)
		s->word[i] &= other->word[i];
}

unsigned int signals_count(const struct signals *s)
{
	static const struct signals none;

	return signals_new(s, &none);
}

unsigned int cover_blocks(void)
{
	unsigned int nr = 0;
	uint64_t i;

	for (i = 0; i < TEXT_MAX / 64; i++)
		nr += __builtin_popcountll(blocks[i]);
	return nr;
}

void cover_print(FILE *out)
{
	uint64_t i;

	fprintf(out, "BLOCKS");
	for (i = 0; i < TEXT_MAX; i++)
		if (blocks[i / 64] >> i % 64 & 1)
			fprintf(out, " %llx", (unsigned long long)i);
	fprintf(out, "\n");
}
