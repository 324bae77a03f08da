// SPDX-License-Identifier: GPL-2.0
/*
 * A mapping looks only at what was written since its last capture or reset.
 * So every way to write to it has to be noticed: to pages that are mapped and
 * to those that are not, by its process, by others, by devices and by guests.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "live.h"
#include "peer.h"
#include "tiny_guest.h"
#include "uring.h"

#define LEN	(4 * MIB)
#define PAGES	(LEN / PAGE)

/* A mapping that is the memory of a guest, too, where there can be one. */
FIXTURE(writes) {
	struct area area;
	struct view view;
	struct peer *peer;
	bool guest;
	int fd;
	char *buf;		/* a page of what is to be written */
	struct stamp stamp;	/* that is this */
};

FIXTURE_VARIANT(writes) { enum kind kind; };
KIND_VARIANT(writes, base, KIND_BASE);
KIND_VARIANT(writes, thp, KIND_THP);
KIND_VARIANT(writes, hole, KIND_HOLE);

FIXTURE_SETUP(writes)
{
	struct area *area = &self->area;

	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, area_make(area, variant->kind, LEN, 0));
	self->fd = capture_range(-1, area->view.addr, LEN, 0, NULL);
	ASSERT_LE(0, self->fd);
	self->guest = !tiny_guest_missing() && !tiny_guest_start(LEN);
	self->view = area->view;
	self->view.addr = self->guest ? tiny_guest_map(self->fd) :
					map_snapshot(self->fd, LEN, 0);
	ASSERT_NE(NULL, self->view.addr);
	self->view.model = model_copy(area->view.model, PAGES);
	self->buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
}

FIXTURE_TEARDOWN(writes)
{
	if (self->guest)
		tiny_guest_unmap();
	area_free(&self->area);
	peer_kill(self->peer);
	close(self->fd);
}

/* Ways to write self->buf to a page: 0, 1 if there is no such way, or -errno */

static int by_store(FIXTURE_DATA(writes) *self, char *at)
{
	memcpy(at, self->buf, PAGE);
	return 0;
}

static int write_mem(char *at, const char *buf)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, buf, PAGE, (uintptr_t)at) != (ssize_t)PAGE)
		ret = -errno;
	close(fd);
	return ret;
}

static int by_proc_mem(FIXTURE_DATA(writes) *self, char *at)
{
	return write_mem(at, self->buf);
}

/* As debuggers do it, though the process itself could not. */
static int by_force(FIXTURE_DATA(writes) *self, char *at)
{
	int ret;

	if (mprotect(self->view.addr, LEN, PROT_READ))
		return -errno;
	ret = write_mem(at, self->buf);
	if (mprotect(self->view.addr, LEN, PROT_READ | PROT_WRITE))
		return -errno;
	return ret;
}

struct vm_write {
	pid_t pid;
	char *at, *buf;
};

static long do_vm_write(int fd, const void *arg)
{
	const struct vm_write *w = arg;
	struct iovec local = { .iov_base = w->buf, .iov_len = PAGE };
	struct iovec remote = { .iov_base = w->at, .iov_len = PAGE };

	(void)fd;
	return process_vm_writev(w->pid, &local, 1, &remote, 1, 0) ==
	       (ssize_t)PAGE ? 0 : -errno;
}

static int by_process_vm(FIXTURE_DATA(writes) *self, char *at)
{
	struct vm_write w = { getpid(), at, self->buf };
	static char *shared;

	/* The peer was forked before the buffer was there. */
	if (!shared)
		shared = shared_alloc(PAGE);
	memcpy(shared, self->buf, PAGE);
	w.buf = shared;
	return peer_call(self->peer, do_vm_write, -1, &w, sizeof(w));
}

static int by_read(FIXTURE_DATA(writes) *self, char *at)
{
	int pipes[2], ret = 0;

	if (pipe(pipes))
		return -errno;
	if (write(pipes[1], self->buf, PAGE) != (ssize_t)PAGE ||
	    read(pipes[0], at, PAGE) != (ssize_t)PAGE)
		ret = -EIO;
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static int by_disk(FIXTURE_DATA(writes) *self, char *at)
{
	const char *disk = scratch_disk();
	int fd, ret = 0;

	if (!disk)
		return 1;
	fd = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, self->buf, PAGE, 0) != (ssize_t)PAGE ||
	    pread(fd, at, PAGE, 0) != (ssize_t)PAGE)
		ret = -errno;
	close(fd);
	return ret;
}

/* Into a buffer that was pinned before, for long. */
static int by_uring(FIXTURE_DATA(writes) *self, char *at)
{
	struct uring ring;
	int pipes[2], ret;

	if (uring_open(&ring))
		return 1;
	ret = uring_pin(&ring, at, PAGE);
	if (ret == -EOPNOTSUPP || ret || pipe(pipes)) {
		uring_close(&ring);
		return ret == -EOPNOTSUPP ? 1 : ret ?: -errno;
	}
	if (write(pipes[1], self->buf, PAGE) != (ssize_t)PAGE)
		ret = -errno;
	ret = ret ?: uring_read_pinned(&ring, pipes[0], at, PAGE);
	close(pipes[0]);
	close(pipes[1]);
	uring_unpin(&ring);
	uring_close(&ring);
	return ret == (int)PAGE ? 0 : -EIO;
}

/* It can write nothing but zeroes. */
static int by_guest(FIXTURE_DATA(writes) *self, char *at)
{
	if (!self->guest)
		return 1;
	self->stamp = (struct stamp){ 0 };
	return tiny_guest_will_zero(at - self->view.addr) ?: tiny_guest_run();
}

/* It is written, but holds what it held. */
static int by_populate(FIXTURE_DATA(writes) *self, char *at)
{
	self->stamp = self->view.model[(at - self->view.addr) / PAGE];
	return madvise(at, PAGE, MADV_POPULATE_WRITE) ? -errno : 0;
}

static int by_prefault(FIXTURE_DATA(writes) *self, char *at)
{
	self->stamp = self->view.model[(at - self->view.addr) / PAGE];
	return prefault_range(-1, at, PAGE, VMFORK_PREFAULT_WRITE, NULL);
}

/* It is on the swap device by now. */
static int by_swap(FIXTURE_DATA(writes) *self, char *at)
{
	int try;

	if (!swap_is_on())
		return 1;
	memcpy(at, self->buf, PAGE);
	for (try = 0; try < 20; try++) {
		madvise(at, PAGE, MADV_PAGEOUT);
		if (pagemap_entry(at) & PM_SWAP)
			return 0;
		write_file("/proc/sys/vm/compact_memory", "1");
		usleep(20000);
	}
	return -EAGAIN;
}

/* While the mapping is elsewhere. */
static int by_move(FIXTURE_DATA(writes) *self, char *at)
{
	char *home = self->view.addr, *room = reserve(LEN, 0);

	if (mremap(home, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room) !=
	    room)
		return -errno;
	memcpy(room + (at - home), self->buf, PAGE);
	return mremap(room, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, home) ==
	       home ? 0 : -errno;
}

/* While it is in two processes, and both write. */
static int by_fork(FIXTURE_DATA(writes) *self, char *at)
{
	struct view theirs = self->view;

	theirs.who = peer_start();
	if (!theirs.who)
		return -EAGAIN;
	theirs.model = model_copy(self->view.model, PAGES);
	memcpy(at, self->buf, PAGE);
	view_fill(&theirs, (at - self->view.addr) / PAGE, 0x666);
	view_fill(&theirs, 0, 0x667);
	peer_kill(theirs.who);
	return 0;
}

static const struct {
	const char *name;
	int (*write)(FIXTURE_DATA(writes) *self, char *at);
} ways[] = {
	{ "a store", by_store },
	{ "/proc/self/mem", by_proc_mem },
	{ "/proc/self/mem, read-only", by_force },
	{ "process_vm_writev()", by_process_vm },
	{ "read()", by_read },
	{ "O_DIRECT", by_disk },
	{ "io_uring", by_uring },
	{ "a guest", by_guest },
	{ "MADV_POPULATE_WRITE", by_populate },
	{ "VMFORK_PREFAULT_WRITE", by_prefault },
	{ "a store, swapped out", by_swap },
	{ "a store elsewhere", by_move },
	{ "a store, and fork(2)", by_fork },
};

/* What the page is when it is written. */
enum state { UNMAPPED, MAPPED, NEIGHBOUR, NR_STATES };

static void make_state(char *at, enum state state)
{
	if (state == UNMAPPED)
		madvise((char *)((uintptr_t)at & -HUGE), HUGE, MADV_DONTNEED);
	if (state == MAPPED)
		(void)*(volatile char *)at;
	if (state == NEIGHBOUR)
		(void)*(volatile char *)((uintptr_t)at ^ PAGE);
}

/*
 * In a page of its own, in the way that it says; true if there is this way.
 * Nothing was private before, and this page alone is then.
 */
static bool write_page(struct __test_metadata *_metadata,
		       FIXTURE_DATA(writes) *self, size_t way,
		       enum state state, size_t page)
{
	char *at = self->view.addr + page * PAGE;
	int ret;

	self->stamp = (struct stamp){ .fill = page * 1000 + way + 1 };
	page_fill(self->buf, self->stamp.fill);
	make_state(at, state);
	ret = ways[way].write(self, at);
	EXPECT_LE(0, ret) TH_LOG("%s: %s", ways[way].name, strerror(-ret));
	if (!ret)
		self->view.model[page] = self->stamp;
	else	/* An attempt alone may have made it private. */
		madvise(at, PAGE, MADV_DONTNEED);
	return !ret;
}

TEST_F(writes, are_captured)
{
	struct view *view = &self->view;
	struct vmfork_capture cap;
	uint64_t seed = test_seed();
	unsigned int done = 0;
	size_t way, page;
	int fd, state;

	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		for (state = 0; state < NR_STATES; state++) {
			page = 1 + rnd(&seed) % (PAGES - 1);
			if (!write_page(_metadata, self, way, state, page))
				continue;
			done++;
			fd = capture_range(-1, view->addr, LEN, 0, &cap);
			ASSERT_LE(0, fd) TH_LOG("%s: %s", ways[way].name,
						refusal_text(&cap));
			EXPECT_EQ(1, cap.pages_stolen + cap.pages_copied)
				TH_LOG("%s, %d", ways[way].name, state);
			EXPECT_EQ(PAGES, cap.pages_in_place)
				TH_LOG("%s, %d", ways[way].name, state);
			ASSERT_EQ(0, view_check(view, ways[way].name))
				TH_LOG("page %zu, %d", page, state);
			ASSERT_EQ(0, snapshot_check(fd, 0, PAGES, view->model,
						    ways[way].name))
				TH_LOG("page %zu, %d", page, state);
			close(fd);
		}
	}
	note("%u writes", done);
	EXPECT_LE(2 * NR_STATES, done);
}

TEST_F(writes, are_reset)
{
	struct view *view = &self->view;
	const struct stamp *was = self->area.view.model;
	uint64_t seed = test_seed();
	struct vmfork_reset reset;
	size_t way, page;
	int state;

	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		for (state = 0; state < NR_STATES; state++) {
			page = 1 + rnd(&seed) % (PAGES - 1);
			if (!write_page(_metadata, self, way, state, page))
				continue;
			ASSERT_EQ(0, view_check(view, ways[way].name));
			ASSERT_EQ(0, reset_range(self->fd, -1, view->addr, LEN,
						 &reset))
				TH_LOG("%s, %d", ways[way].name, state);
			EXPECT_EQ(1, reset.pages_dropped)
				TH_LOG("%s, %d", ways[way].name, state);
			view->model[page] = was[page];
			ASSERT_EQ(0, view_check(view, "reset"))
				TH_LOG("%s, %d", ways[way].name, state);
		}
	}
}

TEST_HARNESS_MAIN
