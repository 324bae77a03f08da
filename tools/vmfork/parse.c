// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers, sizes and ranges as they are written on the command line.
 *
 * All digits are in ASCII, no sign, no spaces: what strtoull(3) takes beyond
 * that ("-1", octal) is a mistake here.
 */
#include <limits.h>
#include <string.h>

#include <vmfork.h>

#include "parse.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return INT_MAX;
}

/* Return: what follows the number, NULL if there is none or it is too big. */
static const char *parse_digits(const char *text, uint64_t *value)
{
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (digit(*text) >= base)
		return NULL;
	for (*value = 0; digit(*text) < base; text++) {
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit(*text), value))
			return NULL;
	}
	return text;
}

static bool parse_suffix(const char *text, unsigned int *shift)
{
	static const char suffixes[] = "KMGT";
	const char *found;

	*shift = 0;
	if (!*text)
		return true;
	if (text[1])
		return false;
	/* ASCII: clearing this bit makes a letter a capital. */
	found = strchr(suffixes, *text & ~0x20);
	if (!found || !*found)
		return false;
	*shift = 10 * (found - suffixes + 1);
	return true;
}

bool parse_size(const char *text, uint64_t *value)
{
	const char *rest = parse_digits(text, value);
	unsigned int shift;

	if (!rest || !parse_suffix(rest, &shift))
		return false;
	if (*value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}

bool parse_id(const char *text, int *value)
{
	uint64_t number;

	if (text[0] == '0' && text[1])
		return false;
	if (!parse_size(text, &number) || number > INT_MAX ||
	    digit(text[strlen(text) - 1]) >= 10)
		return false;
	*value = number;
	return true;
}

bool parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t unit = 1000000000;

	if (digit(*text) >= 10)
		return false;
	for (*ns = 0; digit(*text) < 10; text++) {
		if (__builtin_mul_overflow(*ns, 10, ns) ||
		    __builtin_add_overflow(*ns, digit(*text) * unit, ns))
			return false;
	}
	if (*text == '.' && digit(text[1]) < 10) {
		while (digit(*++text) < 10) {
			unit /= 10;
			if (__builtin_add_overflow(*ns, digit(*text) * unit,
						   ns))
				return false;
		}
	}
	return !*text;
}

bool parse_range(const char *text, uint64_t *next_offset,
		 struct vmfork_region *region)
{
	char copy[128];
	char *len, *offset;
	uint64_t addr, bytes, where;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);

	len = strchr(copy, ':');
	if (!len)
		return false;
	*len++ = '\0';
	offset = strchr(len, '@');
	if (offset)
		*offset++ = '\0';

	where = *next_offset;
	if (!parse_size(copy, &addr) || !parse_size(len, &bytes) ||
	    (offset && !parse_size(offset, &where)))
		return false;
	*region = (struct vmfork_region){
		.addr = addr, .len = bytes, .offset = where,
	};
	/* If this wraps, the kernel refuses the region itself. */
	*next_offset = where + bytes;
	return true;
}

bool parse_addresses(const char *text, struct vmfork_range *range)
{
	struct vmfork_region region;
	uint64_t no_offset = 0;

	if (strchr(text, '@') || !parse_range(text, &no_offset, &region))
		return false;
	*range = (struct vmfork_range){
		.start = region.addr, .len = region.len,
	};
	return true;
}
