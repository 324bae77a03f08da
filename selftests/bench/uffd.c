// SPDX-License-Identifier: GPL-2.0
/* userfaultfd(2), and a thread that serves its faults. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uffd.h"

/* Faults that are read at once */
#define BATCH	16

int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	/* Not UFFD_USER_MODE_ONLY: KVM's faults are the kernel's. */
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api))
		err(1, "UFFDIO_API");
	return fd;
}

void uffd_register(int fd, const void *start, uint64_t len, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)start, .len = len },
		.mode = mode,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		err(1, "UFFDIO_REGISTER");
}

void uffd_unregister(int fd, const void *start, uint64_t len)
{
	struct uffdio_range range = { .start = (uintptr_t)start, .len = len };

	if (ioctl(fd, UFFDIO_UNREGISTER, &range))
		err(1, "UFFDIO_UNREGISTER");
}

static void *serve(void *arg)
{
	struct uffd *uffd = arg;
	struct pollfd fds[] = {
		{ .fd = uffd->fd, .events = POLLIN },
		{ .fd = uffd->stop, .events = POLLIN },
	};
	struct uffd_msg messages[BATCH];
	ssize_t n;
	int i;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			err(1, "poll");
		if (fds[1].revents)
			return NULL;
		n = read(uffd->fd, messages, sizeof(messages));
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			err(1, "read of a userfaultfd");
		for (i = 0; i < (int)(n / sizeof(*messages)); i++)
			uffd->fault(uffd, messages[i].arg.pagefault.address);
	}
}

void uffd_serve(struct uffd *uffd)
{
	uffd->stop = eventfd(0, EFD_CLOEXEC);
	if (uffd->stop < 0)
		err(1, "eventfd");
	errno = pthread_create(&uffd->thread, NULL, serve, uffd);
	if (errno)
		err(1, "pthread_create");
	uffd->served = true;
}

void uffd_end(struct uffd *uffd)
{
	if (uffd->served) {
		if (eventfd_write(uffd->stop, 1))
			err(1, "eventfd_write");
		pthread_join(uffd->thread, NULL);
		close(uffd->stop);
	}
	uffd->served = false;
	close(uffd->fd);
}
