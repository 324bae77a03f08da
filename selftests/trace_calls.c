// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints of what is asked for: captures, resets, prefaults, and the end
 * of snapshots.  They say what the ioctls say, and no page is an event by them.
 */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

#include "module.h"
#include "peer.h"
#include "trace_world.h"

static void want_begin(struct script *script, uint64_t id, pid_t pid,
		       uint32_t flags, uint32_t nr, uint64_t bytes)
{
	script_add(script,
		   "vmfork_capture_begin: snapshot=%lu pid=%u flags=0x%x nr_regions=%u bytes=%lu",
		   id, pid, flags, nr, bytes);
}

static void want_phase(struct script *script, uint64_t id, pid_t pid,
		       const char *phase)
{
	script_add(script, "vmfork_capture_phase: snapshot=%lu pid=%u phase=%s",
		   id, pid, phase);
}

static void want_phases(struct script *script, uint64_t id, pid_t pid)
{
	want_phase(script, id, pid, "collect");
	want_phase(script, id, pid, "unmap");
	want_phase(script, id, pid, "steal");
}

static void want_end(struct script *script, uint64_t id, pid_t pid, int err,
		     const struct vmfork_capture *cap)
{
	script_add(script,
		   "vmfork_capture_end: snapshot=%lu pid=%u err=%d pages_stolen=%llu pages_copied=%llu pages_in_place=%llu",
		   id, pid, err, cap->pages_stolen, cap->pages_copied,
		   cap->pages_in_place);
}

static void want_drop(struct script *script, uint64_t id, unsigned long pages,
		      unsigned long freed)
{
	script_add(script, "vmfork_drop: snapshot=%lu pages=%lu pages_freed=%lu",
		   id, pages, freed);
}

/* Snapshots that are dropped in a pause are freed a little later. */
static void settle(void)
{
	usleep(200000 * slowness());
}

#define DATA	(PAGES - PAGES / 8)

/* The sums of the phases, and the longest, are what the capture returns. */
static void check_times(struct __test_metadata *_metadata,
			const struct trace_event *events, long nr,
			const struct vmfork_capture *cap)
{
	uint64_t prepare = 0, collect = 0, unmap = 0, steal = 0;
	long i;

	for (i = 0; i < nr; i++) {
		const char *text = events[i].text;

		prepare += strstr(text, "=prepare") ? events[i].ns : 0;
		collect += strstr(text, "=collect") ? events[i].ns : 0;
		unmap += strstr(text, "=unmap") ? events[i].ns : 0;
		steal += strstr(text, "=steal") ? events[i].ns : 0;
	}
	EXPECT_EQ(cap->ns_prepare, prepare);
	EXPECT_EQ(cap->ns_collect, collect);
	EXPECT_EQ(cap->ns_unmap, unmap);
	EXPECT_EQ(cap->ns_steal, steal);
	ASSERT_NE(0, nr);
	EXPECT_EQ(cap->ns_longest, events[nr - 1].ns);
}

TEST_F(trace, capture)
{
	char *at = make_parent(false);
	struct trace_event *events;
	struct vmfork_capture cap;
	pid_t pid = getpid();
	long nr;
	int fd;

	ASSERT_NE(NULL, at);
	fd = capture_range(-1, at, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	want_begin(&self->script, cap.id, pid, 0, 1, LEN);
	want_phase(&self->script, cap.id, pid, "prepare");
	want_phases(&self->script, cap.id, pid);
	want_end(&self->script, cap.id, pid, 0, &cap);
	EXPECT_EQ(DATA, cap.pages_stolen);
	nr = tracing_take(&events);
	check_times(_metadata, events, nr, &cap);
	EXPECT_EQ(0, script_differs(&self->script, events, nr, 0));
	free(events);
	close(fd);
	munmap(at, LEN);
}

/* Unmapping what was written is no write; the rest stays mapped. */
TEST_F(trace, capture_in_place)
{
	struct trace_event *events;
	struct vmfork_capture cap;
	pid_t pid = getpid();
	size_t i;
	long nr;
	int fd;

	for (i = 0; i < 60; i++)
		read_first(self, i);
	for (i = 3; i < 60; i += 10)
		write_mapped(self, i);
	fd = capture_range(-1, self->child, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PAGES, cap.pages_in_place);
	EXPECT_EQ(6, cap.pages_stolen);
	want_begin(&self->script, cap.id, pid, 0, 1, LEN);
	want_phase(&self->script, cap.id, pid, "prepare");
	want_phases(&self->script, cap.id, pid);
	want_end(&self->script, cap.id, pid, 0, &cap);
	/* The same mapping, of another snapshot. */
	self->id = cap.id;
	write_first(self, 900);
	write_mapped(self, 20);
	read_first(self, 13);
	write_mapped(self, 13);
	nr = tracing_take(&events);
	EXPECT_EQ(0, script_differs(&self->script, events, nr, 0));
	free(events);
	close(fd);
}

TEST_F(trace, prearm)
{
	struct vmfork_capture ahead, cap;
	char *at = make_parent(false);
	struct trace_event *events;
	pid_t pid = getpid();
	long nr, i, slices = 0;
	int fd;

	ASSERT_NE(NULL, at);
	ASSERT_EQ(0, prearm_range(-1, at, LEN, OFFSET, 0, &ahead));
	nr = tracing_take(&events);
	for (i = 0; i < nr; i++)
		slices += !!strstr(events[i].text, "=collect");
	/* A page table at a time, at least. */
	EXPECT_LE(1, slices);
	EXPECT_GE(2, slices);
	want_begin(&self->script, ahead.id, pid, VMFORK_CAPTURE_PREARM, 1, LEN);
	want_phase(&self->script, ahead.id, pid, "prepare");
	for (i = 0; i < slices; i++)
		want_phases(&self->script, ahead.id, pid);
	want_end(&self->script, ahead.id, pid, 0, &ahead);
	check_times(_metadata, events, nr, &ahead);
	EXPECT_EQ(0, script_differs(&self->script, events, nr, 0));
	free(events);

	write_page(at, 0);
	fd = capture_range(-1, at, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PAGES, cap.pages_in_place);
	script_add(&self->script,
		   "vmfork_fault: snapshot=%llu mapping=%lu addr=%#lx offset=%#lx kind=write flags= pages=1",
		   ahead.id, mapping_at(at), (uintptr_t)at, OFFSET);
	want_begin(&self->script, cap.id, pid, 0, 1, LEN);
	want_phase(&self->script, cap.id, pid, "prepare");
	want_phases(&self->script, cap.id, pid);
	want_end(&self->script, cap.id, pid, 0, &cap);
	/* The first one goes with its last mapping, but for what is shared. */
	want_drop(&self->script, ahead.id, DATA, 1);
	settle();
	EXPECT_EQ(0, trace_differs(&self->script));
	munmap(at, LEN);
	close(fd);
}

static long make_there(int fd, const void *arg)
{
	(void)fd;
	(void)arg;
	return (long)make_parent(false);
}

TEST_F(trace, capture_by_pidfd)
{
	struct vmfork_capture cap;
	struct peer *peer = peer_start();
	char *at;
	int fd;

	ASSERT_NE(NULL, peer);
	at = (char *)peer_call(peer, make_there, -1, NULL, 0);
	ASSERT_NE(NULL, at);
	fd = capture_range(peer->pidfd, at, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	want_begin(&self->script, cap.id, peer->pid, 0, 1, LEN);
	want_phase(&self->script, cap.id, peer->pid, "prepare");
	want_phases(&self->script, cap.id, peer->pid);
	want_end(&self->script, cap.id, peer->pid, 0, &cap);
	EXPECT_EQ(0, trace_differs(&self->script));
	peer_kill(peer);
	close(fd);
}

/* Begun and refused: it ends with the error. */
TEST_F(trace, capture_refused)
{
	struct vmfork_capture cap = { 0 };
	struct trace_event *events;
	uint64_t id = self->id + 1;
	long nr;

	ASSERT_NE(MAP_FAILED, mmap(self->child, PAGE, PROT_READ, MAP_SHARED |
				   MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(-EXDEV, capture_range(-1, self->child, LEN, OFFSET, &cap));
	want_begin(&self->script, id, getpid(), 0, 1, LEN);
	want_phase(&self->script, id, getpid(), "prepare");
	want_end(&self->script, id, getpid(), -EXDEV, &cap);
	want_drop(&self->script, id, 0, 0);
	/* What makes no sense by itself never begins. */
	EXPECT_EQ(-EINVAL, capture_range(-1, self->child + 1, LEN, OFFSET,
					 NULL));
	nr = tracing_take(&events);
	EXPECT_EQ(0, script_differs(&self->script, events, nr, 0));
	free(events);
}

static void want_reset(struct script *script, uint64_t id, uint64_t from,
		       int err, const struct vmfork_reset *r)
{
	script_add(script,
		   "vmfork_reset: snapshot=%lu from=%lu pid=%u err=%d pages_dropped=%llu pages_changed=%llu",
		   id, from, getpid(), err, r->pages_dropped,
		   r->pages_changed);
}

TEST_F(trace, reset)
{
	struct vmfork_reset r = { 0 };
	uint64_t first = self->id;
	struct vmfork_capture cap;
	size_t i;
	int fd;

	write_page(self->child, 30);
	fd = capture_range(-1, self->child, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	tracing_stop();
	ASSERT_EQ(0, tracing_start(NULL));
	self->id = cap.id;
	for (i = 28; i < 40; i++)
		read_first(self, i);
	write_mapped(self, 33);
	write_first(self, 100);
	/* To its own. */
	ASSERT_EQ(0, reset_range(fd, -1, self->child, LEN, &r));
	EXPECT_EQ(2, r.pages_dropped);
	want_reset(&self->script, cap.id, cap.id, 0, &r);
	read_first(self, 33);
	write_mapped(self, 34);
	/* To the one before, which has another page 30. */
	ASSERT_EQ(0, reset_range(self->fd, -1, self->child, LEN, &r));
	EXPECT_EQ(1, r.pages_dropped);
	EXPECT_EQ(1, r.pages_changed);
	want_reset(&self->script, first, cap.id, 0, &r);
	self->id = first;
	read_first(self, 30);
	write_mapped(self, 29);
	/* In part, where the mapping is torn: by a new one. */
	ASSERT_EQ(0, munmap(self->child + LEN - PAGE, PAGE));
	ASSERT_EQ(0, mprotect(self->child + LEN / 2, PAGE, PROT_READ));
	read_first(self, 2);
	ASSERT_EQ(0, reset_range(fd, -1, self->child, 16 * PAGE, &r));
	want_reset(&self->script, cap.id, first, 0, &r);
	/* And refused. */
	EXPECT_EQ(-EFAULT, reset_range(fd, -1, self->child, LEN, &r));
	want_reset(&self->script, cap.id, cap.id, -EFAULT, &r);
	write_mapped(self, 31);
	self->id = cap.id;
	self->map = mapping_at(self->child);
	read_first(self, 2);
	write_mapped(self, 2);
	EXPECT_EQ(0, trace_differs(&self->script));
	close(fd);
}

static void want_prefault(FIXTURE_DATA(trace) *self, uint32_t flags, int err,
			  size_t page, size_t pages, unsigned int mapped,
			  unsigned int copied)
{
	script_add(&self->script,
		   "vmfork_prefault: snapshot=%lu pid=%u err=%d flags=0x%x addr=%#lx len=%#lx pages_mapped=%u pages_copied=%u",
		   self->id, getpid(), err, flags,
		   (uintptr_t)self->child + page * PAGE, pages * PAGE, mapped,
		   copied);
}

TEST_F(trace, prefault)
{
	struct vmfork_range ranges[] = {
		range_of(self->child + 64 * PAGE, 16 * PAGE),
		range_of(self->child + 8 * PAGE, 7 * PAGE),
	};
	struct vmfork_prefault p;
	size_t i;

	read_first(self, 66);
	ASSERT_EQ(0, prefault_ranges(-1, ranges, 2, 0, &p));
	want_prefault(self, 0, 0, 64, 16, 13, 0);
	want_prefault(self, 0, 0, 8, 7, 7, 0);
	/* What it has mapped is there; what it has copied, is private. */
	for (i = 8; i < 15; i++)
		read_page(self->child, i);
	ASSERT_EQ(0, prefault_range(-1, self->child + 60 * PAGE, 8 * PAGE,
				    VMFORK_PREFAULT_WRITE, &p));
	want_prefault(self, VMFORK_PREFAULT_WRITE, 0, 60, 8, 0, 8);
	for (i = 60; i < 68; i++)
		write_page(self->child, i);
	write_mapped(self, 68);
	write_mapped(self, 9);
	write_first(self, 71);
	EXPECT_EQ(0, trace_differs(&self->script));
}

/* Of huge pages it is ->fault() that maps them, and that is no event either. */
TEST_F(trace, prefault_huge)
{
	struct vmfork_prefault p;
	char *at;
	int fd;

	at = make_huge(_metadata, self, &fd);
	if (!at)
		SKIP(return, "no huge pages to be had");
	ASSERT_EQ(0, prefault_range(-1, self->child, LEN, 0, &p));
	want_prefault(self, 0, 0, 0, PAGES, PAGES, 0);
	ASSERT_EQ(0, prefault_range(-1, self->child, PAGE,
				    VMFORK_PREFAULT_WRITE, &p));
	want_prefault(self, VMFORK_PREFAULT_WRITE, 0, 0, 1, 0, 1);
	read_page(self->child, 600);
	EXPECT_EQ(0, trace_differs(&self->script));
	munmap(at, LEN);
	close(fd);
}

/* What others share stays, whoever goes first. */
TEST_F(trace, drop)
{
	struct vmfork_capture cap;
	size_t i;
	int fd;

	for (i = 0; i < 10; i++)
		write_page(self->child, i);
	fd = capture_range(-1, self->child, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	tracing_stop();
	ASSERT_EQ(0, tracing_start("vmfork_drop"));
	/* The parent's mapping is the last one of the first. */
	close(self->fd);
	EXPECT_EQ(0, trace_differs(&self->script));
	munmap(self->parent, LEN);
	settle();
	/* Nine of the ten were no holes. */
	want_drop(&self->script, self->id, DATA, 9);
	EXPECT_EQ(0, trace_differs(&self->script));
	close(fd);
	munmap(self->child, LEN);
	settle();
	want_drop(&self->script, cap.id, DATA + 1, DATA + 1);
	EXPECT_EQ(0, trace_differs(&self->script));
}

static volatile bool stop;

static void *toggle(void *arg)
{
	const char *path = "/sys/kernel/tracing/events/vmfork/enable";

	(void)arg;
	while (!stop) {
		write_file(path, "1");
		write_file(path, "0");
		relax();
	}
	return NULL;
}

/* The module is unloaded under who listens, and who just begins to. */
TEST(unloaded)
{
	int module = module_file(), round;
	pthread_t thread;

	if (tracing_missing() || module < 0)
		SKIP(return, "no events, or vmfork.ko is not where modules are");
	ASSERT_EQ(0, pthread_create(&thread, NULL, toggle, NULL));
	for (round = 0; round < 8; round++) {
		EXPECT_EQ(0, tracing_start(round & 1 ? "vmfork_cow" : NULL));
		usleep(10000);
		EXPECT_EQ(0, module_unload());
		ASSERT_EQ(0, module_load(module));
		tracing_stop();
	}
	stop = true;
	pthread_join(thread, NULL);
	write_file("/sys/kernel/tracing/events/vmfork/enable", "0");
	close(module);
}

TEST_HARNESS_MAIN
