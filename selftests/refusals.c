// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals: one test for each kind of memory that can not be captured, with
 * its errno, its enum vmfork_refusal, and the region and address that it names.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

#include "abi.h"
#include "uring.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif

FIXTURE_VARIANT_ADD(abi, capture) { .flags = 0 };
FIXTURE_VARIANT_ADD(abi, prearm) { .flags = VMFORK_CAPTURE_PREARM };

/* Of the area something is made in its middle... */
#define middle(self) ((self)->area.view.addr + LEN / 2)

/* ...or behind it, in the same region. */
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

/* Files that are none of the page cache's, or too large; see file_maps. */
TEST_F(abi, private_file)
{
	int fd = memfd_create("private", MFD_CLOEXEC);
	char *at = self->area.view.addr + LEN, *map;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, (1LL << 50) + 4 * PAGE));
	self->region[0].len = LEN + 4 * PAGE;
	map = mmap(at, 4 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 1LL << 50);
	ASSERT_EQ(at, map);
	refused(EOPNOTSUPP, VMFORK_FILE, 0, map);
	/* With anonymous pages of its own in it as well. */
	memset(map, 7, 4 * PAGE);
	refused(EOPNOTSUPP, VMFORK_FILE, 0, map);
	EXPECT_EQ(7, map[PAGE]);
	munmap(map, 4 * PAGE);
	close(fd);
	self->region[0].len = LEN;
	works();
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
	}
	if (fd >= 0 && !variant->flags)
		close(fd);
	EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	ASSERT_EQ(0, munlockall());
	works();
}

TEST_HARNESS_MAIN
