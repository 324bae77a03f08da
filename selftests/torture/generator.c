// SPDX-License-Identifier: GPL-2.0
/*
 * The generator: writes a guest's memory and looks whether it stays so.
 *
 * It is copied into the memory of guests, whose vCPUs run it in long mode
 * without anything around it.  Hence a section of its own, no calls, no data.
 */
#pragma GCC target("general-regs-only")

#include "board.h"
#include "pattern.h"
#include "vcpu.h"

static always_inline uint64_t next(struct board *b)
{
	uint64_t x = b->rng;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	b->rng = x;
	return x * 0x2545f4914f6cdd1dULL >> 20;
}

static always_inline void barrier(void)
{
	asm volatile("" ::: "memory");
}

/* False if it is not what it should be. */
static always_inline bool look(struct board *b, const volatile uint64_t *words,
			       uint32_t page)
{
	uint64_t tag = b->tag[page];
	unsigned int wrong;

	if (tag == TAG_TORN || tag & TAG_MAYBE)
		return true;
	wrong = pattern_wrong(words, b->seed, tag, page);
	b->checked++;
	if (wrong == PAGE_WORDS)
		return true;
	b->bad_page = page;
	b->bad_word = wrong;
	b->bad = 1;
	return false;
}

VCPU_CODE void generate(struct board *b, volatile uint64_t *data)
{
	while (b->burst && !b->ticket && !b->stop && !b->bad) {
		uint64_t draw = next(b), tag;
		uint32_t page = (draw >> 8) % b->pages;
		volatile uint64_t *words = data + page * PAGE_WORDS;

		b->burst--;
		if (!look(b, words, page))
			return;
		/* Also lets a single-threaded emulator go on elsewhere. */
		if (!(draw & 7))
			__builtin_ia32_pause();
		if ((draw & 3) == 3)
			continue;
		tag = TAG(b->object, b->gen + 1);
		b->gen++;
		b->intent[page] = tag;
		barrier();
		pattern_fill(words, b->seed, tag, page);
		barrier();
		b->tag[page] = tag;
		b->written++;
	}
}
