// SPDX-License-Identifier: GPL-2.0
/*
 * Rights to what is on vmforkfs: those of its files, for several users.
 *
 * Users are peers with another user ID and no capabilities.
 */
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs.h"
#include "snapshot_file.h"

#define ALICE	1000
#define BOB	1001
#define CREW	500	/* a group that both can be in */

#define MAX_BYTES "/sys/module/vmfork/parameters/max_bytes"

struct user { uid_t uid; gid_t gid, group; };

static long do_become(int fd, const void *arg)
{
	const struct user *user = arg;

	(void)fd;
	if (setgroups(1, &user->group) ||
	    setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return -errno;
	return 0;
}

/* What a user is asked to do; with a descriptor, if one goes with it. */
struct request {
	char path[FS_PATH_MAX];
	char to[FS_PATH_MAX];
	long number;
};

static long do_open(int fd, const void *arg)
{
	const struct request *r = arg;

	(void)fd;
	fd = open(r->path, r->number | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Opens it and maps it, as a VMM that is given a path. */
static long do_map(int fd, const void *arg)
{
	const struct request *r = arg;
	volatile char *p;
	long ret;

	fd = open(r->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ret = p == MAP_FAILED ? -errno : 0;
	if (!ret) {
		p[OFFSET] = p[OFFSET] + 1;
		munmap((void *)p, SIZE);
	}
	close(fd);
	return ret;
}

/* A file that may be written, and not be read, is not mapped. */
static long do_map_write_only(int fd, const void *arg)
{
	const struct request *r = arg;
	void *p;

	fd = open(r->path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -errno;
	munmap(p, PAGE);
	return 0;
}

/* FICLONE from @path, or the descriptor, to @to */
static long do_clone(int fd, const void *arg)
{
	const struct request *r = arg;
	int from = r->path[0] ? open(r->path, O_RDONLY | O_CLOEXEC) : fd, to;
	long ret;

	if (from < 0)
		return -errno;
	to = open(r->to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ret = to < 0 ? -errno : fs_clone(to, from);
	if (to >= 0)
		close(to);
	if (from != fd)
		close(from);
	return ret;
}

/* A page is written to a new file */
static long do_write(int fd, const void *arg)
{
	const struct request *r = arg;
	static char page[PAGE] = "written";
	long i, ret = 0;

	fd = open(r->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (i = 0; i < r->number && !ret; i++)
		if (write(fd, page, PAGE) != (ssize_t)PAGE)
			ret = -errno;
	close(fd);
	return ret;
}

static long do_chmod(int fd, const void *arg)
{
	const struct request *r = arg;

	(void)fd;
	return chmod(r->path, r->number) ? -errno : 0;
}

static long do_chown(int fd, const void *arg)
{
	const struct request *r = arg;

	(void)fd;
	return chown(r->path, r->number, -1) ? -errno : 0;
}

static long do_unlink(int fd, const void *arg)
{
	const struct request *r = arg;

	(void)fd;
	return unlink(r->path) ? -errno : 0;
}

static long do_rename(int fd, const void *arg)
{
	const struct request *r = arg;

	(void)fd;
	return rename(r->path, r->to) ? -errno : 0;
}

/* Captures memory of its own by a device descriptor, into a new file. */
static long do_capture(int fd, const void *arg)
{
	const struct request *r = arg;
	struct vmfork_region region = { .len = MIB };
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region, .flags = VMFORK_CAPTURE_INTO,
	};
	char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long ret;

	if (p == MAP_FAILED)
		return -errno;
	p[0] = 1;
	region.addr = (uintptr_t)p;
	cap.into_fd = open(r->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (cap.into_fd < 0)
		return -errno;
	ret = ioctl(fd, VMFORK_CAPTURE, &cap) ? -errno : 0;
	close(cap.into_fd);
	munmap(p, MIB);
	return ret;
}

static struct fs fs;
static struct peer *alice, *bob;

static long ask(struct peer *who, peer_fn fn, const char *name, long number)
{
	struct request r = { .number = number };

	fs_path(&fs, name, r.path);
	return peer_call(who, fn, -1, &r, sizeof(r));
}

static long ask_two(struct peer *who, peer_fn fn, const char *name,
		    const char *to, int fd)
{
	struct request r = { 0 };

	if (name)
		fs_path(&fs, name, r.path);
	fs_path(&fs, to, r.to);
	return peer_call(who, fn, fd, &r, sizeof(r));
}

static struct peer *start_user(uid_t uid)
{
	struct user user = { uid, uid, CREW };
	struct peer *peer = peer_start();

	if (peer && peer_call(peer, do_become, -1, &user, sizeof(user))) {
		peer_kill(peer);
		return NULL;
	}
	return peer;
}

#define begin(mode) start(_metadata, mode)

/* A directory of Alice's */
static void start(struct __test_metadata *_metadata, mode_t mode)
{
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	ASSERT_EQ(0, chown(fs.dir, ALICE, CREW));
	ASSERT_EQ(0, chmod(fs.dir, mode));
	alice = start_user(ALICE);
	bob = start_user(BOB);
	ASSERT_NE(NULL, alice);
	ASSERT_NE(NULL, bob);
}

#define end() stop(_metadata)

static void stop(struct __test_metadata *_metadata)
{
	peer_kill(alice);
	peer_kill(bob);
	ASSERT_EQ(0, fs_unmount(&fs));
}

static struct stat stat_of(const char *name)
{
	char path[FS_PATH_MAX];
	struct stat st = { 0 };

	stat(fs_path(&fs, name, path), &st);
	return st;
}

/* Who makes a file owns it, whatever he makes it of. */
TEST_F(file, whose_it_is)
{
	struct request r = { 0 };
	int dev = device();
	struct stat st;

	begin(0755);
	EXPECT_EQ(0, ask_two(alice, do_clone, NULL, "clone", self->fd));
	st = stat_of("clone");
	EXPECT_EQ(ALICE, st.st_uid);
	EXPECT_EQ(ALICE, st.st_gid);
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, ask(alice, do_write, "written", 3));
	st = stat_of("written");
	EXPECT_EQ(ALICE, st.st_uid);
	fs_path(&fs, "captured", r.path);
	EXPECT_EQ(0, peer_call(alice, do_capture, dev, &r, sizeof(r)));
	fs_path(&fs, "not", r.path);
	EXPECT_EQ(-EACCES, peer_call(bob, do_capture, dev, &r,
				     sizeof(r)));
	/* Not into one of another's, either. */
	fs_path(&fs, "captured", r.path);
	EXPECT_EQ(-EACCES, peer_call(bob, do_capture, dev, &r,
				     sizeof(r)));
	st = stat_of("captured");
	EXPECT_EQ(ALICE, st.st_uid);
	EXPECT_EQ(MIB, (size_t)st.st_size);
	EXPECT_EQ(8, st.st_blocks);
	close(dev);
	end();
}

/* A directory gives its group where it is set-group-ID. */
TEST_F(file, group_of_a_directory)
{
	begin(02775);
	EXPECT_EQ(0, ask_two(bob, do_clone, NULL, "clone", self->fd));
	EXPECT_EQ(BOB, stat_of("clone").st_uid);
	EXPECT_EQ(CREW, stat_of("clone").st_gid);
	end();
}

TEST_F(file, who_may_read)
{
	begin(0755);
	EXPECT_EQ(0, ask_two(alice, do_clone, NULL, "base", self->fd));
	EXPECT_EQ(0, ask(alice, do_map, "base", 0));
	EXPECT_EQ(-EACCES, ask(bob, do_open, "base", O_RDONLY));
	EXPECT_EQ(-EACCES, ask(bob, do_map, "base", 0));
	EXPECT_EQ(-EACCES, ask_two(bob, do_clone, "base", "mine", -1));
	/* By mode ... */
	EXPECT_EQ(-EPERM, ask(bob, do_chmod, "base", 0644));
	EXPECT_EQ(0, ask(alice, do_chmod, "base", 0604));
	EXPECT_EQ(0, ask(bob, do_map, "base", 0));
	EXPECT_EQ(-EACCES, ask(bob, do_open, "base", O_RDWR));
	EXPECT_EQ(0, ask(alice, do_chmod, "base", 0602));
	EXPECT_EQ(-EACCES, ask(bob, do_map, "base", 0));
	EXPECT_EQ(-EACCES, ask(bob, do_map_write_only, "base", 0));
	/* ... by owner ... */
	EXPECT_EQ(0, ask(alice, do_chmod, "base", 0600));
	EXPECT_EQ(-EPERM, ask(alice, do_chown, "base", BOB));
	EXPECT_EQ(-EPERM, ask(bob, do_chown, "base", BOB));
	EXPECT_EQ(0, ask(NULL, do_chown, "base", BOB));
	EXPECT_EQ(0, ask(bob, do_map, "base", 0));
	EXPECT_EQ(-EACCES, ask(alice, do_map, "base", 0));
	/* ... and by directory. */
	EXPECT_EQ(0, ask(NULL, do_chmod, ".", 0700));
	EXPECT_EQ(-EACCES, ask(bob, do_map, "base", 0));
	end();
}

TEST_F(file, who_may_name)
{
	begin(0755);
	EXPECT_EQ(0, ask_two(alice, do_clone, NULL, "base", self->fd));
	EXPECT_EQ(-EACCES, ask(bob, do_write, "mine", 1));
	EXPECT_EQ(-EACCES, ask(bob, do_unlink, "base", 0));
	EXPECT_EQ(-EACCES, ask_two(bob, do_rename, "base", "other", -1));
	/* As in /tmp */
	EXPECT_EQ(0, ask(NULL, do_chmod, ".", 01777));
	EXPECT_EQ(0, ask(bob, do_write, "mine", 1));
	EXPECT_EQ(-EPERM, ask(bob, do_unlink, "base", 0));
	EXPECT_EQ(-EPERM, ask_two(bob, do_rename, "base", "other", -1));
	EXPECT_EQ(-EPERM, ask_two(bob, do_rename, "mine", "base", -1));
	EXPECT_EQ(0, ask(bob, do_unlink, "mine", 0));
	EXPECT_EQ(0, ask(alice, do_unlink, "base", 0));
	end();
}

/* Its descriptor is a stranger's, whatever the name's mode is. */
TEST_F(file, names_do_not_open_the_unnamed)
{
	struct request r = { .number = O_RDONLY };
	int fd;

	begin(0777);
	fd = fs_name(&fs, "base", self->fd);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fchmod(fd, 0666));
	EXPECT_EQ(0, ask(bob, do_map, "base", 0));
	snprintf(r.path, sizeof(r.path), "/proc/%d/fd/%d", getpid(), self->fd);
	EXPECT_EQ(-EACCES, peer_call(bob, do_open, -1, &r, sizeof(r)));
	close(fd);
	end();
}

/* What is written counts for who writes it, as what is captured does. */
TEST_F(file, quota_of_what_is_written)
{
	char text[32];

	begin(0777);
	snprintf(text, sizeof(text), "%lu", 8 * PAGE);
	ASSERT_EQ(0, write_file(MAX_BYTES, text));
	EXPECT_EQ(0, ask(alice, do_write, "five", 5));
	EXPECT_EQ(-EDQUOT, ask(alice, do_write, "four", 4));
	/* What there was place for is there, and counts. */
	EXPECT_EQ(3 * PAGE, (size_t)stat_of("four").st_size);
	EXPECT_EQ(-EDQUOT, ask(alice, do_write, "more", 1));
	EXPECT_EQ(0, ask(bob, do_write, "eight", 8));
	EXPECT_EQ(-EDQUOT, ask(bob, do_write, "bob", 1));
	/* A name costs nothing. */
	EXPECT_EQ(0, ask_two(alice, do_clone, "five", "clone", -1));
	EXPECT_EQ(0, ask(alice, do_unlink, "five", 0));
	EXPECT_EQ(-EDQUOT, ask(alice, do_write, "again", 1));
	EXPECT_EQ(0, ask(alice, do_unlink, "clone", 0));
	EXPECT_EQ(0, ask(alice, do_write, "last", 5));
	EXPECT_EQ(-EDQUOT, ask(alice, do_write, "more", 1));
	ASSERT_EQ(0, write_file(MAX_BYTES, "0"));
	end();
}

TEST_HARNESS_MAIN
