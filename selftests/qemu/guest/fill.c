// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes that follow from a seed.
 */
#include <string.h>

#include "guest.h"

static uint64_t next_word(uint64_t word)
{
	return word * 6364136223846793005ULL + 1442695040888963407ULL;
}

void fill(void *bytes, size_t len, uint64_t seed)
{
	uint64_t word = seed;
	size_t at;

	for (at = 0; at + sizeof(word) <= len; at += sizeof(word)) {
		word = next_word(word);
		memcpy((char *)bytes + at, &word, sizeof(word));
	}
}

bool filled(const void *bytes, size_t len, uint64_t seed)
{
	uint64_t word = seed;
	size_t at;

	for (at = 0; at + sizeof(word) <= len; at += sizeof(word)) {
		word = next_word(word);
		if (memcmp((const char *)bytes + at, &word, sizeof(word)))
			return false;
	}
	return true;
}
