// SPDX-License-Identifier: GPL-2.0
/*
 * Identity: at the instant of a fork every byte of a Linux guest's memory is
 * the same in the parent, in the snapshot as a file, and in the children; and
 * the snapshot still is the same when all of them have gone on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guests.h"

#define CHUNK	(1UL << 20)

FIXTURE(guest) {
	uint8_t *one, *other;
};

FIXTURE_VARIANT(guest) {
	bool thp;
};

FIXTURE_VARIANT_ADD(guest, base_pages) { .thp = false };
FIXTURE_VARIANT_ADD(guest, huge_pages) { .thp = true };

FIXTURE_SETUP(guest)
{
	const char *refused = guests_refused();

	if (refused)
		SKIP(return, "%s", refused);
	self->one = malloc(CHUNK);
	self->other = malloc(CHUNK);
	ASSERT_NE(self->one, NULL);
	ASSERT_NE(self->other, NULL);
	guests_boot("2", variant->thp, "identity");
}

FIXTURE_TEARDOWN(guest)
{
	family_end();
}

struct memory {
	pid_t pid;
	unsigned long start, size;
};

/* Where a guest's memory is; it begins at guest-physical 0 */
static struct memory memory_of(struct guest *g)
{
	struct memory m = { .pid = g->pid };
	unsigned long gpa;
	char ram[80];

	guest_ask(g, "info");
	reply_text(g, "ram0", ram, sizeof(ram));
	if (sscanf(ram, "%lx:%lx:%lx", &m.start, &m.size, &gpa) != 3 || gpa)
		client_fail("guest %s: memory at \"%s\"", g->path, ram);
	return m;
}

static bool read_memory(const struct memory *m, unsigned long at, void *to)
{
	struct iovec local = { to, CHUNK };
	struct iovec remote = { (void *)(m->start + at), CHUNK };

	return process_vm_readv(m->pid, &local, 1, &remote, 1, 0) == CHUNK;
}

static bool same_memory(FIXTURE_DATA(guest) *self, const struct memory *a,
			const struct memory *b)
{
	unsigned long at;

	for (at = 0; at < a->size; at += CHUNK) {
		if (!read_memory(a, at, self->one) ||
		    !read_memory(b, at, self->other))
			client_fail("can not read memory at %#lx", at);
		if (memcmp(self->one, self->other, CHUNK)) {
			fprintf(stderr, "# differs from %#lx on\n", at);
			return false;
		}
	}
	return a->size == b->size;
}

/* pread() of the snapshot, by the descriptor that the child has */
static bool same_file(FIXTURE_DATA(guest) *self, const struct memory *m,
		      int snapshot)
{
	unsigned long at;

	for (at = 0; at < m->size; at += CHUNK) {
		if (!read_memory(m, at, self->one) ||
		    pread(snapshot, self->other, CHUNK, at) != CHUNK)
			client_fail("can not read memory at %#lx", at);
		if (memcmp(self->one, self->other, CHUNK)) {
			fprintf(stderr, "# differs from %#lx on\n", at);
			return false;
		}
	}
	return true;
}

static int open_snapshot(struct guest *g)
{
	char name[64];
	int fd;

	guest_ask(g, "info");
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", g->pid,
		 (int)reply_number(g, "snapshot_fd"));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		client_fail("can not open the snapshot as %s", name);
	return fd;
}

static uint64_t hash_file(FIXTURE_DATA(guest) *self, int fd)
{
	uint64_t hash = 1, word;
	off_t at = 0;
	ssize_t n, i;

	while ((n = pread(fd, self->one, CHUNK, at)) > 0) {
		for (i = 0; i < n; i += sizeof(word)) {
			memcpy(&word, self->one + i, sizeof(word));
			hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
			hash ^= hash >> 29;
		}
		at += n;
	}
	return hash;
}

static uint64_t hash_guest(struct guest *g)
{
	guest_ask(g, "hash");
	return reply_hex(g, "hash");
}

/* Forks a paused guest; Return: the first of two paused children */
static struct guest *fork_and_compare(struct __test_metadata *_metadata,
				      FIXTURE_DATA(guest) *self,
				      struct guest *parent)
{
	struct guest *child = family_fork(parent, "paused", 2);
	struct memory theirs, ours;
	int snapshot;

	guest_connect(&child[0], 10);
	guest_connect(&child[1], 10);
	snapshot = open_snapshot(&child[0]);
	ours = memory_of(parent);
	EXPECT_TRUE(same_file(self, &ours, snapshot));
	theirs = memory_of(&child[0]);
	EXPECT_TRUE(same_memory(self, &ours, &theirs));
	theirs = memory_of(&child[1]);
	EXPECT_TRUE(same_memory(self, &ours, &theirs));
	EXPECT_EQ(hash_guest(&child[0]), hash_guest(parent));
	EXPECT_EQ(hash_guest(&child[1]), hash_guest(parent));
	close(snapshot);
	return child;
}

TEST_F_TIMEOUT(guest, every_byte_is_the_same, 280)
{
	struct guest *parent = &guests[0], *child, *grandchild;
	uint64_t before, pages_huge;
	int snapshot;

	guest_ask(parent, "pause");
	child = fork_and_compare(_metadata, self, parent);
	snapshot = open_snapshot(child);
	before = hash_file(self, snapshot);

	/* All go on and write, which the snapshot does not see */
	guest_ask(parent, "resume");
	guest_ask(&child[0], "resume");
	guest_ask(&child[1], "resume");
	guest_ask(&child[0], "wait child 60");
	guest_ask(&child[1], "wait child 60");
	EXPECT_TRUE(guest_verified(parent));
	EXPECT_TRUE(guest_verified(&child[0]));
	EXPECT_TRUE(guest_verified(&child[1]));
	EXPECT_EQ(hash_file(self, snapshot), before);

	/* Once more, of memory that is partly a snapshot's, partly its own */
	guest_ask(&child[0], "pause");
	grandchild = fork_and_compare(_metadata, self, &child[0]);
	guest_ask(&child[0], "resume");
	guest_ask(grandchild, "resume");
	guest_ask(grandchild, "wait child 60");
	EXPECT_TRUE(guest_verified(&child[0]));
	EXPECT_TRUE(guest_verified(grandchild));
	EXPECT_EQ(hash_file(self, snapshot), before);
	close(snapshot);

	guest_ask(parent, "pause");
	family_fork(parent, "", 1);
	pages_huge = reply_number(parent, "huge");
	EXPECT_EQ(pages_huge > 0, variant->thp);
}

TEST_HARNESS_MAIN
