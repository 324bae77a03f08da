// SPDX-License-Identifier: GPL-2.0
/*
 * Watches, of inotify and fanotify, on what vmfork's inodes are: a watch is the
 * last who holds an inode when all else is gone, and it keeps neither a snapshot
 * nor a mount.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "balance.h"
#include "fs.h"
#include "snapshot_file.h"

#define ROUNDS	200	/* of a race */

#ifndef FAN_MARK_EVICTABLE	/* Linux 6.0; Debian 12's headers do not have it. */
#define FAN_MARK_EVICTABLE	0x200
#endif

static struct fs fs;

/* The debug kernel has neither. */
static bool has_none(void)
{
	return access("/proc/sys/fs/inotify", F_OK);
}

static void fd_path(char *path, size_t size, int fd)
{
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

static void map_path(char *path, size_t size, const char *p)
{
	snprintf(path, size, "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + SIZE);
}

/* What snapshots hold, by any mount's statfs(2) */
static int64_t used(void)
{
	struct statfs st;

	if (statfs(fs.mount, &st))
		return 0;
	return st.f_blocks - st.f_bfree;
}

/* Has a watch got an event of this kind by now? */
static bool got_event(int watch, uint32_t mask)
{
	static char buf[65536] __attribute__((aligned(8)));
	const struct inotify_event *event;
	ssize_t n = read(watch, buf, sizeof(buf)), at;

	for (at = 0; at < n; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)(buf + at);
		if (event->mask & mask)
			return true;
	}
	return false;
}

/*
 * A snapshot's inode without a name, one with, a mapping's, and a directory's
 * are watched, and go: the snapshot's memory goes at once.
 */
TEST_F(file, keeps_no_snapshot)
{
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), fan, fd, tries;
	char path[FS_PATH_MAX], proc[40], maps[80];
	int64_t before;
	void *p;

	if (has_none())
		SKIP(return, "no inotify");
	ASSERT_LE(0, watch);
	fan = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK,
			    O_RDONLY);
	ASSERT_LE(0, fan);
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	fd = fs_name(&fs, "base", self->fd);
	ASSERT_LE(0, fd);
	before = used();
	p = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	fd_path(proc, sizeof(proc), self->fd);
	map_path(maps, sizeof(maps), p);
	fs_path(&fs, "base", path);
	EXPECT_LE(0, inotify_add_watch(watch, proc, IN_ALL_EVENTS));
	EXPECT_LE(0, inotify_add_watch(watch, maps, IN_ALL_EVENTS));
	EXPECT_LE(0, inotify_add_watch(watch, path, IN_ALL_EVENTS));
	EXPECT_LE(0, inotify_add_watch(watch, fs.dir, IN_ALL_EVENTS));
	EXPECT_EQ(0, fanotify_mark(fan, FAN_MARK_ADD, FAN_CLOSE, AT_FDCWD,
				   proc));
	EXPECT_EQ(0, fanotify_mark(fan, FAN_MARK_ADD, FAN_CLOSE, AT_FDCWD,
				   path));
	close(fd);
	/* There is an event now that holds the file. */
	close(fan);
	munmap(p, SIZE);
	ASSERT_EQ(0, unlink(path));
	EXPECT_TRUE(got_event(watch, IN_DELETE_SELF));
	close(self->fd);
	area_free(&self->area);
	for (tries = 0; before - used() < (int64_t)PAGES && tries < 100;
	     tries++)
		usleep(20000);
	EXPECT_LE((int64_t)PAGES, before - used());
	close(watch);
	ASSERT_EQ(0, fs_unmount(&fs));
	self->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The file system goes with its last mount, and says so to who watches it. */
TEST(keeps_no_file_system)
{
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), fan;
	uint64_t since;

	if (has_none())
		SKIP(return, "no inotify");
	ASSERT_LE(0, watch);
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	fan = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK,
			    O_RDONLY);
	ASSERT_LE(0, fan);
	EXPECT_LE(0, inotify_add_watch(watch, fs.mount, IN_ALL_EVENTS));
	/* Of nothing that happens: an event would hold the mount. */
	EXPECT_EQ(0, fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_EVICTABLE,
				   FAN_CLOSE_WRITE, AT_FDCWD, fs.mount));
	EXPECT_EQ(0, fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
				   FAN_CLOSE_WRITE, AT_FDCWD, fs.mount));
	since = now_ns();
	ASSERT_EQ(0, fs_unmount(&fs));
	EXPECT_GT(test_seconds(5) * 1000000000ULL, now_ns() - since);
	EXPECT_TRUE(got_event(watch, IN_UNMOUNT));
	close(watch);
	close(fan);
}

/* --- who is the last: he who closes the file, or he who watches it? --- */

struct closer {
	pthread_barrier_t begin, end;
	int fd;
	void *map;
	bool stop;
};

static void *closer(void *arg)
{
	struct closer *c = arg;

	for (;;) {
		pthread_barrier_wait(&c->begin);
		if (c->stop)
			return NULL;
		if (c->map)
			munmap(c->map, SIZE);
		close(c->fd);
		pthread_barrier_wait(&c->end);
	}
}

static int watch_both(int watch, const struct closer *c)
{
	char path[80];
	int wd;

	fd_path(path, sizeof(path), c->fd);
	wd = inotify_add_watch(watch, path, IN_ALL_EVENTS);
	if (wd < 0 || !c->map)
		return wd;
	map_path(path, sizeof(path), c->map);
	return inotify_add_watch(watch, path, IN_ALL_EVENTS);
}

/* A file that has no name, or a capture's; mapped, or not */
static bool make_one(struct closer *c, const struct area *area, int from, int i)
{
	if (i & 1)
		c->fd = open(fs.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	else
		c->fd = capture_range(-1, area->view.addr, LEN, OFFSET, NULL);
	if (c->fd < 0 || (i & 1 && fs_clone(c->fd, from)))
		return false;
	c->map = i & 2 ? mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, c->fd, 0) :
			 NULL;
	return c->map != MAP_FAILED;
}

static bool race(const struct area *area, int from, int rounds)
{
	static uint64_t state = 1;
	struct closer c = { 0 };
	pthread_t thread;
	int i, watch, wd;

	pthread_barrier_init(&c.begin, NULL, 2);
	pthread_barrier_init(&c.end, NULL, 2);
	if (pthread_create(&thread, NULL, closer, &c))
		return false;
	for (i = 0; i < rounds; i++) {
		watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (watch < 0 || !make_one(&c, area, from, i))
			return false;
		wd = watch_both(watch, &c);
		if (wd < 0)
			return false;
		pthread_barrier_wait(&c.begin);
		if (rnd(&state) % 2)
			usleep(rnd(&state) % 100);
		/* It may be gone by now. */
		if (i & 4)
			inotify_rm_watch(watch, wd);
		close(watch);
		pthread_barrier_wait(&c.end);
	}
	c.stop = true;
	pthread_barrier_wait(&c.begin);
	return !pthread_join(thread, NULL);
}

TEST_F(file, last_of_all)
{
	struct balance was;

	if (has_none())
		SKIP(return, "no inotify");
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	/* From here on the memory is the last capture's. */
	ASSERT_TRUE(race(&self->area, self->fd, 8));
	EXPECT_EQ(0, file_check(self));
	was = balance();
	ASSERT_TRUE(race(&self->area, self->fd, ROUNDS));
	EXPECT_EQ(0, file_check(self));
	EXPECT_TRUE(balanced_soon(&was));
	ASSERT_EQ(0, fs_unmount(&fs));
}

TEST_HARNESS_MAIN
