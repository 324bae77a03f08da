// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output of the command vmfork, for tests of its parts: failures are kept, the
 * rest goes nowhere.
 */
#include <stdarg.h>
#include <stdio.h>

#include "cli.h"
#include "fakeout.h"
#include "out.h"

char told[1024];

int failure(int status, int error, const char *format, ...)
{
	va_list args;

	(void)error;
	va_start(args, format);
	vsnprintf(told, sizeof(told), format, args);
	va_end(args);
	return status;
}

int failure_memory(void)
{
	return failure(FAILED, 12, "Out of memory.");
}

int failure_refused(int error, const struct refused *refused)
{
	(void)error;
	snprintf(told, sizeof(told), "refused %u", refused->refusal);
	return REFUSED;
}

/* Of target.c, which nobody here prints */
void out_number(const char *name, uint64_t value)
{
	(void)name;
	(void)value;
}

void out_address(const char *name, uint64_t value)
{
	(void)name;
	(void)value;
}

void out_bytes(const char *name, uint64_t value)
{
	(void)name;
	(void)value;
}

void out_open(const char *name)
{
	(void)name;
}

void out_open_list(const char *name)
{
	(void)name;
}

void out_close(void)
{
}
