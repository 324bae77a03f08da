// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink, and a module that goes: who is in the midst of a dump keeps it, who
 * listens does not, and nobody who asks at that moment meets half of it.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "module.h"
#include "nl.h"
#include "peer.h"

#define MANY	200	/* snapshots: no single message has them all */

FIXTURE(unload) {
	int module;
};

FIXTURE_SETUP(unload)
{
	self->module = module_file();
	if (self->module < 0)
		SKIP(return, "vmfork.ko is not where modules are (VMFORK_TEST_MODULE)");
}

FIXTURE_TEARDOWN(unload)
{
	/* For the tests that follow */
	if (access("/sys/module/vmfork", F_OK))
		EXPECT_EQ(0, module_load(self->module));
	close(self->module);
}

static int begin_dump(struct nl *nl, uint8_t cmd)
{
	struct nl_ask ask;

	nl_begin(&ask, nl, cmd, NLM_F_DUMP);
	return nl_send(nl, &ask);
}

/* Makes many snapshots, which go again with what it returns. */
static char *make_many(int *fds)
{
	char *memory = reserve(PAGE, 0);
	int i;

	if (!memory || mprotect(memory, PAGE, PROT_READ | PROT_WRITE))
		return NULL;
	for (i = 0; i < MANY; i++) {
		*(volatile char *)memory = i;
		fds[i] = capture_range(-1, memory, PAGE, 0, NULL);
		if (fds[i] < 0)
			return NULL;
	}
	return memory;
}

static int capture_one(void)
{
	char *memory = reserve(PAGE, 0);

	if (!memory || mprotect(memory, PAGE, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	*(volatile char *)memory = 1;
	return capture_range(-1, memory, PAGE, 0, NULL);
}

/* All of it is gone but the dump, which is not at its end. */
TEST_F(unload, dump_keeps_it)
{
	char answer[1024], *memory;
	int fds[MANY], i;
	struct nl nl;

	memory = make_many(fds);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, begin_dump(&nl, VMFORK_CMD_SNAPSHOT_GET));
	EXPECT_LT(0, recv(nl.fd, answer, sizeof(answer), 0));
	munmap(memory, PAGE);
	for (i = 0; i < MANY; i++)
		close(fds[i]);
	/* Others are no reason any more, after a moment. */
	sleep(1);
	EXPECT_EQ(-EWOULDBLOCK, module_try_unload());
	nl_close(&nl);
	EXPECT_EQ(0, module_unload());
}

/* Who listens is left without a group, and hears no more, not even nonsense. */
TEST_F(unload, listener_does_not)
{
	struct nl old, fresh;
	struct nl_answer e;
	struct nl_ask ask;
	int fd, round;

	ASSERT_EQ(0, nl_open(&old));
	ASSERT_EQ(0, nl_join(&old));
	for (round = 0; round < 3; round++) {
		EXPECT_EQ(0, module_unload());
		nl_begin(&ask, &old, VMFORK_CMD_SNAPSHOT_GET, NLM_F_DUMP);
		EXPECT_GT(0, nl_talk(&old, &ask, NULL, NULL));
		EXPECT_EQ(-ENOENT, nl_open(&fresh));
		ASSERT_EQ(0, module_load(self->module));
		ASSERT_EQ(0, nl_open(&fresh));
		ASSERT_EQ(0, nl_join(&fresh));
		fd = device();
		EXPECT_LE(0, fd);
		close(fd);
		nl_close(&fresh);
	}
	EXPECT_EQ(-ETIMEDOUT, nl_event(&old, &e, 300));
	nl_close(&old);
}

/* In a peer: joins what will be anybody's group, as nobody in particular. */
static int eavesdropper = -1;

static long do_join_all(int fd, const void *arg)
{
	int group;

	(void)fd;
	(void)arg;
	if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		return -errno;
	eavesdropper = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			      NETLINK_GENERIC);
	/* Some are others' that ask who comes. */
	for (group = 1; group <= 64; group++)
		setsockopt(eavesdropper, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			   &group, sizeof(group));
	return eavesdropper < 0 ? -errno : 0;
}

/* How many messages of a family it has heard. */
static long do_count_heard(int fd, const void *arg)
{
	union {
		struct nlmsghdr head;
		char data[4096];
	} buf;
	long count = 0;

	(void)fd;
	while (recv(eavesdropper, &buf, sizeof(buf), MSG_DONTWAIT) > 0)
		count += buf.head.nlmsg_type == *(const uint16_t *)arg;
	return errno == EAGAIN ? count : -errno;
}

/* Who was in the group before it was one hears nothing by that. */
TEST_F(unload, joined_before)
{
	struct peer *peer = peer_start();
	struct nl_answer e;
	struct nl nl;
	int fd;

	ASSERT_NE(NULL, peer);
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, peer_call(peer, do_join_all, -1, NULL, 0));
	ASSERT_EQ(0, module_load(self->module));
	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, nl_join(&nl));
	fd = capture_one();
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, nl_event(&nl, &e, 10000 * slowness()));
	EXPECT_EQ(VMFORK_CMD_CAPTURED, e.cmd);
	EXPECT_EQ(0, peer_call(peer, do_count_heard, -1, &nl.family,
			       sizeof(nl.family)));
	nl_close(&nl);
	peer_kill(peer);
}

static volatile bool stop;
static unsigned long answers;

/* Asks, breaks off, and listens, whether it is there or not. */
static void *ask_on(void *arg)
{
	uint64_t state = test_seed() + (uintptr_t)arg;
	struct nl nl;

	while (!stop) {
		if (nl_open(&nl)) {
			usleep(1000);
			continue;
		}
		switch (rnd(&state) % 4) {
		case 0:
			begin_dump(&nl, VMFORK_CMD_MAPPING_GET);
			break;
		case 1:
			nl_join(&nl);
			begin_dump(&nl, VMFORK_CMD_SNAPSHOT_GET);
			break;
		default:
			__atomic_fetch_add(&answers,
					   nl_snapshots(&nl, true, NULL, 0) >= 0,
					   __ATOMIC_RELAXED);
		}
		nl_close(&nl);
		/* In between, it can be unloaded. */
		usleep(rnd(&state) % (3000 * slowness() * slowness()));
	}
	return NULL;
}

TEST_F(unload, under_who_asks)
{
	uint64_t end = now_ns() + test_seconds(5) * slowness() * 1000000000ULL;
	unsigned long unloaded = 0, busy = 0;
	struct nl_snapshot s;
	pthread_t threads[3];
	char *memory;
	struct nl nl;
	int fd, ret;
	long i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, ask_on,
					    (void *)i));
	do {
		memory = reserve(PAGE, 0);
		ASSERT_EQ(0, mprotect(memory, PAGE, PROT_READ | PROT_WRITE));
		*(volatile char *)memory = 1;
		fd = capture_range(-1, memory, PAGE, 0, NULL);
		EXPECT_LE(0, fd);
		munmap(memory, PAGE);
		close(fd);
		/* All of them have noticed that it is there. */
		usleep(20000);
		while ((ret = module_try_unload()) == -EWOULDBLOCK &&
		       now_ns() < end)
			busy++;
		if (!ret) {
			unloaded++;
			ASSERT_EQ(0, module_load(self->module));
		}
	} while (now_ns() < end);
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	note("unloaded %lu times, %lu times too busy, %lu dumps", unloaded,
	     busy, answers);
	EXPECT_LT(0, unloaded);
	EXPECT_LT(0, answers);
	/* It works as ever. */
	ASSERT_EQ(0, nl_open(&nl));
	EXPECT_EQ(0, nl_snapshots(&nl, true, &s, 1));
	nl_close(&nl);
}

TEST_HARNESS_MAIN
