// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI: one test for each rule of linux/vmfork.h about structures, pointers,
 * numbers and results.  What memory is refused is in refusals.c, and whose
 * memory in rights.c.
 *
 * Whatever is refused leaves the caller's memory, its mappings and its file
 * descriptors exactly as they were, and works once the reason is gone.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "abi.h"
#include "peer.h"

/* ioctl numbers */

TEST_F(abi, unknown_ioctl)
{
	EXPECT_EQ(-1, ioctl(self->dev, _IO(VMFORK_IOC_MAGIC, 0x7f), 0));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->dev, _IO(0xAA, 0), 0));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(abi, ioctls_belong_to_their_file)
{
	struct vmfork_info info = { .size = sizeof(info) };
	int fd;

	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_INFO, &info));
	EXPECT_EQ(ENOTTY, errno);
	fd = capture_full(self->dev, &self->cap);
	ASSERT_LE(0, fd);
	self->cap.snapshot_size = 0;
	EXPECT_EQ(-ENOTTY, capture_full(fd, &self->cap));
	close(fd);
}

/* The size-first structure */

TEST_F(abi, smaller_structure)
{
	uint32_t size;

	for (size = 0; size < VMFORK_CAPTURE_SIZE_VER0; size += 4) {
		self->cap.size = size;
		refused_outright(EINVAL);
	}
	self->cap.size = sizeof(self->cap);
	works();
}

/* An older program's structure, and the ioctl number that goes with it. */
TEST_F(abi, older_structures)
{
	static const uint32_t sizes[] = {
		VMFORK_CAPTURE_SIZE_VER0, VMFORK_CAPTURE_SIZE_VER1,
		VMFORK_CAPTURE_SIZE_VER2, VMFORK_CAPTURE_SIZE_VER3,
	};
	unsigned int number;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		number = _IOC(_IOC_READ | _IOC_WRITE, VMFORK_IOC_MAGIC, 0,
			      sizes[i]);
		self->cap.size = sizes[i];
		self->cap.snapshot_size = 0;
		self->cap.pages_wiped = 0x1234;
		self->cap.pages_in_place = 0x1234;
		self->cap.pages_file = 0x1234;
		fd = ioctl(self->dev, number, &self->cap);
		ASSERT_LE(0, fd);
		EXPECT_EQ(i ? 0 : 0x1234, self->cap.pages_wiped);
		EXPECT_EQ(i < 2 ? 0x1234 : PAGES, self->cap.pages_in_place);
		EXPECT_EQ(0x1234, self->cap.pages_file);
		EXPECT_EQ(LEN, self->cap.snapshot_size);
		close(fd);
	}
	ASSERT_EQ(sizeof(self->cap), VMFORK_CAPTURE_SIZE_VER4);
	self->cap.size = sizeof(self->cap);
	works();
	EXPECT_EQ(0, self->cap.pages_wiped);
	EXPECT_EQ(0, self->cap.pages_file);
	EXPECT_EQ(PAGES, self->cap.pages_in_place);
	EXPECT_NE(0, self->cap.ns_longest);
}

TEST_F(abi, larger_structure_with_zero_tail)
{
	struct {
		struct vmfork_capture cap;
		char tail[64];
	} big = { .cap = self->cap };
	static const char zeroes[64];
	int fd;

	big.cap.size = sizeof(big);
	fd = ioctl(self->dev, VMFORK_CAPTURE, &big);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PAGES, big.cap.pages_stolen + big.cap.pages_copied);
	EXPECT_EQ(sizeof(big), big.cap.size);
	EXPECT_EQ(0, memcmp(big.tail, zeroes, sizeof(zeroes)));
	close(fd);
}

TEST_F(abi, larger_structure_with_data_in_its_tail)
{
	struct {
		struct vmfork_capture cap;
		char tail[64];
	} big = { .cap = self->cap };

	big.cap.size = sizeof(big);
	big.tail[63] = 1;
	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_CAPTURE, &big));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

TEST_F(abi, structure_of_many_pages)
{
	static char big[8 * PAGE] __attribute__((aligned(4096)));
	int fd;

	self->cap.size = sizeof(big);
	memcpy(big, &self->cap, sizeof(self->cap));
	fd = ioctl(self->dev, VMFORK_CAPTURE, big);
	/* All zeroes: taken, unless the kernel limits the size itself. */
	if (fd < 0) {
		EXPECT_EQ(E2BIG, errno);
	} else {
		close(fd);
	}
	big[sizeof(big) - 1] = 1;
	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_CAPTURE, big));
	EXPECT_EQ(E2BIG, errno);
}

TEST_F(abi, unknown_flags)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (1U << bit == VMFORK_CAPTURE_PREARM ||
		    1U << bit == VMFORK_CAPTURE_INTO)
			continue;
		self->cap.flags = 1U << bit;
		refused_outright(EINVAL);
	}
	self->cap.flags = VMFORK_CAPTURE_PREARM | VMFORK_CAPTURE_INTO;
	refused_outright(EINVAL);
	/* What is no flag, but goes with one. */
	self->cap.flags = 0;
	self->cap.into_fd = 1;
	refused_outright(EINVAL);
	self->cap.into_fd = 0;
	self->cap.reserved = 1;
	refused_outright(EINVAL);
	self->cap.reserved = 0;
	works();
}

TEST_F(abi, unknown_flags_of_a_region)
{
	self->region[0].flags = 2;
	refused_outright(EINVAL);
	self->region[0].flags = 1ULL << 63;
	refused_outright(EINVAL);
	self->region[0].flags = 0;
	works();
}

TEST_F(abi, number_of_regions)
{
	static struct vmfork_region many[VMFORK_MAX_REGIONS + 1];
	unsigned int i;

	self->cap.nr_regions = 0;
	refused_outright(EINVAL);
	for (i = 0; i <= VMFORK_MAX_REGIONS; i++) {
		many[i].addr = self->region[0].addr + i % PAGES * PAGE;
		many[i].len = PAGE;
		many[i].offset = i * PAGE;
	}
	self->cap.regions = (uintptr_t)many;
	self->cap.nr_regions = VMFORK_MAX_REGIONS + 1;
	refused_outright(EINVAL);
	self->cap.nr_regions = -1U;
	refused_outright(EINVAL);
	/* The area has just as many pages as regions are allowed. */
	ASSERT_EQ(VMFORK_MAX_REGIONS, PAGES);
	self->cap.nr_regions = VMFORK_MAX_REGIONS;
	works();
}

/* Pointers */

TEST_F(abi, bad_structure_pointer)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *cut = two + PAGE - sizeof(self->cap) / 2;

	ASSERT_NE(MAP_FAILED, two);
	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_CAPTURE, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_CAPTURE, (void *)-PAGE));
	EXPECT_EQ(EFAULT, errno);
	memcpy(cut, &self->cap, sizeof(self->cap));
	ASSERT_EQ(0, munmap(two + PAGE, PAGE));
	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_CAPTURE, cut));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	munmap(two, PAGE);
}

TEST_F(abi, bad_regions_pointer)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, two);
	self->cap.regions = 0;
	refused_outright(EFAULT);
	self->cap.regions = -PAGE;
	refused_outright(EFAULT);
	ASSERT_EQ(0, munmap(two + PAGE, PAGE));
	self->cap.regions = (uintptr_t)two + PAGE - sizeof(self->region[0]);
	memcpy(two + PAGE - sizeof(self->region[0]), self->region,
	       sizeof(self->region[0]));
	self->cap.nr_regions = 2;
	refused_outright(EFAULT);
	self->cap.nr_regions = 1;
	works();
	munmap(two, PAGE);
}

/* The results can not be written: no snapshot is left behind. */
TEST_F(abi, unwritable_structure)
{
	struct vmfork_capture *cap;
	int fds = count_fds();

	cap = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, cap);
	*cap = self->cap;
	ASSERT_EQ(0, mprotect(cap, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->dev, VMFORK_CAPTURE, cap));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	works();
	munmap(cap, PAGE);
}

/* Numbers in a region */

TEST_F(abi, unaligned)
{
	struct vmfork_region good = self->region[0];
	struct vmfork_region *region = self->region;

	region->addr = good.addr + 1;
	refused(EINVAL, VMFORK_UNALIGNED, 0, region->addr);
	region->addr = good.addr + 2048;
	refused(EINVAL, VMFORK_UNALIGNED, 0, region->addr);
	*region = good;
	region->len = PAGE + 512;
	refused(EINVAL, VMFORK_UNALIGNED, 0, region->addr);
	region->len = 0;
	refused(EINVAL, VMFORK_UNALIGNED, 0, region->addr);
	*region = good;
	region->offset = 4095;
	refused(EINVAL, VMFORK_UNALIGNED, 0, region->addr);
	*region = good;
	region[1] = good;
	region[1].addr += LEN;
	region[1].len = 3;
	self->cap.nr_regions = 2;
	refused(EINVAL, VMFORK_UNALIGNED, 1, region[1].addr);
	self->cap.nr_regions = 1;
	works();
}

TEST_F(abi, overflow)
{
	struct vmfork_region good = self->region[0];
	struct vmfork_region *region = self->region;

	region->len = -PAGE;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	region->len = 1ULL << 62;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	*region = good;
	region->addr = -(uint64_t)LEN;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	region->addr = 0xffff888000000000;	/* the kernel's */
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	*region = good;
	region->offset = VMFORK_MAX_SIZE;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	region->offset = VMFORK_MAX_SIZE - LEN + PAGE;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	region->offset = -PAGE;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, region->addr);
	region->offset = VMFORK_MAX_SIZE - LEN;
	works();
}

TEST_F(abi, larger_than_the_snapshot)
{
	self->cap.snapshot_size = LEN - PAGE;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, self->region[0].addr);
	self->cap.snapshot_size = PAGE;
	self->region[0].offset = PAGE;
	refused(EOVERFLOW, VMFORK_OVERFLOW, 0, self->region[0].addr);
	self->region[0].offset = 0;
	works();
}

TEST_F(abi, snapshot_size)
{
	self->cap.snapshot_size = 2 * LEN + 1;
	refused_outright(EINVAL);
	self->cap.snapshot_size = VMFORK_MAX_SIZE + PAGE;
	refused_outright(EINVAL);
	self->cap.snapshot_size = -PAGE;
	refused_outright(EINVAL);
	works();
	EXPECT_EQ(LEN, self->cap.snapshot_size);
}

TEST_F(abi, overlap_in_memory)
{
	struct vmfork_region *region = self->region;

	region[0].len = LEN / 2;
	region[1] = region[0];
	region[1].offset = LEN;
	self->cap.nr_regions = 2;
	refused(EEXIST, VMFORK_OVERLAP, 1, region[1].addr);
	region[1].addr += LEN / 2 - PAGE;
	refused(EEXIST, VMFORK_OVERLAP, 1, region[1].addr);
	region[1].addr += PAGE;		/* side by side is no overlap */
	region[1].offset = LEN / 2;
	works();
}

TEST_F(abi, overlap_in_the_snapshot)
{
	struct vmfork_region *region = self->region;

	region[0].len = LEN / 2;
	region[1] = region[0];
	region[1].addr += LEN / 2;
	region[1].offset = LEN / 2 - PAGE;
	self->cap.nr_regions = 2;
	refused(EEXIST, VMFORK_OVERLAP, 1, region[1].addr);
	region[1].offset = LEN / 2;
	works();
}

/* Results */

TEST_F(abi, results)
{
	struct vmfork_capture first, *cap = &self->cap;
	int fd[2];

	fd[0] = capture_full(self->dev, cap);
	ASSERT_LE(0, fd[0]);
	first = *cap;
	EXPECT_EQ(sizeof(*cap), cap->size);
	EXPECT_EQ(-1, cap->pidfd);
	EXPECT_EQ(1, cap->nr_regions);
	EXPECT_EQ((uintptr_t)self->region, cap->regions);
	EXPECT_EQ(LEN, cap->snapshot_size);
	EXPECT_NE(0, cap->id);
	EXPECT_EQ(PAGES, cap->pages_stolen + cap->pages_copied);
	EXPECT_EQ(0, cap->pages_shared);
	EXPECT_EQ(0, cap->pages_hole);
	EXPECT_NE(0, cap->ns_prepare);
	EXPECT_NE(0, cap->ns_collect + cap->ns_unmap + cap->ns_steal);
	EXPECT_EQ(VMFORK_OK, cap->refusal);

	/* Ten pages written, the rest is the first snapshot's. */
	for (size_t page = 0; page < 100; page += 10)
		view_fill(&self->area.view, page, page + 1);
	cap->snapshot_size = 0;
	fd[1] = capture_full(self->dev, cap);
	ASSERT_LE(0, fd[1]);
	EXPECT_NE(first.id, cap->id);
	EXPECT_EQ(10, cap->pages_stolen + cap->pages_copied);
	EXPECT_EQ(PAGES - 10, cap->pages_shared);
	close(fd[0]);
	close(fd[1]);
}

TEST_F(abi, outputs_are_inputs_nowhere)
{
	struct vmfork_capture *cap = &self->cap;
	struct vmfork_capture junk;

	memset(&junk, 0xee, sizeof(junk));
	junk.size = sizeof(junk);
	junk.flags = 0;
	junk.pidfd = -1;
	junk.nr_regions = 1;
	junk.regions = cap->regions;
	junk.snapshot_size = 0;
	junk.slice_ns = 0;
	junk.into_fd = 0;
	junk.reserved = 0;
	*cap = junk;
	works();
	EXPECT_EQ(0, cap->refused_region);
	EXPECT_EQ(0, cap->refused_addr);
	EXPECT_EQ(0, cap->pages_pinned);
}

TEST_F(abi, descriptor_is_close_on_exec)
{
	int fd = capture_full(self->dev, &self->cap);

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);
}

TEST_F(abi, no_free_descriptor)
{
	struct rlimit was, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &was));
	none = was;
	none.rlim_cur = self->dev + 1;
	/* Fill the gaps below it, if there are any. */
	while (dup(self->dev) >= 0 && count_fds() < self->dev + 1)
		;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	/* What it holds from before is replaced on failure too. */
	self->cap.refusal = VMFORK_POISON;
	self->cap.refused_addr = 1;
	self->cap.pages_stolen = 1;
	EXPECT_EQ(-EMFILE, capture_full(self->dev, &self->cap));
	EXPECT_EQ(VMFORK_OK, self->cap.refusal);
	EXPECT_EQ(0, self->cap.refused_addr);
	EXPECT_EQ(0, self->cap.pages_stolen);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &was));
	works();
}

/* VMFORK_INFO */

TEST_F(abi, info)
{
	struct vmfork_info info, *bad = (void *)-PAGE;
	struct {
		struct vmfork_info info;
		uint64_t tail;
	} big = { .info.size = sizeof(big) };
	uint64_t before = now_ns();
	int fd;

	fd = capture_full(self->dev, &self->cap);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, snapshot_info(fd, &info));
	EXPECT_EQ(self->cap.id, info.id);
	EXPECT_EQ(LEN, info.snapshot_size);
	EXPECT_EQ(PAGES, info.pages);
	EXPECT_EQ(self->cap.pages_huge, info.pages_huge);
	EXPECT_EQ(0, info.pages_hole);
	EXPECT_EQ(getpid(), (pid_t)info.creator);
	EXPECT_EQ(0, info.reserved);
	EXPECT_LE(before, info.created_ns);
	EXPECT_GE(now_ns(), info.created_ns);
	EXPECT_EQ(0, info.pages_file);
	EXPECT_EQ(0, info.pages_read);
	EXPECT_EQ(0, info.read_errors);
	EXPECT_EQ(0, info.file_flags);
	EXPECT_EQ(0, info.reserved2);

	/* An older program's. */
	ASSERT_EQ(sizeof(info), VMFORK_INFO_SIZE_VER1);
	info.size = VMFORK_INFO_SIZE_VER0;
	info.pages = 0;
	info.pages_file = 0x1234;
	EXPECT_EQ(0, ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, VMFORK_IOC_MAGIC,
				    1, VMFORK_INFO_SIZE_VER0), &info));
	EXPECT_EQ(PAGES, info.pages);
	EXPECT_EQ(0x1234, info.pages_file);
	info.size = VMFORK_INFO_SIZE_VER0 - 4;
	EXPECT_EQ(-1, ioctl(fd, VMFORK_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	info.size = sizeof(info);
	info.flags = 1;
	EXPECT_EQ(-1, ioctl(fd, VMFORK_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(fd, VMFORK_INFO, bad));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, ioctl(fd, VMFORK_INFO, &big));
	EXPECT_EQ(PAGES, big.info.pages);
	big.tail = 1;
	EXPECT_EQ(-1, ioctl(fd, VMFORK_INFO, &big));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(-1, ioctl(fd, _IO(VMFORK_IOC_MAGIC, 0x7f), 0));
	EXPECT_EQ(ENOTTY, errno);
	close(fd);
}

static long do_info_creator(int fd, const void *arg)
{
	struct vmfork_info info;

	(void)arg;
	return snapshot_info(fd, &info) ? -1 : (long)info.creator;
}

TEST_F(abi, creator_that_is_gone)
{
	struct peer *peer = peer_start();
	char *theirs = self->area.view.addr;
	pid_t pid;
	int fd;

	ASSERT_NE(NULL, peer);
	pid = peer->pid;
	fd = peer_capture(peer, -1, theirs, LEN, 0, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(pid, do_info_creator(fd, NULL));
	peer_kill(peer);
	EXPECT_EQ(0, do_info_creator(fd, NULL));
	close(fd);
}

/*
 * A process may have no more than so many mappings, and the kernel finds out
 * in different places as it splits and replaces them.
 */
static int count_mappings(void)
{
	static char maps[65536];
	char *at;
	int n = 0;

	read_file("/proc/self/maps", maps, sizeof(maps));
	for (at = maps; (at = strchr(at, '\n')); at++)
		n++;
	return strstr(maps, "[vsyscall]") ? n - 1 : n;
}

TEST_F(abi, no_free_mapping)
{
	const char *limit = "/proc/sys/vm/max_map_count";
	struct vmfork_region whole = self->region[0];
	long had = read_number(limit);
	int fd, more, refusals = 0;
	char text[32];

	self->region[0].addr += LEN / 4;
	self->region[0].len = LEN / 2;
	for (more = -2; more < 4; more++) {
		snprintf(text, sizeof(text), "%d", count_mappings() + more);
		if (had < 0 || write_file(limit, text))
			SKIP(return, "%s can not be set", limit);
		self->cap.snapshot_size = 0;
		fd = capture_full(self->dev, &self->cap);
		snprintf(text, sizeof(text), "%ld", had);
		write_file(limit, text);
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"))
			TH_LOG("%d more mappings", more);
		if (fd < 0) {
			EXPECT_EQ(-ENOMEM, fd);
			refusals++;
			continue;
		}
		close(fd);
		break;
	}
	EXPECT_LT(0, refusals);
	self->region[0] = whole;
	works();
}

TEST_HARNESS_MAIN
