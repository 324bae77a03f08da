// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that an import can meet, and that reading it can: nothing is
 * left, and what is there is right.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sweep_harness.h"

/* The file: 48 pages, of which every fourth is a hole. */
#define PAGES	48

static int file = -1;
static struct stamp *model;

static bool is_hole(size_t page)
{
	return page % 4 == 3;
}

static int setup(struct sweep *s)
{
	static char page[PAGE];
	size_t i;

	file = memfd_create("import", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, PAGES * PAGE))
		return -errno;
	model = model_alloc(PAGES);
	for (i = 0; i < PAGES; i++) {
		if (is_hole(i))
			continue;
		model[i].fill = i + 100;
		page_fill(page, i + 100);
		if (pwrite(file, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			return -errno;
	}
	(void)s;
	return 0;
}

static int import(struct sweep *s)
{
	struct vmfork_import arg = { .size = sizeof(arg), .fd = file };
	int fd = ioctl(s->dev, VMFORK_IMPORT, &arg);

	return fd < 0 ? -errno : fd;
}

static int setup_imported(struct sweep *s)
{
	int ret = setup(s);

	if (ret)
		return ret;
	s->base = import(s);
	if (s->base < 0)
		return s->base;
	ret = view_map(&s->view, NULL, s->base, 0, PAGES, model);
	s->at = s->view.addr + s->sc->arg * PAGE;
	return ret;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void undo(struct sweep *s)
{
	view_unmap(&s->view);
	close_fd(&s->fd);
	close_fd(&s->base);
	close_fd(&file);
}

static int act_import(struct sweep *s)
{
	int fd = import(s);

	if (fd < 0)
		return fd;
	close_fd(&s->fd);
	s->fd = fd;
	return 0;
}

static const char *check_import(struct sweep *s, int ret)
{
	if (ret)
		return s->fd < 0 ? NULL : "a failed import left a descriptor";
	return snapshot_check(s->fd, 0, PAGES, model, s->sc->name) ?
	       "the snapshot is wrong" : NULL;
}

static const char *check(struct sweep *s, int ret)
{
	(void)ret;
	if (view_check(&s->view, s->sc->name))
		return "the mapping is wrong";
	return snapshot_check(s->base, 0, PAGES, model, s->sc->name) ?
	       "the snapshot is wrong" : NULL;
}

static int act_read(struct sweep *s)
{
	s->value = *(volatile uint64_t *)s->at;
	return 0;
}

static int act_write(struct sweep *s)
{
	static char page[PAGE];

	/* A write that is no read before, and changes nothing. */
	page_fill(page, model[s->sc->arg].fill);
	*(volatile char *)s->at = page[0];
	return 0;
}

static int act_prefault(struct sweep *s)
{
	struct vmfork_range range = {
		.start = (uintptr_t)s->view.addr, .len = PAGES * PAGE,
	};
	struct vmfork_prefault arg = {
		.size = sizeof(arg), .pidfd = -1, .nr_ranges = 1,
		.ranges = (uintptr_t)&range, .flags = s->sc->arg,
	};

	return ioctl(s->dev, VMFORK_PREFAULT, &arg) ? -errno : 0;
}

static int act_info(struct sweep *s)
{
	struct vmfork_info info;

	return snapshot_info(s->base, &info);
}

static int act_close(struct sweep *s)
{
	view_unmap(&s->view);
	close_fd(&s->base);
	return 0;
}

static const char *no_check(struct sweep *s, int ret)
{
	(void)s;
	return ret ? "it failed" : NULL;
}

#pragma GCC diagnostic ignored "-Woverride-init"

#define IMPORT(name, ...) \
	SCENARIO(name, .setup = setup_imported, .check = check, .undo = undo, \
		 .pages = PAGES, .least = 1, ##__VA_ARGS__)

IMPORT(import, .setup = setup, .act = act_import, .check = check_import,
	.least = 8);
IMPORT(read_fault, .act = act_read, .arg = 9, .robust = true);
IMPORT(write_fault, .act = act_write, .arg = 9, .robust = true);
IMPORT(prefault, .act = act_prefault, .least = 36);
IMPORT(prefault_write, .act = act_prefault, .arg = VMFORK_PREFAULT_WRITE,
	.least = 36);
IMPORT(info, .act = act_info, .least = 1);
IMPORT(close, .act = act_close, .check = no_check, .robust = true,
	.least = 0);

TEST_HARNESS_MAIN
