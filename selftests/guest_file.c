// SPDX-License-Identifier: GPL-2.0
/*
 * A Linux guest whose memory is a file's, mapped privately or imported, is
 * forked like any: what it has not written to is the file's in its children,
 * too, and is read when they use it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest_memory.h"
#include "pages.h"

#define SIZE	(128 * MIB)
/* What the file has that the guest finds there; the rest is holes. */
#define BEGIN	(64 * MIB)
#define END	(112 * MIB)

FIXTURE(guest) {
	int file;
};

FIXTURE_VARIANT(guest) { bool import; };
FIXTURE_VARIANT_ADD(guest, mapped_file) { .import = false };
FIXTURE_VARIANT_ADD(guest, import) { .import = true };

/* A descriptor that is open for reading only, or -1. */
static int make_file(void)
{
	int file = memfd_create("ram", MFD_CLOEXEC), again = -1;
	char page[PAGE], path[32];
	uint64_t at;

	if (file < 0 || ftruncate(file, SIZE))
		return -1;
	for (at = BEGIN; at < END; at += PAGE) {
		page_fill(page, at + 1);
		if (pwrite(file, page, PAGE, at) != (ssize_t)PAGE)
			return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(file);
	return again;
}

static int import(int file)
{
	struct vmfork_import arg = { .size = sizeof(arg), .fd = file };
	int dev = device(), snap = ioctl(dev, VMFORK_IMPORT, &arg);

	close(dev);
	close(file);
	return snap;
}

FIXTURE_SETUP(guest)
{
	const char *refused = guests_refused();
	char path[32];

	if (refused)
		SKIP(return, "%s", refused);
	self->file = make_file();
	ASSERT_LE(0, self->file);
	if (variant->import)
		self->file = import(self->file);
	ASSERT_LE(0, self->file);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), self->file);
	guests_boot_on(path, "file");
	/* The file is the guest's alone now. */
	close(self->file);
}

FIXTURE_TEARDOWN(guest)
{
	family_end();
}

static void resume(struct guest *child)
{
	guest_ask(child, "resume");
	guest_ask(child, "wait child 60");
}

TEST_F_TIMEOUT(guest, forks, 280)
{
	struct guest *parent = &guests[0], *child, *grandchild;
	struct vmfork_info info;
	uint64_t before;
	int snapshot;

	guest_ask(parent, "pause");
	child = guest_fork_same(parent);
	ASSERT_NE(NULL, child);
	snapshot = guest_open_snapshot(child);
	ASSERT_EQ(0, snapshot_info(snapshot, &info));
	/* How much the kernel has used of it by now is its own affair. */
	EXPECT_LT((END - BEGIN) / PAGE / 8, info.pages_file);
	EXPECT_GE((END - BEGIN) / PAGE, info.pages_file);
	EXPECT_EQ(0, info.read_errors);
	/* A memfd is what nobody can be kept from writing to. */
	EXPECT_EQ(VMFORK_FILE_UNGUARDED, info.file_flags);
	before = guest_hash_file(snapshot);

	guest_ask(parent, "resume");
	resume(&child[0]);
	resume(&child[1]);
	EXPECT_TRUE(guest_verified(parent));
	EXPECT_TRUE(guest_verified(&child[0]));
	EXPECT_TRUE(guest_verified(&child[1]));

	guest_ask(&child[0], "pause");
	grandchild = guest_fork_same(&child[0]);
	ASSERT_NE(NULL, grandchild);
	guest_ask(&child[0], "resume");
	resume(grandchild);
	EXPECT_TRUE(guest_verified(&child[0]));
	EXPECT_TRUE(guest_verified(grandchild));
	/* Who dies makes no difference. */
	family_kill(parent);
	family_kill(&child[0]);
	EXPECT_TRUE(guest_verified(&child[1]));
	EXPECT_TRUE(guest_verified(grandchild));
	EXPECT_EQ(before, guest_hash_file(snapshot));
	close(snapshot);
}

TEST_HARNESS_MAIN
