/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmfork.ko, unloaded and loaded again by a test.
 */
#ifndef SELFTESTS_MODULE_H
#define SELFTESTS_MODULE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Where modules are; VMFORK_TEST_MODULE if it is elsewhere.  Or -1. */
static inline int module_file(void)
{
	struct utsname kernel;
	char path[200];

	uname(&kernel);
	snprintf(path, sizeof(path), "/lib/modules/%s/vmfork.ko",
		 kernel.release);
	return open(getenv("VMFORK_TEST_MODULE") ?: path, O_RDONLY | O_CLOEXEC);
}

static inline int module_load(int file)
{
	return syscall(SYS_finit_module, file, "", 0) ? -errno : 0;
}

static inline int module_try_unload(void)
{
	return syscall(SYS_delete_module, "vmfork", O_NONBLOCK) ? -errno : 0;
}

/* A process that was killed may hold it for another moment. */
static inline int module_unload(void)
{
	int try, ret = -EBUSY;

	for (try = 0; try < 100 && ret; try++) {
		ret = module_try_unload();
		if (ret)
			usleep(50000);
	}
	return ret;
}

#endif
