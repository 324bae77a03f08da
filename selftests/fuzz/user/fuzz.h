/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz targets share.  A target is NAME_fuzz.c; the sources that it
 * tests are listed in the Makefile.
 */
#ifndef USER_FUZZ_H
#define USER_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is; libFuzzer takes abort() for a crash. */
#define must(what)							\
	do {								\
		if (!(what)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #what);			\
			abort();					\
		}							\
	} while (0)

/* Input, taken piece by piece; what is not there any more reads as 0. */
struct input {
	const uint8_t *data;
	size_t size;
};

static inline void take(struct input *in, void *to, size_t len)
{
	size_t n = len < in->size ? len : in->size;

	memset(to, 0, len);
	memcpy(to, in->data, n);
	in->data += n;
	in->size -= n;
}

static inline uint8_t take_byte(struct input *in)
{
	uint8_t byte;

	take(in, &byte, 1);
	return byte;
}

#endif
