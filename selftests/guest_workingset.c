// SPDX-License-Identifier: GPL-2.0
/*
 * Guests with a working set: a child that has it before it runs has the same
 * memory, works as any other, and faults less.  What is no working set of this
 * guest is refused before anything happens.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include <ws.h>

#include "kselftest_harness.h"
#include "guests.h"
#include "lib.h"

#define FILE_NAME	"/tmp/guest_workingset.json"

/* Since Linux 6.11 */
#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY	236
#endif

FIXTURE(guest) { };

FIXTURE_SETUP(guest)
{
	const char *why = guests_refused();

	if (why)
		SKIP(return, "%s", why);
	guests_boot("1", false, "workingset");
}

FIXTURE_TEARDOWN(guest)
{
	family_end();
	unlink(FILE_NAME);
}

/* A child's generation ID is written before anything else, into its page. */
#define OWN_PAGES	1

/* What a guest that is paused has touched, as pagemap has it */
static void note_touched(struct guest *g, struct ws *ws)
{
	uint64_t hva, size, at, entry;
	char ram[64], name[40];
	int fd;

	guest_ask(g, "info");
	reply_text(g, "ram0", ram, sizeof(ram));
	if (sscanf(ram, "%lx:%lx", &hva, &size) != 2)
		client_fail("no memory in %s", g->reply);
	memset(ws, 0, sizeof(*ws));
	ws->snapshot_size = size;
	snprintf(name, sizeof(name), "/proc/%d/pagemap", g->pid);
	fd = open(name, O_RDONLY);
	for (at = 0; at < size; at += PAGE) {
		if (pread(fd, &entry, 8, (hva + at) / PAGE * 8) != 8)
			client_fail("%s can not be read", name);
		if (entry & PM_PRESENT &&
		    ws_add(ws, at, PAGE, !(entry >> 61 & 1)))
			client_fail("no memory for a working set");
	}
	close(fd);
}

static void save(const struct ws *ws)
{
	char *text = ws_text(ws);
	FILE *f = fopen(FILE_NAME, "w");

	if (!f || !text || fputs(text, f) < 0 || fclose(f))
		client_fail("%s can not be written", FILE_NAME);
	free(text);
}

static uint64_t pages_of(const struct ws *ws, bool write)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < ws->nr; i++)
		if (ws->ranges[i].write == write)
			pages += ws->ranges[i].len / PAGE;
	return pages;
}

/* Whether KVM can fill its tables ahead, as it says itself */
static bool kvm_fills_ahead(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int can = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PRE_FAULT_MEMORY);

	close(kvm);
	if (can < 0)
		client_fail("KVM does not say what it can do");
	return can;
}

/* Host page faults of all its threads */
static uint64_t faults_of(const struct guest *g)
{
	char name[32], text[1024] = "";
	unsigned long faults = 0;
	const char *rest;

	snprintf(name, sizeof(name), "/proc/%d/stat", g->pid);
	read_file(name, text, sizeof(text));
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %lu",
			    &faults) != 1)
		client_fail("%s has no count of faults", name);
	return faults;
}

/* Return: the faults that it takes a child to read its whole table. */
static uint64_t wake(struct guest *g)
{
	uint64_t before = faults_of(g);

	guest_ask(g, "resume");
	guest_ask(g, "wait child 120");
	if (!guest_verified(g))
		client_fail("guest %s has lost something", g->path);
	return faults_of(g) - before;
}

static uint64_t hash_of(struct guest *g)
{
	guest_ask(g, "hash");
	return reply_hex(g, "hash");
}

/* A working set of a guest such as this, made by a child that woke up */
static void record(struct guest *parent, struct ws *ws, uint64_t *faults)
{
	struct guest *child = family_fork(parent, "paused", 1);

	guest_connect(child, 10);
	*faults = wake(child);
	guest_ask(child, "pause");
	note_touched(child, ws);
	save(ws);
	family_kill(child);
}

TEST_F_TIMEOUT(guest, has_what_it_wants, 280)
{
	struct guest *parent = &guests[0], *child;
	uint64_t cold, warm, hash, counter = 0;
	struct ws ws;

	guest_ask(parent, "pause");
	hash = hash_of(parent);
	record(parent, &ws, &cold);
	ASSERT_LT(100, cold);

	child = family_fork(parent, "paused working-set " FILE_NAME, 1);
	guest_connect(child, 10);
	guest_ask(child, "info");
	EXPECT_EQ(pages_of(&ws, true) - OWN_PAGES,
		  reply_number(child, "copied"));
	/* Where it read a hole there was a page of zeroes, which is left alone. */
	EXPECT_GE(pages_of(&ws, false), reply_number(child, "mapped"));
	EXPECT_LE(pages_of(&ws, false) * 9 / 10,
		  reply_number(child, "mapped"));
	EXPECT_EQ(kvm_fills_ahead() ?
		  pages_of(&ws, false) + pages_of(&ws, true) : 0,
		  reply_number(child, "second_level"));
	guest_memory(child);
	EXPECT_EQ(pages_of(&ws, true) * 4, child->private_kib);
	EXPECT_EQ(hash, hash_of(child));
	warm = wake(child);
	note("%llu faults, %llu without a working set",
	     (unsigned long long)warm, (unsigned long long)cold);
	/* It goes another way, and writes other pages of its table. */
	EXPECT_GT(cold / 2, warm);
	EXPECT_TRUE(guest_works(child, &counter));

	/* The parent does not know of any of this. */
	EXPECT_EQ(hash, hash_of(parent));
	guest_ask(parent, "resume");
	EXPECT_TRUE(guest_verified(parent));
	ws_free(&ws);
}

/* A child that was built without can still have it; so can one that runs. */
TEST_F_TIMEOUT(guest, by_command, 280)
{
	struct guest *parent = &guests[0], *child;
	uint64_t cold, hash;
	struct ws ws;

	ASSERT_EQ(-1, guest_try(parent, "prefault " FILE_NAME));
	guest_ask(parent, "pause");
	hash = hash_of(parent);
	record(parent, &ws, &cold);
	child = family_fork(parent, "paused", 1);
	guest_connect(child, 10);
	guest_ask(child, "prefault " FILE_NAME);
	EXPECT_EQ(pages_of(&ws, true) - OWN_PAGES,
		  reply_number(child, "copied"));
	EXPECT_EQ(hash, hash_of(child));
	EXPECT_GT(cold / 2, wake(child));

	guest_ask(child, "prefault " FILE_NAME);
	EXPECT_EQ(0, reply_number(child, "second_level"));
	EXPECT_TRUE(guest_verified(child));
	ws_free(&ws);
}

static bool refused(struct guest *g, const char *command, const char *why)
{
	if (!guest_try(g, "%s", command))
		return false;
	if (strstr(g->reply, why))
		return true;
	note("%s", g->reply);
	return false;
}

TEST_F_TIMEOUT(guest, wrong_files, 280)
{
	struct guest *parent = &guests[0];
	struct ws ws = { .snapshot_size = 64 * MIB };
	const char *command = "fork 1 working-set " FILE_NAME;
	int fd;

	EXPECT_TRUE(refused(parent, command, "can not be opened"));
	fd = open(FILE_NAME, O_WRONLY | O_CREAT, 0600);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_TRUE(refused(parent, command, "is not JSON"));
	ASSERT_EQ(0, ws_add(&ws, 0, PAGE, true));
	save(&ws);
	EXPECT_TRUE(refused(parent, command, "is of a snapshot of 67108864"));
	ASSERT_EQ(0, ws_add(&ws, 128 * MIB, PAGE, true));
	ws.snapshot_size = 128 * MIB;
	save(&ws);
	EXPECT_TRUE(refused(parent, command, "beyond its snapshot_size"));
	EXPECT_TRUE(refused(parent, "fork 1 working-set", "say \"fork N"));
	EXPECT_TRUE(refused(parent, "fork 1 sideways", "say \"fork N"));
	EXPECT_TRUE(refused(parent, "prefault", "say \"prefault"));
	guest_ask(parent, "info");
	EXPECT_EQ(0, reply_number(parent, "children"));
	EXPECT_TRUE(guest_verified(parent));

	/* An empty one is as good as none. */
	ws.nr = 0;
	save(&ws);
	guest_meet(family_fork(parent, "working-set " FILE_NAME, 1));
	ws_free(&ws);
}

TEST_HARNESS_MAIN
