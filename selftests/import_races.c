// SPDX-License-Identifier: GPL-2.0
/*
 * Imports under those who disturb: while pages are read from a file, it is
 * written to, cut and punched, thrown out of the page cache, and who reads is
 * killed.  Whoever sees a page sees what it was, or SIGBUS.
 */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "balance.h"
#include "imported.h"

#define READERS	3

/* In memory that all share; the mapping is at the same place in each. */
struct storm {
	char *addr;
	const struct stamp *model;
	char first[PAGES];		/* byte of each page */
	volatile bool stop;
	volatile uint64_t right, refused, wrong;
};

static void count(volatile uint64_t *what)
{
	__sync_fetch_and_add(what, 1);
}

/* Looks at a page, and writes to it before that, or lets go of it after. */
static void visit(struct storm *storm, size_t page, uint64_t how)
{
	struct sigaction act = { .sa_handler = on_bus };
	char *at = storm->addr + page * PAGE;

	sigaction(SIGBUS, &act, NULL);
	if (sigsetjmp(bus_env, 1)) {
		count(&storm->refused);
		return;
	}
	/* A write that changes nothing. */
	if (how % 4 == 0)
		*(volatile char *)at = storm->first[page];
	if (page_is(at, &storm->model[page])) {
		count(&storm->right);
	} else {
		count(&storm->wrong);
		note("page %zu is wrong, a page of %s", page,
		     how % 4 ? "all" : "one's own");
	}
	if (how % 3 == 0)
		madvise(at, PAGE, MADV_DONTNEED);
}

static void read_at_random(struct storm *storm, uint64_t seed)
{
	while (!storm->stop)
		visit(storm, rnd(&seed) % PAGES, rnd(&seed));
}

static void start_readers(struct storm *storm, uint64_t *seed, pid_t *pids)
{
	uint64_t own;
	int i;

	for (i = 0; i < READERS; i++) {
		own = rnd(seed);
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		read_at_random(storm, own);
		_exit(0);
	}
}

/* True if each ended in order. */
static bool stop_readers(struct storm *storm, const pid_t *pids)
{
	bool in_order = true;
	int status, i;

	storm->stop = true;
	for (i = 0; i < READERS; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			in_order = false;
	return in_order;
}

static struct storm *storm_make(const struct view *view)
{
	struct storm *storm = shared_alloc(sizeof(*storm));
	static char page[PAGE];
	size_t i;

	storm->addr = view->addr;
	storm->model = view->model;
	for (i = 0; i < PAGES; i++) {
		if (!view->model[i].fill)
			continue;
		page_fill(page, view->model[i].fill);
		storm->first[i] = page[0];
	}
	return storm;
}

/* Ways to change a file, and what it then holds. */

static void say_changed(struct test_file *file)
{
	if (!file->fuse)
		return;
	file->fuse->mtime++;
	__sync_synchronize();
}

static int write_pages(struct test_file *file, int fd, uint64_t *seed)
{
	int ret = 0;
	size_t i;

	say_changed(file);
	for (i = 0; !ret && i < PAGES; i += 1 + rnd(seed) % 8) {
		file->model[i] = (struct stamp){ .fill = rnd(seed) | 1 };
		ret = test_file_write(file, fd, i, file->model[i].fill);
	}
	return ret;
}

/* To half of it, and back: the other half is a hole then. */
static int cut(struct test_file *file, int fd, uint64_t *seed)
{
	(void)seed;
	memset(file->model + PAGES / 2, 0, PAGES / 2 * sizeof(*file->model));
	if (!file->fuse)
		return ftruncate(fd, LEN / 2) || ftruncate(fd, LEN) ? -errno :
		       0;
	file->fuse->size = LEN / 2;
	say_changed(file);
	memset(file->fuse->data + LEN / 2, 0, LEN / 2);
	__sync_synchronize();
	file->fuse->size = LEN;
	return 0;
}

static int punch(struct test_file *file, int fd, uint64_t *seed)
{
	size_t i, at;

	say_changed(file);
	for (i = 0; i < 16; i++) {
		at = rnd(seed) % (PAGES / 32) * 32;
		memset(file->model + at, 0, 32 * sizeof(*file->model));
		if (file->fuse)
			memset(file->fuse->data + at * PAGE, 0, 32 * PAGE);
		else if (fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, at * PAGE, 32 * PAGE))
			return -errno;
	}
	return 0;
}

/* So that there is something to lose again. */
static int fill_holes(struct test_file *file, int fd, uint64_t *seed)
{
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < PAGES; i++) {
		if (file->model[i].fill)
			continue;
		file->model[i].fill = rnd(seed) | 1;
		ret = test_file_write(file, fd, i, file->model[i].fill);
	}
	return ret;
}

typedef int (*change_fn)(struct test_file *file, int fd, uint64_t *seed);

/* One import: what its readers see while the file is changed, and after. */
static void change_once(struct __test_metadata *_metadata,
			struct test_file *file, int writer, change_fn change,
			uint64_t *seed, uint64_t seen[2])
{
	int fd = import_file(file, O_RDONLY, NULL);
	struct storm *storm;
	pid_t pids[READERS];
	struct view view;

	ASSERT_LE(0, fd) TH_LOG("%s", strerror(-fd));
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, file->model));
	storm = storm_make(&view);
	start_readers(storm, seed, pids);
	usleep(rnd(seed) % 20000);
	EXPECT_EQ(0, change(file, writer, seed));
	usleep(rnd(seed) % 10000);
	EXPECT_TRUE(stop_readers(storm, pids));
	EXPECT_EQ(0, storm->wrong);
	seen[0] += storm->right;
	seen[1] += storm->refused;
	view_unmap(&view);
	close(fd);
}

static void change_often(struct __test_metadata *_metadata,
			 struct test_file *file, change_fn change)
{
	uint64_t seed = test_seed(), seen[2] = { 0 }, end;
	int writer = open(file->path, O_RDWR | O_CLOEXEC);
	void *mark;

	ASSERT_LE(0, writer);
	end = now_ns() + test_seconds(2) * 1000000000ULL;
	do {
		mark = shared_alloc(1);
		change_once(_metadata, file, writer, change, &seed, seen);
		shared_reset(mark);
		ASSERT_EQ(0, fill_holes(file, writer, &seed));
	} while (now_ns() < end);
	EXPECT_LT(0, seen[0]);
	EXPECT_LT(0, seen[1]);
	close(writer);
}

TEST_F_TIMEOUT(import, written_to, 120)
{
	change_often(_metadata, &self->file, write_pages);
}

TEST_F_TIMEOUT(import, cut, 120)
{
	change_often(_metadata, &self->file, cut);
}

TEST_F_TIMEOUT(import, punched, 120)
{
	change_often(_metadata, &self->file, punch);
}

/* Nothing stays in the page cache for long. */
TEST_F_TIMEOUT(import, thrown_out, 120)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	int file = open(self->file.path, O_RDONLY | O_CLOEXEC);
	uint64_t seed = test_seed(), end;
	struct storm *storm;
	pid_t pids[READERS];
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	storm = storm_make(&view);
	start_readers(storm, &seed, pids);
	end = now_ns() + test_seconds(2) * 1000000000ULL;
	while (now_ns() < end) {
		posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
		if (rnd(&seed) % 16 == 0)
			write_file("/proc/sys/vm/drop_caches", "1");
		usleep(rnd(&seed) % 1000);
	}
	EXPECT_TRUE(stop_readers(storm, pids));
	EXPECT_EQ(0, storm->wrong);
	EXPECT_EQ(0, storm->refused);
	EXPECT_LT(0, storm->right);
	EXPECT_EQ(0, view_check(&view, "at last"));
	view_unmap(&view);
	close(file);
	close(fd);
}

/* Killed at any instruction: nothing of what they were at is left. */
TEST_F_TIMEOUT(import, killed, 120)
{
	uint64_t seed = test_seed(), end;
	struct balance was = { 0 };
	struct storm *storm;
	pid_t pids[READERS];
	struct view view;
	int fd, i, round;
	void *mark;

	end = now_ns() + test_seconds(2) * 1000000000ULL;
	for (round = 0; now_ns() < end; round++) {
		if (round == 1)
			was = balance();
		mark = shared_alloc(1);
		fd = import_file(&self->file, O_RDONLY, NULL);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES,
				      self->file.model));
		storm = storm_make(&view);
		start_readers(storm, &seed, pids);
		for (i = 0; i < READERS; i++) {
			usleep(rnd(&seed) % 10000);
			kill(pids[i], SIGKILL);
		}
		for (i = 0; i < READERS; i++)
			ASSERT_EQ(pids[i], waitpid(pids[i], NULL, 0));
		EXPECT_EQ(0, storm->wrong);
		EXPECT_EQ(0, storm->refused);
		if (round % 8 == 0) {
			EXPECT_EQ(0, view_check(&view, "the others"));
		}
		view_unmap(&view);
		close(fd);
		shared_reset(mark);
	}
	ASSERT_LT(1, round);
	EXPECT_TRUE(balanced_soon(&was));
}

/* The limit is reached, and is none again, in the midst of it. */
TEST_F_TIMEOUT(import, limits_change, 120)
{
	int fd = import_file(&self->file, O_RDONLY, NULL);
	uint64_t seed = test_seed(), end;
	struct storm *storm;
	pid_t pids[READERS];
	struct view view;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, view_map(&view, NULL, fd, 0, PAGES, self->file.model));
	storm = storm_make(&view);
	start_readers(storm, &seed, pids);
	end = now_ns() + test_seconds(1) * 1000000000ULL;
	while (now_ns() < end) {
		set_max_bytes(rnd(&seed) % LEN / 2 + 1);
		usleep(rnd(&seed) % 5000);
	}
	set_max_bytes(0);
	EXPECT_TRUE(stop_readers(storm, pids));
	EXPECT_EQ(0, storm->wrong);
	EXPECT_EQ(0, storm->refused);
	EXPECT_GE(self->file.data, pages_read(fd));
	EXPECT_EQ(0, view_check(&view, "at last"));
	view_unmap(&view);
	close(fd);
}

TEST_HARNESS_MAIN
