// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints vmfork_fault and vmfork_cow: what is touched gives just the
 * events that it should, in its order, and nothing else does.
 */
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tiny_guest.h"
#include "trace_world.h"

TEST_F(trace, each_touch)
{
	int i;

	read_first(self, 3);
	write_first(self, 5);
	read_first(self, 2);
	read_first(self, 7);	/* A hole. */
	write_first(self, 15);	/* Another. */
	read_first(self, 1000);
	write_mapped(self, 3);
	write_mapped(self, 7);
	write_mapped(self, 1000);
	/* All of them are there, and private. */
	for (i = 0; i < 2; i++) {
		read_page(self->child, 3);
		write_page(self->child, 5);
		write_page(self->child, 7);
		write_page(self->child, 15);
		write_page(self->child, 1000);
		read_page(self->child, 2);
	}
	EXPECT_EQ(0, trace_differs(&self->script));
}

/* All pages, from the last to the first, by turns. */
TEST_F(trace, all_pages)
{
	size_t i;

	for (i = PAGES; i-- > 0;)
		if (i % 3 == 1)
			write_first(self, i);
		else
			read_first(self, i);
	for (i = 0; i < PAGES; i++)
		if (i % 3 == 1)
			write_page(self->child, i);
		else if (i % 3 == 2)
			write_mapped(self, i);
	EXPECT_EQ(0, trace_differs(&self->script));
}

TEST_F(trace, time_is_measured)
{
	struct trace_event *events;
	uint64_t before = now_ns(), took;
	long nr, i;

	for (i = 0; i < 20; i++)
		read_first(self, i);
	took = now_ns() - before;
	nr = tracing_take(&events);
	ASSERT_EQ(20, nr);
	for (i = 0; i < nr; i++) {
		EXPECT_NE(0, events[i].ns);
		EXPECT_GT(took, events[i].ns);
	}
	EXPECT_EQ(0, script_differs(&self->script, events, nr, 0));
	free(events);
}

/* Pages that are no holes, of [first, first + nr) */
static unsigned int pages_in(size_t first, size_t nr)
{
	unsigned int found = 0;

	for (; nr--; first++)
		found += !is_hole(first);
	return found;
}

/* With the neighbours that a fault brings along: 16, and more in order. */
TEST_F(trace, fault_around)
{
	size_t at, window;

	ASSERT_EQ(0, set_fault_around(0));
	read_page(self->child, 805);
	want_fault(self, 805, "read", pages_in(800, 16));
	/* In order: what follows is twice as much each time. */
	read_page(self->child, 0);
	want_fault(self, 0, "read", pages_in(0, 16));
	for (at = 16, window = 32; at < 512; at += window, window *= 2) {
		read_page(self->child, at);
		want_fault(self, at, "read",
			   pages_in(at, at + window > 512 ? 512 - at : window));
	}
	/* Not beyond what may be; nor what is there. */
	ASSERT_EQ(0, set_fault_around(6));
	read_page(self->child, 905);
	want_fault(self, 905, "read", pages_in(904, 6));
	write_first(self, 919);
	read_page(self->child, 921);
	want_fault(self, 921, "read", pages_in(920, 6));
	ASSERT_EQ(0, set_fault_around(16));
	read_page(self->child, 918);
	/* Between them and behind them. */
	want_fault(self, 918, "read", pages_in(912, 8) + pages_in(926, 2));
	/* A write is one of one page. */
	write_first(self, 700);
	write_mapped(self, 805);
	write_mapped(self, 806);
	EXPECT_EQ(0, trace_differs(&self->script));
}

TEST_F(trace, parameter)
{
	EXPECT_EQ(-EINVAL, set_fault_around(513));
	EXPECT_EQ(-EINVAL, write_file(FAULT_AROUND, "0"));
	EXPECT_EQ(-EINVAL, write_file(FAULT_AROUND, "many"));
	EXPECT_EQ(1, read_number(FAULT_AROUND));
}

/* The captured process's own mapping is no other than a child's. */
TEST_F(trace, the_parent)
{
	self->child = self->parent;
	self->map = mapping_at(self->parent);
	write_first(self, 9);
	read_first(self, 10);
	write_mapped(self, 10);
	read_first(self, 31);
	EXPECT_EQ(0, trace_differs(&self->script));
}

/* Whatever was captured by a copy says so. */
TEST_F(trace, copied_pages)
{
	char *at = make_parent(false), *child;
	struct vmfork_capture cap;
	int stop[2], fd, status;
	pid_t pid;

	ASSERT_NE(NULL, at);
	ASSERT_EQ(0, pipe(stop));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(stop[1]);
		_exit(read(stop[0], &status, 1));
	}
	write_page(at, 3);	/* The parent's own again. */
	fd = capture_range(-1, at, LEN, OFFSET, &cap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, cap.pages_stolen);
	child = map_snapshot(fd, LEN, OFFSET);
	free(self->script.lines);
	self->script = (struct script){ 0 };
	tracing_stop();
	ASSERT_EQ(0, tracing_start("vmfork_fault"));
	read_page(child, 2);
	read_page(child, 3);
	write_page(child, 4);
	script_add(&self->script, "vmfork_fault: snapshot=%lu mapping=%lu addr=%#lx offset=%#lx kind=read flags=copied pages=1",
		   snapshot_id(fd), mapping_at(child),
		   (uintptr_t)child + 2 * PAGE, OFFSET + 2 * PAGE);
	script_add(&self->script, "vmfork_fault: snapshot=%lu mapping=%lu addr=%#lx offset=%#lx kind=read flags= pages=1",
		   snapshot_id(fd), mapping_at(child),
		   (uintptr_t)child + 3 * PAGE, OFFSET + 3 * PAGE);
	script_add(&self->script, "vmfork_fault: snapshot=%lu mapping=%lu addr=%#lx offset=%#lx kind=write flags=copied pages=1",
		   snapshot_id(fd), mapping_at(child),
		   (uintptr_t)child + 4 * PAGE, OFFSET + 4 * PAGE);
	EXPECT_EQ(0, trace_differs(&self->script));
	close(stop[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	munmap(at, LEN);
	munmap(child, LEN);
	close(fd);
	close(stop[0]);
}

/* Writes in a process that was forked, and in the one that it came from. */
TEST_F(trace, after_fork)
{
	struct trace_event *events;
	struct script forks = { 0 };
	int status;
	pid_t pid;
	long nr;

	read_first(self, 1);
	read_first(self, 2);
	write_first(self, 3);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		write_page(self->child, 2);
		write_page(self->child, 3);
		read_page(self->child, 9);
		write_page(self->child, 9);
		write_page(self->child, 10);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* Page 3 was the parent's own when it forked: no snapshot's. */
	write_page(self->child, 3);
	write_mapped(self, 1);
	write_mapped(self, 2);
	read_first(self, 9);
	nr = tracing_take(&events);
	EXPECT_EQ(0, script_differs(&self->script, events, nr, getpid()));
	want_cow(self, 2);
	want_fault(self, 9, "read", 1);
	want_cow(self, 9);
	want_fault(self, 10, "write", 1);
	forks = self->script;
	EXPECT_EQ(0, script_differs(&forks, events, nr, pid));
	self->script = (struct script){ 0 };
	free(events);
}

/* Torn to pieces, moved away, and moved back. */
TEST_F(trace, after_mremap)
{
	char *home = self->child, *away = reserve(LEN, 0);
	size_t half = LEN / 2, i;

	ASSERT_NE(NULL, away);
	for (i = 0; i < 6; i++)
		read_first(self, i);
	ASSERT_EQ(0, mprotect(home + half, half, PROT_READ));
	write_mapped(self, 1);
	ASSERT_EQ(away, mremap(home, half, half, MREMAP_MAYMOVE | MREMAP_FIXED,
			       away));
	self->child = away;
	write_mapped(self, 2);
	write_page(away, 1);
	read_first(self, 8);
	write_first(self, 9);
	write_mapped(self, 8);
	ASSERT_EQ(home, mremap(away, half, half, MREMAP_MAYMOVE | MREMAP_FIXED,
			       home));
	self->child = home;
	write_mapped(self, 3);
	ASSERT_EQ(0, munmap(home + 4 * PAGE, PAGE));
	write_mapped(self, 5);
	ASSERT_EQ(0, mprotect(home + half, half, PROT_READ | PROT_WRITE));
	write_first(self, 800);
	/* Another mapping, in the midst of this one. */
	ASSERT_EQ(home + 6 * PAGE, mmap(home + 6 * PAGE, 2 * PAGE, PROT_READ |
					PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
					self->fd, OFFSET + 6 * PAGE));
	self->map = mapping_at(home + 6 * PAGE);
	read_first(self, 6);
	write_mapped(self, 6);
	self->map = mapping_at(home);
	read_first(self, 11);
	write_mapped(self, 11);
	EXPECT_EQ(0, trace_differs(&self->script));
}

/* Huge pages, as the kernel maps them, and what becomes of them. */
TEST_F(trace, huge_pages)
{
	char *at;
	int fd;

	at = make_huge(_metadata, self, &fd);
	if (!at)
		SKIP(return, "no huge pages to be had");
	read_page(self->child, 5);
	want_fault(self, 5, "read_huge", 512);
	read_page(self->child, 6);
	/* The kernel drops it as a whole, then the page is written to. */
	write_page(self->child, 7);
	want_fault(self, 7, "write", 1);
	read_page(self->child, 8);
	want_fault(self, 8, "read", 1);
	write_mapped(self, 8);
	/* The other one is written to first. */
	write_page(self->child, 512);
	want_fault(self, 512, "write", 1);
	read_page(self->child, 513);
	want_fault(self, 513, "read", 1);
	EXPECT_EQ(0, trace_differs(&self->script));

	/* As pages of 4 KiB, if that is what is asked for. */
	munmap(self->child, LEN);
	self->child = map_snapshot(fd, LEN, OFFSET);
	self->map = mapping_at(self->child);
	ASSERT_EQ(0, set_fault_around(1));
	read_page(self->child, 5);
	want_fault(self, 5, "read", 1);
	write_mapped(self, 5);
	read_page(self->child, 6);
	want_fault(self, 6, "read", 1);
	EXPECT_EQ(0, trace_differs(&self->script));

	/* Or of the kernel, of this mapping. */
	munmap(self->child, LEN);
	self->child = map_snapshot(fd, LEN, OFFSET);
	self->map = mapping_at(self->child);
	ASSERT_EQ(0, set_fault_around(0));
	ASSERT_EQ(0, madvise(self->child, LEN, MADV_NOHUGEPAGE));
	read_page(self->child, 5);
	want_fault(self, 5, "read", 1);
	EXPECT_EQ(0, pagemap_count(self->child + 6 * PAGE, PAGE, PM_PRESENT));
	EXPECT_EQ(0, trace_differs(&self->script));
	munmap(at, LEN);
	close(fd);
}

/* A guest does the touching. */
TEST_F(trace, guest)
{
	size_t i;

	if (tiny_guest_missing())
		SKIP(return, "%s", tiny_guest_missing());
	ASSERT_EQ(0, tiny_guest_start(LEN));
	ASSERT_EQ(0, tiny_guest_give(self->child, LEN));
	ASSERT_EQ(0, tiny_guest_will_touch(40 * PAGE, 20, false));
	ASSERT_EQ(0, tiny_guest_run());
	for (i = 40; i < 60; i++)
		want_fault(self, i, is_hole(i) ? "read_hole" : "read", 1);
	ASSERT_EQ(0, tiny_guest_will_touch(50 * PAGE, 20, true));
	ASSERT_EQ(0, tiny_guest_run());
	for (; i < 80; i++) {
		if (i < 70)
			want_cow(self, i - 10);
		else
			want_fault(self, i - 10, is_hole(i - 10) ?
				   "write_hole" : "write", 1);
	}
	EXPECT_EQ(0, trace_differs(&self->script));
	ASSERT_EQ(0, tiny_guest_give(NULL, 0));
}

struct toucher {
	FIXTURE_DATA(trace) self;
	pthread_t thread;
	size_t first;
	pid_t tid;
};

static void *touch_pages(void *arg)
{
	struct toucher *t = arg;
	size_t i;

	t->tid = syscall(SYS_gettid);
	for (i = t->first; i < PAGES; i += 4) {
		relax();
		if (i % 3)
			read_first(&t->self, i);
		else
			write_first(&t->self, i);
		if (i % 3 == 1)
			write_mapped(&t->self, i);
	}
	return NULL;
}

/* Each thread's events are those of what it does, in its order. */
TEST_F(trace, threads)
{
	struct toucher threads[4];
	struct trace_event *events;
	long nr, all = 0;
	size_t i;

	for (i = 0; i < 4; i++) {
		threads[i] = (struct toucher){ .self = *self, .first = i };
		ASSERT_EQ(0, pthread_create(&threads[i].thread, NULL,
					    touch_pages, &threads[i]));
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i].thread, NULL);
	nr = tracing_take(&events);
	for (i = 0; i < 4; i++) {
		all += threads[i].self.script.nr;
		EXPECT_EQ(0, script_differs(&threads[i].self.script, events,
					    nr, threads[i].tid));
	}
	EXPECT_EQ(all, nr);
	free(events);
}

TEST_HARNESS_MAIN
