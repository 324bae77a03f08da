// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers as people read them, in few columns.
 */
#include <stdio.h>

#include "units.h"

/* With a digit after the point below 10, unless that is 0. */
static const char *scaled(double value, double step, const char *const *units,
			  unsigned int last, char *text)
{
	unsigned int unit = 0;

	/* What would be rounded up to the next unit is one of that. */
	while (unit < last && value >= step - 0.5) {
		value /= step;
		unit++;
	}
	if (unit && value < 9.95 && (unsigned int)(value * 10 + 0.5) % 10)
		snprintf(text, UNITS_SIZE, "%.1f%s", value, units[unit]);
	else
		snprintf(text, UNITS_SIZE, "%.0f%s", value, units[unit]);
	return text;
}

const char *units_bytes(uint64_t bytes, char *text)
{
	static const char *const units[] = { "", "K", "M", "G", "T", "P", "E" };

	return scaled(bytes, 1024, units, 6, text);
}

const char *units_rate(double rate, char *text)
{
	static const char *const units[] = { "", "k", "M", "G" };

	return scaled(rate < 0 ? 0 : rate, 1000, units, 3, text);
}

const char *units_age(uint64_t ns, char *text)
{
	uint64_t s = ns / 1000000000;

	if (s < 60)
		snprintf(text, UNITS_SIZE, "%us", (unsigned int)s);
	else if (s < 60 * 60)
		snprintf(text, UNITS_SIZE, "%um", (unsigned int)(s / 60));
	else if (s < 48 * 60 * 60)
		snprintf(text, UNITS_SIZE, "%uh", (unsigned int)(s / 3600));
	else
		snprintf(text, UNITS_SIZE, "%llud",
			 (unsigned long long)(s / 86400));
	return text;
}

const char *units_plain(const char *from, char *text, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i]; i++)
		text[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ?
			  '?' : from[i];
	text[i] = '\0';
	return text;
}
