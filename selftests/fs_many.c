// SPDX-License-Identifier: GPL-2.0
/*
 * Many names: 10,000 snapshots, each with a name of its own, and one snapshot
 * with 10,000 names; and everything is given back.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "balance.h"
#include "fs.h"
#include "kselftest_harness.h"
#include "lib.h"
#include "pages.h"

#define LEN	(16 * PAGE)

/* 10,000; less where the kernel is slow, for the sake of its checks alone. */
#define MANY	(slowness() > 1 ? 1500 : 10000)

static struct fs fs;

static long count_names(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	long count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static const char *name_of(int i)
{
	static char name[16];

	snprintf(name, sizeof(name), "%d", i);
	return name;
}

/* Page 3 of the i'th snapshot says which one it is. */
static bool is_right(int fd, int i)
{
	struct stamp stamp = { .fill = 1000 + i }, other = { .fill = 1 };
	static char page[PAGE] __attribute__((aligned(8)));

	if (pread(fd, page, PAGE, 3 * PAGE) != (ssize_t)PAGE ||
	    !page_is(page, &stamp))
		return false;
	return pread(fd, page, PAGE, 4 * PAGE) == (ssize_t)PAGE &&
	       page_is(page, &other);
}

static int make_many(char *memory)
{
	int i, fd, ret;

	for (i = 0; i < MANY; i++) {
		page_fill(memory + 3 * PAGE, 1000 + i);
		fd = fs_create(&fs, name_of(i));
		if (fd < 0)
			return fd;
		ret = fs_capture(fd, memory, LEN, 0, NULL);
		close(fd);
		if (ret)
			return ret;
	}
	return 0;
}

static long remove_some(int from, int step)
{
	char path[FS_PATH_MAX];
	long failed = 0;
	int i;

	for (i = from; i < MANY; i += step)
		failed += !!unlink(fs_path(&fs, name_of(i), path));
	return failed;
}

TEST(ten_thousand_snapshots)
{
	char *memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t state = test_seed(), id, last = 0;
	struct balance was;
	int i, fd;
	struct stat st;

	ASSERT_NE(MAP_FAILED, memory);
	for (i = 0; i < (int)(LEN / PAGE); i++)
		page_fill(memory + i * PAGE, 1);
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	was = balance();
	ASSERT_EQ(0, make_many(memory));
	EXPECT_EQ(MANY, count_names(fs.dir));
	for (i = 0; i < MANY; i += 97) {
		fd = fs_open(&fs, name_of(i), O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(is_right(fd, i)) TH_LOG("%d", i);
		id = fs_id(fd);
		EXPECT_LT(last, id);
		last = id;
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(LEN / 512, (size_t)st.st_blocks);
		close(fd);
	}
	/* While half of them go, the others stay what they are. */
	EXPECT_EQ(0, remove_some(1, 2));
	EXPECT_EQ(MANY / 2, count_names(fs.dir));
	for (i = 0; i < 100; i++) {
		int which = rnd(&state) % MANY & ~1;

		fd = fs_open(&fs, name_of(which), O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(is_right(fd, which)) TH_LOG("%d", which);
		close(fd);
	}
	EXPECT_EQ(0, remove_some(0, 2));
	EXPECT_EQ(0, count_names(fs.dir));
	munmap(memory, LEN);
	EXPECT_TRUE(balanced_soon(&was));
	ASSERT_EQ(0, fs_unmount(&fs));
}

TEST(ten_thousand_names)
{
	char *memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char first[FS_PATH_MAX], path[FS_PATH_MAX];
	struct balance was;
	struct stat st;
	int i, fd;

	ASSERT_NE(MAP_FAILED, memory);
	page_fill(memory, 1);
	ASSERT_EQ(0, fs_mount(&fs, NULL));
	was = balance();
	fd = fs_create(&fs, "first");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fs_capture(fd, memory, LEN, 0, NULL));
	fs_path(&fs, "first", first);
	/* Half of them are links, the others files of their own. */
	for (i = 0; i < MANY; i++) {
		int named;

		if (i & 1) {
			ASSERT_EQ(0, link(first,
					  fs_path(&fs, name_of(i), path)));
			continue;
		}
		named = fs_name(&fs, name_of(i), fd);
		ASSERT_LE(0, named);
		close(named);
	}
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(MANY / 2 + 1, (long)st.st_nlink);
	EXPECT_EQ(MANY + 1, count_names(fs.dir));
	close(fd);
	ASSERT_EQ(0, unlink(first));
	EXPECT_EQ(0, remove_some(0, 2));
	fd = fs_open(&fs, "1", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_NE(0, fs_id(fd));
	close(fd);
	EXPECT_EQ(0, remove_some(1, 2));
	munmap(memory, LEN);
	EXPECT_TRUE(balanced_soon(&was));
	ASSERT_EQ(0, fs_unmount(&fs));
}

TEST_HARNESS_MAIN
