/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What must hold, in a test that is one program: it says where something does
 * not, and goes on.
 */
#ifndef LIBVMFORK_TEST_EXPECT_H
#define LIBVMFORK_TEST_EXPECT_H

#include <stdio.h>

static int failures;

static void expect(int good, const char *file, int line, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: line %d: not so: %s\n", file, line, what);
	failures++;
}

#define EXPECT(cond)	expect(!!(cond), __FILE__, __LINE__, #cond)

#endif /* LIBVMFORK_TEST_EXPECT_H */
