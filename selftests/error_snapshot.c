// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that the device and a snapshot's file can meet: open, open
 * again, read, splice, sendfile, lseek, ioctl, fdinfo.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "sweep_harness.h"

static char path[48];
static char buf[512 * PAGE] __attribute__((aligned(4096)));
static struct vmfork_info info;

static const char *no_usercopy(void)
{
	return access("/sys/kernel/debug/fail_usercopy", F_OK) ?
	       "no FAULT_INJECTION_USERCOPY in this kernel" : NULL;
}

static int setup(struct sweep *s)
{
	int ret = area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);

	if (ret)
		return ret;
	s->base = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	if (s->base < 0)
		return s->base;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->base);
	return 0;
}

static int setup_fdinfo(struct sweep *s)
{
	int ret = setup(s);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->base);
	return ret;
}

static const char *check(struct sweep *s, int ret)
{
	(void)ret;
	return snapshot_check(s->base, 0, s->sc->pages, s->area.view.model,
			      s->sc->name) ? "the snapshot has changed" : NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void undo(struct sweep *s)
{
	close_fd(&s->base);
	close_fd(&s->out);
	close_fd(&s->pipe[0]);
	close_fd(&s->pipe[1]);
	area_free(&s->area);
}

/* The device: its first open mounts the file system of snapshots. */

static int setup_device(struct sweep *s)
{
	int ret = area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);

	close_fd(&s->dev);
	return ret;
}

static int act_device(struct sweep *s)
{
	s->out = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);
	return s->out < 0 ? -errno : 0;
}

static const char *check_device(struct sweep *s, int ret)
{
	int fd;

	if (ret < 0)
		return NULL;
	fd = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	if (fd < 0)
		return "it does not capture";
	close(fd);
	return view_check(&s->area.view, "the memory") ? "memory changed" :
	       NULL;
}

static void undo_device(struct sweep *s)
{
	undo(s);
	s->dev = device();
}

/* The file, opened again */

static int act_reopen(struct sweep *s)
{
	s->out = open(path, O_RDONLY | O_CLOEXEC);
	return s->out < 0 ? -errno : 0;
}

static const char *check_reopen(struct sweep *s, int ret)
{
	if (ret >= 0 && snapshot_check(s->out, 0, s->sc->pages,
				       s->area.view.model, s->sc->name))
		return "the other file reads as something else";
	return check(s, ret);
}

/* Reading.  It may be short: what was read counts. */

static int act_read(struct sweep *s)
{
	ssize_t n = pread(s->base, buf, s->sc->pages * PAGE, 0);

	s->value = n < 0 ? 0 : n;
	return n < 0 ? -errno : 0;
}

static const char *check_buf(struct sweep *s, int ret)
{
	size_t i;

	if (s->value % PAGE || s->value > s->sc->pages * PAGE)
		return "an odd number of bytes was read";
	if (ret >= 0 && !s->value)
		return "nothing was read, and no error";
	for (i = 0; ret >= 0 && i < s->value / PAGE; i++)
		if (!page_is(buf + i * PAGE, &s->area.view.model[i]))
			return "something else was read";
	return check(s, ret);
}

#define SPLICED 8

static int setup_pipe(struct sweep *s)
{
	if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	return setup(s);
}

static int act_splice(struct sweep *s)
{
	ssize_t n = splice(s->base, NULL, s->pipe[1], NULL, SPLICED * PAGE, 0);

	return n < 0 ? -errno : 0;
}

static const char *check_splice(struct sweep *s, int ret)
{
	ssize_t n = read(s->pipe[0], buf, sizeof(buf));

	s->value = n < 0 ? 0 : n;
	if (ret < 0 && s->value)
		return "it failed, and filled the pipe";
	if (lseek(s->base, 0, SEEK_SET))
		return "it can not be rewound";
	return check_buf(s, ret);
}

static int setup_sendfile(struct sweep *s)
{
	s->out = memfd_create("sendfile", MFD_CLOEXEC);
	return s->out < 0 ? -errno : setup(s);
}

static int act_sendfile(struct sweep *s)
{
	off_t from = 0;
	ssize_t n = sendfile(s->out, s->base, &from, s->sc->pages * PAGE);

	return n < 0 ? -errno : 0;
}

static const char *check_sendfile(struct sweep *s, int ret)
{
	ssize_t n = pread(s->out, buf, sizeof(buf), 0);
	const char *wrong;

	s->value = n < 0 ? 0 : n;
	wrong = check_buf(s, ret);
	if (ftruncate(s->out, 0) || lseek(s->out, 0, SEEK_SET))
		return "the memfd can not be emptied";
	return wrong;
}

/* What needs no memory at all */

static int act_lseek(struct sweep *s)
{
	s->value = lseek(s->base, 0, SEEK_HOLE);
	s->value += lseek(s->base, s->value, SEEK_DATA);
	return 0;
}

static const char *check_lseek(struct sweep *s, int ret)
{
	/* KIND_HOLE begins with three pages of a hole, then one of data. */
	return s->value == 3 * PAGE ? check(s, ret) : "not where the data is";
}

static int act_info(struct sweep *s)
{
	memset(&info, 0, sizeof(info));
	info.size = sizeof(info);
	return ioctl(s->base, VMFORK_INFO, &info) ? -errno : 0;
}

static const char *check_info(struct sweep *s, int ret)
{
	if (ret < 0 && info.id)
		return "it failed, and told part of it";
	if (ret >= 0 && info.snapshot_size != s->sc->pages * PAGE)
		return "it told something else";
	return check(s, ret);
}

static int act_fdinfo(struct sweep *s)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	s->value = n < 0 ? 0 : n;
	return err;
}

static const char *check_fdinfo(struct sweep *s, int ret)
{
	buf[s->value] = 0;
	if (ret >= 0 && !strstr(buf, "vmfork-pages:\t48\n"))
		return "it told something else";
	return check(s, ret);
}

#pragma GCC diagnostic ignored "-Woverride-init"

#define FILE_OP(name, ...) \
	SCENARIO(name, .setup = setup, .check = check, .undo = undo, \
		 .pages = 48, .least = 1, ##__VA_ARGS__)

FILE_OP(open_device, .setup = setup_device, .act = act_device,
	.check = check_device, .undo = undo_device, .least = 10);
FILE_OP(reopen, .act = act_reopen, .check = check_reopen);
FILE_OP(pread, .act = act_read, .check = check_buf, .missing = no_usercopy,
	.least = 48);
FILE_OP(pread_huge, .act = act_read, .check = check_buf, .kind = KIND_THP,
	.missing = no_usercopy, .pages = 512, .stride = 29);
FILE_OP(splice, .setup = setup_pipe, .act = act_splice,
	.check = check_splice, .least = 2);
FILE_OP(sendfile, .setup = setup_sendfile, .act = act_sendfile,
	.check = check_sendfile, .least = 20);
FILE_OP(lseek, .act = act_lseek, .check = check_lseek, .kind = KIND_HOLE,
	.pages = 512, .robust = true, .least = 0);
FILE_OP(info, .act = act_info, .check = check_info, .missing = no_usercopy,
	.least = 2);
FILE_OP(fdinfo, .setup = setup_fdinfo, .act = act_fdinfo,
	.check = check_fdinfo, .least = 2);

TEST_HARNESS_MAIN
