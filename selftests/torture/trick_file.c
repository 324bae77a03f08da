// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest's memory holds is put into a file, and is read from there from
 * now on: by a private mapping of the file, or of its import.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

static bool write_all(int fd, const char *at, size_t len)
{
	while (len) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

static int import(int file)
{
	struct vmfork_import arg = { .size = sizeof(arg), .fd = file };
	int dev = device(), fd;

	if (dev < 0)
		return dev;
	fd = ioctl(dev, VMFORK_IMPORT, &arg);
	if (fd < 0)
		fd = -errno;
	close(dev);
	return fd;
}

/* Another open file: the first one could write. */
static int open_again(int file)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file;
	close(file);
	return fd;
}

static void map_it(struct guest *g, int fd, size_t first, size_t nr,
		   const char *what)
{
	size_t page;
	void *map;

	map = mmap(page_at(g, first), nr * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED, fd, 0);
	if (map == MAP_FAILED)
		give_up("mmap: a file", -errno);
	did(what, 0);
	board_check(g->b, g->map, first, nr, what);
	/* What was about to be dropped, or not, is in the file now, or not. */
	for (page = first; page < first + nr; page++) {
		if (g->b->tag[page] != TAG_TORN)
			g->b->tag[page] &= ~TAG_MAYBE;
		g->b->inherited[page] = g->b->tag[page];
	}
}

void trick_file(struct guest *g)
{
	size_t first, nr;
	int file = memfd_create("torture", MFD_CLOEXEC), fd;

	if (file < 0) {
		did("memfd_create", -errno);
		return;
	}
	part_draw(g, &first, &nr, 512);
	/* Whatever may be one of two is one from here on. */
	board_check(g->b, g->map, first, nr, "to be a file, a guest");
	if (!write_all(file, page_at(g, first), nr * PAGE)) {
		did("write: to be mapped", -errno);
		close(file);
		return;
	}
	g->b->plain = 0;
	if (chance(g->self, 50))
		file = open_again(file);
	if (chance(g->self, 50)) {
		map_it(g, file, first, nr, "mmap: a file");
	} else {
		fd = did("import", import(file));
		expect_errno("import", fd < 0 ? fd : 0, ALLOWED(MAY_BE_REFUSED),
			     "no more is said");
		if (fd >= 0) {
			map_it(g, fd, first, nr, "mmap: an import");
			close(fd);
		}
	}
	close(file);
}
