// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that watch memory by userfaultfd(2).  A fault there is SIGBUS, so that
 * nobody waits for somebody to serve it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

#include "calls.h"
#include "world.h"

/* No events: they would wait for a reader, who is not there. */
static int uffd_open(void)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* uffd SLOT PAGE PAGES MODE: the descriptor is left in SLOT */
long call_uffd(const uint64_t *arg)
{
	uint64_t page = arg[1], pages = clip(&page, arg[2]);
	struct uffdio_register reg = {
		.range = { (uintptr_t)page_addr(page), pages * PAGE },
		.mode = 1 + arg[3] % 7,
	};
	int fd = uffd_open(), err;

	if (fd < 0)
		return fd;
	err = result(ioctl(fd, UFFDIO_REGISTER, &reg));
	if (err) {
		close(fd);
		return err;
	}
	model_flag(page, pages, PF_FAULTS);
	return slot_put(arg[0], fd, FD_OTHER, 0);
}

static long uffd_copy(int fd, struct uffdio_range range)
{
	static char buf[16 * PAGE];
	struct uffdio_copy copy = {
		.dst = range.start, .src = (uintptr_t)buf,
		.len = range.len < sizeof(buf) ? range.len : sizeof(buf),
	};

	return ioctl(fd, UFFDIO_COPY, &copy);
}

/* uffdop SLOT PAGE PAGES OP */
long call_uffd_op(const uint64_t *arg)
{
	uint64_t page = arg[1], pages = clip(&page, arg[2]);
	struct uffdio_range range = {
		(uintptr_t)page_addr(page), pages * PAGE,
	};
	struct uffdio_zeropage zero = { .range = range };
	struct uffdio_writeprotect wp = { .range = range, .mode = arg[3] >> 4 };
	int fd = slot_fd(arg[0]);

	switch (arg[3] % 6) {
	case 0:
		return result(ioctl(fd, UFFDIO_UNREGISTER, &range));
	case 1:
		return result(ioctl(fd, UFFDIO_WAKE, &range));
	case 2:
		return result(ioctl(fd, UFFDIO_WRITEPROTECT, &wp));
	case 3:
		model_unknown(page, pages);
		return result(uffd_copy(fd, range));
	case 4:
		model_unknown(page, pages);
		return result(ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	default:
		model_unknown(page, pages);
		return result(ioctl(fd, UFFDIO_CONTINUE, &zero));
	}
}
