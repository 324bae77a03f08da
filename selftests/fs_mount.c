// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts of vmforkfs: their options, and what stays, and is busy, when one goes.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs.h"
#include "snapshot_file.h"

static struct fs fs;
static struct stat st;

static int unload(void)
{
	return syscall(SYS_delete_module, "vmfork", O_NONBLOCK) ? -errno : 0;
}

#define root_is(where, mode, uid, gid) \
	check_root(_metadata, where, mode, uid, gid)

static void check_root(struct __test_metadata *_metadata, const char *where,
		       mode_t mode, uid_t uid, gid_t gid)
{
	ASSERT_EQ(0, stat(where, &st));
	EXPECT_TRUE(S_ISDIR(st.st_mode));
	EXPECT_EQ(mode, st.st_mode & 07777);
	EXPECT_EQ(uid, st.st_uid);
	EXPECT_EQ(gid, st.st_gid);
}

/* Is there a line of this mount with all of these words? */
static bool shown(const char *where, const char *a, const char *b,
		  const char *c)
{
	static char mounts[65536];
	char *line, *end;

	if (read_file("/proc/self/mounts", mounts, sizeof(mounts)) < 0)
		return false;
	line = strstr(mounts, where);
	if (!line)
		return false;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	return strstr(line, a) && strstr(line, b) && strstr(line, c);
}

TEST(options)
{
	struct fs other;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	root_is(fs.mount, 0755, 0, 0);
	ASSERT_EQ(0, fs_unmount(&fs));

	ASSERT_EQ(0, fs_mount(&fs, "mode=1770,uid=12,gid=34"));
	root_is(fs.mount, 01770, 12, 34);
	EXPECT_TRUE(shown(fs.mount, "mode=1770", "uid=12", "gid=34"));
	/* A later mount is of the same: what it says is said of both. */
	ASSERT_EQ(0, fs_mount(&other, "gid=35"));
	root_is(fs.mount, 01770, 12, 35);
	root_is(other.mount, 01770, 12, 35);
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", MS_REMOUNT,
			   "mode=700"));
	root_is(other.mount, 0700, 12, 35);
	ASSERT_EQ(0, fs_unmount(&other));
	root_is(fs.mount, 0700, 12, 35);
	/* The names that there are keep all of it, the directory as well. */
	ASSERT_EQ(0, umount(fs.mount));
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", 0, NULL));
	root_is(fs.mount, 0700, 12, 35);
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", MS_REMOUNT,
			   "mode=755,uid=0,gid=0"));
	ASSERT_EQ(0, fs_unmount(&fs));
}

TEST(bad_options)
{
	static const char * const bad[] = {
		"mode=17777", "mode=8", "mode=", "mode", "uid=-2", "uid=x",
		"gid=4294967295", "uid=4294967295", "size=5", "nonsense",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, fs_mount(&fs, bad[i]))
			TH_LOG("%zu", i);
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	EXPECT_EQ(-1, mount("none", fs.mount, "vmforkfs", MS_REMOUNT,
			    "mode=10000"));
	EXPECT_EQ(EINVAL, errno);
	root_is(fs.mount, 0755, 0, 0);
	ASSERT_EQ(0, fs_unmount(&fs));
}

/* The device was there first; it says nothing of the root. */
TEST(after_the_device)
{
	int dev = device();

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, fs_mount(&fs, "mode=777"));
	root_is(fs.mount, 0777, 0, 0);
	ASSERT_EQ(0, fs_unmount(&fs));
	/* Only the root's last option is left of it. */
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	root_is(fs.mount, 0777, 0, 0);
	ASSERT_EQ(0, fs_unmount(&fs));
	close(dev);
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	root_is(fs.mount, 0755, 0, 0);
	ASSERT_EQ(0, fs_unmount(&fs));
}

/* It is the mount that is read-only, not what others mount. */
TEST_F(file, read_only)
{
	char path[FS_PATH_MAX];
	struct fs other;
	int fd;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	fd = fs_name(&fs, "base", self->fd);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", MS_REMOUNT | MS_RDONLY,
			   NULL));
	EXPECT_EQ(-EROFS, fs_create(&fs, "other"));
	EXPECT_EQ(-EROFS, fs_open(&fs, "base", O_RDWR));
	EXPECT_EQ(-1, chmod(fs_path(&fs, "base", path), 0644));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(-1, unlink(path));
	EXPECT_EQ(EROFS, errno);
	fd = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "it"));
	close(fd);
	ASSERT_EQ(0, fs_mount(&other, NULL));
	fd = fs_create(&other, "other");
	EXPECT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, fs_unmount(&other));
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", MS_REMOUNT, NULL));
	EXPECT_EQ(0, chmod(path, 0644));
	ASSERT_EQ(0, fs_unmount(&fs));
}

TEST(read_only_from_the_beginning)
{
	char path[FS_PATH_MAX];

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	ASSERT_EQ(0, rmdir(fs.dir));
	ASSERT_EQ(0, umount(fs.mount));
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", MS_RDONLY, NULL));
	EXPECT_EQ(-1, mkdir(fs.dir, 0755));
	EXPECT_EQ(EROFS, errno);
	snprintf(path, sizeof(path), "/tmp/vmforkfs.rw.%d", getpid());
	ASSERT_EQ(0, mkdir(path, 0700));
	ASSERT_EQ(0, mount("none", path, "vmforkfs", 0, NULL));
	EXPECT_EQ(0, mkdir(strcat(path, "/dir"), 0755));
	EXPECT_EQ(0, rmdir(path));
	*strrchr(path, '/') = '\0';
	ASSERT_EQ(0, umount(path));
	ASSERT_EQ(0, rmdir(path));
	ASSERT_EQ(0, umount(fs.mount));
	ASSERT_EQ(0, rmdir(fs.mount));
}

/* What is busy, and what is not */

TEST_F(file, names_outlive_mounts)
{
	struct fs other;
	char path[FS_PATH_MAX];
	uint64_t id;
	int fd;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	fd = fs_name(&fs, "base", self->fd);
	ASSERT_LE(0, fd);
	id = fs_id(fd);
	ASSERT_EQ(0, mkdir(fs_path(&fs, "empty", path), 0700));
	close(fd);
	close(self->fd);
	area_free(&self->area);
	ASSERT_EQ(0, umount(fs.mount));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	/* Mounted twice now, at the same place and at another. */
	ASSERT_EQ(0, fs_mount(&other, NULL));
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", 0, NULL));
	ASSERT_EQ(0, stat(path, &st));
	fd = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(id, fs_id(fd));
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "it"));
	self->fd = fd;
	ASSERT_EQ(0, fs_unmount(&other));
	close(fd);
	self->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, fs_unmount(&fs));
}

#define is_busy() check_busy(_metadata)

static void check_busy(struct __test_metadata *_metadata)
{
	EXPECT_EQ(-1, umount(fs.mount));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-EWOULDBLOCK, unload());
}

static int free_again(void)
{
	int ret = umount(fs.mount);

	return ret ? -errno : mount("none", fs.mount, "vmforkfs", 0, NULL);
}

TEST_F(file, busy)
{
	int fd, i;
	char *p;
	pid_t pid;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	EXPECT_EQ(0, free_again());
	/* An open file */
	fd = fs_name(&fs, "base", self->fd);
	ASSERT_LE(0, fd);
	is_busy();
	/* A mapping that was made by it, also where it was split and forked */
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	close(fd);
	is_busy();
	ASSERT_EQ(0, munmap(p, PAGE));
	ASSERT_EQ(0, mprotect(p + 10 * PAGE, PAGE, PROT_READ));
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	ASSERT_EQ(0, munmap(p, SIZE));
	is_busy();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < 50 && free_again() == -EBUSY; i++)
		usleep(20000);
	EXPECT_NE(50, i);
	/* A mapping of the same snapshot by its capture's descriptor is not. */
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, free_again());
	munmap(p, SIZE);
	/* Nor is one that has become another snapshot's since. */
	fd = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, fd);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	close(fd);
	is_busy();
	p[OFFSET] = 1;
	fd = capture_range(-1, p, SIZE, 0, NULL);
	ASSERT_LE(0, fd);
	for (i = 0; i < 50 && free_again() == -EBUSY; i++)
		usleep(20000);
	EXPECT_NE(50, i);
	munmap(p, SIZE);
	close(fd);
	/* Captured into a file: the memory is a mapping of none. */
	fd = fs_create(&fs, "into");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fs_capture(fd, self->area.view.addr, LEN, OFFSET, NULL));
	is_busy();
	close(fd);
	EXPECT_EQ(0, free_again());
	ASSERT_EQ(0, fs_unmount(&fs));
}

/* Lazily: the users go on, and nothing is lost. */
TEST_F(file, lazy_umount)
{
	int fd;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	fd = fs_name(&fs, "base", self->fd);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, umount2(fs.mount, MNT_DETACH));
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "it"));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close(fd);
	ASSERT_EQ(0, mount("none", fs.mount, "vmforkfs", 0, NULL));
	fd = fs_open(&fs, "base", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "it"));
	close(fd);
	ASSERT_EQ(0, fs_unmount(&fs));
}

/* A mapping that is mapped again when the file system of its file is gone. */
TEST_F(file, mapped_again_by_map_files)
{
	char path[80];
	char *p, *q;
	int fd;

	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	close(self->fd);
	area_free(&self->area);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)p, (unsigned long)p + SIZE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "it"));
	q = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, q);
	close(fd);
	munmap(p, SIZE);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)q, (unsigned long)q + SIZE);
	q[0] = 1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	munmap(q, SIZE);
	EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model, "it"));
	/* It is none of vmforkfs, so it has no name to give. */
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	EXPECT_EQ(-EXDEV, fs_name(&fs, "base", fd));
	ASSERT_EQ(0, fs_unmount(&fs));
	self->fd = fd;
}

/* Not for who is root in a container only */
TEST(not_in_a_user_namespace)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(4);
		if (!mount("none", "/tmp", "vmforkfs", 0, NULL))
			_exit(1);
		_exit(errno == EPERM ? 0 : 2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 4)
		SKIP(return, "no user namespaces");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
