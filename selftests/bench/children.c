// SPDX-License-Identifier: GPL-2.0
/*
 * Cost against the number of children: processes that have attached, and do
 * nothing more.  What the first, the tenth ... pays, and what memory they take
 * on average, above that of a process that has attached to nothing.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "balance.h"
#include "bench.h"
#include "capture.h"
#include "clock.h"
#include "figures.h"
#include "method.h"

/* Each child of fork(2) takes page tables for all of the memory. */
#define FORK_CHILDREN	10

static bool is_power_of_10(int n)
{
	while (n % 10 == 0)
		n /= 10;
	return n == 1;
}

static void live(const struct method *method, const struct memory *mem,
		 int result)
{
	uint64_t before = clock_now(), took;

	if (method && !method->inherits)
		method->attach(mem, NULL);
	took = clock_now() - before;
	if (write(result, &took, sizeof(took)) != sizeof(took))
		_exit(1);
	for (;;)
		pause();
}

/* Returns what attaching cost the child, or fork(2) the parent. */
static uint64_t start(const struct method *method, const struct memory *mem,
		      pid_t *pid)
{
	uint64_t before, forked, attached;
	int result[2];

	if (pipe(result))
		err(1, "pipe");
	clock_hold(true);
	before = clock_now();
	*pid = fork();
	if (!*pid)
		live(method, mem, result[1]);
	forked = clock_now() - before;
	clock_hold(false);
	close(result[1]);
	if (*pid < 0 ||
	    read(result[0], &attached, sizeof(attached)) != sizeof(attached))
		errx(1, "a child died");
	close(result[0]);
	return method && method->inherits ? forked : attached;
}

/* The cheapest of the last three: a timer may have come in between. */
static void note_attach(const struct method *method, const uint64_t *took,
			int child)
{
	int n = child < 3 ? 1 : 3;

	figure_count(lowest(took + child - n, n), "children_%d_%s", child,
		     method->name);
}

/* Returns bytes for each child. */
static double measure(const struct method *method, const struct memory *mem,
		      int children)
{
	uint64_t *took = calloc(children, sizeof(*took));
	pid_t *pids = calloc(children, sizeof(*pids));
	long taken;
	int i;

	if (!pids || !took)
		err(1, "children");
	shrink_slabs();
	settle();
	taken = free_pages();
	for (i = 0; i < children; i++) {
		took[i] = start(method, mem, &pids[i]);
		if (method && is_power_of_10(i + 1))
			note_attach(method, took, i + 1);
	}
	settle();
	taken -= free_pages();
	for (i = 0; i < children; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	free(pids);
	free(took);
	return (double)taken * PAGE / children;
}

static void dont_fork(const struct memory *mem, bool dont)
{
	if (madvise(mem->start, mem->size, dont ? MADV_DONTFORK : MADV_DOFORK))
		err(1, "madvise");
}

static void measure_more(const struct method *method, const struct memory *mem,
			 int children, double idle)
{
	figure(0, measure(method, mem, children) - idle, "child_bytes_%s",
	       method->name);
}

void chapter_children(enum kind kind)
{
	struct memory mem = memory_get(plan.standard, kind);
	int children = plan.children;
	double idle;

	/* The first time, caches grow that stay. */
	dont_fork(&mem, true);
	measure(NULL, &mem, children);
	idle = measure(NULL, &mem, children);
	figure(0, idle, "child_bytes_process");

	method_pause(&method_fullcopy, &mem, NULL);
	measure_more(&method_fullcopy, &mem, children, idle);
	/* Out of the same file */
	measure_more(&method_uffd_missing, &mem, children, idle);
	method_finish(&method_fullcopy, &mem);

	dont_fork(&mem, false);
	measure_more(&method_fork, &mem, FORK_CHILDREN, idle);
	dont_fork(&mem, true);

	method_pause(&method_capture, &mem, NULL);
	measure_more(&method_capture, &mem, children, idle);
	method_finish(&method_capture, &mem);
	memory_put(&mem);
	figure_count(figure_get("children_1_capture"),
		     "attach_instructions_child_1");
	figure_count(figure_get("children_%d_capture", children),
		     "attach_instructions_child_%d", children);
}
