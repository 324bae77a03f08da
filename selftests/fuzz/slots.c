// SPDX-License-Identifier: GPL-2.0
/*
 * Slots: the file descriptors and processes that calls name by small numbers.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "world.h"

struct fd_slot *slot_of(uint64_t slot)
{
	return &w.fd[slot % NR_FDS];
}

/** slot_fd() - a file descriptor, or one that is surely closed */
int slot_fd(uint64_t slot)
{
	struct fd_slot *s = slot_of(slot);

	return s->type ? s->fd : 1000;
}

/** slot_put() - @fd is an error or a descriptor; what was there is closed */
long slot_put(uint64_t slot, int fd, enum fd_type type, unsigned int snap)
{
	struct fd_slot *s = slot_of(slot);

	if (fd < 0)
		return fd;
	if (s->type)
		close(s->fd);
	*s = (struct fd_slot){ .fd = fd, .type = type, .snap = snap };
	return 0;
}

struct proc_slot *proc_slot(uint64_t code)
{
	return &w.proc[code % NR_PROCS];
}

/** lowest_fd() - the descriptor that the next open gets, or -1 */
int lowest_fd(void)
{
	int fd = dup(0);

	if (fd >= 0)
		close(fd);
	return fd;
}

/** pipe_end() - of a pipe that never blocks */
int pipe_end(int which)
{
	if (!w.pipe[1] && pipe2(w.pipe, O_NONBLOCK | O_CLOEXEC))
		w.pipe[0] = w.pipe[1] = 0;
	return w.pipe[1] ? w.pipe[which] : 1000;
}

/** plain_file() - an ordinary file, in memory */
int plain_file(void)
{
	if (!w.file) {
		int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		if (fd < 0 || ftruncate(fd, 64 * PAGE))
			return 1000;
		w.file = fd;
	}
	return w.file;
}
