// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink: what is said of snapshots of files.  Their pages are a kind of their
 * own; what was read of a file is somebody's alone if nobody else has its pages.
 */
#include "imported.h"
#include "nl.h"

#define TOUCHED	64

static uint64_t id_of(int fd)
{
	struct vmfork_info info = { 0 };

	return snapshot_info(fd, &info) ? 0 : info.id;
}

/* The next event of that snapshot; others' are not ours. */
static int event_of(struct nl *nl, uint64_t id, struct nl_answer *e)
{
	int err;

	do {
		err = nl_event(nl, e, 5000);
	} while (!err && nl_u64(e, VMFORK_A_EVENT_SNAPSHOT) != id);
	return err;
}

TEST_F(import, told_of)
{
	struct vmfork_import arg = { 0 };
	struct nl_snapshot s;
	struct nl_answer e;
	struct nl nl;
	int fd;

	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, nl_join(&nl));
	fd = import_file(&self->file, O_RDONLY, &arg);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, event_of(&nl, arg.id, &e));
	EXPECT_EQ(VMFORK_CMD_IMPORTED, e.cmd);
	EXPECT_EQ(getpid(), (pid_t)nl_u32(&e, VMFORK_A_EVENT_PID));
	EXPECT_TRUE(nl_has(&e, VMFORK_A_EVENT_UID));
	EXPECT_EQ(LEN, nl_u64(&e, VMFORK_A_EVENT_SIZE));
	EXPECT_LT(0, arg.pages_file);
	EXPECT_EQ(arg.pages_file, nl_u64(&e, VMFORK_A_EVENT_PAGES_FILE));

	ASSERT_EQ(0, nl_get_snapshot(&nl, arg.id, true, &s));
	EXPECT_EQ(LEN, s.size);
	EXPECT_EQ(0, s.pages);
	EXPECT_EQ(arg.pages_file, s.file);
	EXPECT_EQ(arg.pages_hole, s.hole);
	EXPECT_EQ(0, s.shared);
	EXPECT_EQ(0, s.alone);
	EXPECT_EQ(0, s.alone_file);
	EXPECT_EQ(0, s.parent);
	EXPECT_EQ(getpid(), s.creator);
	close(fd);
	ASSERT_EQ(0, event_of(&nl, arg.id, &e));
	EXPECT_EQ(VMFORK_CMD_DROPPED, e.cmd);
	EXPECT_EQ(0, nl_u64(&e, VMFORK_A_EVENT_PAGES));
	EXPECT_EQ(-ENOENT, nl_get_snapshot(&nl, arg.id, true, &s));
	nl_close(&nl);
}

/* What is refused is no event. */
TEST_F(import, refused)
{
	struct nl_answer e;
	struct nl nl;
	int err;

	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, nl_join(&nl));
	EXPECT_GT(0, import_fd(nl.fd, 0, 0, NULL));
	while (!(err = nl_event(&nl, &e, 300)))
		EXPECT_NE(VMFORK_CMD_IMPORTED, e.cmd);
	EXPECT_EQ(-ETIMEDOUT, err);
	nl_close(&nl);
}

static int get(struct nl *nl, int fd, struct nl_snapshot *s)
{
	return nl_get_snapshot(nl, id_of(fd), true, s);
}

TEST_F(import, memory_alone)
{
	int fd = import_file(&self->file, O_RDONLY, NULL), again, second;
	struct nl_snapshot s;
	uint64_t read;
	struct nl nl;
	char *map;
	size_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nl_open(&nl));
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)map);
	for (i = 0; i < TOUCHED; i++)
		ASSERT_EQ(0, touch_page(map + i * PAGE, false));
	read = pages_read(fd);
	EXPECT_LT(0, read);
	EXPECT_GT(self->file.data, read);
	ASSERT_EQ(0, get(&nl, fd, &s));
	EXPECT_EQ(read * PAGE, s.alone_file);
	EXPECT_EQ(read * PAGE, s.alone);
	EXPECT_EQ(0, s.pages);

	/* Who imports it once more reads it once more. */
	again = import_file(&self->file, O_RDONLY, NULL);
	ASSERT_LE(0, again);
	ASSERT_EQ(0, get(&nl, again, &s));
	EXPECT_EQ(0, s.alone_file);
	ASSERT_EQ(0, get(&nl, fd, &s));
	EXPECT_EQ(read * PAGE, s.alone_file);
	close(again);

	/* What is captured of a mapping of it names the same pages. */
	map[PAGES / 2 * PAGE] = 1;
	map[(PAGES / 2 + 1) * PAGE] = 1;
	second = capture_range(-1, map, LEN, 0, NULL);
	ASSERT_LE(0, second);
	read = pages_read(fd);
	ASSERT_EQ(0, get(&nl, fd, &s));
	EXPECT_EQ(0, s.alone);
	ASSERT_EQ(0, get(&nl, second, &s));
	EXPECT_EQ(2, s.pages);
	EXPECT_EQ(2 * PAGE, s.alone);
	EXPECT_EQ(0, s.alone_file);
	EXPECT_EQ(id_of(fd), s.parent);
	EXPECT_EQ(PAGES, s.pages + s.file + s.hole);

	/* It goes, and all of it is the second's. */
	close(fd);
	ASSERT_EQ(0, get(&nl, second, &s));
	EXPECT_EQ(read * PAGE, s.alone_file);
	EXPECT_EQ((read + 2) * PAGE, s.alone);
	munmap(map, LEN);
	close(second);
	nl_close(&nl);
}

TEST_HARNESS_MAIN
