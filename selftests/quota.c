// SPDX-License-Identifier: GPL-2.0
/*
 * What snapshots hold has limits: the operator's max_bytes for each user, and
 * the memcg's; beyond them a capture fails, and nobody is killed for it.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "abi.h"
#include "cgroup.h"
#include "peer.h"

#define MAX_BYTES	"/sys/module/vmfork/parameters/max_bytes"
#define CGROUP		"/sys/fs/cgroup/vmfork_quota"

static int set_max(unsigned long bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", bytes);
	return write_file(MAX_BYTES, text);
}

FIXTURE(quota) {
	struct vmfork_capture cap;
};

FIXTURE_SETUP(quota)
{
	ASSERT_EQ(0, read_number(MAX_BYTES));
}

FIXTURE_TEARDOWN(quota)
{
	set_max(0);
}

static int area_of(struct area *area, enum kind kind, size_t len)
{
	return area_make(area, kind, len, 0);
}

static int capture_area(const struct area *area, struct vmfork_capture *cap)
{
	return capture_range(-1, area->view.addr, area->len, 0, cap);
}

/* Refused for it, and nothing has changed. */
#define over_quota(area) check_over(_metadata, area)

static void check_over(struct __test_metadata *_metadata,
		       const struct area *area)
{
	struct vmfork_capture cap;
	int fds = count_fds();

	EXPECT_EQ(-EDQUOT, capture_area(area, &cap));
	EXPECT_EQ(VMFORK_QUOTA, cap.refusal);
	EXPECT_EQ((uintptr_t)area->view.addr, cap.refused_addr);
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(0, view_check(&area->view, "the memory"));
}

TEST_F(quota, to_the_page)
{
	struct area area;
	int fd;

	ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	ASSERT_EQ(0, set_max(MIB - 1));
	over_quota(&area);
	ASSERT_EQ(0, set_max(MIB));
	fd = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd);
	close(fd);
	area_free(&area);
}

TEST_F(quota, given_back)
{
	struct area area;
	int i, fd;

	ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	ASSERT_EQ(0, set_max(MIB + MIB / 2));
	for (i = 0; i < 5; i++) {
		fd = capture_area(&area, &self->cap);
		ASSERT_LE(0, fd);
		close(fd);
		/* It goes with its last mapping. */
		area_free(&area);
		ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	}
	area_free(&area);
}

/* The mapping that a capture leaves behind holds the snapshot like a fd. */
TEST_F(quota, held_by_a_mapping)
{
	struct area first, second;
	int fd;

	ASSERT_EQ(0, area_of(&first, KIND_BASE, MIB));
	ASSERT_EQ(0, area_of(&second, KIND_BASE, MIB));
	ASSERT_EQ(0, set_max(MIB + MIB / 2));
	fd = capture_area(&first, &self->cap);
	ASSERT_LE(0, fd);
	close(fd);
	over_quota(&second);
	area_free(&first);
	fd = capture_area(&second, &self->cap);
	ASSERT_LE(0, fd);
	close(fd);
	area_free(&second);
}

/* Pages that many snapshots share count once. */
TEST_F(quota, shared_pages_count_once)
{
	struct area area;
	int fd[20];
	unsigned int i;

	ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	ASSERT_EQ(0, set_max(MIB + 20 * PAGE));
	for (i = 0; i < 20; i++) {
		fd[i] = capture_area(&area, &self->cap);
		ASSERT_LE(0, fd[i]) TH_LOG("capture %u: %s", i,
					   strerror(-fd[i]));
		ASSERT_EQ(0, view_poke(&area.view, i, i + 1));
	}
	close(fd[0]);
	fd[0] = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd[0]);
	ASSERT_EQ(0, view_poke(&area.view, 100, 1));
	ASSERT_EQ(0, view_poke(&area.view, 101, 1));
	over_quota(&area);
	for (i = 0; i < 20; i++)
		close(fd[i]);
	area_free(&area);
}

TEST_F(quota, huge_pages)
{
	struct area area, more;
	int fd;

	if (kind_missing(KIND_THP))
		SKIP(return, "%s", kind_missing(KIND_THP));
	ASSERT_EQ(0, area_of(&area, KIND_THP, 4 * MIB));
	ASSERT_EQ(0, area_of(&more, KIND_BASE, PAGE));
	ASSERT_EQ(0, set_max(4 * MIB - 1));
	over_quota(&area);
	ASSERT_EQ(0, set_max(4 * MIB));
	fd = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd);
	over_quota(&more);
	area_free(&area);
	close(fd);
	fd = capture_area(&more, &self->cap);
	ASSERT_LE(0, fd);
	close(fd);
	area_free(&more);
}

/* Copies count as well, and are given back as well. */
TEST_F(quota, copies)
{
	struct area area, more;
	int fd;

	ASSERT_EQ(0, area_of(&area, KIND_FORKED, MIB));
	ASSERT_EQ(0, area_of(&more, KIND_BASE, PAGE));
	ASSERT_EQ(0, set_max(MIB - PAGE));
	over_quota(&area);
	ASSERT_EQ(0, set_max(MIB));
	fd = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, self->cap.pages_copied);
	over_quota(&more);
	EXPECT_TRUE(area_others_right(&area));
	area_free(&area);
	close(fd);
	fd = capture_area(&more, &self->cap);
	ASSERT_LE(0, fd);
	close(fd);
	area_free(&more);
}

/* The second of two regions is too much: the memory reads as before. */
TEST_F(quota, second_region)
{
	struct vmfork_region region[2];
	struct area area, more;
	int i, fd;

	ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	ASSERT_EQ(0, area_of(&more, KIND_BASE, MIB));
	ASSERT_EQ(0, set_max(MIB + MIB / 2));
	region[0] = (struct vmfork_region){
		.addr = (uintptr_t)area.view.addr, .len = MIB,
	};
	region[1] = (struct vmfork_region){
		.addr = (uintptr_t)more.view.addr, .len = MIB, .offset = MIB,
	};
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(-EDQUOT, capture_regions(-1, region, 2, &self->cap));
		EXPECT_EQ(VMFORK_QUOTA, self->cap.refusal);
		EXPECT_EQ(1, self->cap.refused_region);
		EXPECT_EQ(0, view_check(&area.view, "the first"));
		EXPECT_EQ(0, view_check(&more.view, "the second"));
	}
	ASSERT_EQ(0, set_max(2 * MIB));
	fd = capture_regions(-1, region, 2, &self->cap);
	ASSERT_LE(0, fd);
	close(fd);
	area_free(&area);
	area_free(&more);
}

/*
 * Captured again: only what was written counts.  When that is too much, for a
 * capture or for one ahead, every write is still there, and so is the older
 * snapshot.
 */
TEST_F(quota, in_place)
{
	struct vmfork_region region[2] = {};
	struct vmfork_capture *cap = &self->cap;
	struct area area[2];
	struct stamp *first;
	int fd, dev, i, round;
	size_t page;

	dev = device();
	ASSERT_LE(0, dev);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, area_of(&area[i], KIND_BASE, 4 * MIB));
		region[i].addr = (uintptr_t)area[i].view.addr;
		region[i].len = 4 * MIB;
		region[i].offset = i * 4 * MIB;
	}
	ASSERT_EQ(0, set_max(8 * MIB + 160 * PAGE));
	*cap = (struct vmfork_capture){
		.size = sizeof(*cap), .pidfd = -1, .nr_regions = 2,
		.regions = (uintptr_t)region,
	};
	fd = capture_full(dev, cap);
	ASSERT_LE(0, fd);
	first = model_copy(area[1].view.model, 1024);
	for (round = 0; round < 4; round++) {
		/* The first may still go, the second is too much. */
		for (page = round; page < 1024; page += 10) {
			view_fill(&area[0].view, page, page + 1);
			view_poke(&area[1].view, page, page + 2);
		}
		cap->snapshot_size = 0;
		cap->flags = round & 1 ? VMFORK_CAPTURE_PREARM : 0;
		EXPECT_EQ(-EDQUOT, capture_full(dev, cap));
		EXPECT_EQ(VMFORK_QUOTA, cap->refusal);
		for (i = 0; i < 2; i++) {
			EXPECT_EQ(0, view_check(&area[i].view, "over quota"));
		}
		EXPECT_EQ(0, snapshot_check(fd, 4 * MIB, 1024, first,
					    "the older snapshot"));
	}
	close(fd);
	ASSERT_EQ(0, set_max(0));
	cap->flags = 0;
	cap->snapshot_size = 0;
	fd = capture_full(dev, cap);
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, view_check(&area[i].view, "in the end"));
		EXPECT_EQ(0, snapshot_check(fd, i * 4 * MIB, 1024,
					    area[i].view.model, "in the end"));
		area_free(&area[i]);
	}
	close(fd);
	close(dev);
}

struct as_arg {
	uid_t uid;
	int dev;
	void *addr;
	size_t len;
};

/* In a peer, which keeps the snapshot by the mapping that it has then. */
static long do_capture_as(int dev, const void *arg)
{
	const struct as_arg *as = arg;
	struct vmfork_region region = {
		.addr = (uintptr_t)as->addr, .len = as->len,
	};
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)&region,
	};
	int fd;

	if (geteuid() != as->uid && setresuid(as->uid, as->uid, as->uid))
		return -ENOTRECOVERABLE;
	fd = capture_full(dev, &cap);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int capture_as(struct peer *peer, uid_t uid, const struct view *view)
{
	struct as_arg as = {
		.uid = uid, .addr = view->addr, .len = view->pages * PAGE,
	};
	int dev = device();
	long ret = peer_call(peer, do_capture_as, dev, &as, sizeof(as));

	close(dev);
	return ret;
}

/* Each user has a limit of his own; his processes share it. */
TEST_F(quota, each_user)
{
	struct peer *alice, *bob, *alice2;
	struct area area;

	ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	alice = peer_start();
	bob = peer_start();
	alice2 = peer_start();
	ASSERT_NE(NULL, alice2);
	ASSERT_EQ(0, set_max(MIB + MIB / 2));
	EXPECT_EQ(0, capture_as(alice, 1001, &area.view));
	EXPECT_EQ(0, capture_as(bob, 1002, &area.view));
	EXPECT_EQ(-EDQUOT, capture_as(alice2, 1001, &area.view));
	peer_kill(alice);
	EXPECT_EQ(0, capture_as(alice2, 1001, &area.view));
	peer_kill(alice2);
	peer_kill(bob);
	EXPECT_EQ(0, view_check(&area.view, "the memory"));
	area_free(&area);
}

/* A lower limit takes nothing from anybody. */
TEST_F(quota, lowered)
{
	struct area area;
	int fd, fd2;

	ASSERT_EQ(0, area_of(&area, KIND_BASE, MIB));
	fd = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_max(PAGE));
	EXPECT_EQ(0, view_check(&area.view, "the memory"));
	/* Nothing new is held by this. */
	fd2 = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd2);
	close(fd2);
	ASSERT_EQ(0, view_poke(&area.view, 0, 1));
	over_quota(&area);
	ASSERT_EQ(0, set_max(0));
	fd2 = capture_area(&area, &self->cap);
	ASSERT_LE(0, fd2);
	close(fd);
	close(fd2);
	area_free(&area);
}

struct tight {
	char *addr;
	struct vmfork_capture *cap;	/* shared memory */
};

/* Fills memory, shares it by fork(2), and captures it: all must be copied. */
static long do_capture_tight(int dev, const void *arg)
{
	const struct tight *tight = arg;
	struct vmfork_region region = { .len = 16 * MIB };
	size_t i;
	pid_t pid;
	char *area = mmap(NULL, region.len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	if (area == MAP_FAILED)
		return -ENOTRECOVERABLE;
	madvise(area, region.len, MADV_NOHUGEPAGE);
	for (i = 0; i < region.len; i += PAGE)
		memcpy(area + i, &i, sizeof(i));
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	region.addr = (uintptr_t)area;
	tight->cap->regions = (uintptr_t)&region;
	fd = capture_full(dev, tight->cap);
	for (i = 0; i < region.len; i += PAGE)
		if (memcmp(area + i, &i, sizeof(i)))
			fd = -EILSEQ;
	kill(pid, SIGKILL);
	return fd;
}

#define MAKER	1000
#define NR_USERS	2

static int write_map(pid_t pid)
{
	char path[64], map[64];

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	snprintf(map, sizeof(map), "0 %d 1\n1 %d %d", MAKER, MAKER + 100,
		 NR_USERS - 1);
	return write_file(path, map);
}

/* In a process: one user after the other captures an area, and keeps it. */
static int capture_as_users(int dev, int ready, int mapped,
			    const struct area *areas)
{
	int uid, fd;

	if (setresuid(MAKER, MAKER, MAKER) || unshare(CLONE_NEWUSER) ||
	    write(ready, "", 1) != 1 || read(mapped, &(char){ 0 }, 1) != 1)
		return -errno;
	for (uid = 0; uid < NR_USERS; uid++) {
		struct vmfork_region region = {
			.addr = (uintptr_t)areas[uid].view.addr,
			.len = areas[uid].len,
		};
		struct vmfork_capture cap = {
			.size = sizeof(cap), .pidfd = -1, .nr_regions = 1,
			.regions = (uintptr_t)&region,
		};

		if (setresuid(uid, uid, uid))
			return -EPERM;
		fd = ioctl(dev, VMFORK_CAPTURE, &cap);
		if (fd < 0)
			return errno == EDQUOT ? uid : -errno;
	}
	return NR_USERS;
}

/* Who makes a user namespace has users there, and not the memory of many. */
TEST_F(quota, user_namespace)
{
	int ready[2], mapped[2], dev = device(), i, status;
	struct area areas[NR_USERS];
	pid_t pid;

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "this kernel has no user namespaces");
	for (i = 0; i < NR_USERS; i++)
		ASSERT_EQ(0, area_of(&areas[i], KIND_BASE, MIB));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(mapped));
	ASSERT_EQ(0, set_max(MIB + MIB / 2));
	pid = fork();
	if (!pid) {
		close(ready[0]);
		close(mapped[1]);
		_exit(capture_as_users(dev, ready[1], mapped[0], areas) & 0xff);
	}
	close(ready[1]);
	close(mapped[0]);
	EXPECT_EQ(1, read(ready[0], &(char){ 0 }, 1));
	EXPECT_EQ(0, write_map(pid));
	EXPECT_EQ(1, write(mapped[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* The second of them was refused. */
	EXPECT_EQ(1, WEXITSTATUS(status));
	close(ready[0]);
	close(mapped[1]);
	for (i = 0; i < NR_USERS; i++)
		area_free(&areas[i]);
	close(dev);
}

/*
 * 16 MiB of copies do not fit in the memcg: ENOMEM, and nobody is killed, the
 * process that captures least of all.
 */
TEST_F(quota, tight_memcg)
{
	struct tight tight = { .cap = shared_alloc(sizeof(*tight.cap)) };
	struct peer *peer = peer_start();
	int dev = device();
	char pid[16];
	long ret;

	ASSERT_NE(NULL, peer);
	if (mkdir(CGROUP, 0700) && errno != EEXIST)
		SKIP(return, "no cgroup2");
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (write_file(CGROUP "/memory.max", "25165824"))	/* 24 MiB */
		SKIP(return, "no memory controller");
	write_file(CGROUP "/memory.swap.max", "0");
	snprintf(pid, sizeof(pid), "%d", peer->pid);
	ASSERT_EQ(0, write_file(CGROUP "/cgroup.procs", pid));
	*tight.cap = (struct vmfork_capture){
		.size = sizeof(*tight.cap), .pidfd = -1, .nr_regions = 1,
	};
	ret = peer_call(peer, do_capture_tight, dev, &tight, sizeof(tight));
	EXPECT_EQ(-ENOMEM, ret) TH_LOG("%s", strerror(-ret));
	EXPECT_EQ(0, cgroup_event("vmfork_quota", "oom_kill "));
	EXPECT_LT(0, cgroup_event("vmfork_quota", "max "));

	/* With room for the copies it works. */
	ASSERT_EQ(0, write_file(CGROUP "/memory.max", "max"));
	ret = peer_call(peer, do_capture_tight, dev, &tight, sizeof(tight));
	EXPECT_LE(0, ret) TH_LOG("%s", strerror(-ret));
	EXPECT_EQ(4096, tight.cap->copied_shared);
	EXPECT_LE(16L * 1024 * 1024, read_number(CGROUP "/memory.current"));
	peer_kill(peer);
	close(dev);
	rmdir(CGROUP);
}

TEST_HARNESS_MAIN
