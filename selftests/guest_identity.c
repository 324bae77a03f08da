// SPDX-License-Identifier: GPL-2.0
/*
 * Identity: at the instant of a fork every byte of a Linux guest's memory is
 * the same in the parent, in the snapshot as a file, and in the children; and
 * the snapshot still is the same when all of them have gone on.
 */
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest_memory.h"

FIXTURE(guest) { };

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
	guests_boot("2", variant->thp, "identity");
}

FIXTURE_TEARDOWN(guest)
{
	family_end();
}

TEST_F_TIMEOUT(guest, every_byte_is_the_same, 280)
{
	struct guest *parent = &guests[0], *child, *grandchild;
	uint64_t before, pages_huge;
	int snapshot;

	guest_ask(parent, "pause");
	child = guest_fork_same(parent);
	ASSERT_NE(NULL, child);
	snapshot = guest_open_snapshot(child);
	before = guest_hash_file(snapshot);

	/* All go on and write, which the snapshot does not see */
	guest_ask(parent, "resume");
	guest_ask(&child[0], "resume");
	guest_ask(&child[1], "resume");
	guest_ask(&child[0], "wait child 60");
	guest_ask(&child[1], "wait child 60");
	EXPECT_TRUE(guest_verified(parent));
	EXPECT_TRUE(guest_verified(&child[0]));
	EXPECT_TRUE(guest_verified(&child[1]));
	EXPECT_EQ(guest_hash_file(snapshot), before);

	/* Once more, of memory that is partly a snapshot's, partly its own */
	guest_ask(&child[0], "pause");
	grandchild = guest_fork_same(&child[0]);
	ASSERT_NE(NULL, grandchild);
	guest_ask(&child[0], "resume");
	guest_ask(grandchild, "resume");
	guest_ask(grandchild, "wait child 60");
	EXPECT_TRUE(guest_verified(&child[0]));
	EXPECT_TRUE(guest_verified(grandchild));
	EXPECT_EQ(guest_hash_file(snapshot), before);
	close(snapshot);

	guest_ask(parent, "pause");
	family_fork(parent, "", 1);
	pages_huge = reply_number(parent, "huge");
	EXPECT_EQ(pages_huge > 0, variant->thp);
}

TEST_HARNESS_MAIN
