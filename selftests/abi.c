// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI: one test for each rejection and each promise of linux/vmfork.h.
 *
 * Whatever is refused leaves the caller's memory, its mappings and its file
 * descriptors exactly as they were, and works once the reason is gone.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "pages.h"
#include "peer.h"
#include "uring.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif

#define LEN	MIB
#define PAGES	(LEN / PAGE)

/* The list of mappings, but for those that grow while a test runs. */
static size_t read_maps(char *buf, size_t size)
{
	static char all[65536];
	char *line, *end;
	size_t used = 0;

	if (read_file("/proc/self/maps", all, sizeof(all)) <= 0)
		return 0;
	for (line = all; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (strstr(line, "[heap]") || strstr(line, "[stack]"))
			continue;
		used += snprintf(buf + used, size - used, "%s\n", line);
	}
	return used;
}

/*
 * An area of ordinary memory to which something is done that a capture
 * refuses, and the device.
 */
FIXTURE(abi) {
	struct area area;
	struct vmfork_capture cap;
	struct vmfork_region region[4];
	int dev;
};

FIXTURE_SETUP(abi)
{
	struct vmfork_region *region = self->region;

	self->dev = device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, area_make(&self->area, KIND_BASE, LEN, 0));
	region[0].addr = (uintptr_t)self->area.view.addr;
	region[0].len = LEN;
	self->cap = (struct vmfork_capture){
		.size = sizeof(self->cap), .pidfd = -1, .nr_regions = 1,
		.regions = (uintptr_t)region,
	};
}

FIXTURE_TEARDOWN(abi)
{
	area_free(&self->area);
	close(self->dev);
}

/*
 * The capture is refused with @err, and changes nothing.  What the kernel
 * says about it is compared where a @refusal is expected.
 */
#define refused(err, why, where, at) \
	check_refused(_metadata, self, err, why, where, (uintptr_t)(at), true)
#define refused_outright(err) \
	check_refused(_metadata, self, err, VMFORK_OK, 0, 0, true)
/* The same, if an earlier region may have become a mapping by then. */
#define refused_late(err, why, where, at) \
	check_refused(_metadata, self, err, why, where, (uintptr_t)(at), false)

static void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(abi) *self, int err, uint32_t why,
			  uint32_t where, uint64_t at, bool same_maps)
{
	static char before[65536], after[65536];
	struct vmfork_capture *cap = &self->cap;
	int fd, fds = count_fds();

	read_maps(before, sizeof(before));
	fd = capture_full(self->dev, cap);
	read_maps(after, sizeof(after));

	EXPECT_EQ(-err, fd) TH_LOG("%s", fd < 0 ? strerror(-fd) : "a fd");
	if (fd >= 0)
		close(fd);
	if (why) {
		EXPECT_EQ(why, cap->refusal);
		EXPECT_EQ(where, cap->refused_region);
		EXPECT_EQ(at, cap->refused_addr);
	}
	EXPECT_EQ(fds, count_fds());
	if (same_maps)
		EXPECT_STREQ(before, after);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

/* Now the same capture works, and is right. */
#define works() check_works(_metadata, self)

static void check_works(struct __test_metadata *_metadata,
			FIXTURE_DATA(abi) *self)
{
	struct vmfork_capture *cap = &self->cap;
	int fd;

	cap->snapshot_size = 0;
	fd = capture_full(self->dev, cap);
	ASSERT_LE(0, fd) TH_LOG("%s, %s", strerror(-fd), refusal_text(cap));
	EXPECT_EQ(VMFORK_OK, cap->refusal);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	EXPECT_EQ(0, snapshot_check(fd, self->region[0].offset,
				    self->area.view.pages,
				    self->area.view.model, "the snapshot"));
	close(fd);
}

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

	for (size = 0; size < sizeof(self->cap); size += 4) {
		self->cap.size = size;
		refused_outright(EINVAL);
	}
	self->cap.size = sizeof(self->cap);
	works();
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
		self->cap.flags = 1U << bit;
		refused_outright(EINVAL);
	}
	self->cap.flags = 0;
	works();
}

TEST_F(abi, reserved_in_a_region)
{
	self->region[0].reserved = 1;
	refused_outright(EINVAL);
	self->region[0].reserved = 1ULL << 63;
	refused_outright(EINVAL);
	self->region[0].reserved = 0;
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

/* Kinds of memory that are refused. The area's middle is made one of them. */

#define middle(self) ((self)->area.view.addr + LEN / 2)

/* A mapping of another kind behind the area, in the same region. */
static void *extend(FIXTURE_DATA(abi) *self, int flags, int fd, int prot)
{
	char *at = self->area.view.addr + LEN;
	void *map;

	self->region[0].len = LEN + 4 * PAGE;
	map = mmap(at, 4 * PAGE, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

TEST_F(abi, unmapped)
{
	char *end = self->area.view.addr + LEN;

	/* At the end, and all of it. */
	self->region[0].len = LEN + PAGE;
	munmap(end, PAGE);
	refused(EFAULT, VMFORK_UNMAPPED, 0, end);
	self->region[0].addr = (uintptr_t)end;
	self->region[0].len = PAGE;
	refused(EFAULT, VMFORK_UNMAPPED, 0, end);
	self->region[0].addr = 0;
	refused(EFAULT, VMFORK_UNMAPPED, 0, 0);
	self->region[0].addr = (uintptr_t)self->area.view.addr;
	self->region[0].len = LEN;
	works();
	/* In the middle. */
	self->area.view.pages = PAGES / 2;
	ASSERT_EQ(0, munmap(middle(self), PAGE));
	self->cap.snapshot_size = 0;
	refused(EFAULT, VMFORK_UNMAPPED, 0, middle(self));
}

TEST_F(abi, shared_anonymous)
{
	void *map = extend(self, MAP_SHARED | MAP_ANONYMOUS, -1,
			   PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, map);
	memset(map, 5, PAGE);
	refused(EXDEV, VMFORK_SHARED, 0, map);
	munmap(map, 4 * PAGE);
	self->region[0].len = LEN;
	works();
}

TEST_F(abi, shared_file)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	void *map;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	map = extend(self, MAP_SHARED, fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, map);
	refused(EXDEV, VMFORK_SHARED, 0, map);
	/* Read-only is shared all the same. */
	ASSERT_EQ(0, mprotect(map, 4 * PAGE, PROT_READ));
	refused(EXDEV, VMFORK_SHARED, 0, map);
	munmap(map, 4 * PAGE);
	close(fd);
}

TEST_F(abi, private_file)
{
	int fd = memfd_create("private", MFD_CLOEXEC);
	char *map;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	map = extend(self, MAP_PRIVATE, fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, map);
	refused(EOPNOTSUPP, VMFORK_FILE, 0, map);
	/* With anonymous pages of its own in it as well. */
	memset(map, 7, 4 * PAGE);
	refused(EOPNOTSUPP, VMFORK_FILE, 0, map);
	EXPECT_EQ(7, map[PAGE]);
	munmap(map, 4 * PAGE);
	close(fd);
}

TEST_F(abi, hugetlb)
{
	const char *pool = "/proc/sys/vm/nr_hugepages";
	char text[32], *map;
	long had = read_number(pool);

	snprintf(text, sizeof(text), "%ld", had + 2);
	if (had < 0 || write_file(pool, text))
		SKIP(return, "%s can not be set", pool);
	map = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (map == MAP_FAILED) {
		snprintf(text, sizeof(text), "%ld", had);
		write_file(pool, text);
		SKIP(return, "no memory for a hugetlb page");
	}
	memset(map, 9, PAGE);
	self->region[1] = (struct vmfork_region){
		.addr = (uintptr_t)map, .len = HUGE, .offset = HUGE,
	};
	self->cap.nr_regions = 2;
	refused(EMEDIUMTYPE, VMFORK_HUGETLB, 1, map);
	self->cap.snapshot_size = 0;
	self->region[1].len = PAGE;
	refused(EMEDIUMTYPE, VMFORK_HUGETLB, 1, map);
	EXPECT_EQ(9, map[100]);
	munmap(map, HUGE);
	snprintf(text, sizeof(text), "%ld", had);
	write_file(pool, text);
	self->cap.nr_regions = 1;
	works();
}

TEST_F(abi, device_memory)
{
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	void *map;

	if (fd < 0)
		SKIP(return, "/dev/mem: %s", strerror(errno));
	/* The BIOS, which may be mapped even where /dev/mem is restricted. */
	map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0xf0000);
	if (map == MAP_FAILED)
		SKIP(return, "mmap of /dev/mem: %s", strerror(errno));
	self->region[1] = (struct vmfork_region){
		.addr = (uintptr_t)map, .len = PAGE, .offset = LEN,
	};
	self->cap.nr_regions = 2;
	refused(ENODEV, VMFORK_SPECIAL, 1, map);
	munmap(map, PAGE);
	close(fd);
}

/* The start of the mapping with this name in /proc/self/maps, or 0. */
static unsigned long find_mapping(const char *name)
{
	static char maps[65536];
	char *line, *end;

	if (read_file("/proc/self/maps", maps, sizeof(maps)) <= 0)
		return 0;
	for (line = maps; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (strstr(line, name))
			return strtoul(line, NULL, 16);
	}
	return 0;
}

TEST_F(abi, kernel_mappings)
{
	static const char * const names[] = { "[vdso]", "[vvar]" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		unsigned long addr = find_mapping(names[i]);

		ASSERT_NE(0, addr) TH_LOG("no %s", names[i]);
		self->region[0].addr = addr;
		self->region[0].len = PAGE;
		refused(ENODEV, VMFORK_SPECIAL, 0, addr);
	}
}

TEST_F(abi, userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range = { (uintptr_t)middle(self), LEN / 2 },
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &reg));
	refused(EADDRINUSE, VMFORK_UFFD, 0, middle(self));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_UNREGISTER, &reg.range));
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	if (!ioctl(fd, UFFDIO_REGISTER, &reg)) {
		self->cap.snapshot_size = 0;
		refused(EADDRINUSE, VMFORK_UFFD, 0, middle(self));
		ASSERT_EQ(0, ioctl(fd, UFFDIO_UNREGISTER, &reg.range));
	}
	close(fd);
	works();
}

TEST_F(abi, locked)
{
	ASSERT_EQ(0, mlock(middle(self), PAGE));
	refused(ENOLCK, VMFORK_LOCKED, 0, middle(self));
	ASSERT_EQ(0, munlock(middle(self), PAGE));
	ASSERT_EQ(0, mlock2(middle(self), PAGE, MLOCK_ONFAULT));
	self->cap.snapshot_size = 0;
	refused(ENOLCK, VMFORK_LOCKED, 0, middle(self));
	ASSERT_EQ(0, munlock(middle(self), PAGE));
	works();
}

TEST_F(abi, growing_stack)
{
	char *map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	memset(map, 3, 16 * PAGE);
	self->region[1] = (struct vmfork_region){
		.addr = (uintptr_t)map, .len = 16 * PAGE, .offset = LEN,
	};
	self->cap.nr_regions = 2;
	refused(ENOTUNIQ, VMFORK_STACK, 1, map);
	EXPECT_EQ(3, map[5 * PAGE]);
	munmap(map, 16 * PAGE);
}

/* Pins: io_uring buffers here, VFIO in real life. */
static bool pin(struct uring *ring, void *addr, size_t len,
		struct __test_metadata *_metadata)
{
	int ret = uring_open(ring);

	if (ret)
		SKIP(return false, "io_uring: %s", strerror(-ret));
	ASSERT_EQ(0, uring_pin(ring, addr, len));
	return true;
}

TEST_F(abi, pinned)
{
	struct uring ring;

	if (!pin(&ring, middle(self), 5 * PAGE, _metadata))
		return;
	refused(EBUSY, VMFORK_PINNED, 0, middle(self));
	EXPECT_EQ(5, self->cap.pages_pinned);
	ASSERT_EQ(0, uring_unpin(&ring));
	uring_close(&ring);
	works();
	EXPECT_EQ(0, self->cap.pages_pinned);
}

TEST_F(abi, pinned_in_a_huge_page)
{
	struct uring ring;

	area_free(&self->area);
	ASSERT_EQ(0, area_make(&self->area, KIND_THP, HUGE, 0));
	self->region[0].addr = (uintptr_t)self->area.view.addr;
	self->region[0].len = HUGE;
	if (!pin(&ring, middle(self), 5 * PAGE, _metadata))
		return;
	check_refused(_metadata, self, EBUSY, VMFORK_OK, 0, 0, true);
	EXPECT_EQ(VMFORK_PINNED, self->cap.refusal);
	EXPECT_LT(0, self->cap.pages_pinned);
	ASSERT_EQ(0, uring_unpin(&ring));
	uring_close(&ring);
	works();
}

static void ignore_signal(int sig)
{
	(void)sig;
}

TEST_F(abi, poisoned)
{
	char *bad = middle(self);

	/* The kernel tells the page's owner at once, by a signal. */
	signal(SIGBUS, ignore_signal);
	if (madvise(bad, PAGE, MADV_HWPOISON))
		SKIP(return, "MADV_HWPOISON: %s", strerror(errno));
	signal(SIGBUS, SIG_DFL);
	/* What lies before it can still be compared. */
	self->area.view.pages = PAGES / 2;
	refused(EHWPOISON, VMFORK_POISON, 0, bad);
	self->region[0].len = LEN / 2;
	works();
}

/* Regions: the second of two is refused */

TEST_F(abi, second_region_refused)
{
	void *map = extend(self, MAP_SHARED | MAP_ANONYMOUS, -1,
			   PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, map);
	self->region[0].len = LEN;
	self->region[1] = (struct vmfork_region){
		.addr = (uintptr_t)map, .len = 4 * PAGE, .offset = LEN,
	};
	self->cap.nr_regions = 2;
	refused(EXDEV, VMFORK_SHARED, 1, map);
	munmap(map, 4 * PAGE);
}

/* This one may come to light after the first region was captured. */
TEST_F(abi, second_region_pinned)
{
	struct area other;
	struct uring ring;
	size_t page;

	ASSERT_EQ(0, area_make(&other, KIND_BASE, LEN, LEN));
	if (!pin(&ring, other.view.addr, PAGE, _metadata))
		return;
	self->region[1] = (struct vmfork_region){
		.addr = (uintptr_t)other.view.addr, .len = LEN, .offset = LEN,
	};
	self->cap.nr_regions = 2;
	refused_late(EBUSY, VMFORK_PINNED, 1, other.view.addr);
	EXPECT_EQ(0, view_check(&other.view, "the pinned memory"));
	for (page = 0; page < PAGES; page += 3) {
		view_fill(&self->area.view, page, page + 1);
		view_fill(&other.view, page, page + 2);
	}
	/* Again, now with mappings of that unnamed snapshot perhaps. */
	self->cap.snapshot_size = 0;
	refused_late(EBUSY, VMFORK_PINNED, 1, other.view.addr);
	EXPECT_EQ(0, view_check(&other.view, "the pinned memory"));
	ASSERT_EQ(0, uring_unpin(&ring));
	uring_close(&ring);
	works();
	EXPECT_EQ(0, view_check(&other.view, "the other memory"));
	area_free(&other);
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
	EXPECT_EQ(-EMFILE, capture_full(self->dev, &self->cap));
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

	info.size = sizeof(info) - 4;
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

/* The process that is captured */

TEST_F(abi, bad_pidfd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	self->cap.pidfd = null;
	refused_outright(EBADF);
	self->cap.pidfd = self->dev;
	refused_outright(EBADF);
	self->cap.pidfd = 9999;
	refused_outright(EBADF);
	self->cap.pidfd = -2;
	refused_outright(EBADF);
	close(null);
	self->cap.pidfd = -1;
	works();
}

TEST_F(abi, own_pidfd)
{
	self->cap.pidfd = pidfd_of(getpid());
	ASSERT_LE(0, self->cap.pidfd);
	works();
	close(self->cap.pidfd);
}

TEST_F(abi, dead_process)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	self->cap.pidfd = pidfd_of(pid);
	ASSERT_LE(0, self->cap.pidfd);
	/* It has exited, but nobody has waited for it. */
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	check_refused(_metadata, self, ESRCH, VMFORK_OK, 0, 0, true);
	EXPECT_EQ(VMFORK_DYING, self->cap.refusal);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	check_refused(_metadata, self, ESRCH, VMFORK_OK, 0, 0, true);
	EXPECT_EQ(VMFORK_DYING, self->cap.refusal);
	close(self->cap.pidfd);
}

/* In a peer: gives up all privileges but @keep, and captures. */
struct drop_arg {
	int dev;
	uint32_t keep;
	bool itself;
	struct vmfork_capture *cap;	/* shared memory */
};

static long do_capture_without_rights(int pidfd, const void *arg)
{
	const struct drop_arg *drop = arg;
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = drop->keep, .permitted = drop->keep },
	};
	struct vmfork_region region;
	int fd;

	prctl(PR_SET_KEEPCAPS, 1);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
	    syscall(SYS_capset, &head, data))
		return -ENOTRECOVERABLE;
	memcpy(&region, (void *)(uintptr_t)drop->cap->regions, sizeof(region));
	drop->cap->regions = (uintptr_t)&region;
	drop->cap->pidfd = drop->itself ? -1 : pidfd;
	fd = capture_full(drop->dev, drop->cap);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static long capture_without_rights(FIXTURE_DATA(abi) *self, uint32_t keep,
				   bool itself)
{
	struct drop_arg drop = {
		.dev = self->dev, .keep = keep, .itself = itself,
		.cap = shared_alloc(sizeof(self->cap)),
	};
	struct peer *peer = peer_start();
	int pidfd = pidfd_of(getpid());
	long ret;

	*drop.cap = self->cap;
	ret = peer_call(peer, do_capture_without_rights, pidfd, &drop,
			sizeof(drop));
	close(pidfd);
	peer_kill(peer);
	return ret;
}

/* The descriptor of the device gives a process rights to itself alone. */
TEST_F(abi, no_right_to_another_process)
{
	EXPECT_EQ(-EPERM, capture_without_rights(self, 0, false));
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	EXPECT_EQ(0, capture_without_rights(self, 0, true));
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	EXPECT_EQ(0, capture_without_rights(self, 1 << CAP_SYS_PTRACE, false));
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
}

static long do_open_device(int fd, const void *arg)
{
	(void)fd;
	(void)arg;
	if (setresuid(65534, 65534, 65534))
		return -ENOTRECOVERABLE;
	fd = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

TEST_F(abi, device_is_for_root)
{
	struct peer *peer = peer_start();

	ASSERT_NE(NULL, peer);
	EXPECT_EQ(-EACCES, peer_call(peer, do_open_device, -1, NULL, 0));
	peer_kill(peer);
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

/*
 * Memory that will be locked when it is mapped (MCL_FUTURE) is not locked
 * yet.  A capture maps it anew: it may refuse, but not lose anything.
 */
TEST_F(abi, mlockall_future)
{
	int fd;

	ASSERT_EQ(0, mlockall(MCL_FUTURE));
	fd = capture_full(self->dev, &self->cap);
	if (fd < 0) {
		EXPECT_EQ(-ENOLCK, fd);
	} else {
		close(fd);
	}
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	ASSERT_EQ(0, munlockall());
	works();
}

TEST_HARNESS_MAIN
