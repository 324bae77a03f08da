// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink: what is said of snapshots and mappings is what is, to the page.
 * Worlds that are known are made, and asked about.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "live.h"
#include "nl.h"
#include "pages.h"
#include "peer.h"

#define PAGES	64
#define HOLES	9

FIXTURE(netlink) {
	struct nl nl;
	char *memory;
	int fds[8];
};

FIXTURE_SETUP(netlink)
{
	size_t i;

	for (i = 0; i < 8; i++)
		self->fds[i] = -1;
	ASSERT_EQ(0, nl_open(&self->nl));
	self->memory = reserve(PAGES * PAGE, 0);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, mprotect(self->memory, PAGES * PAGE,
			      PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, madvise(self->memory, PAGES * PAGE, MADV_NOHUGEPAGE));
	/* The last ones are never touched. */
	for (i = 0; i < PAGES - HOLES; i++)
		page_fill(self->memory + i * PAGE, i + 1);
}

FIXTURE_TEARDOWN(netlink)
{
	size_t i;

	munmap(self->memory, PAGES * PAGE);
	for (i = 0; i < 8; i++)
		if (self->fds[i] >= 0)
			close(self->fds[i]);
	nl_close(&self->nl);
}

static uint64_t id_of(int fd)
{
	struct vmfork_info info = { 0 };

	return snapshot_info(fd, &info) ? 0 : info.id;
}

/* Captures all of the memory into self->fds[@nr]; its number, or 0. */
static uint64_t capture_into(FIXTURE_DATA(netlink) *self, int nr,
			     struct vmfork_capture *cap)
{
	self->fds[nr] = capture_range(-1, self->memory, PAGES * PAGE, 0, cap);
	return self->fds[nr] < 0 ? 0 : id_of(self->fds[nr]);
}

/*
 * By a plain store: an emulated CPU reads first where it is to add something,
 * and that is another fault.
 */
static void write_pages(char *memory, size_t first, size_t nr)
{
	for (; nr; first++, nr--)
		*(volatile char *)(memory + first * PAGE) = 77;
}

TEST_F(netlink, one_snapshot)
{
	struct nl_snapshot s = { 0 }, all[4];
	struct vmfork_capture cap;
	uint64_t id = capture_into(self, 0, &cap), now = now_ns();

	ASSERT_NE(0, id);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, false, &s));
	EXPECT_EQ(id, s.id);
	EXPECT_EQ(PAGES * PAGE, s.size);
	EXPECT_EQ(PAGES - HOLES, s.pages);
	EXPECT_EQ(0, s.huge);
	EXPECT_EQ(HOLES, s.hole);
	EXPECT_EQ(cap.pages_stolen, s.stolen);
	EXPECT_EQ(cap.pages_copied, s.copied);
	EXPECT_EQ(PAGES - HOLES, s.stolen + s.copied);
	EXPECT_EQ(1, s.mappings);
	EXPECT_EQ(0, s.parent);
	EXPECT_EQ(0, s.uid);
	EXPECT_EQ(0, s.gid);
	EXPECT_EQ(0600, s.mode);
	EXPECT_EQ(getpid(), s.creator);
	EXPECT_STREQ("netlink", s.command);
	EXPECT_STREQ("", s.name);
	EXPECT_GE(now, s.created);
	EXPECT_GE(60ULL * 1000000000 * slowness(), s.age);
	EXPECT_FALSE(s.counted);

	ASSERT_EQ(1, nl_snapshots(&self->nl, true, all, 4));
	EXPECT_EQ(id, all[0].id);
	EXPECT_TRUE(all[0].counted);
	EXPECT_EQ(0, all[0].shared);
	EXPECT_EQ((PAGES - HOLES) * PAGE, all[0].alone);
}

/* Without its files and mappings it is gone. */
TEST_F(netlink, gone)
{
	struct nl_snapshot s;
	uint64_t id = capture_into(self, 0, NULL);

	close(self->fds[0]);
	self->fds[0] = -1;
	/* The memory that was captured is a mapping. */
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, true, &s));
	EXPECT_EQ(1, s.mappings);
	EXPECT_EQ((PAGES - HOLES) * PAGE, s.alone);
	munmap(self->memory, PAGES * PAGE);
	EXPECT_EQ(-ENOENT, nl_get_snapshot(&self->nl, id, true, &s));
	EXPECT_STREQ("there is no such snapshot, or you may not read it",
		     self->nl.text);
	EXPECT_EQ(0, nl_snapshots(&self->nl, true, NULL, 0));
}

/* What is written to between two captures is each one's own. */
TEST_F(netlink, alone)
{
	struct nl_snapshot s;
	uint64_t first = capture_into(self, 0, NULL), second, third;
	size_t changed = 5;

	write_pages(self->memory, 3, changed);
	second = capture_into(self, 1, NULL);
	ASSERT_NE(0, second);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, first, true, &s));
	EXPECT_EQ(PAGES - HOLES - changed, s.shared);
	EXPECT_EQ(changed * PAGE, s.alone);
	EXPECT_EQ(0, s.mappings);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, second, true, &s));
	EXPECT_EQ(PAGES - HOLES - changed, s.shared);
	EXPECT_EQ(changed * PAGE, s.alone);
	EXPECT_EQ(first, s.parent);
	EXPECT_EQ(changed, s.stolen + s.copied);
	EXPECT_EQ(1, s.mappings);

	/* Nothing was written: all is shared. */
	third = capture_into(self, 2, NULL);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, third, true, &s));
	EXPECT_EQ(PAGES - HOLES, s.shared);
	EXPECT_EQ(0, s.alone);
	EXPECT_EQ(second, s.parent);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, second, true, &s));
	EXPECT_EQ(0, s.alone);

	/* The one between goes: its child is its parent's. */
	close(self->fds[1]);
	self->fds[1] = -1;
	EXPECT_EQ(-ENOENT, nl_get_snapshot(&self->nl, second, true, &s));
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, third, true, &s));
	EXPECT_EQ(first, s.parent);
	EXPECT_EQ(changed * PAGE, s.alone);
	close(self->fds[0]);
	self->fds[0] = -1;
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, third, true, &s));
	EXPECT_EQ(0, s.parent);
	EXPECT_EQ(0, s.shared);
	EXPECT_EQ((PAGES - HOLES) * PAGE, s.alone);
}

/* The sum of all is what there is, however many have come and gone. */
TEST_F(netlink, what_goes_was_alone)
{
	struct nl_snapshot before[8], s;
	size_t i, j;
	uint64_t id, freed = 0;

	for (i = 0; i < 8; i++) {
		write_pages(self->memory, 3 * i, 2 * i);
		ASSERT_NE(0, capture_into(self, i, NULL));
	}
	munmap(self->memory, PAGES * PAGE);
	for (i = 0; i < 8; i++) {
		j = (i * 5 + 3) % 8;
		id = id_of(self->fds[j]);
		ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, true, &s));
		freed += s.alone;
		close(self->fds[j]);
		self->fds[j] = -1;
		EXPECT_EQ((long)(7 - i),
			  nl_snapshots(&self->nl, true, before, 8));
	}
	/* The first, and what was written for each of the others. */
	EXPECT_EQ((PAGES - HOLES + 2 * (1 + 2 + 3 + 4 + 5 + 6 + 7)) * PAGE,
		  freed);
}

/* A huge page is kept as a whole for any part of it. */
TEST_F(netlink, huge_page)
{
	struct nl_snapshot s;
	struct area area;
	uint64_t first, second;
	int fd, fd2;

	if (kind_missing(KIND_THP))
		SKIP(return, "%s", kind_missing(KIND_THP));
	ASSERT_EQ(0, area_make(&area, KIND_THP, 2 * HUGE, 0));
	fd = capture_range(-1, area.view.addr, 2 * HUGE, 0, NULL);
	ASSERT_LE(0, fd);
	first = id_of(fd);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, first, true, &s));
	EXPECT_EQ(1024, s.pages);
	EXPECT_EQ(1024, s.huge);
	EXPECT_EQ(0, s.shared);
	EXPECT_EQ(2 * HUGE, s.alone);
	area.view.addr[0]++;
	fd2 = capture_range(-1, area.view.addr, 2 * HUGE, 0, NULL);
	ASSERT_LE(0, fd2);
	second = id_of(fd2);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, second, true, &s));
	EXPECT_EQ(1024, s.pages);
	EXPECT_EQ(512, s.huge);
	EXPECT_EQ(PAGE, s.alone);
	EXPECT_EQ(1023, s.shared);
	close(fd);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, second, true, &s));
	EXPECT_EQ(2 * HUGE + PAGE, s.alone);
	EXPECT_EQ(0, s.shared);
	area_free(&area);
	close(fd2);
}

/* A capture ahead is one more snapshot, and goes; the line of descent stays. */
TEST_F(netlink, prearm)
{
	struct nl_snapshot s, all[4];
	uint64_t first = capture_into(self, 0, NULL), last;
	unsigned int tries;

	write_pages(self->memory, 0, 4);
	ASSERT_EQ(0, prearm_range(-1, self->memory, PAGES * PAGE, 0, 0, NULL));
	ASSERT_EQ(2, nl_snapshots(&self->nl, false, all, 4));
	EXPECT_EQ(first, all[0].id);
	EXPECT_EQ(first, all[1].parent);
	write_pages(self->memory, 2, 4);
	last = capture_into(self, 1, NULL);
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, last, true, &s));
	/* What was captured ahead is no more, and freed a moment later. */
	EXPECT_EQ(2, nl_snapshots(&self->nl, false, all, 4));
	EXPECT_EQ(first, s.parent);
	for (tries = 0; tries < 1000 && s.alone != 6 * PAGE; tries++) {
		usleep(1000);
		ASSERT_EQ(0, nl_get_snapshot(&self->nl, last, true, &s));
	}
	EXPECT_EQ(6 * PAGE, s.alone);
}

/* --- mappings --- */

TEST_F(netlink, one_mapping)
{
	struct nl_mapping m[4];
	uint64_t id = capture_into(self, 0, NULL);
	const volatile char *memory = self->memory;
	size_t i;

	memset(m, 0, sizeof(m));
	ASSERT_EQ(1, nl_mappings(&self->nl, 0, 0, true, m, 4));
	EXPECT_EQ(id, m[0].snapshot);
	EXPECT_EQ(getpid(), m[0].pid);
	EXPECT_EQ(0, m[0].uid);
	EXPECT_STREQ("netlink", m[0].command);
	EXPECT_EQ((uintptr_t)self->memory, m[0].start);
	EXPECT_EQ((uintptr_t)self->memory + PAGES * PAGE, m[0].end);
	EXPECT_EQ(0, m[0].offset);
	EXPECT_TRUE(m[0].counted);
	EXPECT_EQ(0, m[0].private);
	EXPECT_EQ(0, m[0].shared);
	EXPECT_EQ(0, m[0].faults_read + m[0].faults_write);

	/* Seven are written to as the first thing, the holes are read. */
	write_pages(self->memory, 0, 7);
	for (i = PAGES - HOLES; i < PAGES; i++)
		ASSERT_EQ(0, memory[i * PAGE]);
	ASSERT_EQ(1, nl_mappings(&self->nl, id, getpid(), true, m, 4));
	EXPECT_EQ(7, m[0].private);
	EXPECT_EQ(7, m[0].faults_write);
	EXPECT_LE(1, m[0].faults_read);

	/* All are read, and two of them are written to then. */
	for (i = 0; i < PAGES - HOLES; i++)
		ASSERT_NE(0, memory[i * PAGE]);
	write_pages(self->memory, 20, 2);
	ASSERT_EQ(1, nl_mappings(&self->nl, id, getpid(), true, m, 4));
	EXPECT_EQ(9, m[0].private);
	EXPECT_EQ(PAGES - HOLES - 9, m[0].shared);
	EXPECT_EQ(7, m[0].faults_write);
	ASSERT_EQ(1, nl_mappings(&self->nl, id, getpid(), false, m, 4));
	EXPECT_FALSE(m[0].counted);

	/* Nobody else's. */
	EXPECT_EQ(0, nl_mappings(&self->nl, id + 1000, 0, true, m, 4));
	EXPECT_EQ(0, nl_mappings(&self->nl, id, 1, true, m, 4));
	munmap(self->memory, PAGES * PAGE);
	EXPECT_EQ(0, nl_mappings(&self->nl, 0, 0, true, m, 4));
}

/* Splits that lie side by side are one range, and others are not. */
TEST_F(netlink, ranges)
{
	struct nl_mapping m[4];
	char *away;
	int i, found = 0;

	ASSERT_NE(0, capture_into(self, 0, NULL));
	ASSERT_EQ(0, madvise(self->memory + 8 * PAGE, 8 * PAGE,
			     MADV_DONTDUMP));
	ASSERT_EQ(1, nl_mappings(&self->nl, 0, 0, true, m, 4));
	EXPECT_EQ((uintptr_t)self->memory, m[0].start);
	EXPECT_EQ((uintptr_t)self->memory + PAGES * PAGE, m[0].end);

	munmap(self->memory + 8 * PAGE, 8 * PAGE);
	ASSERT_EQ(2, nl_mappings(&self->nl, 0, 0, true, m, 4));
	EXPECT_EQ((uintptr_t)self->memory + 8 * PAGE, m[0].end);
	EXPECT_EQ((uintptr_t)self->memory + 16 * PAGE, m[1].start);
	EXPECT_EQ(16 * PAGE, m[1].offset);
	EXPECT_EQ(m[0].id, m[1].id);

	away = reserve(8 * PAGE, 0);
	ASSERT_EQ(away, mremap(self->memory + 16 * PAGE, 8 * PAGE, 8 * PAGE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, away));
	ASSERT_EQ(3, nl_mappings(&self->nl, 0, 0, true, m, 4));
	for (i = 0; i < 3; i++)
		found += m[i].start == (uintptr_t)away &&
			 m[i].end == (uintptr_t)away + 8 * PAGE &&
			 m[i].offset == 16 * PAGE;
	EXPECT_EQ(1, found);
	munmap(away, 8 * PAGE);
}

struct map_arg {
	size_t read, written;
};

/* In a peer: maps it, reads some, writes to some. */
static long do_map(int fd, const void *arg)
{
	const struct map_arg *pages = arg;
	volatile char *map;
	char sum = 0;
	size_t i;

	map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		   0);
	if (map == MAP_FAILED)
		return -errno;
	for (i = 0; i < pages->read; i++)
		sum += map[i * PAGE];
	for (i = 0; i < pages->written; i++)
		map[i * PAGE] = 77;
	return (long)map + (sum & 0);
}

TEST_F(netlink, children)
{
	struct peer *peers[3];
	struct nl_mapping m[8];
	struct nl_snapshot s;
	long maps[3], i;
	uint64_t id;

	for (i = 0; i < 3; i++)
		peers[i] = peer_start();
	id = capture_into(self, 0, NULL);
	for (i = 0; i < 3; i++) {
		struct map_arg arg = { 0, 2 * i };

		maps[i] = peer_call(peers[i], do_map, self->fds[0], &arg,
				    sizeof(arg));
		ASSERT_LT(0, maps[i]);
	}
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, false, &s));
	EXPECT_EQ(4, s.mappings);
	EXPECT_EQ(4, nl_mappings(&self->nl, id, 0, true, m, 8));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, nl_mappings(&self->nl, id, peers[i]->pid, true, m,
					 8));
		EXPECT_EQ(peers[i]->pid, m[0].pid);
		EXPECT_EQ((uint64_t)maps[i], m[0].start);
		EXPECT_EQ(2 * (uint64_t)i, m[0].private);
		EXPECT_EQ(0, m[0].shared);
		peer_kill(peers[i]);
	}
	ASSERT_EQ(1, nl_mappings(&self->nl, id, 0, true, m, 8));
	ASSERT_EQ(0, nl_get_snapshot(&self->nl, id, false, &s));
	EXPECT_EQ(1, s.mappings);
}

/* fork(2) makes one mapping two processes'. */
TEST_F(netlink, forked)
{
	struct nl_mapping m[4];
	struct peer *peer;
	uint64_t id = capture_into(self, 0, NULL);

	write_pages(self->memory, 0, 3);
	peer = peer_start();
	ASSERT_EQ(2, nl_mappings(&self->nl, id, 0, true, m, 4));
	EXPECT_EQ(m[0].id, m[1].id);
	EXPECT_EQ(getpid() + peer->pid, m[0].pid + m[1].pid);
	EXPECT_EQ(3, m[0].private);
	EXPECT_EQ(3, m[1].private);
	peer_kill(peer);
	ASSERT_EQ(1, nl_mappings(&self->nl, id, 0, true, m, 4));
}

/* --- what is refused, and what is said then --- */

static int ask_raw(struct nl *nl, uint8_t cmd, uint16_t flags, uint16_t attr,
		   const void *data, size_t len)
{
	struct nl_ask ask;

	nl_begin(&ask, nl, cmd, flags);
	if (attr)
		nl_put(&ask, attr, data, len);
	return nl_talk(nl, &ask, NULL, NULL);
}

TEST_F(netlink, refusals)
{
	static const uint64_t zero, large = ~0ULL, one = 1;
	static const uint32_t small;
	struct nl *nl = &self->nl;
	struct nl_ask ask;
	struct {
		uint8_t cmd;
		uint16_t flags, attr;
		const void *data;
		size_t len;
		int err;
		const char *text;
	} const cases[] = {
		{ VMFORK_CMD_SNAPSHOT_GET, 0, 0, NULL, 0, -EINVAL,
		  "which snapshot is not said" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, VMFORK_A_SNAPSHOT_ID, &large, 8,
		  -ENOENT, "no such snapshot" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, VMFORK_A_SNAPSHOT_ID, &zero, 8,
		  -ERANGE, "out of range" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, VMFORK_A_SNAPSHOT_ID, &one, 4,
		  -EINVAL, "ttribute" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, VMFORK_A_SNAPSHOT_ID, &one, 0,
		  -EINVAL, "ttribute" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, VMFORK_A_SNAPSHOT_COUNT, &one, 8,
		  -ERANGE, "ttribute" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, VMFORK_A_SNAPSHOT_SIZE, &one, 8,
		  -EINVAL, "known attribute" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0, 200, &one, 8, -EINVAL,
		  "known attribute" },
		{ VMFORK_CMD_SNAPSHOT_GET, 0,
		  VMFORK_A_SNAPSHOT_ID | NLA_F_NESTED, &one, 8, -EINVAL,
		  "NLA_F_NESTED" },
		{ VMFORK_CMD_SNAPSHOT_GET, NLM_F_DUMP, VMFORK_A_SNAPSHOT_ID,
		  &one, 8, -EINVAL, "a dump is of all snapshots" },
		{ VMFORK_CMD_MAPPING_GET, NLM_F_DUMP, VMFORK_A_MAPPING_PID,
		  &small, 4, -ERANGE, "out of range" },
		{ VMFORK_CMD_MAPPING_GET, NLM_F_DUMP, VMFORK_A_MAPPING_SNAPSHOT,
		  &zero, 8, -ERANGE, "out of range" },
		{ VMFORK_CMD_MAPPING_GET, NLM_F_DUMP, VMFORK_A_MAPPING_START,
		  &one, 8, -EINVAL, "known attribute" },
		/* What the kernel refuses before it asks us has no text. */
		{ VMFORK_CMD_MAPPING_GET, 0, 0, NULL, 0, -EOPNOTSUPP, "" },
		{ VMFORK_CMD_CAPTURED, 0, 0, NULL, 0, -EOPNOTSUPP, "" },
		{ VMFORK_CMD_MAX + 1, NLM_F_DUMP, 0, NULL, 0, -EOPNOTSUPP, "" },
		{ VMFORK_CMD_SNAPSHOT_GET, NLM_F_ATOMIC, 0, NULL, 0, -EINVAL,
		  "reserved bits" },
	};
	const char *text;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text = cases[i].text;
		EXPECT_EQ(cases[i].err,
			  ask_raw(nl, cases[i].cmd, cases[i].flags,
				  cases[i].attr, cases[i].data, cases[i].len))
			TH_LOG("case %zu", i);
		EXPECT_NE(NULL, strstr(nl->text, text));
		EXPECT_EQ(!*text, !*nl->text)
			TH_LOG("case %zu says \"%s\"", i, nl->text);
	}
	/* What is left over after the attributes */
	nl_begin(&ask, nl, VMFORK_CMD_SNAPSHOT_GET, NLM_F_DUMP);
	ask.head.nlmsg_len += 2;
	EXPECT_EQ(-EINVAL, nl_talk(nl, &ask, NULL, NULL));
	EXPECT_STREQ("bytes leftover after parsing attributes", nl->text);
}

/* A dump that is not read to its end holds nothing up, and nothing for ever. */
TEST_F(netlink, dump_broken_off)
{
	struct nl_ask ask;
	struct nl other;
	size_t i;

	/* Each other page is a range of its own: more than one message's. */
	ASSERT_NE(0, capture_into(self, 0, NULL));
	for (i = 0; i < PAGES; i += 2)
		munmap(self->memory + i * PAGE, PAGE);
	EXPECT_EQ(PAGES / 2, nl_mappings(&self->nl, 0, 0, true, NULL, 0));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, nl_open(&other));
		nl_begin(&ask, &other, i & 1 ? VMFORK_CMD_SNAPSHOT_GET :
					       VMFORK_CMD_MAPPING_GET,
			 NLM_F_DUMP);
		ASSERT_EQ(0, nl_send(&other, &ask));
		nl_close(&other);
	}
	EXPECT_EQ(PAGES / 2, nl_mappings(&self->nl, 0, 0, true, NULL, 0));
}

TEST_HARNESS_MAIN
