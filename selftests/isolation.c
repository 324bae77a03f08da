// SPDX-License-Identifier: GPL-2.0
/*
 * Isolation: no write is ever seen by anybody else, be it the parent, a child,
 * a sibling or a grandchild, and whichever way the write is made.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "peer.h"
#include "uring.h"

#define OFFSET	(4 * MIB)

static size_t len_of(enum kind kind)
{
	return kind == KIND_MIXED ? 8 * MIB : 4 * MIB;
}

/*
 * A family: the parent's area; a child in the same process and one in another,
 * both of the first snapshot; a grandchild, of a snapshot of that one.
 */
enum { PARENT, CHILD, SIBLING, GRANDCHILD, NR_VIEWS };

static const char * const role[NR_VIEWS] = {
	"the parent", "the child", "the sibling", "the grandchild",
};

struct family {
	struct area area;
	struct peer *one, *two;
	struct view view[NR_VIEWS];
	struct stamp *model;	/* of both snapshots, which are equal */
	int fd[2];
};

static int family_make(struct family *f, enum kind kind)
{
	size_t pages;
	int ret;

	f->one = peer_start();
	f->two = peer_start();
	if (!f->one || !f->two)
		return -EAGAIN;
	ret = area_make(&f->area, kind, len_of(kind), OFFSET);
	if (ret)
		return ret;
	pages = f->area.view.pages;
	f->fd[0] = capture_range(-1, f->area.view.addr, f->area.len,
				 f->area.offset, NULL);
	if (f->fd[0] < 0)
		return f->fd[0];
	area_settle(&f->area);
	f->view[PARENT] = f->area.view;
	f->model = model_copy(f->area.view.model, pages);
	ret = view_map(&f->view[CHILD], NULL, f->fd[0], f->area.offset, pages,
		       f->model) ?:
	      view_map(&f->view[SIBLING], f->one, f->fd[0], f->area.offset,
		       pages, f->model);
	if (ret)
		return ret;
	f->fd[1] = peer_capture(f->one, -1, f->view[SIBLING].addr, f->area.len,
				f->area.offset, NULL);
	if (f->fd[1] < 0)
		return f->fd[1];
	return view_map(&f->view[GRANDCHILD], f->two, f->fd[1],
			f->area.offset, pages, f->model);
}

static long family_check(struct family *f)
{
	long wrong = 0;
	int i;

	for (i = 0; i < NR_VIEWS; i++)
		wrong += view_check(&f->view[i], role[i]);
	for (i = 0; i < 2; i++)
		wrong += snapshot_check(f->fd[i], f->area.offset,
					f->area.view.pages, f->model,
					i ? "the second snapshot" :
					    "the first snapshot");
	return wrong + !area_others_right(&f->area);
}

static void family_free(struct family *f)
{
	view_unmap(&f->view[CHILD]);
	area_free(&f->area);
	peer_kill(f->one);
	peer_kill(f->two);
	close(f->fd[0]);
	close(f->fd[1]);
}

FIXTURE(isolation) {
	struct family f;
};

KIND_AND_CAPTURE_VARIANTS(isolation);

FIXTURE_SETUP(isolation)
{
	int ret;

	capture_kind = variant->how;
	if (kind_missing(variant->kind))
		SKIP(return, "%s", kind_missing(variant->kind));
	ret = family_make(&self->f, variant->kind);
	ASSERT_EQ(0, ret) TH_LOG("%s", strerror(-ret));
}

FIXTURE_TEARDOWN(isolation)
{
	family_free(&self->f);
}

/*
 * Each one in turn writes to pages that nobody else wrote, to pages that the
 * one before it wrote as well, and to pages that all of them write.
 */
TEST_F(isolation, each_direction)
{
	struct family *f = &self->f;
	size_t pages = f->area.view.pages, page;
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < NR_VIEWS; i++) {
		struct view *view = &f->view[i];

		for (page = i; page < pages; page += 37) {
			view_fill(view, page, rnd(&seed) | 1);
			if (page + 1 < pages)
				view_poke(view, page + 1, rnd(&seed) | 1);
		}
		for (page = 5; page < pages; page += 113)
			view_poke(view, page, rnd(&seed) | 1);
		EXPECT_EQ(0, family_check(f)) TH_LOG("after %s wrote", role[i]);
	}
}

/* All of them write to every page, at the same time where they can. */
TEST_F(isolation, every_page)
{
	struct family *f = &self->f;
	size_t pages = f->area.view.pages, page;
	int i;

	/* In turns page by page, so that each breaks the others' sharing. */
	for (page = 0; page < pages; page += 3)
		for (i = 0; i < NR_VIEWS; i++)
			view_fill(&f->view[(page + i) % NR_VIEWS], page,
				  (page << 8 | i) * 0x9e3779b97f4a7c15 | 1);
	EXPECT_EQ(0, family_check(f));
}

/*
 * Writes and reads that do not go through the page tables of the one who
 * asks for them: GUP users.
 */
FIXTURE(gup) {
	struct family f;
};

FIXTURE_VARIANT(gup) {
	enum kind kind;
	enum capture_kind how;
};

KIND_VARIANT(gup, base, KIND_BASE);
CAPTURE_VARIANT(gup, base, KIND_BASE);
CAPTURE_VARIANT(gup, thp, KIND_THP);
KIND_VARIANT(gup, thp, KIND_THP);
KIND_VARIANT(gup, hole, KIND_HOLE);

FIXTURE_SETUP(gup)
{
	capture_kind = variant->how;
	ASSERT_EQ(0, family_make(&self->f, variant->kind));
}

FIXTURE_TEARDOWN(gup)
{
	family_free(&self->f);
}

/*
 * A page sits in a pipe (vmsplice() took a reference) while somebody else
 * writes to his own page there: the pipe must not see it.
 */
static long splice_then_write(struct view *from, struct view *writer,
			      size_t page)
{
	static char buf[PAGE] __attribute__((aligned(4096)));
	struct iovec iov = {
		.iov_base = from->addr + page * PAGE, .iov_len = PAGE,
	};
	struct stamp was = from->model[page];
	long wrong = 0;
	int pipes[2];

	if (pipe(pipes) || vmsplice(pipes[1], &iov, 1, 0) != PAGE)
		return -errno;
	view_fill(writer, page, 0xabcd0001 + page);
	if (read(pipes[0], buf, PAGE) != PAGE || !page_is(buf, &was)) {
		note("page %zu in the pipe has changed", page);
		wrong++;
	}
	close(pipes[0]);
	close(pipes[1]);
	return wrong;
}

TEST_F(gup, vmsplice)
{
	struct family *f = &self->f;
	size_t page = 100;
	int from, writer;

	/* Only this process's own views can be spliced from here. */
	for (from = PARENT; from <= CHILD; from++)
		for (writer = PARENT; writer < NR_VIEWS; writer++)
			if (writer != from)
				EXPECT_EQ(0, splice_then_write(&f->view[from],
							       &f->view[writer],
							       page++));
	EXPECT_EQ(0, family_check(f));
}

/* The spliced page is captured, then its owner writes: children see nothing. */
TEST_F(gup, vmsplice_over_a_capture)
{
	struct family *f = &self->f;
	struct view *parent = &f->view[PARENT];
	struct iovec iov = { .iov_base = parent->addr, .iov_len = 64 * PAGE };
	size_t page, pages = f->area.view.pages;
	struct vmfork_capture cap;
	struct stamp *model;
	struct view child;
	int pipes[2], fd;
	char buf[PAGE];

	for (page = 0; page < 16; page++)
		view_fill(parent, page, 1000 + page);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_LT(0, fcntl(pipes[1], F_SETPIPE_SZ, 128 * PAGE));
	ASSERT_EQ(16 * PAGE, vmsplice(pipes[1], &(struct iovec){
			.iov_base = iov.iov_base, .iov_len = 16 * PAGE }, 1,
			0));
	fd = capture_range(-1, parent->addr, f->area.len, f->area.offset,
			   &cap);
	ASSERT_LE(0, fd);
	model = model_copy(parent->model, pages);
	ASSERT_EQ(0, view_map(&child, f->one, fd, f->area.offset, pages,
			      model));
	for (page = 0; page < 16; page++)
		view_fill(parent, page, 2000 + page);
	EXPECT_EQ(0, view_check(&child, "the new child"));
	for (page = 0; page < 16; page++) {
		ASSERT_EQ((ssize_t)PAGE, read(pipes[0], buf, PAGE));
		EXPECT_TRUE(page_is(buf, &model[page]));
	}
	for (page = 0; page < 16; page++)
		view_fill(&child, page, 3000 + page);
	EXPECT_EQ(0, family_check(f));
	EXPECT_EQ(0, snapshot_check(fd, f->area.offset, pages, model,
				    "the new snapshot"));
	view_unmap(&child);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* process_vm_writev() and _readv() into and out of the others' mappings. */
TEST_F(gup, process_vm)
{
	static char buf[PAGE] __attribute__((aligned(4096)));
	struct iovec local = { .iov_base = buf, .iov_len = PAGE };
	struct family *f = &self->f;
	size_t page = 50;
	int i;

	for (i = SIBLING; i <= GRANDCHILD; i++, page++) {
		struct view *view = &f->view[i];
		struct iovec remote = {
			.iov_base = view->addr + page * PAGE, .iov_len = PAGE,
		};

		ASSERT_EQ((ssize_t)PAGE,
			  process_vm_readv(view->who->pid, &local, 1, &remote,
					   1, 0));
		EXPECT_TRUE(page_is(buf, &view->model[page]));
		view->model[page] = (struct stamp){ .fill = 555 + page };
		page_fill(buf, 555 + page);
		ASSERT_EQ((ssize_t)PAGE,
			  process_vm_writev(view->who->pid, &local, 1, &remote,
					    1, 0));
	}
	EXPECT_EQ(0, family_check(f));
}

/* What a debugger does: /proc/PID/mem, also where the mapping is read-only. */
TEST_F(gup, proc_mem)
{
	static char buf[PAGE] __attribute__((aligned(4096)));
	struct family *f = &self->f;
	size_t page = 60;
	char path[40];
	int i, fd;

	ASSERT_EQ(0, mprotect(f->view[PARENT].addr, f->area.len, PROT_READ));
	for (i = 0; i < NR_VIEWS; i++, page++) {
		struct view *view = &f->view[i];
		off_t at = (off_t)(view->addr + page * PAGE);

		snprintf(path, sizeof(path), "/proc/%d/mem",
			 view->who ? view->who->pid : getpid());
		fd = open(path, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ((ssize_t)PAGE, pread(fd, buf, PAGE, at));
		EXPECT_TRUE(page_is(buf, &view->model[page]));
		page_fill(buf, 777 + page);
		view->model[page] = (struct stamp){ .fill = 777 + page };
		ASSERT_EQ((ssize_t)PAGE, pwrite(fd, buf, PAGE, at));
		close(fd);
		EXPECT_EQ(0, family_check(f));
	}
}

static long direct_io(int fd, const void *arg)
{
	const struct { char *addr; size_t len; off_t at; int write; } *io = arg;
	ssize_t n;

	n = io->write ? pwrite(fd, io->addr, io->len, io->at) :
			pread(fd, io->addr, io->len, io->at);
	return n < 0 ? -errno : n;
}

/*
 * O_DIRECT: the device reads from shared pages, and writes into what must be
 * the caller's own by then.
 */
TEST_F(gup, o_direct)
{
	static char buf[16 * PAGE] __attribute__((aligned(4096)));
	const char *disk = scratch_disk();
	struct { char *addr; size_t len; off_t at; int write; } io;
	struct family *f = &self->f;
	size_t page = 200, j;
	int fd, i;

	if (!disk)
		SKIP(return, "no block device is free for O_DIRECT (VMFORK_TEST_DISK)");
	fd = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, fd) TH_LOG("%s: %s", disk, strerror(errno));
	for (i = 0; i < NR_VIEWS; i++, page += 8) {
		struct view *view = &f->view[i];

		/* Out to the disk, shared pages and all. */
		io.addr = view->addr + page * PAGE;
		io.len = 16 * PAGE;
		io.at = i * MIB;
		io.write = 1;
		ASSERT_EQ(16 * (long)PAGE, peer_call(view->who, direct_io,
						     fd, &io,
						     sizeof(io)));
		ASSERT_EQ(16 * (ssize_t)PAGE, pread(fd, buf, sizeof(buf),
						    io.at));
		for (j = 0; j < 16; j++)
			EXPECT_TRUE(page_is(buf + j * PAGE,
					    &view->model[page + j]));
		/* And other contents in from the disk. */
		for (j = 0; j < 16; j++) {
			struct stamp new = { .fill = i * 100 + j + 1 };

			view->model[page + j] = new;
			page_fill(buf + j * PAGE, new.fill);
		}
		ASSERT_EQ(16 * (ssize_t)PAGE, pwrite(fd, buf, sizeof(buf),
						     io.at));
		io.write = 0;
		ASSERT_EQ(16 * (long)PAGE, peer_call(view->who, direct_io, fd,
						     &io, sizeof(io)));
		EXPECT_EQ(0, family_check(f)) TH_LOG("%s", role[i]);
	}
	close(fd);
}

/*
 * A long-term pin (io_uring here, VFIO elsewhere) on a mapping of a snapshot:
 * the device's page is the mapping's own page, both before and after it is
 * written, and nobody else's.
 */
TEST_F(gup, io_uring_fixed_buffer)
{
	static char buf[PAGE] __attribute__((aligned(4096)));
	struct family *f = &self->f;
	struct uring ring;
	size_t page = 300;
	int i, ret, pipes[2];

	ret = uring_open(&ring);
	if (ret)
		SKIP(return, "io_uring: %s", strerror(-ret));
	ASSERT_EQ(0, pipe(pipes));
	for (i = PARENT; i <= CHILD; i++, page++) {
		struct view *view = &f->view[i];
		char *at = view->addr + page * PAGE;

		ret = uring_pin(&ring, at, PAGE);
		if (ret == -EOPNOTSUPP)
			SKIP(return, "this kernel's io_uring takes no buffers in a private file mapping (before 6.5)");
		ASSERT_EQ(0, ret);
		EXPECT_EQ(0, family_check(f)) TH_LOG("%s, pinned", role[i]);
		view_poke(view, page, 4321);
		view_fill(&f->view[SIBLING], page, 54321);
		view->model[page] = (struct stamp){ .fill = 99 + page };
		page_fill(buf, 99 + page);
		ASSERT_EQ((ssize_t)PAGE, write(pipes[1], buf, PAGE));
		ASSERT_EQ((int)PAGE, uring_read_pinned(&ring, pipes[0], at,
						       PAGE));
		EXPECT_EQ(0, family_check(f)) TH_LOG("%s, read", role[i]);
		ASSERT_EQ(0, uring_unpin(&ring));
	}
	close(pipes[0]);
	close(pipes[1]);
	uring_close(&ring);
}

/* fork(2) of a process that has captured: one more family, by other means. */
TEST_F(gup, fork_after_capture)
{
	struct family *f = &self->f;
	size_t pages = f->area.view.pages, page;
	struct view forked[2];
	struct stamp *model;
	struct peer *peer;
	int i, fd;

	for (page = 0; page < pages; page += 11)
		view_fill(&f->view[PARENT], page, page + 1);
	peer = peer_start();
	ASSERT_NE(NULL, peer);
	for (i = PARENT; i <= CHILD; i++) {
		forked[i] = f->view[i];
		forked[i].who = peer;
		forked[i].model = model_copy(f->view[i].model, pages);
	}
	for (page = 0; page < pages; page += 7) {
		view_poke(&forked[PARENT], page, page + 2);
		view_fill(&forked[CHILD], page, page + 3);
		view_fill(&f->view[PARENT], (page + 3) % pages, page + 4);
	}
	EXPECT_EQ(0, family_check(f));
	EXPECT_EQ(0, view_check(&forked[PARENT], "the forked parent"));
	EXPECT_EQ(0, view_check(&forked[CHILD], "the forked child"));

	/* The same mapping of a snapshot in two processes, one is captured. */
	fd = peer_capture(peer, -1, forked[PARENT].addr, f->area.len,
			  f->area.offset, NULL);
	ASSERT_LE(0, fd);
	model = model_copy(forked[PARENT].model, pages);
	for (page = 0; page < pages; page += 5) {
		view_fill(&forked[PARENT], page, page + 5);
		view_poke(&f->view[PARENT], page, page + 6);
	}
	EXPECT_EQ(0, family_check(f));
	EXPECT_EQ(0, view_check(&forked[PARENT], "the forked parent"));
	EXPECT_EQ(0, view_check(&forked[CHILD], "the forked child"));
	EXPECT_EQ(0, snapshot_check(fd, f->area.offset, pages, model,
				    "the forked parent's snapshot"));
	close(fd);
	fd = capture_range(-1, f->view[PARENT].addr, f->area.len,
			   f->area.offset, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, family_check(f));
	EXPECT_EQ(0, view_check(&forked[PARENT], "the forked parent"));
	EXPECT_EQ(0, snapshot_check(fd, f->area.offset, pages,
				    f->view[PARENT].model,
				    "the parent's snapshot"));
	close(fd);
	peer_kill(peer);
	EXPECT_EQ(0, family_check(f));
}

TEST_HARNESS_MAIN
