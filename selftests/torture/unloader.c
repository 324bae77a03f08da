// SPDX-License-Identifier: GPL-2.0
/*
 * The unloader tries to unload the module under its users.  It is one of them
 * meanwhile, so it must never succeed.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "actors.h"
#include "shot.h"

void unloader_run(struct self *self)
{
	static struct shot shot;

	while (!stopping()) {
		bool have = chance(self, 50) && pool_get(&shot);
		int dev = have ? -1 : device(), ret;

		/* Held by a snapshot alone, or by the device. */
		if (have || dev >= 0) {
			ret = syscall(SYS_delete_module, "vmfork", O_NONBLOCK) ?
			      -errno : 0;
			did("unload under users", ret);
			if (ret != -EWOULDBLOCK && ret != -EBUSY)
				fail("the module was unloaded under its users: %s",
				     strerror(-ret));
		}
		if (have)
			pool_put(&shot);
		if (dev >= 0)
			close(dev);
		doze(self, 1000000);
	}
}
