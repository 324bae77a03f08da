/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a page holds: every byte of it follows from a tag, the number of the
 * page, and the seed of the run.
 *
 * A tag says who wrote the page (an object: one life of one guest) and when (a
 * generation, which rises with each of its writes).  So a page that comes from
 * a stranger, from another place, from another time, or from two times at once
 * is told from the right one by looking at it.
 *
 * The vCPU of a guest runs this code too: no data, no calls.
 */
#ifndef TORTURE_PATTERN_H
#define TORTURE_PATTERN_H

#include <stdint.h>

#define PAGE_WORDS	512

#define TAG_GEN_BITS	40
#define TAG(object, gen)	((uint64_t)(object) << TAG_GEN_BITS | (gen))
#define TAG_OBJECT(tag)	((tag) >> TAG_GEN_BITS & 0x7fffff)
#define TAG_GEN(tag)	((tag) & ((1ULL << TAG_GEN_BITS) - 1))

/* Never written, or given back: zeroes. */
#define TAG_ZERO	0ULL
/* In a model only: caught while it was written, may hold parts of two tags. */
#define TAG_TORN	(~0ULL)
/* In a model only, with a tag: that, or zeroes (MADV_FREE). */
#define TAG_MAYBE	(1ULL << 63)
/* The same content wherever it is written, for KSM to find. */
#define COMMON_OBJECT	0x7ffffe
#define TAG_COMMON(n)	TAG(COMMON_OBJECT, n)
#define IS_COMMON(tag)	(TAG_OBJECT(tag) == COMMON_OBJECT)

#define always_inline inline __attribute__((always_inline))

static always_inline uint64_t pattern_base(uint64_t seed, uint64_t tag,
					   uint64_t page)
{
	if (IS_COMMON(tag))
		page = 0;
	return (tag * 0x9e3779b97f4a7c15ULL) ^ (page * 0xc2b2ae3d27d4eb4fULL) ^
	       seed;
}

#define PATTERN_STEP	0x165667b19e3779f9ULL

/* The word at @i; the first and the last are the tag itself. */
static always_inline uint64_t pattern_word(uint64_t base, uint64_t tag,
					   unsigned int i)
{
	if (!tag)
		return 0;
	return i == 0 || i == PAGE_WORDS - 1 ? tag : base + i * PATTERN_STEP;
}

/* In rising order, so that a torn page is new up to somewhere, then old. */
static always_inline void pattern_fill(volatile uint64_t *words, uint64_t seed,
				       uint64_t tag, uint64_t page)
{
	uint64_t word = pattern_base(seed, tag, page);
	unsigned int i;

	words[0] = tag;
	for (i = 1; i < PAGE_WORDS - 1; i++) {
		word += PATTERN_STEP;
		words[i] = word;
	}
	words[i] = tag;
}

/* Index of the first word that is not @tag's, or PAGE_WORDS. */
static always_inline unsigned int
pattern_wrong(const volatile uint64_t *words, uint64_t seed, uint64_t tag,
	      uint64_t page)
{
	uint64_t word = pattern_base(seed, tag, page);
	uint64_t step = PATTERN_STEP;
	unsigned int i;

	if (words[0] != tag)
		return 0;
	if (!tag)
		word = step = 0;
	for (i = 1; i < PAGE_WORDS - 1; i++) {
		word += step;
		if (words[i] != word)
			return i;
	}
	return words[i] == tag ? PAGE_WORDS : i;
}

#endif
