// SPDX-License-Identifier: GPL-2.0
/*
 * OOM: processes in a memory cgroup that is too small for them capture
 * themselves and write on, until they are killed for it.  Nobody outside may
 * notice.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"
#include "cells.h"
#include "shot.h"

#define CELL	CELLS "oom/"

bool oom_possible(void)
{
	return !access(CELLS "memory.max", W_OK);
}

/* Never ends by itself, but by ENOMEM. */
static void grow(struct self *self)
{
	static struct shot shots[12];
	static struct board board;
	struct board *b = &board;
	struct plan plan;
	unsigned int nr = 0;
	char *map;
	size_t i;
	int ret;

	become(self, 5);
	if (write_file(CELL "cgroup.procs", "0"))
		_exit(3);
	*b = (struct board){ .seed = shared->seed, .object = new_object(),
			     .pages = 1024, .plain = 1 };
	plan = (struct plan)PLAN_WHOLE(b);
	map = mmap(NULL, b->pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		_exit(3);
	b->addr = (uintptr_t)map;
	if (chance(self, 50))
		madvise(map, b->pages * PAGE, MADV_HUGEPAGE);
	while (!stopping()) {
		for (i = 0; i < b->pages; i++)
			if (chance(self, 80))
				board_write(b, (uint64_t *)map, i);
		if (nr < ARRAY_SIZE(shots)) {
			ret = did("capture: in a tight cgroup",
				  shot_take(&shots[nr], b, -1, &plan, "oom"));
			expect_errno("capture in a tight cgroup", ret,
				     ALLOWED(MAY_BE_REFUSED),
				     shot_refusal());
			nr += !ret;
		}
		board_check(b, map, 0, b->pages, "in a tight cgroup");
		for (i = 0; i < nr; i++)
			if (chance(self, 20))
				shot_check(self, &shots[i], "in a tight cgroup");
	}
	_exit(0);
}

static long oom_kills(void)
{
	char text[300], *at;

	if (read_file(CELL "memory.events", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "oom_kill ");
	return at ? atol(at + 9) : 0;
}

void oom_run(struct self *self)
{
	static const char *const sizes[] = { "6M", "12M", "20M" };
	static const char *const swap[] = { "0", "0", "8M" };
	long kills, before;
	int status;
	pid_t pid;

	mkdir(CELL, 0755);
	while (!stopping()) {
		write_file(CELL "memory.max", sizes[draw(self, 3)]);
		write_file(CELL "memory.swap.max", swap[draw(self, 3)]);
		before = oom_kills();
		pid = fork();
		if (!pid)
			grow(self);
		if (pid > 0) {
			status = reap(pid);
			count(WIFSIGNALED(status) ? "oom: killed" :
						    "oom: ended", 1);
			if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
				_exit(1);
		}
		kills = oom_kills();
		if (kills > before)
			count("killed for memory", kills - before);
		doze(self, 3000000);
	}
}
