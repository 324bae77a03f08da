// SPDX-License-Identifier: GPL-2.0
/* Memory that userfaultfd watches is not captured. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "shot.h"

static int register_part(int fd, char *addr, size_t len)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(fd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

void trick_uffd(struct guest *g)
{
	struct plan plan = PLAN_WHOLE(g->b);
	struct uffdio_api api = { .api = UFFD_API };
	static struct shot shot;
	size_t first, nr;
	int fd, ret;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
		did("userfaultfd", -errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	part_draw(g, &first, &nr, 64);
	g->b->plain = 0;
	/* EINVAL: it is a mapping of a snapshot. */
	ret = did("userfaultfd", register_part(fd, page_at(g, first),
					       nr * PAGE));
	if (!ret) {
		ret = did("capture: watched",
			  shot_take(&shot, g->b, -1, &plan, "uffd"));
		if (!ret)
			shot_drop(&shot);
		if (ret != -EADDRINUSE)
			expect_errno("capture of watched memory",
				     ret ?: -ENODATA, ALLOWED(MAY_BE_REFUSED),
				     shot_refusal());
	}
	close(fd);
	board_check(g->b, g->map, first, nr, "no more watched, a guest");
}
