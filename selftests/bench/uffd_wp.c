// SPDX-License-Identifier: GPL-2.0
/*
 * A background snapshot by userfaultfd write-protection, as QEMU has it: in
 * the pause all memory is protected; while the guest goes on, its pages are
 * copied to a file in order, those that it writes to first, and unprotected.
 *
 * A page is saved by whoever claims it first: the thread that serves the
 * faults, or the one in the background.
 */
#include <err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "method.h"
#include "uffd.h"
#include "uffd_wp.h"

/* How much is copied and unprotected at once in the background */
#define CHUNK	HUGE

static struct uffd uffd;
static struct memory memory;
static atomic_char *claimed;	/* one for each unit */
static size_t unit;		/* what a fault saves, in bytes */
static int file;

static void protect(size_t offset, size_t len, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = {
			.start = (uintptr_t)memory.start + offset,
			.len = len,
		},
		/* Taking it off wakes those who wait for it. */
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	if (ioctl(uffd.fd, UFFDIO_WRITEPROTECT, &wp))
		err(1, "UFFDIO_WRITEPROTECT");
}

static bool claim(size_t offset)
{
	return !atomic_exchange(&claimed[offset / unit], 1);
}

static void save(size_t offset, size_t len)
{
	if (pwrite(file, memory.start + offset, len, offset) != (ssize_t)len)
		err(1, "pwrite to a memfd");
	protect(offset, len, false);
}

static void save_fault(struct uffd *u, uint64_t address)
{
	size_t offset = (address - (uintptr_t)memory.start) & -unit;

	(void)u;
	if (claim(offset))
		save(offset, unit);
}

void uffd_wp_background(const struct memory *mem)
{
	size_t chunk, at, run;

	for (chunk = 0; chunk < mem->size; chunk += CHUNK) {
		run = 0;
		for (at = chunk; at < chunk + CHUNK; at += unit) {
			if (claim(at)) {
				run += unit;
				continue;
			}
			if (run)
				save(at - run, run);
			run = 0;
		}
		if (run)
			save(at - run, run);
	}
}

static int wp_prepare(const struct memory *mem)
{
	memory = *mem;
	/* A huge page is saved, and stays, as a whole. */
	unit = mem->kind == KIND_THP ? HUGE : PAGE;
	uffd.fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	if (uffd.fd < 0)
		return uffd.fd;
	file = memfd_create("background", MFD_CLOEXEC);
	claimed = calloc(mem->size / unit, sizeof(*claimed));
	if (file < 0 || ftruncate(file, mem->size) || !claimed)
		err(1, "a file for a snapshot");
	return 0;
}

static void wp_pause(const struct memory *mem)
{
	uffd_register(uffd.fd, mem->start, mem->size, UFFDIO_REGISTER_MODE_WP);
	protect(0, mem->size, true);
}

static void wp_resume(const struct memory *mem)
{
	(void)mem;
	uffd.fault = save_fault;
	uffd_serve(&uffd);
}

static void wp_finish(const struct memory *mem)
{
	uffd_unregister(uffd.fd, mem->start, mem->size);
	uffd_end(&uffd);
	close(file);
	free(claimed);
	memory_fill(mem, 1);
}

const struct method method_uffd_wp = {
	.name = "uffd_wp",
	.prepare = wp_prepare,
	.pause = wp_pause,
	.resume = wp_resume,
	.finish = wp_finish,
};
