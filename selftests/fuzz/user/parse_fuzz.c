// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers, sizes and ranges of vmfork's command line.
 */
#include <limits.h>
#include <inttypes.h>

#include <vmfork.h>

#include "fuzz.h"
#include "parse.h"

/* What it takes for a number it takes again when written plainly. */
static void size(const char *text)
{
	uint64_t value = 0, again;
	char plain[32];

	if (!parse_size(text, &value))
		return;
	snprintf(plain, sizeof(plain), "%" PRIu64, value);
	must(parse_size(plain, &again) && again == value);
	snprintf(plain, sizeof(plain), "0x%" PRIx64, value);
	must(parse_size(plain, &again) && again == value);
	must(!strchr(text, '-') && !strchr(text, '+') && !strchr(text, ' '));
}

static void seconds(const char *text)
{
	uint64_t ns = 0, again;
	char plain[48];

	if (!parse_seconds(text, &ns))
		return;
	snprintf(plain, sizeof(plain), "%" PRIu64 ".%09" PRIu64,
		 ns / 1000000000, ns % 1000000000);
	must(parse_seconds(plain, &again) && again == ns);
	must(!strchr(text, '-') && !strchr(text, '+') && !strchr(text, ' '));
}

static void id(const char *text)
{
	char plain[32];
	int value = -1;

	if (!parse_id(text, &value))
		return;
	must(value >= 0);
	snprintf(plain, sizeof(plain), "%d", value);
	must(!strcmp(plain, text));
}

static void range(const char *text)
{
	uint64_t next = 0x123000, again_next = 0;
	struct vmfork_region region, again;
	char plain[128];

	if (!parse_range(text, &next, &region))
		return;
	must(next == region.offset + region.len);
	must(strchr(text, '@') || region.offset == 0x123000);
	must(!region.flags);
	snprintf(plain, sizeof(plain), "0x%llx:%llu@0x%llx",
		 (unsigned long long)region.addr,
		 (unsigned long long)region.len,
		 (unsigned long long)region.offset);
	must(parse_range(plain, &again_next, &again));
	must(!memcmp(&region, &again, sizeof(region)) && next == again_next);
}

static void addresses(const char *text)
{
	struct vmfork_region region = { 0 };
	struct vmfork_range where;
	uint64_t next = 0;
	bool is_range = parse_range(text, &next, &region);

	must(parse_addresses(text, &where) == (is_range && !strchr(text, '@')));
	if (is_range && !strchr(text, '@'))
		must(where.start == region.addr && where.len == region.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	must(text);
	memcpy(text, data, len);
	text[len] = 0;
	size(text);
	seconds(text);
	id(text);
	range(text);
	addresses(text);
	free(text);
	return 0;
}
