/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of imports share: a file of each kind of file system, a
 * process that never saw it, and how memory is touched that may not be there.
 * Included by one .c file of a program.
 */
#ifndef SELFTESTS_IMPORTED_H
#define SELFTESTS_IMPORTED_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "fusefs.h"
#include "lib.h"
#include "peer.h"
#include "test_file.h"

#define LEN	(4 * MIB)
#define PAGES	(LEN / PAGE)

FIXTURE(import) {
	struct test_file file;
	struct peer *peer;
};

FIXTURE_VARIANT(import) { enum file_kind kind; };
FIXTURE_VARIANT_ADD(import, tmpfs) { .kind = FILE_TMPFS };
FIXTURE_VARIANT_ADD(import, ext4) { .kind = FILE_EXT4 };
FIXTURE_VARIANT_ADD(import, nbd) { .kind = FILE_NBD };
FIXTURE_VARIANT_ADD(import, fuse) { .kind = FILE_FUSE };

FIXTURE_SETUP(import)
{
	if (test_file_missing(variant->kind))
		SKIP(return, "%s", test_file_missing(variant->kind));
	ASSERT_EQ(0, test_file_make(&self->file, variant->kind, LEN));
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
}

FIXTURE_TEARDOWN(import)
{
	peer_kill(self->peer);
	test_file_free(&self->file);
}

/* A snapshot's descriptor, or -errno. */
static inline int import_fd(int fd, uint64_t offset, uint64_t len,
			    struct vmfork_import *out)
{
	struct vmfork_import arg = {
		.size = sizeof(arg), .fd = fd, .offset = offset, .len = len,
	};
	int dev = device(), ret;

	if (dev < 0)
		return dev;
	ret = ioctl(dev, VMFORK_IMPORT, &arg);
	if (ret < 0)
		ret = -errno;
	close(dev);
	if (out)
		*out = arg;
	return ret;
}

static inline int import_file(const struct test_file *file, int flags,
			      struct vmfork_import *out)
{
	int fd = open(file->path, flags | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = import_fd(fd, 0, 0, out);
	close(fd);
	return ret;
}

static sigjmp_buf bus_env;

static inline void on_bus(int sig)
{
	siglongjmp(bus_env, sig);
}

/*
 * The signal that a touch of the page got, or 0.  A write changes it: what reads
 * and writes in one instruction may be two faults under an emulator.
 */
static inline long touch_page(volatile char *at, bool write)
{
	struct sigaction act = { .sa_handler = on_bus }, bus;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sig = sigsetjmp(bus_env, 1);
	if (!sig && write)
		*at = 1;
	else if (!sig)
		(void)*at;
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

/* What the snapshots of a user may hold; 0: no limit. */
static inline void set_max_bytes(unsigned long bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", bytes);
	write_file("/sys/module/vmfork/parameters/max_bytes", text);
}

static inline uint64_t pages_read(int fd)
{
	struct vmfork_info info;

	return snapshot_info(fd, &info) ? ~0ULL : info.pages_read;
}

#endif
