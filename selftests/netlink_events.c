// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink: what happens is told to those who may know, once and in order, or
 * they are told that some of it was lost.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fs.h"
#include "kselftest_harness.h"
#include "live.h"
#include "nl.h"
#include "peer.h"

#define PAGES	16
#define SOON	5000	/* ms */
#define QUIET	300

FIXTURE(events) {
	struct nl nl;
	uint64_t seq;
	char *memory;
	int fd;
};

static char *new_memory(void)
{
	char *memory = reserve(PAGES * PAGE, 0);

	if (!memory || mprotect(memory, PAGES * PAGE, PROT_READ | PROT_WRITE))
		return NULL;
	madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(memory, 1, PAGES * PAGE);
	return memory;
}

static uint64_t id_of(int fd)
{
	struct vmfork_info info = { 0 };

	return snapshot_info(fd, &info) ? 0 : info.id;
}

/*
 * The number of the last event before what a test does, which comes after what
 * the test before it has left, and this makes.
 */
static uint64_t start_seq(struct nl *nl)
{
	struct nl_answer e;
	char *memory = new_memory();
	int fd = capture_range(-1, memory, PAGES * PAGE, 0, NULL);
	uint64_t seq = 0, id = id_of(fd);

	munmap(memory, PAGES * PAGE);
	close(fd);
	do {
		if (nl_event(nl, &e, SOON))
			return 0;
		seq = nl_u64(&e, VMFORK_A_EVENT_SEQ);
	} while (e.cmd != VMFORK_CMD_DROPPED ||
		 nl_u64(&e, VMFORK_A_EVENT_SNAPSHOT) != id);
	return seq;
}

FIXTURE_SETUP(events)
{
	self->fd = -1;
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, nl_join(&self->nl));
	self->seq = start_seq(&self->nl);
	ASSERT_NE(0, self->seq);
	self->memory = new_memory();
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(events)
{
	munmap(self->memory, PAGES * PAGE);
	close(self->fd);
	nl_close(&self->nl);
}

static int capture(FIXTURE_DATA(events) *self, struct vmfork_capture *cap)
{
	return capture_range(-1, self->memory, PAGES * PAGE, 0, cap);
}

/* The next event is this one, of this snapshot and process. */
#define expect_event(e, command, id, process) \
	ASSERT_EQ(0, nl_event(&self->nl, e, SOON)); \
	EXPECT_EQ(command, (e)->cmd); \
	EXPECT_EQ(id, nl_u64(e, VMFORK_A_EVENT_SNAPSHOT)); \
	EXPECT_EQ(process, (pid_t)nl_u32(e, VMFORK_A_EVENT_PID)); \
	EXPECT_EQ(++seq, nl_u64(e, VMFORK_A_EVENT_SEQ)); \
	EXPECT_LE(nl_u64(e, VMFORK_A_EVENT_TIME_NS), now_ns())

TEST_F(events, life)
{
	uint64_t seq = self->seq, first, second;
	struct vmfork_capture cap;
	struct nl_answer e;
	char *map;
	int fd;

	self->fd = capture(self, &cap);
	first = id_of(self->fd);
	expect_event(&e, VMFORK_CMD_CAPTURED, first, getpid());
	EXPECT_EQ(0, nl_u32(&e, VMFORK_A_EVENT_UID));
	EXPECT_TRUE(nl_has(&e, VMFORK_A_EVENT_UID));
	EXPECT_EQ(PAGES * PAGE, nl_u64(&e, VMFORK_A_EVENT_SIZE));
	EXPECT_EQ(PAGES, nl_u64(&e, VMFORK_A_EVENT_PAGES));
	EXPECT_EQ(cap.pages_stolen, nl_u64(&e, VMFORK_A_EVENT_PAGES_STOLEN));
	EXPECT_EQ(cap.pages_copied, nl_u64(&e, VMFORK_A_EVENT_PAGES_COPIED));
	EXPECT_FALSE(nl_has(&e, VMFORK_A_EVENT_PARENT));
	EXPECT_FALSE(nl_has(&e, VMFORK_A_EVENT_AHEAD));

	map = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, self->fd, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, map);
	expect_event(&e, VMFORK_CMD_MAPPED, first, getpid());
	EXPECT_EQ(4 * PAGE, nl_u64(&e, VMFORK_A_EVENT_SIZE));
	EXPECT_EQ(2 * PAGE, nl_u64(&e, VMFORK_A_EVENT_OFFSET));
	EXPECT_NE(0, nl_u64(&e, VMFORK_A_EVENT_MAPPING));
	munmap(map, 4 * PAGE);
	expect_event(&e, VMFORK_CMD_UNMAPPED, first, getpid());
	EXPECT_NE(0, nl_u64(&e, VMFORK_A_EVENT_MAPPING));

	self->memory[0] = 2;
	fd = capture(self, NULL);
	second = id_of(fd);
	expect_event(&e, VMFORK_CMD_CAPTURED, second, getpid());
	EXPECT_EQ(first, nl_u64(&e, VMFORK_A_EVENT_PARENT));

	self->memory[PAGE] = 3;
	self->memory[2 * PAGE] = 3;
	ASSERT_EQ(0, reset_range(self->fd, -1, self->memory, PAGES * PAGE,
				 NULL));
	expect_event(&e, VMFORK_CMD_RESET, first, getpid());
	EXPECT_EQ(second, nl_u64(&e, VMFORK_A_EVENT_FROM));
	EXPECT_EQ(2, nl_u64(&e, VMFORK_A_EVENT_PAGES_DROPPED));

	close(fd);
	expect_event(&e, VMFORK_CMD_DROPPED, second, 0);
	EXPECT_EQ(PAGES, nl_u64(&e, VMFORK_A_EVENT_PAGES));
	EXPECT_EQ(1, nl_u64(&e, VMFORK_A_EVENT_PAGES_FREED));
	munmap(self->memory, PAGES * PAGE);
	expect_event(&e, VMFORK_CMD_UNMAPPED, first, getpid());
	close(self->fd);
	self->fd = -1;
	expect_event(&e, VMFORK_CMD_DROPPED, first, 0);
	EXPECT_EQ(PAGES, nl_u64(&e, VMFORK_A_EVENT_PAGES_FREED));
	EXPECT_EQ(-ETIMEDOUT, nl_event(&self->nl, &e, QUIET));
}

TEST_F(events, ahead)
{
	struct nl_answer e;

	ASSERT_EQ(0, prearm_range(-1, self->memory, PAGES * PAGE, 0, 0, NULL));
	ASSERT_EQ(0, nl_event(&self->nl, &e, SOON));
	EXPECT_EQ(VMFORK_CMD_CAPTURED, e.cmd);
	EXPECT_TRUE(nl_has(&e, VMFORK_A_EVENT_AHEAD));
}

/* The path of a name as netlink says it: from the root of vmforkfs */
static const char *from_root(const struct fs *fs, const char *name, char *path)
{
	fs_path(fs, name, path);
	return path + strlen(fs->mount);
}

/* By FICLONE, by a capture into a file, by being written. */
TEST_F(events, named)
{
	uint64_t seq = self->seq, id;
	char path[FS_PATH_MAX], page[PAGE] = "x";
	struct nl_snapshot s;
	struct nl_answer e;
	struct fs fs;
	int fd;

	ASSERT_EQ(0, fs_mount(&fs, NULL));
	self->fd = capture(self, NULL);
	id = id_of(self->fd);
	expect_event(&e, VMFORK_CMD_CAPTURED, id, getpid());
	fd = fs_name(&fs, "one", self->fd);
	ASSERT_LE(0, fd);
	close(fd);
	expect_event(&e, VMFORK_CMD_NAMED, id, getpid());
	EXPECT_STREQ(from_root(&fs, "one", path),
		     nl_string(&e, VMFORK_A_EVENT_NAME));
	EXPECT_EQ(PAGES, nl_u64(&e, VMFORK_A_EVENT_PAGES));
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, false, &s));
	EXPECT_STREQ(path + strlen(fs.mount), s.name);

	/* Its name is the only thing that is left of it. */
	close(self->fd);
	self->fd = -1;
	munmap(self->memory, PAGES * PAGE);
	expect_event(&e, VMFORK_CMD_UNMAPPED, id, getpid());
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, true, &s));
	EXPECT_EQ(PAGES * PAGE, s.alone);
	EXPECT_EQ(0, s.mappings);
	ASSERT_EQ(0, unlink(fs_path(&fs, "one", path)));
	expect_event(&e, VMFORK_CMD_DROPPED, id, 0);

	self->memory = new_memory();
	fd = fs_create(&fs, "two");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fs_capture(fd, self->memory, PAGES * PAGE, 0, NULL));
	id = fs_id(fd);
	close(fd);
	expect_event(&e, VMFORK_CMD_CAPTURED, id, getpid());
	expect_event(&e, VMFORK_CMD_NAMED, id, getpid());
	EXPECT_STREQ(from_root(&fs, "two", path),
		     nl_string(&e, VMFORK_A_EVENT_NAME));

	fd = fs_create(&fs, "three");
	ASSERT_LE(0, fd);
	ASSERT_EQ(PAGE, write(fd, page, PAGE));
	EXPECT_EQ(-ETIMEDOUT, nl_event(&self->nl, &e, QUIET));
	close(fd);
	fd = fs_open(&fs, "three", O_RDONLY);
	id = fs_id(fd);
	close(fd);
	expect_event(&e, VMFORK_CMD_NAMED, id, getpid());
	EXPECT_EQ(1, nl_u64(&e, VMFORK_A_EVENT_PAGES));
	munmap(self->memory, PAGES * PAGE);
	EXPECT_EQ(0, fs_unmount(&fs));
}

/* A name that no message has room for keeps nobody from being told of all. */
TEST_F(events, long_name)
{
	struct nl_snapshot s = { .name = "?" };
	char dir[255 + 1];
	struct nl fresh;
	struct fs fs;
	int fd, i;

	memset(dir, 'd', 255);
	dir[255] = '\0';
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	self->fd = capture(self, NULL);
	ASSERT_EQ(0, chdir(fs.dir));
	for (i = 0; i < 15; i++) {
		ASSERT_EQ(0, mkdir(dir, 0700));
		ASSERT_EQ(0, chdir(dir));
	}
	fd = open("name", O_RDWR | O_CREAT | O_EXCL, 0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fs_clone(fd, self->fd));
	close(fd);

	/* A socket that has not read yet gets small messages at first. */
	fresh = self->nl;
	fresh.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			  NETLINK_GENERIC);
	EXPECT_EQ(1, nl_snapshots(&fresh, false, &s, 1));
	EXPECT_EQ(id_of(self->fd), s.id);
	EXPECT_STREQ("", s.name);
	close(fresh.fd);
	EXPECT_EQ(0, nl_get_snapshot(&self->nl, s.id, false, &s));
	EXPECT_EQ(sizeof(s.name) - 1, strlen(s.name));

	EXPECT_EQ(0, unlink("name"));
	for (i = 0; i < 15; i++) {
		EXPECT_EQ(0, chdir(".."));
		EXPECT_EQ(0, rmdir(dir));
	}
	EXPECT_EQ(0, chdir("/"));
	EXPECT_EQ(0, fs_unmount(&fs));
}

/* A capture that fails is none. */
TEST_F(events, refused)
{
	struct nl_answer e;
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT_GT(0, capture_range(-1, shared, PAGE, 0, NULL));
	munmap(shared, PAGE);
	EXPECT_EQ(-ETIMEDOUT, nl_event(&self->nl, &e, QUIET));
}

/* In a peer: captures, maps and drops as a user, or listens as one. */
static long do_be_user(int dev, const void *arg)
{
	uid_t uid = *(const uid_t *)arg;
	struct vmfork_region region = { .len = PAGES * PAGE };
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region,
	};
	char *memory;
	int fd;

	if (getuid() != uid &&
	    (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	     setresuid(uid, uid, uid)))
		return -errno;
	memory = new_memory();
	if (!memory)
		return -ENOMEM;
	region.addr = (uintptr_t)memory;
	fd = capture_full(dev, &cap);
	munmap(memory, PAGES * PAGE);
	close(fd);
	return fd < 0 ? fd : 0;
}

static struct nl listener;

static long do_listen(int fd, const void *arg)
{
	uid_t uid = *(const uid_t *)arg;
	int err;

	(void)fd;
	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
		    setresuid(uid, uid, uid)))
		return -errno;
	err = nl_open(&listener);
	return err ?: nl_join(&listener);
}

/* How many events there are that were not heard yet */
static long do_hear(int fd, const void *arg)
{
	struct nl_answer e;
	long nr = 0;
	int err;

	(void)fd;
	(void)arg;
	while (!(err = nl_event(&listener, &e, QUIET)))
		nr++;
	return err == -ETIMEDOUT ? nr : err;
}

/* A kernel before 6.6 can not filter: there none but root may listen. */
static bool has_filter(void)
{
	unsigned int major, minor;
	struct utsname name;

	if (uname(&name) ||
	    sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 6);
}

TEST_F(events, each_their_own)
{
	static const uid_t uids[3] = { 0, 1000, 1001 };
	struct peer *listeners[3] = { NULL }, *actor = peer_start();
	int dev = device(), i;
	bool filter = has_filter();

	for (i = 0; i < 3; i++) {
		long err = filter || !i ? 0 : -EPERM;

		listeners[i] = peer_start();
		EXPECT_EQ(err, peer_call(listeners[i], do_listen, -1, &uids[i],
					 sizeof(uids[i])));
	}
	ASSERT_EQ(0, peer_call(actor, do_be_user, dev, &uids[1],
			       sizeof(uids[1])));
	/* captured, unmapped, dropped */
	EXPECT_EQ(3, peer_call(listeners[0], do_hear, -1, NULL, 0));
	if (filter) {
		EXPECT_EQ(3, peer_call(listeners[1], do_hear, -1, NULL, 0));
		EXPECT_EQ(0, peer_call(listeners[2], do_hear, -1, NULL, 0));
	}
	for (i = 0; i < 3; i++)
		peer_kill(listeners[i]);
	peer_kill(actor);
	close(dev);
}

static long do_listen_elsewhere(int fd, const void *arg)
{
	char map[32];
	uid_t uid = *(const uid_t *)arg;

	(void)fd;
	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
		    setresuid(uid, uid, uid)))
		return -errno;
	prctl(PR_SET_DUMPABLE, 1);
	if (uid && unshare(CLONE_NEWUSER))
		return -errno;
	if (uid) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/setgroups", "deny");
		if (write_file("/proc/self/uid_map", map) < 0 ||
		    write_file("/proc/self/gid_map", map) < 0)
			return -EXDEV;
	}
	if (unshare(CLONE_NEWNET))
		return -errno;
	uid = 0;
	return do_listen(-1, &uid);
}

/* Other network namespaces hear as well, but no more than they may. */
TEST_F(events, network_namespaces)
{
	static const uid_t uids[3] = { 0, 1000, 1001 };
	struct peer *listeners[3] = { NULL }, *actor = peer_start();
	bool filter = has_filter();
	int dev = device(), i;

	for (i = 0; i < 3; i++) {
		listeners[i] = peer_start();
		EXPECT_EQ(0, peer_call(listeners[i], do_listen_elsewhere, -1,
				       &uids[i], sizeof(uids[i])));
	}
	ASSERT_EQ(0, peer_call(actor, do_be_user, dev, &uids[1],
			       sizeof(uids[1])));
	EXPECT_EQ(3, peer_call(listeners[0], do_hear, -1, NULL, 0));
	/* A root of a namespace of one's own: may join, and hears nothing. */
	EXPECT_EQ(filter ? 3 : 0,
		  peer_call(listeners[1], do_hear, -1, NULL, 0));
	EXPECT_EQ(0, peer_call(listeners[2], do_hear, -1, NULL, 0));
	for (i = 0; i < 3; i++)
		peer_kill(listeners[i]);
	peer_kill(actor);
	close(dev);
}

/* In a peer: maps another's snapshot, and lets go of it. */
static long do_map(int fd, const void *arg)
{
	uid_t uid = *(const uid_t *)arg;
	char *map;

	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	return map == MAP_FAILED || munmap(map, PAGE) ? -errno : 0;
}

/* Who maps another's snapshot hears of that, and so does the owner. */
TEST_F(events, who_maps)
{
	static const uid_t uids[3] = { 1000, 1001, 1002 };
	static const long hears[3] = { 2, 2, 0 };
	struct peer *listeners[3], *child = peer_start();
	int i;

	if (!has_filter())
		SKIP(return, "this kernel has no filter for each listener (before 6.6)");
	self->fd = capture(self, NULL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fchown(self->fd, uids[0], uids[0]));
	for (i = 0; i < 3; i++) {
		listeners[i] = peer_start();
		ASSERT_EQ(0, peer_call(listeners[i], do_listen, -1, &uids[i],
				       sizeof(uids[i])));
	}
	ASSERT_EQ(0, peer_call(child, do_map, self->fd, &uids[1],
			       sizeof(uids[1])));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(hears[i], peer_call(listeners[i], do_hear, -1, NULL,
					      0));
		peer_kill(listeners[i]);
	}
	peer_kill(child);
}

/* More than the queue takes: there is an error, and then it goes on. */
TEST_F(events, overrun)
{
	int size = 4096, i, heard = 0, errors = 0, err;
	uint64_t last = self->seq, missing = 0, seq;
	struct nl_answer e;

	setsockopt(self->nl.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
		   sizeof(size));
	for (i = 0; i < 200; i++) {
		int fd = capture(self, NULL);

		ASSERT_LE(0, fd);
		close(fd);
	}
	while ((err = nl_event(&self->nl, &e, QUIET)) != -ETIMEDOUT) {
		if (err) {
			ASSERT_EQ(-ENOBUFS, err);
			errors++;
			continue;
		}
		seq = nl_u64(&e, VMFORK_A_EVENT_SEQ);
		missing += seq - last - 1;
		last = seq;
		heard++;
	}
	EXPECT_LT(0, heard);
	EXPECT_LT(0, errors);
	note("%d heard, %llu missing, %d times told so", heard,
	     (unsigned long long)missing, errors);
	/*
	 * What comes now is heard, all of it: the memory has kept the last
	 * snapshot so far, which goes before or after the next one is told of.
	 */
	self->fd = capture(self, NULL);
	do {
		ASSERT_EQ(0, nl_event(&self->nl, &e, SOON));
		if (e.cmd == VMFORK_CMD_DROPPED)
			EXPECT_EQ(id_of(self->fd) - 1,
				  nl_u64(&e, VMFORK_A_EVENT_SNAPSHOT));
	} while (e.cmd != VMFORK_CMD_CAPTURED);
	EXPECT_EQ(id_of(self->fd), nl_u64(&e, VMFORK_A_EVENT_SNAPSHOT));
}

/* A queue that is large enough loses nothing, however fast it goes. */
TEST_F(events, nothing_lost)
{
	int size = 8 << 20, i, nr[VMFORK_CMD_MAX + 1] = { 0 }, err;
	uint64_t seq = self->seq;
	struct nl_answer e;

	ASSERT_EQ(0, setsockopt(self->nl.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
				sizeof(size)));
	for (i = 0; i < 1000; i++) {
		int fd = capture(self, NULL);

		ASSERT_LE(0, fd);
		munmap(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), PAGE);
		close(fd);
	}
	while (!(err = nl_event(&self->nl, &e, QUIET))) {
		ASSERT_EQ(++seq, nl_u64(&e, VMFORK_A_EVENT_SEQ));
		nr[e.cmd]++;
	}
	EXPECT_EQ(-ETIMEDOUT, err);
	EXPECT_EQ(1000, nr[VMFORK_CMD_CAPTURED]);
	EXPECT_EQ(1000, nr[VMFORK_CMD_MAPPED]);
	EXPECT_EQ(1000, nr[VMFORK_CMD_UNMAPPED]);
	EXPECT_EQ(999, nr[VMFORK_CMD_DROPPED]);
}

TEST_HARNESS_MAIN
