// SPDX-License-Identifier: GPL-2.0
/* The killer: SIGKILL, to anybody mortal, at any instruction. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "actors.h"
#include "torture.h"

static void kill_one(struct self *self)
{
	struct seat *seat = &shared->seats[draw(self, shared->nr_seats)];
	int pid = seat->pid, fd;

	if (!seat->mortal || pid <= 0)
		return;
	fd = pidfd_of(pid);
	if (fd < 0)
		return;
	/* Still the one that sits there: the number was not given anew. */
	if (seat->pid == pid) {
		usleep(draw(self, 3000));
		did("killed", syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL,
				      0) ? -errno : 0);
	}
	close(fd);
}

/* Not so often that, on a slow kernel, nobody gets anything done. */
static void wait_for_progress(void)
{
	uint32_t judged = shared->judged, tries = 0;

	while (shared->judged - judged < 3 && tries++ < 100 && !stopping())
		usleep(50000);
}

void killer_run(struct self *self)
{
	while (!stopping()) {
		doze(self, 500000);
		wait_for_progress();
		kill_one(self);
	}
}
