// SPDX-License-Identifier: GPL-2.0
/*
 * Names that come and go while they are used: processes that give names to
 * snapshots in each way, take them away, link, rename, exchange, mount and
 * unmount, while others open, read, map, write to their mappings and capture
 * what they find under a name.  Whatever they find is one of a few snapshots as
 * a whole, or not there, or not yet; nothing else.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#include "balance.h"
#include "fs.h"
#include "kselftest_harness.h"
#include "lib.h"
#include "pages.h"

#define SLOTS	6	/* names */
#define KINDS	4	/* snapshots */
#define PAGES	24
#define LEN	(PAGES * PAGE)

static struct fs fs;
static int snapshot[KINDS];
static uint64_t state;
static bool killing;

/* Every page of snapshot k is filled with this. */
static uint64_t fill_of(unsigned int k, size_t page)
{
	return 1 + k + KINDS * (page + 1);
}

static unsigned int draw(unsigned int n)
{
	return rnd(&state) % n;
}

static const char *slot(char *path)
{
	char name[8];

	snprintf(name, sizeof(name), "s%u", draw(SLOTS));
	return fs_path(&fs, name, path);
}

/* An errno that a race may lead to; note any other. */
static bool allowed(const char *what, const int *errnos)
{
	for (; *errnos; errnos++)
		if (errno == *errnos)
			return true;
	note("%s: %s", what, strerror(errno));
	return false;
}

#define MAY(call, ...) \
	((call) >= 0 || allowed(#call, (const int[]){ __VA_ARGS__, 0 }))

/* --- actors: each does one thing, and returns false if that is not right --- */

static void *fill_memory(unsigned int k)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	for (i = 0; p != MAP_FAILED && i < PAGES; i++)
		page_fill(p + i * PAGE, fill_of(k, i));
	return p == MAP_FAILED ? NULL : p;
}

static bool write_content(int fd, unsigned int k)
{
	char *p = fill_memory(k);
	bool good = p;
	size_t i;

	/* In no order; another writer of the same file has the same to say. */
	for (i = 0; good && i < PAGES; i++) {
		size_t at = (i * 7) % PAGES;

		good = pwrite(fd, p + at * PAGE, PAGE, at * PAGE) ==
		       (ssize_t)PAGE;
	}
	if (p)
		munmap(p, LEN);
	return good;
}

static bool capture_content(int fd, unsigned int k)
{
	char *p = fill_memory(k);
	int ret = p ? fs_capture(fd, p, LEN, 0, NULL) : -ENOMEM;

	if (p)
		munmap(p, LEN);
	if (ret)
		note("a capture into a file: %s", strerror(-ret));
	return !ret;
}

/* A new file becomes a snapshot, in one way or another, and gets its name. */
static bool act_name(void)
{
	char path[FS_PATH_MAX], new[FS_PATH_MAX], name[24];
	/* A writer that is killed leaves what he has written by then. */
	unsigned int k = draw(KINDS), how = killing ? 1 + draw(3) : draw(4);
	bool good;
	int fd;

	snprintf(name, sizeof(name), "new.%d", getpid());
	fs_path(&fs, name, new);
	fd = open(new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return MAY(fd, 0);
	/* Some can be seen at work. */
	if (draw(2) && !MAY(rename(new, slot(path)), 0)) {
		close(fd);
		return false;
	}
	if (how == 0)
		good = write_content(fd, k);
	else if (how == 1)
		good = capture_content(fd, k);
	else
		good = MAY(ioctl(fd, FICLONE, snapshot[k]), 0);
	close(fd);
	return good && MAY(rename(new, slot(path)), ENOENT);
}

static bool act_remove(void)
{
	char path[FS_PATH_MAX];

	return MAY(unlink(slot(path)), ENOENT);
}

static bool act_link(void)
{
	char from[FS_PATH_MAX], to[FS_PATH_MAX];

	slot(from);
	slot(to);
	switch (draw(4)) {
	case 0:
		return MAY(link(from, to), ENOENT, EEXIST);
	case 1:
		return MAY(rename(from, to), ENOENT);
	case 2:
		return MAY(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
				   RENAME_NOREPLACE), ENOENT, EEXIST);
	default:
		return MAY(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
				   RENAME_EXCHANGE), ENOENT);
	}
}

/* A directory of one's own, into which names go, and come back */
static bool act_directory(void)
{
	char dir[FS_PATH_MAX], in[FS_PATH_MAX + 4], path[FS_PATH_MAX], name[24];
	bool good;

	snprintf(name, sizeof(name), "dir.%d", getpid());
	fs_path(&fs, name, dir);
	snprintf(in, sizeof(in), "%s/in", dir);
	good = MAY(mkdir(dir, 0700), 0) &&
	       MAY(rename(slot(path), in), ENOENT);
	if (good && !access(in, F_OK)) {
		good = MAY(rmdir(dir), ENOTEMPTY) &&
		       MAY(rename(in, slot(path)), 0);
		/* Between two links of one file it does nothing. */
		unlink(in);
	}
	return good && MAY(rmdir(dir), 0);
}

static bool act_list(void)
{
	DIR *dir = opendir(fs.dir);
	struct dirent *entry;
	struct statfs sf;
	struct stat st;
	bool good = dir;

	while (good && (entry = readdir(dir))) {
		good = MAY(fstatat(dirfd(dir), entry->d_name, &st, 0), ENOENT);
		if (good && S_ISREG(st.st_mode) && st.st_size > (off_t)LEN) {
			note("%s has %ld bytes", entry->d_name,
			     (long)st.st_size);
			good = false;
		}
	}
	if (dir)
		closedir(dir);
	return good && MAY(statfs(fs.dir, &sf), 0);
}

/* Whose content is it?  All of it must be one's. */
static bool check_pages(const char *p, const char *what)
{
	struct stamp stamp;
	unsigned int k;
	size_t i;

	for (k = 0; k < KINDS; k++) {
		stamp = (struct stamp){ .fill = fill_of(k, 0) };
		if (page_is(p, &stamp))
			break;
	}
	for (i = 0; k < KINDS && i < PAGES; i++) {
		stamp = (struct stamp){ .fill = fill_of(k, i) };
		if (!page_is(p + i * PAGE, &stamp))
			break;
	}
	if (i == PAGES && k < KINDS)
		return true;
	note("%s: page %zu is not snapshot %u's", what, i, k);
	return false;
}

static bool check_mapping(int fd)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	unsigned int k = draw(KINDS);
	bool good;
	size_t i;
	int own;

	if (p == MAP_FAILED)
		return MAY(-1, EBUSY);
	good = check_pages(p, "a mapping");
	/* It is one's own from here on, and another can be made of it. */
	for (i = 0; good && i < PAGES; i++)
		page_fill(p + i * PAGE, fill_of(k, i));
	if (good && !draw(2)) {
		own = open(fs.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		good = MAY(own, 0) && !fs_capture(own, p, LEN, 0, NULL);
		if (own >= 0)
			close(own);
	}
	good = good && check_pages(p, "a mapping, written");
	munmap(p, LEN);
	return good;
}

static bool act_read(void)
{
	static char buf[LEN] __attribute__((aligned(8)));
	char path[FS_PATH_MAX];
	bool good = true;
	ssize_t n;
	int fd;

	fd = open(slot(path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return MAY(fd, ENOENT);
	n = pread(fd, buf, LEN, 0);
	if (n < 0) {
		good = MAY(n, EBUSY);
	} else if (n) {
		good = n == (ssize_t)LEN && check_pages(buf, "a file") &&
		       check_mapping(fd);
	}
	close(fd);
	return good;
}

/* Whoever tries to change one does not. */
static bool act_spoil(void)
{
	char path[FS_PATH_MAX];
	struct stat st;
	bool good;
	int fd;

	fd = open(slot(path), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return MAY(fd, ENOENT);
	/* One that is being made is not the victim here. */
	good = MAY(fstat(fd, &st), 0);
	if (good && pread(fd, &st, 1, 0) == 1) {
		good = pwrite(fd, "x", 1, draw(LEN)) < 0 && errno == EPERM &&
		       ftruncate(fd, draw(LEN)) < 0 && errno == EPERM &&
		       ioctl(fd, FICLONE, snapshot[0]) < 0 && errno == EPERM;
		if (!good)
			note("a snapshot could be changed: %s",
			     strerror(errno));
	}
	close(fd);
	return good;
}

static bool act_mount(void)
{
	char where[FS_PATH_MAX];
	bool good;

	snprintf(where, sizeof(where), "/tmp/vmforkfs.race.%d", getpid());
	good = MAY(mkdir(where, 0700), EEXIST) &&
	       MAY(mount("none", where, "vmforkfs", 0, "mode=755"), 0) &&
	       MAY(umount2(where, draw(2) ? MNT_DETACH : 0), EBUSY);
	umount2(where, MNT_DETACH);
	rmdir(where);
	return good;
}

static bool (* const actors[])(void) = {
	act_name, act_name, act_read, act_read, act_remove, act_link,
	act_directory, act_list, act_spoil, act_mount,
};

static int run_actor(unsigned int nr, const volatile int *stop)
{
	unsigned long times = 0;

	state = test_seed() + nr * 7919;
	while (!*stop) {
		if (!actors[nr]())
			return 1;
		times++;
	}
	note("actor %u: %lu times", nr, times);
	return times ? 0 : 2;
}

static int make_snapshots(void)
{
	unsigned int k;
	char *p;

	for (k = 0; k < KINDS; k++) {
		p = fill_memory(k);
		if (!p)
			return -ENOMEM;
		snapshot[k] = capture_range(-1, p, LEN, 0, NULL);
		munmap(p, LEN);
		if (snapshot[k] < 0)
			return snapshot[k];
	}
	return 0;
}

static void race(struct __test_metadata *_metadata)
{
	int *stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[ARRAY_SIZE(actors)];
	unsigned int i;
	int status;

	ASSERT_NE(MAP_FAILED, stop);
	for (i = 0; i < ARRAY_SIZE(actors); i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(run_actor(i, stop));
	}
	sleep(test_seconds(15));
	*stop = 1;
	for (i = 0; i < ARRAY_SIZE(actors); i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status) TH_LOG("actor %u", i);
	}
	munmap(stop, PAGE);
}

/* The same, and somebody is killed all the while: nothing is left of him. */
static void race_and_kill(struct __test_metadata *_metadata)
{
	uint64_t end = now_ns() + test_seconds(10) * 1000000000ULL, kills = 0;
	pid_t pid[ARRAY_SIZE(actors)];
	int never = 0, status;
	unsigned int i;

	memset(pid, 0, sizeof(pid));
	killing = true;
	while (now_ns() < end) {
		i = draw(ARRAY_SIZE(actors));
		if (pid[i]) {
			kill(pid[i], SIGKILL);
			ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
			EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("actor %u", i);
			kills++;
		}
		pid[i] = fork();
		if (!pid[i]) {
			state = now_ns();
			/* What he has left under his name may be in the way. */
			_exit(run_actor(i, &never));
		}
		usleep(1000 + draw(30000));
	}
	for (i = 0; i < ARRAY_SIZE(actors); i++) {
		if (!pid[i])
			continue;
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
	}
	note("%llu kills", (unsigned long long)kills);
	EXPECT_LT(10, kills);
}

static void with_names(struct __test_metadata *_metadata,
		       void (*what)(struct __test_metadata *))
{
	struct balance was;
	unsigned int k;

	state = test_seed();
	was = balance();
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	ASSERT_EQ(0, make_snapshots());
	what(_metadata);
	for (k = 0; k < KINDS; k++)
		close(snapshot[k]);
	EXPECT_EQ(0, system("umount -l /tmp/vmforkfs.race.* 2>/dev/null; "
			    "rmdir /tmp/vmforkfs.race.* 2>/dev/null; true"));
	ASSERT_EQ(0, fs_unmount(&fs));
	EXPECT_TRUE(balanced_soon(&was));
}

TEST(names_come_and_go)
{
	with_names(_metadata, race);
}

TEST(so_do_processes)
{
	with_names(_metadata, race_and_kill);
}

TEST_HARNESS_MAIN
