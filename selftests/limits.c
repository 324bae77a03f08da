// SPDX-License-Identifier: GPL-2.0
/*
 * What runs out besides memory: files of the whole system, swap that can not
 * be read any more, and patience.
 */
#include <fcntl.h>
#include <pthread.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "abi.h"
#include "peer.h"

#define FILE_MAX	"/proc/sys/fs/file-max"
#define NOBODY		65534

/* In a peer: captures as one for whom the system's limit holds. */
struct nobody_arg {
	int dev;
	struct vmfork_capture *cap;	/* in shared memory */
};

static long do_capture_as_nobody(int fd, const void *arg)
{
	const struct nobody_arg *nobody = arg;

	(void)fd;
	if (setresuid(NOBODY, NOBODY, NOBODY))
		return -ENOTRECOVERABLE;
	return capture_full(nobody->dev, nobody->cap);
}

static void *keep_busy(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

/*
 * Pages that somebody holds are waited for, but not for long: other threads
 * want the mmap lock.  The other CPU is busy all the while, as an emulator
 * with one thread gives it its turn each time that the capture's CPU waits.
 */
TEST_F(abi, pages_that_are_held_are_soon_copied)
{
	struct iovec iov = {
		.iov_base = self->area.view.addr, .iov_len = 16 * PAGE,
	};
	struct vmfork_capture *cap = &self->cap;
	bool stop = false;
	pthread_t busy;
	int pipes[2], fd;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((long)(16 * PAGE), vmsplice(pipes[1], &iov, 1, 0));
	ASSERT_EQ(0, pthread_create(&busy, NULL, keep_busy, &stop));
	fd = capture_full(self->dev, cap);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(busy, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(16, cap->copied_busy);
	EXPECT_GT(2000ULL * 1000 * 1000 * slowness(), cap->ns_steal);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->area.view.model,
				    "the snapshot"));
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(abi, no_free_file_in_the_system)
{
	struct vmfork_capture *cap = shared_alloc(sizeof(*cap));
	struct nobody_arg arg = { .dev = self->dev, .cap = cap };
	struct vmfork_region *region = shared_alloc(sizeof(*region));
	struct peer *peer = peer_start();
	char was[32];
	long ret;

	*cap = self->cap;
	*region = self->region[0];
	cap->regions = (uintptr_t)region;
	cap->refusal = 99;
	ASSERT_LT(0, read_file(FILE_MAX, was, sizeof(was)));
	ASSERT_EQ(0, write_file(FILE_MAX, "0"));
	ret = peer_call(peer, do_capture_as_nobody, -1, &arg, sizeof(arg));
	EXPECT_EQ(0, write_file(FILE_MAX, was));
	EXPECT_EQ(-ENFILE, ret) TH_LOG("%s", strerror(-ret));
	EXPECT_EQ(VMFORK_OK, cap->refusal);
	/* Now there are free files, and the same peer is no other than before. */
	ret = peer_call(peer, do_capture_as_nobody, -1, &arg, sizeof(arg));
	EXPECT_LE(0, ret) TH_LOG("%s", strerror(-ret));
	peer_kill(peer);
	works();
}

/*
 * A swap device of which some pages can not be read.  The runner has one: the
 * device that VMFORK_TEST_BAD_DISK names, 128 pages of which eight are lost.
 */
#define SWAP_PAGES	128
#define OUT_PAGES	100

FIXTURE(bad_swap) {
	const char *disk;
	char *memory;
	struct vmfork_capture cap;
	struct vmfork_region region[2];
	struct area good;
};

static int make_swap(const char *path)
{
	static char page[PAGE];
	uint32_t *version = (uint32_t *)(page + 1024);
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_SYNC), ret = 0;

	if (fd < 0)
		return -errno;
	version[0] = 1;
	version[1] = SWAP_PAGES - 1;
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	if (write(fd, page, PAGE) != (ssize_t)PAGE)
		ret = -errno;
	close(fd);
	if (!ret && swapon(path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		ret = -errno;
	return ret;
}

/* Its pages are @page + 1; nearly all of them are swapped out. */
static char *swapped_memory(void)
{
	char *memory = reserve(OUT_PAGES * PAGE, 0);
	size_t i;

	if (!memory || mprotect(memory, OUT_PAGES * PAGE,
				PROT_READ | PROT_WRITE))
		return NULL;
	madvise(memory, OUT_PAGES * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < OUT_PAGES; i++)
		page_fill(memory + i * PAGE, i + 1);
	return swap_out(memory, OUT_PAGES) > OUT_PAGES * 3 / 4 ? memory : NULL;
}

FIXTURE_SETUP(bad_swap)
{
	self->disk = getenv("VMFORK_TEST_BAD_DISK");
	if (!self->disk)
		SKIP(return, "no disk that fails (VMFORK_TEST_BAD_DISK)");
	ASSERT_EQ(0, area_make(&self->good, KIND_BASE, LEN, 0));
	ASSERT_EQ(0, make_swap(self->disk));
	self->memory = swapped_memory();
	ASSERT_NE(NULL, self->memory);
	self->region[0].addr = (uintptr_t)self->good.view.addr;
	self->region[0].len = LEN;
	self->region[1].addr = (uintptr_t)self->memory;
	self->region[1].len = OUT_PAGES * PAGE;
	self->region[1].offset = LEN;
	self->cap = (struct vmfork_capture){
		.size = sizeof(self->cap), .pidfd = -1, .nr_regions = 2,
		.regions = (uintptr_t)self->region,
	};
}

FIXTURE_TEARDOWN(bad_swap)
{
	if (!self->disk)
		return;
	if (self->memory)
		munmap(self->memory, OUT_PAGES * PAGE);
	EXPECT_EQ(0, swapoff(self->disk));
	area_free(&self->good);
}

/* Is page @i of the memory lost?  The kernel says so without a SIGBUS. */
static bool lost(FIXTURE_DATA(bad_swap) *self, size_t i, int pipes[2])
{
	static char page[PAGE];

	if (write(pipes[1], self->memory + i * PAGE, PAGE) != (ssize_t)PAGE)
		return true;
	return read(pipes[0], page, PAGE) != (ssize_t)PAGE;
}

TEST_F(bad_swap, is_no_snapshot)
{
	int dev = device(), fds = count_fds(), pipes[2], fd;
	static char before[65536], after[65536];
	size_t i, bad, nr_lost = 0;

	read_maps(before, sizeof(before));
	fd = capture_full(dev, &self->cap);
	read_maps(after, sizeof(after));
	ASSERT_EQ(-EIO, fd) TH_LOG("%s", fd < 0 ? strerror(-fd) : "captured");
	EXPECT_EQ(VMFORK_SWAPIN, self->cap.refusal);
	EXPECT_EQ(1, self->cap.refused_region);
	bad = (self->cap.refused_addr - (uintptr_t)self->memory) / PAGE;
	EXPECT_LT(bad, OUT_PAGES);
	EXPECT_EQ(fds, count_fds());
	/* Nothing was captured, the good region neither. */
	EXPECT_STREQ(before, after);
	EXPECT_EQ(0, view_check(&self->good.view, "the good region"));

	/* It said which page, and the others are as they were. */
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_TRUE(lost(self, bad, pipes));
	for (i = 0; i < OUT_PAGES; i++) {
		struct stamp stamp = { .fill = i + 1 };

		if (lost(self, i, pipes)) {
			nr_lost++;
			continue;
		}
		EXPECT_TRUE(page_is(self->memory + i * PAGE, &stamp))
			TH_LOG("page %zu", i);
	}
	note("%zu of %lu pages are lost, the capture met page %zu first",
	     nr_lost, OUT_PAGES * 1UL, bad);
	close(pipes[0]);
	close(pipes[1]);

	/* Without them it works. */
	self->region[1].len = bad * PAGE;
	self->cap.nr_regions = bad ? 2 : 1;
	self->cap.snapshot_size = 0;
	fd = capture_full(dev, &self->cap);
	EXPECT_LE(0, fd) TH_LOG("%s, %s", strerror(-fd),
				refusal_text(&self->cap));
	EXPECT_EQ(0, snapshot_check(fd, 0, PAGES, self->good.view.model,
				    "the snapshot"));
	close(fd);
	close(dev);
}

TEST_HARNESS_MAIN
