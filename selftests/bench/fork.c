// SPDX-License-Identifier: GPL-2.0
/*
 * fork(2): the child has the memory, and page tables of its own for it.
 *
 * It waits until the end of a pipe is closed, so that the parent pays for its
 * writes meanwhile.
 */
#include <err.h>
#include <sys/wait.h>
#include <unistd.h>

#include "method.h"

static int hold[2];
static pid_t child;

static int fork_prepare(const struct memory *mem)
{
	(void)mem;
	if (pipe(hold))
		err(1, "pipe");
	return 0;
}

static void fork_pause(const struct memory *mem)
{
	char c;

	(void)mem;
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);
	}
}

static void fork_finish(const struct memory *mem)
{
	int status;

	close(hold[1]);
	close(hold[0]);
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "a forked child failed");
	/* The pages are the parent's alone again; make them writable. */
	memory_fill(mem, 1);
}

static char *fork_attach(const struct memory *mem, char *room)
{
	(void)room;
	return mem->start;
}

const struct method method_fork = {
	.name = "fork",
	.prepare = fork_prepare,
	.pause = fork_pause,
	.finish = fork_finish,
	.inherits = true,
	.attach = fork_attach,
};
