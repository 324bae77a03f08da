// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that a mapping of a snapshot can meet: mmap(2), faults of all
 * kinds, fork(2), mprotect(2), mremap(2), munmap(2), and its end.
 *
 * A fault that finds no memory is tried again by the kernel, so a process that
 * touches its mapping notices nothing; the kernel itself gets EFAULT.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep_harness.h"
#include "tiny_guest.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define POKE	0x77777

/* A snapshot of memory that is gone since. */
static int make_snapshot(struct sweep *s)
{
	int ret = area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);

	if (ret)
		return ret;
	s->base = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	area_free(&s->area);
	return s->base < 0 ? s->base : 0;
}

/* One that has only 511 pages of its first huge page. */
static int make_torn(struct sweep *s)
{
	int first, ret = area_make(&s->area, s->sc->kind,
				   s->sc->pages * PAGE, 0);

	if (ret)
		return ret;
	first = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	view_poke(&s->area.view, 100, 1234);
	s->base = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	area_free(&s->area);
	if (first < 0 || s->base < 0)
		return -EAGAIN;
	close(first);
	return 0;
}

static int setup_snapshot(struct sweep *s)
{
	return s->sc->make(s);
}

/* @arg is the page that will be touched */
static int setup(struct sweep *s)
{
	int ret = s->sc->make(s);

	if (!ret)
		ret = view_map(&s->view, NULL, s->base, 0, s->sc->pages,
			       s->area.view.model);
	s->at = s->view.addr + s->sc->arg * PAGE;
	return ret;
}

/* All of it is the process's own, page tables and pages. */
static int setup_written(struct sweep *s)
{
	int ret = setup(s);
	size_t i;

	for (i = 0; !ret && i < s->view.pages; i++)
		view_poke(&s->view, i, i + 1);
	return ret;
}

/* The mapping is all that holds the snapshot. */
static int setup_last(struct sweep *s)
{
	int ret = setup(s);

	if (ret)
		return ret;
	view_poke(&s->view, 3, POKE);
	close(s->base);
	s->base = -1;
	return 0;
}

static const char *check(struct sweep *s, int ret)
{
	(void)ret;
	return sweep_check_mapping(s);
}

/* mmap(2) */

static int setup_room(struct sweep *s)
{
	int ret = s->sc->make(s);

	s->at = reserve(s->sc->pages * PAGE, 0);
	s->value = (uintptr_t)s->at;
	return ret ? ret : s->at ? 0 : -ENOMEM;
}

static int act_mmap_fixed(struct sweep *s)
{
	void *at = mmap(s->at, s->sc->pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_FIXED, s->base, 0);

	if (at == MAP_FAILED)
		return -errno;
	s->view.addr = at;
	return 0;
}

static const char *check_mmap(struct sweep *s, int ret)
{
	if (ret < 0)
		return NULL;
	s->view.pages = s->sc->pages;
	s->view.model = s->area.view.model;
	return check(s, ret);
}

/* Faults */

static int act_read(struct sweep *s)
{
	s->value = *(volatile uint64_t *)s->at;
	return 0;
}

static int act_write(struct sweep *s)
{
	page_poke(s->at, &s->view.model[s->sc->arg], POKE);
	return 0;
}

static const char *check_write(struct sweep *s, int ret)
{
	s->view.model[s->sc->arg].poke = POKE;
	return check(s, ret);
}

/* The kernel reads: it copies from the mapping into a pipe. */
static int setup_pipe(struct sweep *s)
{
	if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	return setup(s);
}

static int act_kernel_read(struct sweep *s)
{
	return write(s->pipe[1], s->at, PAGE) == (ssize_t)PAGE ? 0 : -errno;
}

static const char *check_pipe(struct sweep *s, int ret)
{
	static char buf[PAGE];

	while (ret >= 0 && read(s->pipe[0], buf, PAGE) == (ssize_t)PAGE)
		if (!page_is(buf, &s->view.model[s->sc->arg]))
			return "the kernel read something else";
	return check(s, ret);
}

static void undo_pipe(struct sweep *s)
{
	close(s->pipe[0]);
	close(s->pipe[1]);
	sweep_undo_mapping(s);
}

/* The kernel writes zeroes: through the page tables, or by GUP. */
static int act_kernel_write(struct sweep *s)
{
	ssize_t n = pread(s->zero, s->at, PAGE, 0);

	return n == (ssize_t)PAGE ? 0 : n < 0 ? -errno : -EFAULT;
}

static int act_gup(struct sweep *s)
{
	static char zeroes[PAGE];
	struct iovec from = { zeroes, PAGE }, to = { s->at, PAGE };
	ssize_t n = process_vm_writev(getpid(), &from, 1, &to, 1, 0);

	return n == (ssize_t)PAGE ? 0 : n < 0 ? -errno : -EFAULT;
}

static const char *check_zeroes(struct sweep *s, int ret)
{
	if (ret >= 0)
		s->view.model[s->sc->arg] = (struct stamp){ 0 };
	return check(s, ret);
}

static int act_madvise(struct sweep *s)
{
	return madvise(s->view.addr, s->view.pages * PAGE, s->sc->arg) ?
	       -errno : 0;
}

static const char *check_reset(struct sweep *s, int ret)
{
	memcpy(s->view.model, s->area.view.model,
	       s->view.pages * sizeof(*s->view.model));
	return check(s, ret);
}

/* A guest's faults: KVM_RUN on it */

static int setup_guest(struct sweep *s)
{
	int ret = s->sc->make(s);

	if (!ret)
		ret = tiny_guest_start(s->sc->pages * PAGE);
	if (ret)
		return ret;
	s->view.addr = tiny_guest_map(s->base);
	s->view.pages = s->sc->pages;
	s->view.model = model_copy(s->area.view.model, s->view.pages);
	return s->view.addr ? 0 : -ENOMEM;
}

static int setup_guest_read(struct sweep *s)
{
	return setup_guest(s) ?: tiny_guest_will_read(s->sc->arg * PAGE);
}

static int setup_guest_write(struct sweep *s)
{
	return setup_guest(s) ?: tiny_guest_will_zero(s->sc->arg * PAGE);
}

static int act_guest(struct sweep *s)
{
	(void)s;
	return tiny_guest_run();
}

static const char *check_guest_read(struct sweep *s, int ret)
{
	if (ret >= 0 && tiny_guest_value() !=
	    *(uint32_t *)(s->view.addr + s->sc->arg * PAGE))
		return "the guest read something else";
	return check(s, ret);
}

static void undo_guest(struct sweep *s)
{
	s->view.addr = NULL;	/* stays the guest's, with the next mapping */
	tiny_guest_unmap();
	sweep_undo_mapping(s);
}

/* fork(2) */

/* In the forked process, which has a model of its own. */
static int write_as_child(struct sweep *s)
{
	static struct stamp model[512];

	if (check(s, 0))
		return 1;
	memcpy(model, s->view.model, s->view.pages * sizeof(*model));
	s->view.model = model;
	return view_poke(&s->view, 5, POKE) || check(s, 0);
}

static int act_fork(struct sweep *s)
{
	pid_t pid = fork();

	if (!pid)
		_exit(write_as_child(s));
	s->value = pid < 0 ? 0 : pid;
	return pid < 0 ? -errno : 0;
}

static const char *check_fork(struct sweep *s, int ret)
{
	int status = 0;

	if (ret >= 0 && (waitpid(s->value, &status, 0) < 0 || status))
		return "the forked process saw something else";
	return check(s, ret);
}

/* What changes VMAs */

static int act_mprotect(struct sweep *s)
{
	return mprotect(s->view.addr + 8 * PAGE, 8 * PAGE, PROT_READ) ?
	       -errno : 0;
}

static int setup_mremap(struct sweep *s)
{
	int ret = setup(s);

	view_poke(&s->view, 2, POKE);
	s->value = (uintptr_t)s->view.addr;
	s->at = reserve(s->view.pages * PAGE, 0);
	return ret ? ret : s->at ? 0 : -ENOMEM;
}

/* The whole of it, or all but the first pages, which splits it. */
static int act_mremap(struct sweep *s)
{
	size_t skip = s->sc->arg * PAGE, len = s->view.pages * PAGE - skip;

	if (mremap(s->view.addr + skip, len, len, MREMAP_MAYMOVE |
		   MREMAP_FIXED, s->at + skip) != s->at + skip)
		return -errno;
	return 0;
}

static const char *check_mremap(struct sweep *s, int ret)
{
	size_t skip = s->sc->arg;
	struct view head = s->view;

	if (ret < 0)
		return check(s, ret);
	head.pages = skip;
	if (view_check(&head, "what has not moved"))
		return "what has not moved is wrong";
	s->view.addr = s->at + skip * PAGE;
	s->view.pages -= skip;
	s->view.model += skip;
	return check(s, ret);
}

/*
 * Where the kernel has no memory to split what was moved off, it leaves both
 * mapped, and calls that a success.
 */
static void undo_mremap(struct sweep *s)
{
	munmap((void *)s->value, s->sc->pages * PAGE);
	munmap(s->at, s->sc->pages * PAGE);
	s->view.addr = NULL;
	sweep_undo_mapping(s);
}

/* A hole in the middle of it */
static int act_munmap(struct sweep *s)
{
	return munmap(s->view.addr + 8 * PAGE, 8 * PAGE) ? -errno : 0;
}

static const char *check_munmap(struct sweep *s, int ret)
{
	struct view part = s->view;

	if (ret < 0)
		return check(s, ret);
	part.pages = 8;
	if (view_check(&part, "before the hole"))
		return "the mapping is wrong before the hole";
	part = s->view;
	part.addr += 16 * PAGE;
	part.model += 16;
	part.pages -= 16;
	return view_check(&part, "after the hole") ?
	       "the mapping is wrong after the hole" : NULL;
}

/* The end */

static int act_munmap_all(struct sweep *s)
{
	return munmap(s->view.addr, s->view.pages * PAGE) ? -errno : 0;
}

static const char *check_munmap_all(struct sweep *s, int ret)
{
	if (ret < 0)
		return check(s, ret);
	s->view.addr = NULL;
	return NULL;
}

/* The last descriptor, which frees the tree. */
static int act_close(struct sweep *s)
{
	int ret = close(s->base) ? -errno : 0;

	s->base = -1;
	return ret;
}

#pragma GCC diagnostic ignored "-Woverride-init"

#define MAPPING(name, ...) \
	SCENARIO(name, .make = make_snapshot, .setup = setup, \
		 .check = check, .undo = sweep_undo_mapping, .pages = 48, \
		 .least = 1, ##__VA_ARGS__)

MAPPING(mmap, .setup = setup_snapshot, .act = sweep_mmap, .check = check_mmap,
	.least = 3);
MAPPING(mmap_fixed, .setup = setup_room, .act = act_mmap_fixed,
	.check = check_mmap, .undo = undo_mremap, .least = 2);

MAPPING(read_fault, .act = act_read, .arg = 9, .robust = true);
MAPPING(write_fault, .act = act_write, .check = check_write, .arg = 9,
	.robust = true);
MAPPING(read_huge, .act = act_read, .kind = KIND_THP, .pages = 1024, .arg = 9,
	.robust = true);
MAPPING(write_huge, .act = act_write, .check = check_write, .kind = KIND_THP,
	.pages = 1024, .arg = 9, .robust = true);
MAPPING(read_torn, .make = make_torn, .act = act_read, .kind = KIND_THP,
	.pages = 1024, .arg = 9, .robust = true);
MAPPING(write_torn, .make = make_torn, .act = act_write, .check = check_write,
	.kind = KIND_THP, .pages = 1024, .arg = 100, .robust = true);
MAPPING(read_hole, .act = act_read, .kind = KIND_HOLE, .pages = 512, .arg = 50,
	.robust = true);
MAPPING(write_hole, .act = act_write, .check = check_write, .kind = KIND_HOLE,
	.pages = 512, .arg = 50, .robust = true);
MAPPING(read_file, .act = act_read, .kind = KIND_FILE, .arg = 10,
	.robust = true);
MAPPING(write_file, .act = act_write, .check = check_write, .kind = KIND_FILE,
	.arg = 10, .robust = true);
MAPPING(kernel_read, .setup = setup_pipe, .act = act_kernel_read,
	.check = check_pipe, .undo = undo_pipe, .arg = 9);
MAPPING(kernel_write, .act = act_kernel_write, .check = check_zeroes,
	.arg = 9);
MAPPING(gup, .act = act_gup, .check = check_zeroes, .arg = 9);
MAPPING(populate_read, .act = act_madvise, .arg = MADV_POPULATE_READ,
	.kind = KIND_HOLE, .pages = 512);
MAPPING(populate_write, .act = act_madvise, .arg = MADV_POPULATE_WRITE);
MAPPING(reset, .setup = setup_written, .act = act_madvise,
	.check = check_reset, .arg = MADV_DONTNEED, .robust = true,
	.least = 0);

#define GUEST(name, ...) \
	MAPPING(name, .act = act_guest, .undo = undo_guest, \
		.missing = tiny_guest_missing, .arg = 9, ##__VA_ARGS__)
#define GUEST_READ(name, ...) \
	GUEST(name, .setup = setup_guest_read, .check = check_guest_read, \
	      ##__VA_ARGS__)
#define GUEST_WRITE(name, ...) \
	GUEST(name, .setup = setup_guest_write, .check = check_zeroes, \
	      ##__VA_ARGS__)

GUEST_READ(guest_read);
GUEST_READ(guest_read_huge, .kind = KIND_THP, .pages = 1024);
GUEST_READ(guest_read_hole, .kind = KIND_HOLE, .pages = 512, .arg = 50);
GUEST_WRITE(guest_write);
GUEST_WRITE(guest_write_torn, .make = make_torn, .kind = KIND_THP,
	    .pages = 1024);

MAPPING(fork, .setup = setup_written, .act = act_fork, .check = check_fork,
	.vmalloc = true, .least = 20);
MAPPING(mprotect, .act = act_mprotect, .least = 2);
MAPPING(mremap, .setup = setup_mremap, .act = act_mremap,
	.check = check_mremap, .undo = undo_mremap, .least = 2);
MAPPING(mremap_part, .setup = setup_mremap, .act = act_mremap, .arg = 8,
	.check = check_mremap, .undo = undo_mremap, .least = 2);
MAPPING(munmap_part, .act = act_munmap, .check = check_munmap, .least = 2);

MAPPING(munmap_last, .setup = setup_last, .act = act_munmap_all,
	.check = check_munmap_all, .least = 0);
MAPPING(close_last, .setup = setup_snapshot, .act = act_close, .check = NULL,
	.robust = true, .least = 0);
MAPPING(close_last_huge, .setup = setup_snapshot, .make = make_torn,
	.kind = KIND_THP, .pages = 1024, .act = act_close, .check = NULL,
	.robust = true, .least = 0);

TEST_HARNESS_MAIN
