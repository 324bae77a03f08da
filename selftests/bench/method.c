// SPDX-License-Identifier: GPL-2.0
/* What is the same for all ways to fork memory. */
#include <string.h>

#include "clock.h"
#include "figures.h"
#include "method.h"

uint64_t method_pause(const struct method *method, const struct memory *mem,
		      void (*ready)(const struct memory *mem))
{
	uint64_t before, took;
	int ret = method->prepare ? method->prepare(mem) : 0;

	if (ret) {
		remark("%s: %s", method->name, strerror(-ret));
		return 0;
	}
	if (ready)
		ready(mem);
	clock_hold(true);
	before = clock_now();
	method->pause(mem);
	took = clock_now() - before;
	clock_hold(false);
	return took;
}

void method_resume(const struct method *method, const struct memory *mem)
{
	if (method->resume)
		method->resume(mem);
}

void method_finish(const struct method *method, const struct memory *mem)
{
	if (method->finish)
		method->finish(mem);
}
