// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a Linux guest, seen from outside, and compared byte by byte.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guest_memory.h"

#define CHUNK	(1UL << 20)

static uint8_t one[CHUNK], other[CHUNK];

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

static void read_memory(const struct memory *m, unsigned long at, void *to)
{
	struct iovec local = { to, CHUNK };
	struct iovec remote = { (void *)(m->start + at), CHUNK };

	if (process_vm_readv(m->pid, &local, 1, &remote, 1, 0) != CHUNK)
		client_fail("can not read memory at %#lx", at);
}

static bool same_chunk(unsigned long at)
{
	if (!memcmp(one, other, CHUNK))
		return true;
	fprintf(stderr, "# differs from %#lx on\n", at);
	return false;
}

static bool same_memory(const struct memory *a, const struct memory *b)
{
	unsigned long at;

	for (at = 0; at < a->size; at += CHUNK) {
		read_memory(a, at, one);
		read_memory(b, at, other);
		if (!same_chunk(at))
			return false;
	}
	return a->size == b->size;
}

/* pread() of the snapshot, by the descriptor that the child has */
static bool same_file(const struct memory *m, int snapshot)
{
	unsigned long at;

	for (at = 0; at < m->size; at += CHUNK) {
		read_memory(m, at, one);
		if (pread(snapshot, other, CHUNK, at) != CHUNK)
			client_fail("can not read the snapshot at %#lx", at);
		if (!same_chunk(at))
			return false;
	}
	return true;
}

int guest_open_snapshot(struct guest *g)
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

uint64_t guest_hash_file(int fd)
{
	uint64_t hash = 1, word;
	off_t at = 0;
	ssize_t n, i;

	while ((n = pread(fd, one, CHUNK, at)) > 0) {
		for (i = 0; i < n; i += sizeof(word)) {
			memcpy(&word, one + i, sizeof(word));
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

struct guest *guest_fork_same(struct guest *parent)
{
	struct guest *child = family_fork(parent, "paused", 2);
	struct memory theirs, ours;
	bool same = true;
	int snapshot, i;

	guest_connect(&child[0], 10);
	guest_connect(&child[1], 10);
	snapshot = guest_open_snapshot(&child[0]);
	ours = memory_of(parent);
	if (!same_file(&ours, snapshot)) {
		fprintf(stderr, "# the snapshot is not the parent\n");
		same = false;
	}
	close(snapshot);
	for (i = 0; i < 2; i++) {
		theirs = memory_of(&child[i]);
		if (same_memory(&ours, &theirs) &&
		    hash_guest(&child[i]) == hash_guest(parent))
			continue;
		fprintf(stderr, "# child %d is not the parent\n", i + 1);
		same = false;
	}
	return same ? child : NULL;
}
