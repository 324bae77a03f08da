// SPDX-License-Identifier: GPL-2.0
/*
 * A full copy: in the pause all memory is written to a file, which children
 * map MAP_PRIVATE.  This is Firecracker's snapshot and its File backend; the
 * file is a memfd, so that no disk is measured.
 */
#include <err.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fullcopy.h"
#include "method.h"

static int file = -1;

int fullcopy_prepare(const struct memory *mem)
{
	file = memfd_create("fullcopy", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, mem->size))
		err(1, "memfd");
	return 0;
}

/* One write(2) for all of it; the kernel does 2 GiB at a time. */
void fullcopy_pause(const struct memory *mem)
{
	size_t done = 0;
	ssize_t n;

	while (done < mem->size) {
		n = write(file, mem->start + done, mem->size - done);
		if (n <= 0)
			err(1, "write to a memfd");
		done += n;
	}
}

void fullcopy_finish(const struct memory *mem)
{
	(void)mem;
	close(file);
	file = -1;
}

int fullcopy_file(void)
{
	return file;
}

static char *fullcopy_attach(const struct memory *mem, char *room)
{
	return memory_map(file, room, mem->size);
}

const struct method method_fullcopy = {
	.name = "fullcopy",
	.prepare = fullcopy_prepare,
	.pause = fullcopy_pause,
	.finish = fullcopy_finish,
	.attach = fullcopy_attach,
};
