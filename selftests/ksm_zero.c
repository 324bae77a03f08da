// SPDX-License-Identifier: GPL-2.0
/*
 * KSM with use_zero_pages puts the zero page in the place of a private page of
 * zeroes, in a mapping of a snapshot too.  There it says that the page was
 * written to: it is captured as zeroes, and a reset takes it back.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "live.h"
#include "pages.h"

#define PAGES	512
#define LEN	(PAGES * PAGE)
#define KSM	"/sys/kernel/mm/ksm/"

/* Which pages are written to with zeroes. */
static bool is_zeroed(size_t i)
{
	return i % 5 == 2;
}

/* Does the kernel's zero page lie at each page that was zeroed? */
static bool all_merged(char *mem)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (is_zeroed(i) &&
		    !page_flags_count(mem + i * PAGE, PAGE, KPF_BIT(24)))
			return false;
	return true;
}

static bool merge(char *mem)
{
	int try;

	write_file(KSM "use_zero_pages", "1");
	write_file(KSM "pages_to_scan", "20000");
	write_file(KSM "sleep_millisecs", "10");
	write_file(KSM "run", "1");
	for (try = 0; try < 300 && !all_merged(mem); try++)
		usleep(100000);
	write_file(KSM "run", "0");
	write_file(KSM "use_zero_pages", "0");
	return all_merged(mem);
}

/* Pages of @mem that are not @fill, or zeroes where @zeroed says so. */
static size_t wrong(const char *mem, bool zeroed)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++) {
		struct stamp s = { .fill = zeroed && is_zeroed(i) ? 0 : i + 1 };

		nr += !page_is(mem + i * PAGE, &s);
	}
	return nr;
}

FIXTURE(ksm_zero) {
	char *mem;
	int first;
};

/* A mapping in which KSM has put zero pages. */
FIXTURE_SETUP(ksm_zero)
{
	size_t i;

	if (access(KSM "use_zero_pages", W_OK))
		SKIP(return, "no KSM");
	self->mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	madvise(self->mem, LEN, MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i++)
		page_fill(self->mem + i * PAGE, i + 1);
	ASSERT_EQ(0, madvise(self->mem, LEN, MADV_MERGEABLE));
	self->first = capture_range(-1, self->mem, LEN, 0, NULL);
	ASSERT_LE(0, self->first);
	for (i = 0; i < PAGES; i++)
		if (is_zeroed(i))
			memset(self->mem + i * PAGE, 0, PAGE);
	if (!merge(self->mem))
		SKIP(return, "KSM does not merge mappings of files here");
}

FIXTURE_TEARDOWN(ksm_zero)
{
	munmap(self->mem, LEN);
	close(self->first);
}

TEST_F_TIMEOUT(ksm_zero, captured, 120)
{
	struct vmfork_capture cap;
	char *child;
	int fd;

	fd = capture_range(-1, self->mem, LEN, 0, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PAGES, cap.pages_in_place);
	child = map_snapshot(fd, LEN, 0);
	ASSERT_NE(NULL, child);
	EXPECT_EQ(0, wrong(child, true));
	EXPECT_EQ(0, wrong(self->mem, true));
	munmap(child, LEN);

	/* Torn apart, it is captured the other way. */
	ASSERT_EQ(0, munmap(self->mem + LEN / 2, PAGE));
	EXPECT_EQ(0, close(fd));
	fd = capture_range(-1, self->mem, LEN / 2, 0, &cap);
	ASSERT_LE(0, fd);
	child = mmap(NULL, LEN / 2, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, child);
	EXPECT_EQ(0, memcmp(child, self->mem, LEN / 2));
	munmap(child, LEN / 2);
	close(fd);
}

TEST_F_TIMEOUT(ksm_zero, captured_elsewhere, 120)
{
	struct vmfork_capture cap;
	char *child;
	int fd;

	/* At another offset: by a new mapping. */
	fd = capture_range(-1, self->mem, LEN, 8 * MIB, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, cap.pages_in_place);
	child = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 8 * MIB);
	ASSERT_NE(NULL, child);
	EXPECT_EQ(0, wrong(child, true));
	EXPECT_EQ(0, wrong(self->mem, true));
	munmap(child, LEN);
	close(fd);
}

TEST_F_TIMEOUT(ksm_zero, reset, 120)
{
	struct vmfork_reset r;

	ASSERT_EQ(0, reset_range(self->first, -1, self->mem, LEN, &r));
	EXPECT_EQ(0, wrong(self->mem, false));
	EXPECT_LE(PAGES / 5, r.pages_dropped);
}

TEST_HARNESS_MAIN
