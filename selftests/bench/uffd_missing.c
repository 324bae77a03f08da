// SPDX-License-Identifier: GPL-2.0
/*
 * A restore by userfaultfd: a child's memory is empty, and whoever serves its
 * faults copies in a page at a time, from a full copy in a file.
 */
#include <err.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fullcopy.h"
#include "method.h"
#include "uffd.h"
#include "uffd_missing.h"

static struct uffd uffd;
static char *source;		/* the file, mapped and populated */
static size_t source_size;
static char *target;

static void copy(size_t offset, size_t len)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)target + offset,
		.src = (uintptr_t)source + offset,
		.len = len,
	};

	/* Whoever waits for it is woken by the copy. */
	if (ioctl(uffd.fd, UFFDIO_COPY, &copy) && errno != EEXIST)
		err(1, "UFFDIO_COPY");
}

static void copy_fault(struct uffd *u, uint64_t address)
{
	(void)u;
	copy((address - (uintptr_t)target) & -PAGE, PAGE);
}

void uffd_missing_fill(size_t offset, size_t len)
{
	copy(offset, len);
}

void uffd_missing_end(void)
{
	uffd_end(&uffd);
	munmap(source, source_size);
}

static char *missing_attach(const struct memory *mem, char *room)
{
	target = mmap(room, mem->size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		      MAP_ANONYMOUS | MAP_NORESERVE | (room ? MAP_FIXED : 0),
		      -1, 0);
	uffd.fd = uffd_open(0);
	if (target == MAP_FAILED || uffd.fd < 0)
		err(1, "memory for a restore");
	uffd_register(uffd.fd, target, mem->size,
		      UFFDIO_REGISTER_MODE_MISSING);
	return target;
}

static void missing_serve(const struct memory *mem, char *map)
{
	(void)map;
	source = mmap(NULL, mem->size, PROT_READ, MAP_SHARED | MAP_POPULATE,
		      fullcopy_file(), 0);
	if (source == MAP_FAILED)
		err(1, "mmap of a memfd");
	source_size = mem->size;
	uffd.fault = copy_fault;
	uffd_serve(&uffd);
}

const struct method method_uffd_missing = {
	.name = "uffd_missing",
	.prepare = fullcopy_prepare,
	.pause = fullcopy_pause,
	.finish = fullcopy_finish,
	.attach = missing_attach,
	.serve = missing_serve,
};
