// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot's descriptor is a file: what reads files reads it, what maps
 * files privately maps it, and nothing writes to it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"

#define OFFSET	HUGE
#define LEN	(4 * MIB)
#define SIZE	(OFFSET + LEN)
#define PAGES	(LEN / PAGE)

/* A snapshot with a hole before its memory, of small pages and of huge ones. */
FIXTURE(file) {
	struct area area;
	struct peer *peer;
	struct stamp *model;	/* of the whole file */
	int fd;
};

FIXTURE_VARIANT(file) { enum kind kind; };
KIND_VARIANT(file, base, KIND_BASE);
KIND_VARIANT(file, thp, KIND_THP);

FIXTURE_SETUP(file)
{
	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, area_make(&self->area, variant->kind, LEN, OFFSET));
	self->fd = capture_range(-1, self->area.view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, self->fd);
	self->model = model_alloc(SIZE / PAGE);
	memcpy(self->model + OFFSET / PAGE, self->area.view.model,
	       PAGES * sizeof(struct stamp));
}

FIXTURE_TEARDOWN(file)
{
	area_free(&self->area);
	peer_kill(self->peer);
	close(self->fd);
}

static long file_check(FIXTURE_DATA(file) *self)
{
	return snapshot_check(self->fd, 0, SIZE / PAGE, self->model,
			      "the file");
}

/* The signal that a read or write raises, or 0. */
static sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, sig);
}

static int fault_of(volatile char *at, bool write)
{
	struct sigaction act = { .sa_handler = on_fault }, bus, segv;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	sig = sigsetjmp(fault_env, 1);
	if (!sig) {
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

TEST_F(file, stat)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_EQ(SIZE, (size_t)st.st_size);
	EXPECT_EQ(LEN / 512, (size_t)st.st_blocks);
	EXPECT_EQ(0, st.st_mode & 0077);
	EXPECT_EQ(geteuid(), st.st_uid);
}

TEST_F(file, fdinfo)
{
	char path[40], text[1024], line[64];
	struct vmfork_info info;

	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, read_file(path, text, sizeof(text)));
	snprintf(line, sizeof(line), "vmfork-id:\t%llu\n", info.id);
	EXPECT_NE(NULL, strstr(text, line)) TH_LOG("%s", text);
	snprintf(line, sizeof(line), "vmfork-pages:\t%llu\n", info.pages);
	EXPECT_NE(NULL, strstr(text, line)) TH_LOG("%s", text);
}

/* read */

TEST_F(file, read_and_seek)
{
	static char buf[2 * PAGE] __attribute__((aligned(4096)));
	int fd = self->fd;

	EXPECT_EQ(OFFSET, (size_t)lseek(fd, OFFSET, SEEK_SET));
	EXPECT_EQ((ssize_t)PAGE, read(fd, buf, PAGE));
	EXPECT_TRUE(page_is(buf, &self->model[OFFSET / PAGE]));
	EXPECT_EQ(OFFSET + PAGE, (size_t)lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(SIZE - PAGE, (size_t)lseek(fd, -(off_t)PAGE, SEEK_END));
	/* Only one page is left. */
	EXPECT_EQ((ssize_t)PAGE, read(fd, buf, 2 * PAGE));
	EXPECT_TRUE(page_is(buf, &self->model[SIZE / PAGE - 1]));
	EXPECT_EQ(0, read(fd, buf, 1));
	EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(file, pread_in_parts)
{
	static char whole[4 * PAGE], part[4 * PAGE];
	static const struct { size_t at, len; } parts[] = {
		{ 0, 1 }, { 4095, 2 }, { 100, 8000 }, { 4096, 4096 },
		{ 8191, 1 }, { 1, 16383 },
	};
	size_t i;

	ASSERT_EQ((ssize_t)sizeof(whole), pread(self->fd, whole, sizeof(whole),
						OFFSET + 5 * PAGE));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		ASSERT_EQ((ssize_t)parts[i].len,
			  pread(self->fd, part, parts[i].len,
				OFFSET + 5 * PAGE + parts[i].at));
		EXPECT_EQ(0, memcmp(part, whole + parts[i].at, parts[i].len));
	}
	/* Across the border of the hole. */
	ASSERT_EQ(20, pread(self->fd, part, 20, OFFSET - 10));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, part[i]);
	EXPECT_EQ(10, pread(self->fd, part, 100, SIZE - 10));
	EXPECT_EQ(0, pread(self->fd, part, 100, SIZE));
	EXPECT_EQ(0, pread(self->fd, part, 100, SIZE + MIB));
	EXPECT_EQ(0, pread(self->fd, part, 0, OFFSET));
}

TEST_F(file, preadv)
{
	static char a[PAGE], b[2 * PAGE], c[PAGE];
	struct iovec iov[] = { { a, 100 }, { b, 2 * PAGE - 100 }, { c, PAGE } };

	ASSERT_EQ(3 * (ssize_t)PAGE, preadv(self->fd, iov, 3, OFFSET));
	memcpy(a + 100, b, PAGE - 100);
	EXPECT_TRUE(page_is(a, &self->model[OFFSET / PAGE]));
	EXPECT_TRUE(page_is(b + PAGE - 100, &self->model[OFFSET / PAGE + 1]));
	EXPECT_TRUE(page_is(c, &self->model[OFFSET / PAGE + 2]));
}

TEST_F(file, read_into_bad_memory)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t n;

	ASSERT_NE(MAP_FAILED, two);
	munmap(two + PAGE, PAGE);
	EXPECT_EQ(-1, pread(self->fd, two + PAGE, PAGE, OFFSET));
	EXPECT_EQ(EFAULT, errno);
	n = pread(self->fd, two + PAGE / 2, PAGE, OFFSET);
	EXPECT_GE((ssize_t)PAGE / 2, n);
	munmap(two, PAGE);
}

TEST_F(file, seek_data_and_hole)
{
	int fd = self->fd;

	EXPECT_EQ(OFFSET, (size_t)lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(OFFSET, (size_t)lseek(fd, PAGE + 5, SEEK_DATA));
	EXPECT_EQ(OFFSET + 77, (size_t)lseek(fd, OFFSET + 77, SEEK_DATA));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(9, lseek(fd, 9, SEEK_HOLE));
	/* The end of a file counts as a hole. */
	EXPECT_EQ(SIZE, (size_t)lseek(fd, OFFSET, SEEK_HOLE));
	EXPECT_EQ(-1, lseek(fd, SIZE, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(fd, SIZE, SEEK_HOLE));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(fd, SIZE + 1, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
}

/* Copies out of it: into a file, by each call that can. */

static void check_copy(struct __test_metadata *_metadata,
		       FIXTURE_DATA(file) *self, int to)
{
	EXPECT_EQ(SIZE, (size_t)lseek(to, 0, SEEK_END));
	EXPECT_EQ(0, snapshot_check(to, 0, SIZE / PAGE, self->model,
				    "the copy"));
	EXPECT_EQ(0, file_check(self));
}

TEST_F(file, sendfile)
{
	int to = memfd_create("copy", MFD_CLOEXEC);
	off_t at = 0;

	ASSERT_LE(0, to);
	while (sendfile(to, self->fd, &at, SIZE) > 0)
		;
	EXPECT_EQ(SIZE, (size_t)at);
	check_copy(_metadata, self, to);
	close(to);
}

TEST_F(file, splice)
{
	int to = memfd_create("copy", MFD_CLOEXEC), pipes[2];
	loff_t at = 0;
	ssize_t n;

	ASSERT_LE(0, to);
	ASSERT_EQ(0, pipe(pipes));
	while ((n = splice(self->fd, &at, pipes[1], NULL, 65536, 0)) > 0)
		while (n > 0) {
			ssize_t out = splice(pipes[0], NULL, to, NULL, n, 0);

			ASSERT_LT(0, out);
			n -= out;
		}
	EXPECT_EQ(0, n);
	check_copy(_metadata, self, to);
	close(to);
	close(pipes[0]);
	close(pipes[1]);
}

/* What sits in a pipe stays as it was when somebody writes to his copy. */
TEST_F(file, splice_is_stable)
{
	static char buf[PAGE];
	loff_t at = OFFSET;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((ssize_t)PAGE, splice(self->fd, &at, pipes[1], NULL, PAGE,
					0));
	view_fill(&self->area.view, 0, 12345);
	ASSERT_EQ((ssize_t)PAGE, read(pipes[0], buf, PAGE));
	EXPECT_TRUE(page_is(buf, &self->model[OFFSET / PAGE]));
	close(pipes[0]);
	close(pipes[1]);
}

/*
 * The kernel offers this between files of one file system only, and says so:
 * cp and others then read and write.
 */
TEST_F(file, copy_file_range)
{
	int to = memfd_create("copy", MFD_CLOEXEC);
	loff_t at = 0;

	ASSERT_LE(0, to);
	EXPECT_EQ(-1, copy_file_range(self->fd, &at, to, NULL, SIZE, 0));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(0, file_check(self));
	close(to);
}

/* Writes: there are none */

TEST_F(file, is_read_only)
{
	struct iovec iov = { "x", 1 };
	int fd = self->fd, from = memfd_create("from", MFD_CLOEXEC), pipes[2];
	loff_t at = OFFSET;

#define not_permitted(call)						\
	do {								\
		errno = 0;						\
		EXPECT_EQ(-1, (call)) TH_LOG(#call);			\
		EXPECT_EQ(EPERM, errno) TH_LOG(#call);			\
	} while (0)

	not_permitted(pwrite(fd, "x", 1, OFFSET));
	not_permitted(pwritev(fd, &iov, 1, OFFSET));
	not_permitted(write(fd, "x", 1));
	not_permitted(pwrite(fd, "x", 1, SIZE));
	not_permitted(ftruncate(fd, 0));
	not_permitted(ftruncate(fd, SIZE));
	not_permitted(ftruncate(fd, 2 * SIZE));
	not_permitted(fallocate(fd, 0, 0, SIZE));
	not_permitted(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				    FALLOC_FL_KEEP_SIZE, OFFSET, PAGE));
	ASSERT_EQ(0, ftruncate(from, PAGE));
	not_permitted(sendfile(fd, from, NULL, PAGE));
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(4, write(pipes[1], "data", 4));
	not_permitted(splice(pipes[0], NULL, fd, &at, 4, 0));
	EXPECT_EQ(0, file_check(self));
	EXPECT_EQ(SIZE, (size_t)lseek(fd, 0, SEEK_END));
	close(pipes[0]);
	close(pipes[1]);
	close(from);
}

TEST_F(file, shared_mappings)
{
	not_permitted((long)mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
				 self->fd, OFFSET));
	not_permitted((long)mmap(NULL, LEN, PROT_READ, MAP_SHARED, self->fd,
				 OFFSET));
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				   MAP_SHARED_VALIDATE, self->fd, OFFSET));
	EXPECT_EQ(0, file_check(self));
}

/* The same file, opened again by its path */

static int reopen(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

TEST_F(file, open_again)
{
	static const int modes[] = { O_RDONLY, O_RDWR };
	struct vmfork_info info, again;
	struct view view;
	struct stat st, st2;
	int i, fd;

	ASSERT_EQ(0, snapshot_info(self->fd, &info));
	ASSERT_EQ(0, fstat(self->fd, &st));
	for (i = 0; i < 2; i++) {
		fd = reopen(self->fd, modes[i]);
		ASSERT_LE(0, fd) TH_LOG("%s", strerror(errno));
		ASSERT_EQ(0, fstat(fd, &st2));
		EXPECT_EQ(st.st_ino, st2.st_ino);
		EXPECT_EQ(st.st_dev, st2.st_dev);
		ASSERT_EQ(0, snapshot_info(fd, &again));
		EXPECT_EQ(info.id, again.id);
		EXPECT_EQ(0, snapshot_check(fd, 0, SIZE / PAGE, self->model,
					    "opened again"));
		ASSERT_EQ(0, view_map(&view, NULL, fd, OFFSET, PAGES,
				      self->area.view.model));
		close(fd);
		view_fill(&view, 3, 333);
		EXPECT_EQ(0, view_check(&view, "a mapping of it"));
		view_unmap(&view);
	}
	errno = 0;
	fd = reopen(self->fd, O_RDWR | O_TRUNC);
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, file_check(self));
}

/* From another process, by the path that a VMM would be given. */
static long do_open_and_map(int fd, const void *arg)
{
	struct { char path[64]; } const *of = arg;
	void *map;

	fd = open(of->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	map = map_snapshot(fd, LEN, OFFSET);
	close(fd);
	return map ? (long)map : -EIO;
}

TEST_F(file, open_from_another_process)
{
	struct { char path[64]; } of;
	struct view view = self->area.view;

	snprintf(of.path, sizeof(of.path), "/proc/%d/fd/%d", getpid(),
		 self->fd);
	view.who = self->peer;
	view.addr = (char *)peer_call(self->peer, do_open_and_map, -1, &of,
				      sizeof(of));
	ASSERT_LT(0, (long)view.addr);
	EXPECT_EQ(0, view_check(&view, "mapped by path"));
}

/* Mappings */

TEST_F(file, parts_can_be_mapped)
{
	struct view view;
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < 20; i++) {
		size_t page = rnd(&seed) % PAGES;
		size_t nr = 1 + rnd(&seed) % (PAGES - page);

		ASSERT_EQ(0, view_map(&view, i & 1 ? self->peer : NULL,
				      self->fd, OFFSET + page * PAGE, nr,
				      self->area.view.model + page));
		EXPECT_EQ(0, view_check(&view, "a part"));
		view_fill(&view, nr / 2, i + 1);
		EXPECT_EQ(0, view_check(&view, "a part, written"));
		view_unmap(&view);
	}
	EXPECT_EQ(0, file_check(self));
}

TEST_F(file, any_address)
{
	char *room = reserve(LEN + HUGE, 0);
	size_t i, shift;

	ASSERT_NE(NULL, room);
	for (shift = 0; shift < HUGE; shift += 100 * PAGE) {
		char *map = mmap(room + shift, LEN, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_FIXED, self->fd, OFFSET);

		ASSERT_EQ(room + shift, map);
		for (i = 0; i < PAGES; i += 3)
			ASSERT_TRUE(page_is(map + i * PAGE,
					    &self->area.view.model[i]));
	}
	munmap(room, LEN + HUGE);
	/* And wherever the kernel likes. */
	room = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, room);
	for (i = 0; i < SIZE / PAGE; i++)
		ASSERT_TRUE(page_is(room + i * PAGE, &self->model[i]));
	munmap(room, SIZE);
}

TEST_F(file, past_the_end)
{
	char *map = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->fd, SIZE - PAGE);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fault_of(map, false));
	EXPECT_EQ(SIGBUS, fault_of(map + PAGE, false));
	EXPECT_EQ(SIGBUS, fault_of(map + 2 * PAGE, true));
	EXPECT_TRUE(page_is(map, &self->model[SIZE / PAGE - 1]));
	munmap(map, 3 * PAGE);
}

TEST_F(file, protection)
{
	struct view view;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	ASSERT_EQ(0, mprotect(view.addr, LEN, PROT_READ));
	EXPECT_EQ(0, view_check(&view, "read-only"));
	EXPECT_EQ(SIGSEGV, fault_of(view.addr, true));
	ASSERT_EQ(0, mprotect(view.addr + HUGE, HUGE, PROT_NONE));
	EXPECT_EQ(SIGSEGV, fault_of(view.addr + HUGE, false));
	ASSERT_EQ(0, mprotect(view.addr, LEN, PROT_READ | PROT_WRITE));
	view_fill(&view, 1, 99);
	view_poke(&view, 600, 98);
	EXPECT_EQ(0, view_check(&view, "writable again"));
	view_unmap(&view);
	EXPECT_EQ(0, file_check(self));
}

TEST_F(file, dontneed_resets)
{
	struct view *view = &self->area.view;
	size_t i;

	for (i = 0; i < PAGES; i += 2)
		view_fill(view, i, i + 1);
	EXPECT_EQ(0, view_check(view, "written"));
	for (i = 0; i < PAGES; i += 4)
		view_reset(view, i, &self->model[OFFSET / PAGE + i]);
	EXPECT_EQ(0, view_check(view, "reset in part"));
	ASSERT_EQ(0, madvise(view->addr, LEN, MADV_DONTNEED));
	memcpy(view->model, self->model + OFFSET / PAGE,
	       PAGES * sizeof(struct stamp));
	EXPECT_EQ(0, view_check(view, "reset in whole"));
}

TEST_F(file, mremap)
{
	struct view view;
	char *to, *room;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	view_fill(&view, 10, 1010);
	view_fill(&view, 700, 1700);
	room = reserve(LEN, 0);
	to = mremap(view.addr, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, to);
	view.addr = to;
	EXPECT_EQ(0, view_check(&view, "moved"));
	/* To an address that does not suit huge pages. */
	room = reserve(LEN, 5 * PAGE);
	to = mremap(view.addr, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, to);
	view.addr = to;
	EXPECT_EQ(0, view_check(&view, "moved out of line"));
	/* Smaller: the end is gone, the rest stays. */
	ASSERT_EQ(to, mremap(view.addr, LEN, LEN - 100 * PAGE, 0));
	view.pages -= 100;
	EXPECT_EQ(0, view_check(&view, "shrunk"));
	/* It does not grow, in place or elsewhere. */
	EXPECT_EQ(MAP_FAILED, mremap(view.addr, view.pages * PAGE,
				     2 * LEN, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, view_check(&view, "not grown"));
	view_unmap(&view);
	EXPECT_EQ(0, file_check(self));
}

/* MREMAP_DONTUNMAP: the old place stays a mapping of the same snapshot. */
TEST_F(file, mremap_dontunmap)
{
	struct view view, old;
	char *to;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	view_fill(&view, 10, 1010);
	to = mremap(view.addr, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (to == MAP_FAILED) {
		/* Refused is right too: nothing has changed. */
		EXPECT_EQ(EINVAL, errno);
	} else {
		old = view;
		old.model = self->area.view.model;
		view.addr = to;
		EXPECT_EQ(0, view_check(&old, "the old place"));
		view_unmap(&old);
	}
	EXPECT_EQ(0, view_check(&view, "the mapping"));
	view_unmap(&view);
}

TEST_F(file, unmap_in_parts)
{
	struct view view;
	size_t i;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	view_fill(&view, 0, 9);
	for (i = 1; i < PAGES; i += 97)
		ASSERT_EQ(0, munmap(view.addr + i * PAGE, 3 * PAGE));
	for (i = 0; i < PAGES; i++)
		if (i % 97 < 1 || i % 97 > 3)
			ASSERT_TRUE(page_is(view.addr + i * PAGE,
					    &view.model[i]));
	/* The holes can be filled again, from the same snapshot. */
	for (i = 1; i + 3 < PAGES; i += 97)
		ASSERT_NE(MAP_FAILED, mmap(view.addr + i * PAGE, 3 * PAGE,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_FIXED, self->fd,
					   OFFSET + i * PAGE));
	view.pages = PAGES - PAGES % 97;
	EXPECT_EQ(0, view_check(&view, "filled again"));
	munmap(view.addr, LEN);
}

TEST_F(file, fork_of_a_mapper)
{
	struct view view, theirs;
	struct peer *peer;
	size_t i;

	ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
			      self->area.view.model));
	for (i = 0; i < PAGES; i += 9)
		view_fill(&view, i, i + 1);
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	theirs = view;
	theirs.who = peer;
	theirs.model = model_copy(view.model, PAGES);
	for (i = 0; i < PAGES; i += 4) {
		view_poke(&theirs, i, i + 2);
		view_poke(&view, (i + 9) % PAGES, i + 3);
	}
	EXPECT_EQ(0, view_check(&theirs, "the forked one's"));
	EXPECT_EQ(0, view_check(&view, "the forking one's"));
	view_unmap(&view);
	EXPECT_EQ(0, view_check(&theirs, "the forked one's, alone"));
	EXPECT_EQ(0, file_check(self));
	peer_kill(peer);
}

/* Advice about a mapping, sensible or not. */
TEST_F(file, advice)
{
	static const int advices[] = {
		MADV_WILLNEED, MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL,
		MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTFORK, MADV_DOFORK,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_FREE,
		25 /* MADV_COLLAPSE */,
	};
	size_t nr = ARRAY_SIZE(advices), i, page, edge;
	struct view view;

	/* Whether it is taken or not, it changes no contents. */
	for (i = 0; i < 2 * nr; i++) {
		ASSERT_EQ(0, view_map(&view, NULL, self->fd, OFFSET, PAGES,
				      self->area.view.model));
		if (advices[i / 2] != MADV_FREE)
			for (page = 0; page < PAGES; page += 50)
				view_fill(&view, page, page + 1);
		/* The second time for parts of huge pages as well. */
		edge = (i & 1) * 3 * PAGE;
		view_check(&view, "before advice");
		madvise(view.addr + edge, LEN - 2 * edge, advices[i / 2]);
		EXPECT_EQ(0, view_check(&view, "after advice"))
			TH_LOG("madvise %d", advices[i / 2]);
		EXPECT_EQ(0, view_check(&self->area.view, "the parent"));
		view_unmap(&view);
	}
	EXPECT_EQ(0, file_check(self));
}

/*
 * What was huge is mapped back huge, in the parent and in a child.  The
 * kernel counts it as a file's, whichever of the two names it has for that.
 */
static long do_huge_kb(int fd, const void *arg)
{
	const struct view *view = arg;
	size_t len = view->pages * PAGE;

	(void)fd;
	return smaps_kb(0, view->addr, len, "FilePmdMapped") +
	       smaps_kb(0, view->addr, len, "ShmemPmdMapped");
}

TEST(huge_pages_stay_huge)
{
	struct peer *peer = peer_start();
	struct area area;
	struct view view;
	int fd, i;

	ASSERT_NE(NULL, peer);
	ASSERT_EQ(0, area_make(&area, KIND_THP, LEN, OFFSET));
	fd = capture_range(-1, area.view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, view_check(&area.view, "the parent"));
	EXPECT_EQ((long)LEN >> 10, do_huge_kb(-1, &area.view))
		TH_LOG("the parent");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, view_map(&view, i ? peer : NULL, fd, OFFSET,
				      PAGES, area.view.model));
		EXPECT_EQ(0, view_check(&view, "a child"));
		EXPECT_EQ((long)LEN >> 10, peer_call(view.who, do_huge_kb, -1,
						     &view, sizeof(view)))
			TH_LOG("child %d", i);
		/* One write splits its own huge page and no other. */
		view_poke(&view, 5, 5);
		EXPECT_EQ(0, view_check(&view, "a child, written"));
		EXPECT_EQ((long)(LEN - HUGE) >> 10,
			  peer_call(view.who, do_huge_kb, -1, &view,
				    sizeof(view)));
		view_unmap(&view);
	}
	EXPECT_EQ((long)LEN >> 10, do_huge_kb(-1, &area.view));
	area_free(&area);
	peer_kill(peer);
	close(fd);
}

TEST_HARNESS_MAIN
