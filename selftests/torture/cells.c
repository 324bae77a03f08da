// SPDX-License-Identifier: GPL-2.0
/* Cells: the cgroups that actors live in. */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cells.h"
#include "torture.h"

static bool have;

static const char *cell_path(unsigned int nr, const char *file)
{
	static char path[100];

	snprintf(path, sizeof(path), CELLS "cell%u/%s", nr, file);
	return path;
}

bool cells_make(void)
{
	unsigned int i;

	if (access("/sys/fs/cgroup/cgroup.procs", W_OK))
		return false;
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(CELLS, 0755);
	write_file(CELLS "cgroup.subtree_control", "+memory");
	for (i = 0; i < NR_CELLS; i++)
		mkdir(cell_path(i, ""), 0755);
	have = !access(cell_path(0, "cgroup.procs"), W_OK);
	return have;
}

void cell_enter(unsigned int nr)
{
	if (have)
		write_file(cell_path(nr, "cgroup.procs"), "0");
}

void cell_freeze(unsigned int nr, bool frozen)
{
	const char *path = cell_path(nr, "cgroup.freeze");

	did(frozen ? "frozen" : "thawed", write_file(path, frozen ? "1" : "0"));
}

static bool empty(void)
{
	char text[200];

	return read_file(CELLS "cgroup.events", text, sizeof(text)) < 0 ||
	       strstr(text, "populated 0");
}

bool cells_kill(void)
{
	unsigned int i, try;

	if (!have)
		return true;
	for (i = 0; i < NR_CELLS; i++)
		write_file(cell_path(i, "cgroup.freeze"), "0");
	for (try = 0; try < 600 && !empty(); try++) {
		write_file(CELLS "cgroup.kill", "1");
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(100000);
	}
	return empty();
}

void cells_remove(void)
{
	unsigned int i;

	for (i = 0; i < NR_CELLS; i++)
		rmdir(cell_path(i, ""));
	rmdir(CELLS "oom");
	rmdir(CELLS);
}
