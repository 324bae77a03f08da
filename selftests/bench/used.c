// SPDX-License-Identifier: GPL-2.0
/*
 * Memory: what a snapshot takes, what a mapping of it that is never touched
 * takes of the kernel's, and what a child takes that reads, then writes, some.
 * All of it is what the kernel has less of as free pages.
 */
#include <err.h>
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
#include "uffd_wp.h"

static long free_bytes(void)
{
	shrink_slabs();
	settle();
	return free_pages() * PAGE;
}

/* What the snapshot takes, when all of it is made */
static void snapshot(const struct method *method, const struct memory *mem)
{
	long before = free_bytes();
	uint64_t background;

	if (!method_pause(method, mem, NULL))
		return;
	method_resume(method, mem);
	if (method == &method_uffd_wp) {
		background = clock_now();
		uffd_wp_background(mem);
		figure_count(clock_now() - background, "uffd_wp_background");
	}
	figure(0, before - free_bytes(), "snapshot_bytes_%s", method->name);
}

/* In one process, so that nothing else counts */
static void idle_mappings(const struct memory *mem)
{
	char **maps = calloc(plan.children, sizeof(*maps));
	long before, touched;
	int i;

	if (!maps)
		err(1, "mappings");
	before = free_bytes();
	for (i = 0; i < plan.children; i++)
		maps[i] = memory_map(captured_snapshot(), NULL, mem->size);
	figure(0, (double)(before - free_bytes()) / plan.children,
	       "kernel_bytes_per_idle_mapping");
	touched = free_bytes();
	for (i = 0; i < plan.children; i++)
		memory_touch(maps[i], PAGE, false);
	figure(0, (double)(touched - free_bytes()) / plan.children,
	       "kernel_bytes_first_page_read");
	for (i = 0; i < plan.children; i++)
		munmap(maps[i], mem->size);
	free(maps);
}

/* A turn of the child's, who does the next thing when it is told to */
static void turn(int to, int from)
{
	char c = 0;

	if (write(to, &c, 1) != 1 || read(from, &c, 1) != 1)
		errx(1, "a child died");
}

static void child_works(const struct method *method, const struct memory *mem,
			int from, int to)
{
	char *map, c;
	int step;

	for (step = 0; read(from, &c, 1) == 1; step++) {
		switch (step) {
		case 0:
			map = method->attach(mem, method->inherits ? NULL :
					     memory_room(mem->size));
			if (method->serve)
				method->serve(mem, map);
			break;
		case 1:
			memory_touch(map, plan.slice, false);
			break;
		default:
			memory_touch(map, plan.slice, true);
		}
		if (write(to, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static void working_child(const struct method *method,
			  const struct memory *mem)
{
	static const char *const steps[] = { "read", "written" };
	int to[2], from[2];
	long before;
	size_t i;
	pid_t pid;

	if (pipe(to) || pipe(from))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		close(to[1]);
		child_works(method, mem, to[0], from[1]);
	}
	turn(to[1], from[0]);
	before = free_bytes();
	for (i = 0; i < 2; i++) {
		turn(to[1], from[0]);
		/* It may be less than nothing by a few of the kernel's own. */
		figure(0, (double)(before - free_bytes()) * PAGE / plan.slice,
		       "child_bytes_per_page_%s_%s", steps[i], method->name);
	}
	close(to[0]);
	close(to[1]);
	waitpid(pid, NULL, 0);
	close(from[0]);
	close(from[1]);
}

void chapter_used(enum kind kind)
{
	struct memory mem = memory_get(plan.standard, kind);

	snapshot(&method_fork, &mem);
	working_child(&method_fork, &mem);
	method_finish(&method_fork, &mem);
	snapshot(&method_uffd_wp, &mem);
	method_finish(&method_uffd_wp, &mem);

	/* As VMMs have it, so that children have nothing but what they map */
	if (madvise(mem.start, mem.size, MADV_DONTFORK))
		err(1, "madvise");
	snapshot(&method_fullcopy, &mem);
	working_child(&method_fullcopy, &mem);
	/* Out of the same file */
	working_child(&method_uffd_missing, &mem);
	method_finish(&method_fullcopy, &mem);
	snapshot(&method_capture, &mem);
	working_child(&method_capture, &mem);
	idle_mappings(&mem);
	method_finish(&method_capture, &mem);
	memory_put(&mem);
}
