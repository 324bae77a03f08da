// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink: nobody is told of what is another user's; namespaces change nothing
 * but how things are numbered.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "fs.h"
#include "kselftest_harness.h"
#include "nl.h"
#include "peer.h"

#define USER	1000
#define OTHER	1001
#define PAGES	4

FIXTURE(rights) {
	struct nl nl;
	struct peer *user, *other;
	int fd;
	uint64_t id;
};

struct who {
	uid_t uid;
	bool no_dump;
};

/* In a peer: becomes somebody, and captures memory of its own. */
static long do_become(int dev, const void *arg)
{
	const struct who *who = arg;
	struct vmfork_region region = { .len = PAGES * PAGE };
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region,
	};
	char *memory;
	int fd;

	if (setgroups(0, NULL) || setresgid(who->uid, who->uid, who->uid) ||
	    setresuid(who->uid, who->uid, who->uid))
		return -errno;
	/* A change of user has taken it away. */
	if (!who->no_dump && prctl(PR_SET_DUMPABLE, 1))
		return -errno;
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	memset(memory, who->uid, PAGES * PAGE);
	region.addr = (uintptr_t)memory;
	fd = capture_full(dev, &cap);
	return fd;
}

static uint64_t id_of(int fd)
{
	struct vmfork_info info = { 0 };

	return snapshot_info(fd, &info) ? 0 : info.id;
}

/* A peer that is somebody and has a snapshot; *@fd is a descriptor of it. */
static struct peer *somebody(uid_t uid, bool no_dump, int *fd)
{
	struct who who = { uid, no_dump };
	struct peer *peer = peer_start();
	int dev = device();
	long theirs;

	theirs = peer ? peer_call(peer, do_become, dev, &who, sizeof(who)) : -1;
	close(dev);
	if (theirs < 0) {
		note("uid %u can not capture: %ld", uid, theirs);
		return NULL;
	}
	if (fd)
		*fd = peer_take_fd(peer, theirs);
	return peer;
}

/* What one sees: snapshots in units, mappings in hundreds. */
static long do_look(int fd, const void *arg)
{
	struct nl nl;
	long snapshots, mappings;
	int err = 0;

	(void)arg;
	if (fd >= 0) {
		/* A socket that somebody else has opened */
		err = nl_open(&nl);
		if (!err) {
			close(nl.fd);
			nl.fd = fd;
			nl.seq = 100;
		}
	} else {
		err = nl_open(&nl);
	}
	if (err)
		return err;
	snapshots = nl_snapshots(&nl, true, NULL, 0);
	mappings = nl_mappings(&nl, 0, 0, true, NULL, 0);
	if (fd < 0)
		nl_close(&nl);
	if (snapshots < 0 || mappings < 0)
		return snapshots < 0 ? snapshots : mappings;
	return snapshots + 100 * mappings;
}

#define SEES(s, m) ((s) + 100 * (m))

static long looks(struct peer *peer)
{
	return peer_call(peer, do_look, -1, NULL, 0);
}

FIXTURE_SETUP(rights)
{
	ASSERT_EQ(0, nl_open(&self->nl));
	self->user = somebody(USER, false, &self->fd);
	ASSERT_NE(NULL, self->user);
	ASSERT_LE(0, self->fd);
	self->id = id_of(self->fd);
	self->other = somebody(OTHER, false, NULL);
	ASSERT_NE(NULL, self->other);
}

FIXTURE_TEARDOWN(rights)
{
	peer_kill(self->user);
	peer_kill(self->other);
	close(self->fd);
	nl_close(&self->nl);
}

TEST_F(rights, each_their_own)
{
	struct nl_snapshot all[4];
	struct nl_mapping m[4];

	EXPECT_EQ(SEES(1, 1), looks(self->user));
	EXPECT_EQ(SEES(1, 1), looks(self->other));
	ASSERT_EQ(2, nl_snapshots(&self->nl, false, all, 4));
	EXPECT_EQ(USER, all[0].uid);
	EXPECT_EQ(USER, all[0].gid);
	EXPECT_EQ(OTHER, all[1].uid);
	ASSERT_EQ(2, nl_mappings(&self->nl, 0, 0, true, m, 4));
	/* Their numbers do not say which was first. */
	EXPECT_EQ(USER, m[0].uid < m[1].uid ? m[0].uid : m[1].uid);
	EXPECT_EQ(OTHER, m[0].uid < m[1].uid ? m[1].uid : m[0].uid);
}

/* Without a file left, it is still who captured it that may see it. */
TEST_F(rights, no_file_left)
{
	EXPECT_EQ(SEES(1, 1), looks(self->user));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(SEES(1, 1), looks(self->user));
	EXPECT_EQ(SEES(1, 1), looks(self->other));
}

static long do_get(int fd, const void *arg)
{
	struct nl_snapshot s;
	struct nl nl;
	int err = nl_open(&nl);

	(void)fd;
	if (err)
		return err;
	err = nl_get_snapshot(&nl, *(const uint64_t *)arg, true, &s);
	if (err == -ENOENT &&
	    strcmp(nl.text, "there is no such snapshot, or you may not read it"))
		err = -EBADMSG;
	nl_close(&nl);
	return err;
}

static long gets(struct peer *peer, uint64_t id)
{
	return peer_call(peer, do_get, -1, &id, sizeof(id));
}

/* The file's mode and owner say who may; addresses are another matter. */
TEST_F(rights, mode_and_owner)
{
	EXPECT_EQ(0, gets(self->user, self->id));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	ASSERT_EQ(0, fchmod(self->fd, 0644));
	EXPECT_EQ(0, gets(self->other, self->id));
	EXPECT_EQ(SEES(2, 1), looks(self->other));
	ASSERT_EQ(0, fchmod(self->fd, 0640));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	ASSERT_EQ(0, fchown(self->fd, USER, OTHER));
	EXPECT_EQ(0, gets(self->other, self->id));
	ASSERT_EQ(0, fchown(self->fd, OTHER, OTHER));
	ASSERT_EQ(0, fchmod(self->fd, 0));
	/* The owner always may; it is not who has captured it any more. */
	EXPECT_EQ(0, gets(self->other, self->id));
	EXPECT_EQ(-ENOENT, gets(self->user, self->id));
	/* For members of the group its bits count, not those of others. */
	ASSERT_EQ(0, fchown(self->fd, 0, OTHER));
	ASSERT_EQ(0, fchmod(self->fd, 0604));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	EXPECT_EQ(0, gets(self->user, self->id));
}

/* A file in a directory that others can not search is none for them. */
TEST_F(rights, directories)
{
	char dir[FS_PATH_MAX], path[FS_PATH_MAX], link_path[FS_PATH_MAX];
	struct fs fs;
	int fd;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	ASSERT_EQ(0, mkdir(fs_path(&fs, "private", dir), 0700));
	fd = fs_name(&fs, "private/file", self->fd);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fchown(fd, USER, USER));
	ASSERT_EQ(0, fchmod(fd, 0644));
	close(fd);
	ASSERT_EQ(0, chown(dir, USER, USER));
	EXPECT_EQ(0, gets(self->user, self->id));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	EXPECT_EQ(SEES(1, 1), looks(self->other));
	ASSERT_EQ(0, chmod(dir, 0711));
	EXPECT_EQ(0, gets(self->other, self->id));
	EXPECT_EQ(SEES(2, 1), looks(self->other));
	ASSERT_EQ(0, chmod(dir, 0710));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	/* A group that the directory has, too */
	ASSERT_EQ(0, chown(dir, USER, OTHER));
	ASSERT_EQ(0, chown(fs_path(&fs, "private/file", path), USER, OTHER));
	EXPECT_EQ(0, gets(self->other, self->id));
	ASSERT_EQ(0, chown(dir, USER, USER));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	/* Another name of it, where all can come */
	ASSERT_EQ(0, link(path, fs_path(&fs, "link", link_path)));
	EXPECT_EQ(0, gets(self->other, self->id));
	ASSERT_EQ(0, unlink(link_path));
	EXPECT_EQ(-ENOENT, gets(self->other, self->id));
	EXPECT_EQ(0, fs_unmount(&fs));
}

/* What must not be dumped, as a program that was setuid, shows no addresses. */
TEST_F(rights, not_dumpable)
{
	struct peer *shy = somebody(USER, true, NULL);

	ASSERT_NE(NULL, shy);
	EXPECT_EQ(SEES(2, 1), looks(self->user));
	peer_kill(shy);
}

/* A socket has the rights of who opened it. */
TEST_F(rights, passed_socket)
{
	struct nl nl;

	ASSERT_EQ(0, nl_open(&nl));
	EXPECT_EQ(SEES(2, 2), peer_call(self->user, do_look, nl.fd, NULL, 0));
	nl_close(&nl);
	EXPECT_EQ(SEES(1, 1), looks(self->user));
}

static int become_root_of(const char *what, const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/%s", what);
	return write_file(path, map);
}

/* In a peer: in namespaces of its own, where it is root. */
static long do_look_inside(int fd, const void *arg)
{
	char map[32];
	struct nl_snapshot s;
	struct nl_mapping m;
	uid_t uid = getuid();
	struct nl nl;
	long ret;

	(void)arg;
	(void)fd;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	snprintf(map, sizeof(map), "7 %u 1", uid);
	if (become_root_of("setgroups", "deny") < 0 ||
	    become_root_of("uid_map", map) < 0 ||
	    become_root_of("gid_map", map) < 0)
		return -EXDEV;
	ret = do_look(-1, NULL);
	if (ret != SEES(1, 1))
		return ret;
	ret = nl_open(&nl);
	if (ret)
		return ret;
	if (nl_snapshots(&nl, false, &s, 1) != 1 || s.uid != 7 || s.gid != 7)
		return -EBADMSG;
	if (nl_mappings(&nl, 0, 0, false, &m, 1) != 1 || m.uid != 7)
		return -EBADMSG;
	nl_close(&nl);
	return 0;
}

TEST_F(rights, own_namespaces)
{
	EXPECT_EQ(0, peer_call(self->user, do_look_inside, -1, NULL, 0));
	EXPECT_EQ(0, peer_call(self->other, do_look_inside, -1, NULL, 0));
}

/* All capabilities there are, but not where the snapshots are. */
static long do_look_as_false_root(int fd, const void *arg)
{
	uid_t uid = *(const uid_t *)arg;
	char map[32];

	(void)fd;
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (become_root_of("setgroups", "deny") < 0 ||
	    become_root_of("uid_map", map) < 0 ||
	    become_root_of("gid_map", map) < 0)
		return -EXDEV;
	return do_look(-1, NULL);
}

TEST_F(rights, false_root)
{
	struct peer *peer = peer_start();
	uid_t uid = 2000;

	EXPECT_EQ(SEES(0, 0),
		  peer_call(peer, do_look_as_false_root, -1, &uid,
			    sizeof(uid)));
	peer_kill(peer);
}

/* The same user, but not where his process is: it may be more than he is. */
TEST_F(rights, same_user_elsewhere)
{
	struct peer *peer = peer_start();
	uid_t uid = USER;

	EXPECT_EQ(SEES(1, 0),
		  peer_call(peer, do_look_as_false_root, -1, &uid,
			    sizeof(uid)));
	peer_kill(peer);
}

/* In a peer: the superuser, by name only. */
static long do_look_without_capabilities(int fd, const void *arg)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };

	(void)fd;
	(void)arg;
	if (syscall(SYS_capset, &head, none))
		return -errno;
	prctl(PR_SET_DUMPABLE, 1);
	return do_look(-1, NULL);
}

TEST_F(rights, without_capabilities)
{
	struct peer *root = somebody(0, false, NULL), *peer = peer_start();

	ASSERT_NE(NULL, root);
	EXPECT_EQ(SEES(3, 3), looks(root));
	EXPECT_EQ(SEES(1, 0),
		  peer_call(peer, do_look_without_capabilities, -1, NULL, 0));
	peer_kill(peer);
	peer_kill(root);
}

/* In another PID namespace, processes outside have no number. */
static long do_look_in_pid_namespace(int fd, const void *arg)
{
	struct nl_snapshot s = { .creator = 99 };
	struct nl_mapping m = { .pid = 99 };
	struct nl nl;
	int status;
	pid_t pid;

	(void)fd;
	(void)arg;
	if (unshare(CLONE_NEWPID))
		return -errno;
	pid = fork();
	if (!pid) {
		if (nl_open(&nl) ||
		    nl_snapshots(&nl, false, &s, 1) != 2 || s.creator ||
		    nl_mappings(&nl, 0, 0, false, &m, 1) != 2 || m.pid)
			_exit(1);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return status;
}

TEST_F(rights, pid_namespace)
{
	struct peer *root = peer_start();

	EXPECT_EQ(0, peer_call(root, do_look_in_pid_namespace, -1, NULL, 0));
	peer_kill(root);
}

TEST_HARNESS_MAIN
