// SPDX-License-Identifier: GPL-2.0
/*
 * Errors: a sentence for the user, kept for the thread that met it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "forkvm.h"

static __thread char text[512];

/** fail_say() - keep the sentence of fail() */
void fail_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
}

/** fail_say_errno() - the same, with what errno says behind it */
void fail_say_errno(const char *fmt, ...)
{
	int err = errno;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, ": %s", strerror(err));
}

/** fail_text() - the sentence of this thread's latest fail() */
const char *fail_text(void)
{
	return text[0] ? text : "no reason was given";
}

/** now_ns() - CLOCK_MONOTONIC, the same in all processes of this host */
uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
