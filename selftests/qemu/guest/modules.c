// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel modules: /modules has their paths, each after those it needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* One that finds nothing to drive may say so. */
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) &&
		       errno != EEXIST && errno != ENODEV))
		die(path);
	close(fd);
}

void modules_load(void)
{
	FILE *list = fopen("/modules", "r");
	char path[256];

	if (!list)
		die("/modules");
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		load(path);
	}
	fclose(list);
}
