// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoint vmfork_cow, disturbed: what else happens to a page is no event,
 * and of several who write to a page at a time one is.
 */
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "trace_world.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* Discarded: page by page, and many at a time. */
TEST_F(trace, discard)
{
	size_t i;

	for (i = 0; i < 40; i++)
		read_first(self, i);
	write_mapped(self, 12);
	for (i = 10; i < 20; i++)
		ASSERT_EQ(0, madvise(self->child + i * PAGE, PAGE,
				     MADV_DONTNEED));
	ASSERT_EQ(0, madvise(self->child + 20 * PAGE, 10 * PAGE,
			     MADV_DONTNEED));
	/* They are faults again. */
	read_first(self, 12);
	write_first(self, 13);
	read_first(self, 25);
	write_mapped(self, 12);
	write_mapped(self, 30);
	ASSERT_EQ(0, munmap(self->child + 30 * PAGE, PAGE));
	EXPECT_EQ(0, trace_differs(&self->script));
}

/* Private pages: merged, swapped out, moved, and shared by a fork. */
TEST_F(trace, private_pages)
{
	char *at = make_parent(false);
	int node = 0, status, fd;
	void *pages[64];
	size_t i;
	pid_t pid;

	/* KSM takes no mapping that was not its own when it was captured. */
	ASSERT_NE(NULL, at);
	ASSERT_EQ(0, madvise(at, LEN, MADV_MERGEABLE));
	fd = capture_range(-1, at, LEN, OFFSET, NULL);
	ASSERT_LE(0, fd);
	munmap(self->child, LEN);
	self->child = at;
	self->id = snapshot_id(fd);
	self->map = mapping_at(at);
	tracing_stop();
	ASSERT_EQ(0, tracing_start(NULL));

	for (i = 0; i < 64; i++)
		write_first(self, i);
	for (i = 64; i < 80; i++)
		read_first(self, i);
	/* All of them with the same contents, in turns. */
	for (i = 0; i < 64; i++)
		memset(self->child + i * PAGE, 1 + i % 2, PAGE);
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "10000");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "5");
	ASSERT_EQ(0, write_file("/sys/kernel/mm/ksm/run", "1"));
	for (i = 0; i < 100 && !read_number("/sys/kernel/mm/ksm/pages_shared");
	     i++)
		usleep(20000 * slowness());
	EXPECT_NE(0, read_number("/sys/kernel/mm/ksm/pages_shared"));
	for (i = 0; i < 64; i += 3)
		write_page(self->child, i);
	ASSERT_EQ(0, write_file("/sys/kernel/mm/ksm/run", "2"));
	ASSERT_EQ(0, write_file("/sys/kernel/mm/ksm/run", "0"));

	madvise(self->child, LEN, MADV_PAGEOUT);
	for (i = 0; i < 64; i++)
		write_page(self->child, i);
	for (i = 0; i < 64; i++)
		pages[i] = self->child + i * PAGE;
	syscall(SYS_move_pages, 0, 64, pages, &node, NULL, 0);
	write_file("/proc/sys/vm/compact_memory", "1");

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		for (i = 0; i < 64; i++)
			write_page(self->child, i);
		_exit(0);
	}
	for (i = 0; i < 64; i++)
		write_page(self->child, i);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	for (i = 64; i < 80; i++)
		write_mapped(self, i);
	EXPECT_EQ(0, trace_differs(&self->script));
	close(fd);
}

/* Mapped, or gone, before anybody listens; and listened to again and again. */
TEST_F(trace, listened_to_late)
{
	size_t i, round;

	tracing_stop();
	for (i = 0; i < PAGES; i++)
		read_page(self->child, i);
	for (round = 0; round < 8; round++) {
		write_page(self->child, 100 + round);
		ASSERT_EQ(0, tracing_start("vmfork_cow"));
		for (i = 0; i < 5; i++)
			write_mapped(self, round * 5 + i);
		EXPECT_EQ(0, trace_differs(&self->script));
		tracing_stop();
	}
}

/* By threads that are at it when it begins. */
static volatile bool stop;

static void *write_on(void *arg)
{
	char *at = arg;
	size_t i;

	for (i = 0; !stop; i = (i + 1) % 64) {
		write_page(at, i);
		madvise(at + i * PAGE, PAGE, MADV_DONTNEED);
		read_page(at, i);
		relax();
	}
	return NULL;
}

TEST_F(trace, listened_to_by_turns)
{
	struct trace_event *events;
	pthread_t thread;
	long nr, i, all = 0;
	int round;

	tracing_stop();
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, write_on, self->child));
	for (round = 0; round < 20; round++) {
		ASSERT_EQ(0, tracing_start("vmfork_cow"));
		usleep(20000);
		nr = tracing_take(&events);
		for (i = 0; i < nr; i++)
			EXPECT_NE(NULL, strstr(events[i].text, "flags="));
		all += nr > 0 ? nr : 0;
		free(events);
		tracing_stop();
	}
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_LT(0, all);
}

#define RACERS	4
#define ROUNDS	40

struct race {
	FIXTURE_DATA(trace) *self;
	pthread_barrier_t barrier;
};

/* All of them write to the same pages, in the same order. */
static void *race_to_write(void *arg)
{
	struct race *race = arg;
	size_t i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&race->barrier);
		for (i = 0; i < 32; i++) {
			write_page(race->self->child, i);
			if (i % 4 == 0)
				relax();
		}
		pthread_barrier_wait(&race->barrier);
	}
	return NULL;
}

TEST_F(trace, one_break_is_one_event)
{
	struct race race = { .self = self };
	pthread_t threads[RACERS];
	struct trace_event *events;
	unsigned int seen[32];
	unsigned long at;
	long nr, i;
	int round;

	tracing_stop();
	ASSERT_EQ(0, tracing_start("vmfork_cow"));
	pthread_barrier_init(&race.barrier, NULL, RACERS + 1);
	for (i = 0; i < RACERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race_to_write,
					    &race));
	for (round = 0; round < ROUNDS; round++) {
		madvise(self->child, LEN, MADV_DONTNEED);
		for (i = 0; i < 32; i++)
			read_page(self->child, i);
		pthread_barrier_wait(&race.barrier);
		pthread_barrier_wait(&race.barrier);
		nr = tracing_take(&events);
		ASSERT_EQ(32, nr);
		memset(seen, 0, sizeof(seen));
		for (i = 0; i < nr; i++) {
			at = strtoul(strstr(events[i].text, "addr=") + 5, NULL,
				     16) - (uintptr_t)self->child;
			ASSERT_GT(32, at / PAGE);
			seen[at / PAGE]++;
		}
		for (i = 0; i < 32; i++)
			EXPECT_EQ(1, seen[i]);
		free(events);
	}
	for (i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
}

/*
 * While another thread discards the very pages: each time that a page becomes
 * private is one event, of either kind; and each is thrown away once.
 */
static void *discard_on(void *arg)
{
	char *at = arg;
	size_t i;

	for (i = 0; !stop; i = (i + 1) % 8) {
		madvise(at + i * PAGE, PAGE, MADV_DONTNEED);
		relax();
	}
	return NULL;
}

TEST_F(trace, no_event_of_a_discard)
{
	struct trace_event *events;
	pthread_t thread;
	long nr, round;
	size_t i;

	tracing_stop();
	ASSERT_EQ(0, tracing_start("vmfork_cow"));
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, discard_on, self->child));
	/* Nobody writes to them. */
	for (round = 0; round < 3000; round++)
		for (i = 0; i < 8; i++)
			read_page(self->child, i);
	stop = true;
	pthread_join(thread, NULL);
	nr = tracing_take(&events);
	EXPECT_EQ(0, nr);
	if (nr > 0)
		note("%s", events[0].text);
	free(events);
}

TEST_HARNESS_MAIN
