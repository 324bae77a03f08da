// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that vmforkfs can meet: mounting, making names of each kind,
 * FICLONE, captures into a file, writing, truncating, punching holes, mapping by
 * a path, statfs.  After each of them names and files are what they were, and
 * the same succeeds.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs.h"
#include "sweep_harness.h"

static struct fs fs;
static char path[FS_PATH_MAX], other[FS_PATH_MAX];
static char buf[64 * PAGE] __attribute__((aligned(4096)));

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A mount, and an unnamed snapshot; @path is a name that is not there. */
static int setup(struct sweep *s)
{
	int ret = area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);

	if (!ret)
		ret = fs_mount(&fs, NULL);
	if (ret)
		return ret;
	s->base = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	fs_path(&fs, "name", path);
	fs_path(&fs, "other", other);
	return s->base < 0 ? s->base : 0;
}

/* And one with a name */
static int setup_named(struct sweep *s)
{
	int ret = setup(s);

	if (ret)
		return ret;
	ret = fs_name(&fs, "other", s->base);
	if (ret >= 0)
		close(ret);
	return ret < 0 ? ret : 0;
}

/* And an empty file, open for writing */
static int setup_empty(struct sweep *s)
{
	int ret = setup(s);

	if (ret)
		return ret;
	s->out = fs_create(&fs, "name");
	return s->out < 0 ? s->out : 0;
}

static const char *check_base(struct sweep *s)
{
	if (snapshot_check(s->base, 0, s->sc->pages, s->area.view.model,
			   s->sc->name))
		return "the snapshot has changed";
	return view_check(&s->area.view, s->sc->name) ?
	       "the memory has changed" : NULL;
}

static void undo(struct sweep *s)
{
	close_fd(&s->base);
	close_fd(&s->out);
	if (s->at)
		munmap(s->at, s->sc->pages * PAGE);
	s->at = NULL;
	if (fs.mount[0] && fs_unmount(&fs))
		note("the mount is busy");
	fs.mount[0] = '\0';
	area_free(&s->area);
}

/* --- mounts; at first there is no superblock --- */

static const char where[] = "/tmp/vmforkfs.sweep";

static int setup_mount(struct sweep *s)
{
	int ret = area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);

	close_fd(&s->dev);
	if (mkdir(where, 0700) && errno != EEXIST)
		return -errno;
	return ret;
}

static int act_mount(struct sweep *s)
{
	(void)s;
	return mount("none", where, "vmforkfs", 0, "mode=750,uid=1,gid=2") ?
	       -errno : 0;
}

static const char *check_mount(struct sweep *s, int ret)
{
	struct statfs sf;
	struct stat st;

	(void)s;
	if (stat(where, &st) || statfs(where, &sf))
		return "there is no directory";
	if (ret < 0)
		return sf.f_type == VMFORKFS_MAGIC ? "it is mounted" : NULL;
	if (sf.f_type != VMFORKFS_MAGIC || st.st_uid != 1 || st.st_gid != 2 ||
	    (st.st_mode & 07777) != 0750)
		return "it is mounted in another way";
	return NULL;
}

static void undo_mount(struct sweep *s)
{
	umount(where);
	rmdir(where);
	area_free(&s->area);
	s->dev = device();
}

static int setup_remount(struct sweep *s)
{
	int ret = setup_mount(s);

	if (!ret && mount("none", where, "vmforkfs", 0,
			  "mode=700,uid=0,gid=0"))
		ret = -errno;
	return ret;
}

static int act_remount(struct sweep *s)
{
	(void)s;
	return mount("none", where, "vmforkfs", MS_REMOUNT,
		     "mode=750,uid=1,gid=2") ? -errno : 0;
}

static const char *check_remount(struct sweep *s, int ret)
{
	struct stat st;

	if (ret >= 0)
		return check_mount(s, ret);
	if (stat(where, &st) || st.st_uid || st.st_gid ||
	    (st.st_mode & 07777) != 0700)
		return "it failed, and did some of it";
	return NULL;
}

/* --- names --- */

static int act_create(struct sweep *s)
{
	s->out = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return s->out < 0 ? -errno : 0;
}

static int act_mkdir(struct sweep *s)
{
	(void)s;
	return mkdir(path, 0700) ? -errno : 0;
}

static int act_symlink(struct sweep *s)
{
	(void)s;
	return symlink("other", path) ? -errno : 0;
}

static int act_link(struct sweep *s)
{
	(void)s;
	return link(other, path) ? -errno : 0;
}

/* Is it there if it succeeded, and not if it failed? */
static const char *check_name(struct sweep *s, int ret)
{
	struct stat st;
	bool there = !lstat(path, &st);

	if (ret < 0 && there)
		return "it failed, and the name is there";
	if (ret >= 0 && !there)
		return "the name is not there";
	return check_base(s);
}

static int act_tmpfile(struct sweep *s)
{
	s->out = open(fs.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return s->out < 0 ? -errno : 0;
}

static const char *check_plain(struct sweep *s, int ret)
{
	(void)ret;
	return check_base(s);
}

static int act_rename(struct sweep *s)
{
	(void)s;
	return rename(other, path) ? -errno : 0;
}

static const char *check_rename(struct sweep *s, int ret)
{
	bool old = !access(other, F_OK), new = !access(path, F_OK);
	bool failed = ret < 0;

	if (old == new || new == failed)
		return "neither here nor there";
	return check_base(s);
}

static int act_unlink(struct sweep *s)
{
	(void)s;
	return unlink(other) ? -errno : 0;
}

static const char *check_unlink(struct sweep *s, int ret)
{
	bool there = !access(other, F_OK), failed = ret < 0;

	if (there != failed)
		return "the name says something else";
	return check_base(s);
}

/* --- files that become snapshots --- */

static const char *check_empty(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size || st.st_blocks)
		return "it failed, and the file is not empty";
	return NULL;
}

static const char *check_content(struct sweep *s, int fd)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size != (off_t)(s->sc->pages * PAGE))
		return "the file has another size";
	if (snapshot_check(fd, 0, s->sc->pages, s->area.view.model,
			   s->sc->name))
		return "the file has something else";
	return NULL;
}

static int act_clone(struct sweep *s)
{
	return fs_clone(s->out, s->base);
}

static int act_capture(struct sweep *s)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)s->area.view.addr, .len = s->area.len,
	};
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region, .flags = VMFORK_CAPTURE_INTO,
		.into_fd = s->out,
	};

	return ioctl(s->dev, VMFORK_CAPTURE, &cap) ? -errno : 0;
}

static int setup_capture(struct sweep *s)
{
	int ret = setup_empty(s);

	if (ret)
		return ret;
	/* Memory that has not been captured yet */
	area_free(&s->area);
	close_fd(&s->base);
	ret = area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);
	s->base = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return ret;
}

static const char *check_become(struct sweep *s, int ret)
{
	const char *wrong = ret < 0 ? check_empty(s->out) :
				      check_content(s, s->out);

	if (!wrong && view_check(&s->area.view, s->sc->name))
		wrong = "the memory has changed";
	return wrong;
}

static int act_map(struct sweep *s)
{
	int fd = open(other, O_RDONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	s->at = mmap(NULL, s->sc->pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE, fd, 0);
	if (s->at == MAP_FAILED) {
		ret = -errno;
		s->at = NULL;
	}
	close(fd);
	return ret;
}

static const char *check_map(struct sweep *s, int ret)
{
	size_t i;

	for (i = 0; ret >= 0 && i < s->sc->pages; i++)
		if (!page_is(s->at + i * PAGE, &s->area.view.model[i]))
			return "something else is mapped";
	return check_base(s);
}

/* --- what is written: each page is there, or the write was short --- */

static int setup_write(struct sweep *s)
{
	int ret = setup_empty(s);

	s->value = 0;
	memset(buf, 'w', sizeof(buf));
	return ret;
}

static int act_write(struct sweep *s)
{
	ssize_t n = pwrite(s->out, buf, s->sc->pages * PAGE, 0);

	s->value = n < 0 ? 0 : n;
	return n < 0 ? -errno : 0;
}

/* Reads back what the last writer has left; then it is a snapshot. */
static const char *check_written(struct sweep *s, size_t size)
{
	static char back[sizeof(buf)];
	struct stat st;
	const char *wrong = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	close_fd(&s->out);
	if (fd < 0 || fstat(fd, &st))
		return "the file is gone";
	if (st.st_size != (off_t)size)
		wrong = "the file has another size";
	else if (pread(fd, back, sizeof(back), 0) != (ssize_t)size)
		wrong = "the file can not be read";
	else if (memcmp(back, buf, size))
		wrong = "the file has something else";
	else if ((size_t)st.st_blocks < size / 4096 * 8 && s->sc->arg)
		wrong = "the file holds less";
	close(fd);
	return wrong;
}

static const char *check_write(struct sweep *s, int ret)
{
	if (ret >= 0 && !s->value)
		return "nothing was written, and no error";
	if (ret < 0)
		return check_empty(s->out);
	if (s->value % PAGE)
		return "an odd number of bytes was written";
	return check_written(s, s->value) ?: check_base(s);
}

static int setup_holes(struct sweep *s)
{
	int ret = setup_write(s);

	if (!ret && pwrite(s->out, buf, s->sc->pages * PAGE, 0) < 0)
		ret = -errno;
	return ret;
}

static int act_punch(struct sweep *s)
{
	return fallocate(s->out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 PAGE + 100, 20 * PAGE) ? -errno : 0;
}

static const char *check_punch(struct sweep *s, int ret)
{
	if (ret >= 0)
		memset(buf + PAGE + 100, 0, 20 * PAGE);
	return check_written(s, s->sc->pages * PAGE);
}

static int act_truncate(struct sweep *s)
{
	return ftruncate(s->out, 5 * PAGE + 5) ? -errno : 0;
}

static const char *check_truncate(struct sweep *s, int ret)
{
	return check_written(s, ret < 0 ? s->sc->pages * PAGE : 5 * PAGE + 5);
}

/* The last close has nothing that can fail. */
static int act_close(struct sweep *s)
{
	close_fd(&s->out);
	return 0;
}

static const char *check_close(struct sweep *s, int ret)
{
	(void)ret;
	return check_written(s, s->sc->pages * PAGE);
}

static int act_statfs(struct sweep *s)
{
	struct statfs sf;

	(void)s;
	return statfs(fs.dir, &sf) ? -errno : 0;
}

#pragma GCC diagnostic ignored "-Woverride-init"

#define FS_OP(name, ...) \
	SCENARIO(name, .setup = setup, .check = check_name, .undo = undo, \
		 .pages = 48, .least = 1, ##__VA_ARGS__)

FS_OP(mount, .setup = setup_mount, .act = act_mount, .check = check_mount,
	.undo = undo_mount, .least = 10);
FS_OP(remount, .setup = setup_remount, .act = act_remount,
	.check = check_remount, .undo = undo_mount);
FS_OP(create, .act = act_create, .least = 3);
FS_OP(mkdir, .act = act_mkdir, .least = 2);
FS_OP(symlink, .act = act_symlink, .least = 3);
FS_OP(tmpfile, .act = act_tmpfile, .check = check_plain, .least = 2);
FS_OP(link, .setup = setup_named, .act = act_link);
FS_OP(rename, .setup = setup_named, .act = act_rename, .check = check_rename);
FS_OP(unlink, .setup = setup_named, .act = act_unlink, .check = check_unlink);
FS_OP(clone, .setup = setup_empty, .act = act_clone, .check = check_become,
	.robust = true, .least = 0);
FS_OP(capture_into, .setup = setup_capture, .act = act_capture,
	.check = check_become, .least = 10);
FS_OP(capture_into_huge, .setup = setup_capture, .act = act_capture,
	.check = check_become, .kind = KIND_THP, .pages = 1024, .least = 10);
FS_OP(map, .setup = setup_named, .act = act_map, .check = check_map,
	.least = 3);
FS_OP(write, .setup = setup_write, .act = act_write, .check = check_write,
	.least = 48, .arg = 1);
FS_OP(punch, .setup = setup_holes, .act = act_punch, .check = check_punch,
	.robust = true, .least = 0);
FS_OP(truncate, .setup = setup_holes, .act = act_truncate,
	.check = check_truncate, .robust = true, .least = 0);
FS_OP(close, .setup = setup_holes, .act = act_close, .check = check_close,
	.robust = true, .least = 0, .arg = 1);
FS_OP(statfs, .act = act_statfs, .check = check_plain);

TEST_HARNESS_MAIN
