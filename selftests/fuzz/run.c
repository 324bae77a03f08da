// SPDX-License-Identifier: GPL-2.0
/*
 * A program runs: its calls, one after the other.
 */
#include "run.h"
#include "world.h"

const struct prog *running;
__thread unsigned int pc, pc_end;

static void run_call(void)
{
	const struct call *call = &running->call[pc];
	unsigned int at = pc;
	uint32_t refusal;
	long ret;

	shared->result[at] = 0;
	ret = call_types[call->nr].run(call->arg);
	refusal = shared->result[at] & 0xffff0000;
	shared->result[at] = refusal | (ret < 0 ? (uint32_t)-ret & 0xffff : 0);
	if (options.verbose)
		fprintf(stderr, "# [%d] %u %s = %ld\n", getpid(), at,
			call_types[call->nr].name, ret);
}

/** run_calls() - some calls may jump over those that follow them */
void run_calls(unsigned int from, unsigned int to)
{
	unsigned int old_pc = pc, old_end = pc_end;

	pc_end = to < running->nr ? to : running->nr;
	for (pc = from; pc < pc_end; pc++)
		run_call();
	pc = old_pc;
	pc_end = old_end;
}
