// SPDX-License-Identifier: GPL-2.0
/*
 * Working sets: when libvmfork has applied one, what will be read is mapped,
 * what will be written is private, and nothing else has happened; KVM's guest
 * does not fault on it.  It may be stopped, and the process may die, at any
 * time.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmfork.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "pages.h"
#include "peer.h"
#include "tiny_guest.h"

#define LEN	(16 * MIB)
#define PAGES	(LEN / PAGE)
#define OFFSET	(16 * MIB)	/* where the tiny guest has its memory */

#define PM_FILE	(1ULL << 61)

/* Faults that a loop over memory takes for other reasons. */
#define FEW	8

/* Of a page: what became of it */
enum state { ABSENT, MAPPED, PRIVATE };

/* A snapshot of base pages, of which every 50th is a hole, and a child */
FIXTURE(ws) {
	struct area area;
	struct peer *peer;
	int fd;
	struct view child, other;
	struct vmfork_region region;
	struct vmfork_ws_result result;
};

static bool is_hole(size_t page)
{
	return page % 50 == 49;
}

FIXTURE_SETUP(ws)
{
	struct area *area = &self->area;
	size_t i;

	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, area_make(area, KIND_BASE, LEN, OFFSET));
	for (i = 0; i < PAGES; i++) {
		if (!is_hole(i))
			continue;
		ASSERT_EQ(0, madvise(area->view.addr + i * PAGE, PAGE,
				     MADV_DONTNEED));
		area->view.model[i] = (struct stamp){ 0 };
	}
	self->fd = capture_range(-1, area->view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, view_map(&self->child, NULL, self->fd, OFFSET, PAGES,
			      area->view.model));
	ASSERT_EQ(0, view_map(&self->other, self->peer, self->fd, OFFSET,
			      PAGES, area->view.model));
	self->region = (struct vmfork_region){
		.addr = (uintptr_t)self->child.addr, .len = LEN,
		.offset = OFFSET,
	};
}

FIXTURE_TEARDOWN(ws)
{
	view_unmap(&self->child);
	area_free(&self->area);
	if (self->peer)
		peer_kill(self->peer);
	close(self->fd);
}

static struct vmfork_ws_range range(size_t page, size_t nr, bool write)
{
	return (struct vmfork_ws_range){
		.offset = OFFSET + page * PAGE, .len = nr * PAGE,
		.write = write,
	};
}

/* As a scattered working set is: runs of 1 or 2 pages, from both ends */
static size_t make_ws(struct vmfork_ws_range *ws, size_t room)
{
	size_t i, nr = 0;

	for (i = 0; i + 3 < PAGES && nr < room; i += 7, nr++)
		ws[nr] = range(nr & 1 ? PAGES - 3 - i : i, 1 + nr / 2 % 2,
			       nr % 5 < 2);
	return nr;
}

static void want_range(uint8_t *want, const struct vmfork_ws_range *ws)
{
	size_t page = (ws->offset - OFFSET) / PAGE;
	size_t end = page + ws->len / PAGE;

	for (; page < end; page++) {
		if (ws->write)
			want[page] = PRIVATE;
		else if (want[page] == ABSENT && !is_hole(page))
			want[page] = MAPPED;
	}
}

static enum state state_of(uint64_t entry)
{
	if (!(entry & PM_PRESENT))
		return ABSENT;
	return (entry & PM_FILE) ? MAPPED : PRIVATE;
}

/* Return: how many pages are not what they should be. */
static size_t differing(const char *addr, const uint8_t *want)
{
	static uint64_t entries[PAGES];
	size_t i, wrong = 0;

	if (pagemap_read(addr, PAGES, entries) != PAGES)
		return PAGES;
	for (i = 0; i < PAGES; i++) {
		if (state_of(entries[i]) == want[i])
			continue;
		if (!wrong++)
			note("page %zu is %d, not %d", i, state_of(entries[i]),
			     want[i]);
	}
	return wrong;
}

static size_t count(const uint8_t *want, enum state state)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += want[i] == state;
	return nr;
}

static long all_right(FIXTURE_DATA(ws) *self)
{
	return view_check(&self->area.view, "the parent") +
	       view_check(&self->child, "the child") +
	       snapshot_check(self->fd, OFFSET, PAGES, self->area.view.model,
			      "the snapshot");
}

static int apply(FIXTURE_DATA(ws) *self, const struct vmfork_ws_range *ws,
		 size_t nr, const struct vmfork_ws_options *options)
{
	return vmfork_ws_apply(self->fd, -1, &self->region, 1, ws, nr, options,
			       &self->result);
}

TEST_F(ws, exactly_this)
{
	static struct vmfork_ws_range ws[PAGES];
	static uint8_t want[PAGES];
	struct vmfork_info before, after;
	size_t nr = make_ws(ws, PAGES), i;
	long faults;

	memset(want, 0, sizeof(want));
	for (i = 0; i < nr; i++)
		want_range(want, &ws[i]);
	ASSERT_EQ(0, snapshot_info(self->fd, &before));
	ASSERT_EQ(0, apply(self, ws, nr, NULL));
	EXPECT_EQ(VMFORK_WS_COMPLETE, self->result.end);
	EXPECT_EQ(nr, self->result.ranges_done);
	EXPECT_EQ(0, self->result.pages_outside);
	EXPECT_EQ(count(want, PRIVATE), self->result.pages_copied);
	EXPECT_EQ(count(want, MAPPED), self->result.pages_mapped);
	EXPECT_EQ(0, differing(self->child.addr, want));
	EXPECT_EQ((long)count(want, PRIVATE) * 4,
		  smaps_kb(0, self->child.addr, LEN, "Anonymous"));
	EXPECT_EQ((long)(PAGES - count(want, ABSENT)) * 4,
		  smaps_kb(0, self->child.addr, LEN, "Rss"));
	/* The snapshot is what it was. */
	ASSERT_EQ(0, snapshot_info(self->fd, &after));
	EXPECT_EQ(before.pages, after.pages);
	EXPECT_EQ(before.pages_hole, after.pages_hole);

	/* It asks for nothing of this again. */
	faults = page_faults();
	for (i = 0; i < PAGES; i++) {
		volatile char *at = self->child.addr + i * PAGE;

		if (want[i] == PRIVATE)
			__atomic_fetch_or(at, 0, __ATOMIC_RELAXED);
		else if (want[i] == MAPPED)
			(void)*at;
	}
	EXPECT_GE(FEW, page_faults() - faults);
	EXPECT_EQ(0, all_right(self));

	ASSERT_EQ(0, apply(self, ws, nr, NULL));
	EXPECT_EQ(0, self->result.pages_mapped + self->result.pages_copied);
}

/* Read first, then written: that is one copy, whatever comes first. */
TEST_F(ws, read_and_written)
{
	const struct vmfork_ws_range ws[] = {
		range(10, 20, false), range(15, 5, true), range(12, 1, true),
	};
	static uint8_t want[PAGES];
	size_t i;

	memset(want, 0, sizeof(want));
	for (i = 0; i < 3; i++)
		want_range(want, &ws[i]);
	ASSERT_EQ(0, apply(self, ws, 3, NULL));
	EXPECT_EQ(6, self->result.pages_copied);
	EXPECT_EQ(14, self->result.pages_mapped);
	EXPECT_EQ(0, differing(self->child.addr, want));
	EXPECT_EQ(0, all_right(self));
}

TEST_F(ws, of_another_process)
{
	static struct vmfork_ws_range ws[PAGES];
	static uint8_t want[PAGES];
	size_t nr = make_ws(ws, PAGES), i;

	memset(want, 0, sizeof(want));
	for (i = 0; i < nr; i++)
		want_range(want, &ws[i]);
	self->region.addr = (uintptr_t)self->other.addr;
	ASSERT_EQ(0, vmfork_ws_apply(device(), self->peer->pidfd,
				     &self->region, 1, ws, nr, NULL,
				     &self->result));
	EXPECT_EQ(count(want, PRIVATE), self->result.pages_copied);
	EXPECT_EQ(count(want, MAPPED), self->result.pages_mapped);
	EXPECT_EQ((long)count(want, PRIVATE) * 4,
		  smaps_kb(self->peer->pid, self->other.addr, LEN,
			   "Anonymous"));
	EXPECT_EQ(0, view_check(&self->other, "the other child"));
	EXPECT_EQ(0, all_right(self));
}

/* What is mapped of the snapshot may be less than all of it. */
TEST_F(ws, beyond_the_mapping)
{
	const struct vmfork_ws_range ws[] = {
		range(0, 200, false), range(3000, 1096, true),
		{ .offset = 0, .len = PAGE, .write = true },
		{ .offset = OFFSET + LEN, .len = 8 * PAGE },
	};
	static uint8_t want[PAGES];
	struct vmfork_ws_range part[2] = {
		range(100, 100, false), range(3000, 100, true),
	};

	memset(want, 0, sizeof(want));
	want_range(want, &part[0]);
	want_range(want, &part[1]);
	self->region.addr += 100 * PAGE;
	self->region.offset += 100 * PAGE;
	self->region.len = 3000 * PAGE;
	ASSERT_EQ(0, apply(self, ws, 4, NULL));
	EXPECT_EQ(VMFORK_WS_COMPLETE, self->result.end);
	EXPECT_EQ(100 + 996 + 1 + 8, self->result.pages_outside);
	EXPECT_EQ(0, differing(self->child.addr, want));
	EXPECT_EQ(0, all_right(self));
}

TEST_F(ws, of_what_is_no_mapping)
{
	const struct vmfork_ws_range ws[] = {
		range(0, 4, false), range(100, 4, true),
	};
	static uint8_t want[PAGES];
	int null;

	memset(want, 0, sizeof(want));
	/* Copies come first, and these are not there. */
	ASSERT_EQ(0, munmap(self->child.addr + 102 * PAGE, PAGE));
	EXPECT_EQ(-EFAULT, apply(self, ws, 2, NULL));
	EXPECT_EQ(VMFORK_WS_FAILED, self->result.end);
	EXPECT_EQ(VMFORK_UNMAPPED, self->result.refusal);
	EXPECT_EQ(1, self->result.refused_range);
	EXPECT_EQ((uintptr_t)self->child.addr + 102 * PAGE,
		  self->result.refused_addr);
	EXPECT_EQ(2, self->result.pages_copied);
	ASSERT_EQ(self->child.addr + 102 * PAGE,
		  mmap(self->child.addr + 102 * PAGE, PAGE,
		       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		       self->fd, OFFSET + 102 * PAGE));
	want[100] = PRIVATE;
	want[101] = PRIVATE;
	EXPECT_EQ(0, differing(self->child.addr, want));

	null = open("/dev/null", O_RDWR);
	ASSERT_LE(0, null);
	EXPECT_EQ(-ENOTTY, vmfork_ws_apply(null, -1, &self->region, 1, ws, 2,
					   NULL, &self->result));
	close(null);
	EXPECT_EQ(0, all_right(self));
}

/* --- stopped on the way */

static unsigned int steps;

static bool stop_at_third(void *arg)
{
	(void)arg;
	return ++steps == 3;
}

TEST_F(ws, stopped)
{
	const struct vmfork_ws_options options = { .stop = stop_at_third };
	const struct vmfork_ws_range all = range(0, PAGES, true);
	struct vmfork_ws_range done = all;
	static uint8_t want[PAGES];

	memset(want, 0, sizeof(want));
	steps = 0;
	ASSERT_EQ(0, apply(self, &all, 1, &options));
	EXPECT_EQ(VMFORK_WS_STOPPED, self->result.end);
	EXPECT_EQ(0, self->result.ranges_done);
	EXPECT_LT(0, self->result.pages_copied);
	EXPECT_GT(PAGES / 2, self->result.pages_copied);
	done.len = self->result.pages_copied * PAGE;
	want_range(want, &done);
	EXPECT_EQ(0, differing(self->child.addr, want));
	EXPECT_EQ(0, all_right(self));
}

TEST_F(ws, bounded)
{
	struct vmfork_ws_options options = { .max_bytes = 300 * PAGE + 1 };
	const struct vmfork_ws_range ws[] = {
		range(0, 200, true), range(200, PAGES - 200, true),
	};
	struct vmfork_ws_range done = range(0, 300, true);
	static uint8_t want[PAGES];

	memset(want, 0, sizeof(want));
	want_range(want, &done);
	ASSERT_EQ(0, apply(self, ws, 2, &options));
	EXPECT_EQ(VMFORK_WS_BYTES, self->result.end);
	EXPECT_EQ(1, self->result.ranges_done);
	EXPECT_EQ(300, self->result.pages_copied);
	EXPECT_EQ(0, differing(self->child.addr, want));
	options = (struct vmfork_ws_options){ .max_ns = 1 };
	ASSERT_EQ(0, apply(self, ws, 2, &options));
	EXPECT_EQ(VMFORK_WS_TIME, self->result.end);
	EXPECT_EQ(0, self->result.pages_copied);
	EXPECT_EQ(0, all_right(self));
}

/* Another thread says when: what is done by then is done, in order. */
static bool told;

static bool is_told(void *arg)
{
	return __atomic_load_n((bool *)arg, __ATOMIC_RELAXED);
}

static void *watch_and_tell(void *arg)
{
	const char *first = arg;
	uint64_t deadline = now_ns() + 20000000000ULL;
	uint64_t entry;

	do {
		relax();
		if (pagemap_read(first, 1, &entry) != 1)
			break;
	} while (!(entry & PM_PRESENT) && now_ns() < deadline);
	__atomic_store_n(&told, true, __ATOMIC_RELAXED);
	return NULL;
}

TEST_F(ws, stopped_by_another_thread)
{
	const struct vmfork_ws_options options = {
		.stop = is_told, .arg = &told,
	};
	const struct vmfork_ws_range all = range(0, PAGES, true);
	struct vmfork_ws_range done = all;
	static uint8_t want[PAGES];
	pthread_t thread;
	int round;

	/* It may come too late, as long as the CPU is not ours alone. */
	for (round = 0; round < 20; round++) {
		told = false;
		ASSERT_EQ(0, pthread_create(&thread, NULL, watch_and_tell,
					    self->child.addr));
		ASSERT_EQ(0, apply(self, &all, 1, &options));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		if (self->result.end != VMFORK_WS_COMPLETE)
			break;
		ASSERT_EQ(0, madvise(self->child.addr, LEN, MADV_DONTNEED));
	}
	if (round == 20)
		SKIP(return, "the other thread never ran meanwhile");
	EXPECT_EQ(VMFORK_WS_STOPPED, self->result.end);
	memset(want, 0, sizeof(want));
	done.len = self->result.pages_copied * PAGE;
	if (done.len)
		want_range(want, &done);
	EXPECT_EQ(0, differing(self->child.addr, want));
	EXPECT_EQ(0, all_right(self));
}

static bool kill_it(void *arg)
{
	struct peer *peer = *(struct peer **)arg;

	if (++steps == 3) {
		peer_kill(peer);
		*(struct peer **)arg = NULL;
	}
	return false;
}

TEST_F(ws, of_who_dies_on_the_way)
{
	const struct vmfork_ws_options options = {
		.stop = kill_it, .arg = &self->peer,
	};
	const struct vmfork_ws_range all = range(0, PAGES, true);
	int pidfd = dup(self->peer->pidfd);	/* That goes with the peer. */

	ASSERT_LE(0, pidfd);
	steps = 0;
	self->region.addr = (uintptr_t)self->other.addr;
	EXPECT_EQ(-ESRCH, vmfork_ws_apply(self->fd, pidfd, &self->region, 1,
					  &all, 1, &options, &self->result));
	close(pidfd);
	EXPECT_EQ(VMFORK_WS_FAILED, self->result.end);
	EXPECT_EQ(VMFORK_DYING, self->result.refusal);
	EXPECT_LT(0, self->result.pages_copied);
	EXPECT_EQ(0, all_right(self));
}

/* --- KVM */

static long kvm_faults(void)
{
	return read_number("/sys/kernel/debug/kvm/pf_fixed");
}

/* A guest that touches its memory after that has no fault there. */
TEST_F(ws, of_a_guest)
{
	const size_t half = PAGES / 4;		/* of what it has, 8 MiB */
	const struct vmfork_ws_range ws[] = {
		range(0, half, false), range(half, half, true),
	};
	long faults;
	int ret;

	if (tiny_guest_missing())
		SKIP(return, "%s", tiny_guest_missing());
	if (kvm_faults() < 0)
		SKIP(return, "no statistics of KVM in debugfs");
	ASSERT_EQ(0, tiny_guest_start(8 * MIB));
	ASSERT_EQ(0, tiny_guest_give(self->child.addr, 8 * MIB));
	ASSERT_EQ(0, apply(self, ws, 2, NULL));
	ret = vmfork_ws_apply_kvm(tiny_guest_cpu(), ws, 2, NULL,
				  &self->result);
	if (ret == -EOPNOTSUPP) {
		EXPECT_EQ(0, self->result.pages_mapped);
		tiny_guest_give(NULL, 0);
		SKIP(return, "no KVM_PRE_FAULT_MEMORY");
	}
	ASSERT_EQ(0, ret);
	EXPECT_EQ(2 * half, self->result.pages_mapped);
	EXPECT_EQ(0, self->result.pages_outside);

	/* The code itself is somewhere else. */
	ASSERT_EQ(0, tiny_guest_will_read(0));
	ASSERT_EQ(0, tiny_guest_run());
	faults = kvm_faults();
	ASSERT_EQ(0, tiny_guest_will_touch(0, half, false));
	ASSERT_EQ(0, tiny_guest_run());
	EXPECT_EQ(0, kvm_faults() - faults);
	ASSERT_EQ(0, tiny_guest_will_touch(half * PAGE, half, true));
	ASSERT_EQ(0, tiny_guest_run());
	EXPECT_EQ(0, kvm_faults() - faults);
	/* A write to what was to be read is one, and is right. */
	ASSERT_EQ(0, tiny_guest_will_touch(0, 1, true));
	ASSERT_EQ(0, tiny_guest_run());
	EXPECT_LT(0, kvm_faults() - faults);
	EXPECT_EQ(0, snapshot_check(self->fd, OFFSET, PAGES,
				    self->area.view.model, "the snapshot"));
	EXPECT_EQ(0, view_check(&self->area.view, "the parent"));

	/* Where it has no memory is no error. */
	ASSERT_EQ(0, vmfork_ws_apply_kvm(tiny_guest_cpu(),
					 &(struct vmfork_ws_range){
						.offset = OFFSET + 8 * MIB -
							  PAGE,
						.len = 3 * PAGE },
					 1, NULL, &self->result));
	EXPECT_EQ(1, self->result.pages_mapped);
	EXPECT_EQ(2, self->result.pages_outside);
	tiny_guest_give(NULL, 0);
}

TEST_HARNESS_MAIN
