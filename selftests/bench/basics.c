// SPDX-License-Identifier: GPL-2.0
/*
 * A first capture of 192 MiB, an attach, and a child's faults: what has been
 * measured, in this way, since there was a capture.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "method.h"
#include "vmfork.h"

#define CAPTURE_SIZE	(192 * MIB)
#define CHILD_SIZE	(64 * MIB)
#define ROUNDS		5

static uint64_t capture(enum kind kind)
{
	const size_t pages = CAPTURE_SIZE / PAGE;
	uint64_t forks[ROUNDS], captures[ROUNDS], forked, captured, copied = 0;
	const char *name = kind_names[kind];
	struct vmfork_capture cap;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct memory mem = memory_get(CAPTURE_SIZE, kind);
		uint64_t before;
		int snapshot;

		forks[i] = method_pause(&method_fork, &mem, NULL);
		method_finish(&method_fork, &mem);
		clock_hold(true);
		before = clock_now();
		snapshot = vmfork_capture(&mem, &cap);
		captures[i] = clock_now() - before;
		clock_hold(false);
		check_capture(&cap, pages, kind);
		copied += cap.pages_copied;
		close(snapshot);
		memory_put(&mem);
	}
	forked = lowest(forks, ROUNDS);
	captured = lowest(captures, ROUNDS);
	figure(3, (double)captured / forked, "capture_%s_vs_fork", name);
	figure_count(captured, "capture_%s_instructions", name);
	figure_count(forked, "fork_%s_instructions", name);
	figure(1, (double)cap.ns_prepare / pages, "capture_%s_prepare_per_page",
	       name);
	figure(1, (double)cap.ns_collect / pages, "capture_%s_collect_per_page",
	       name);
	figure(1, (double)cap.ns_unmap / pages, "capture_%s_unmap_per_page",
	       name);
	figure(1, (double)cap.ns_steal / pages, "capture_%s_steal_per_page",
	       name);
	return copied;
}

/* A snapshot of 64 MiB of memory, of this size */
static int snapshot_of(size_t size, enum kind kind)
{
	struct memory mem = memory_get(CHILD_SIZE, kind);
	struct vmfork_capture cap;
	int snapshot;

	snapshot = vmfork_capture_sized(&mem, size, &cap);
	check_capture(&cap, CHILD_SIZE / PAGE, kind);
	memory_put(&mem);
	return snapshot;
}

static void attach(const char *name, size_t size)
{
	int snapshot = snapshot_of(size, KIND_4K), i;
	uint64_t took[ROUNDS];

	for (i = 0; i < ROUNDS; i++) {
		uint64_t before = clock_now();
		char *map = memory_map(snapshot, NULL, size);

		took[i] = clock_now() - before;
		munmap(map, size);
	}
	close(snapshot);
	figure_count(lowest(took, ROUNDS), "attach_instructions_%s", name);
}

enum access { READ, WRITE, READ_THEN_WRITE };

static uint64_t access_all(char *start, size_t step, bool write)
{
	uint64_t before = clock_now();
	size_t at;

	for (at = 0; at < CHILD_SIZE; at += step) {
		if (write)
			*(volatile uint64_t *)(start + at) = at;
		else
			(void)*(volatile uint64_t *)(start + at);
	}
	return clock_now() - before;
}

/*
 * Faults in a child's mapping: a process of its own, which maps the snapshot
 * and touches each page once.  With no snapshot (-1), faults on memory that
 * the child has from fork(2), for comparison.
 */
static double faults(int snapshot, const struct memory *inherited, size_t step,
		     enum access access)
{
	size_t pages = CHILD_SIZE / step;
	uint64_t took;
	int result[2];
	pid_t pid;

	if (pipe(result))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		char *start = inherited ? inherited->start :
			      memory_map(snapshot, NULL, CHILD_SIZE);

		if (access == READ_THEN_WRITE)
			access_all(start, step, false);
		took = access_all(start, step, access != READ);
		_exit(write(result[1], &took, sizeof(took)) != sizeof(took));
	}
	close(result[1]);
	if (read(result[0], &took, sizeof(took)) != sizeof(took))
		errx(1, "a child died");
	close(result[0]);
	waitpid(pid, NULL, 0);
	return (double)took / pages;
}

static void all_faults(void)
{
	int snapshot = snapshot_of(CHILD_SIZE, KIND_4K);
	int huge = snapshot_of(CHILD_SIZE, KIND_THP);
	struct memory forked = memory_get(CHILD_SIZE, KIND_4K);

	figure(1, faults(snapshot, NULL, PAGE, READ), "read_fault_4k");
	figure(1, faults(snapshot, NULL, PAGE, WRITE), "write_fault_4k");
	figure(1, faults(snapshot, NULL, PAGE, READ_THEN_WRITE),
	       "write_after_read_4k");
	figure(1, faults(-1, &forked, PAGE, WRITE), "fork_write_fault_4k");
	figure(1, faults(huge, NULL, HUGE, READ), "read_fault_thp");
	figure(1, faults(huge, NULL, PAGE, WRITE), "write_fault_thp_4k");
	memory_put(&forked);
	close(huge);
	close(snapshot);
}

void chapter_basics(enum kind kind)
{
	uint64_t copied = capture(kind) + capture(KIND_THP);

	attach("64m", 64 * MIB);
	attach("1g", GIB);
	all_faults();
	figure_count(copied, "copied_pages");
}
