// SPDX-License-Identifier: GPL-2.0
/*
 * A clone for slow.sh and heat.sh: a process with a guest whose memory is a
 * snapshot.  It does what it is told to, and ends.
 *
 *   tiny_vmm PATH BYTES LINE...
 *
 * A line is one of
 *
 *   guest read P N	the guest reads the first word of N pages from page P on
 *   guest write P N	it writes there
 *   host read P N	the process itself does
 *   host write P N
 *   sleep MS		sleeps
 *   spin MS		computes, for so long of its own CPU time
 *   contend MS		has a thread that keeps its mmap lock most of the time,
 *			and wants it as well
 *   -			takes more lines from standard input, until "quit"
 *
 * In the end it prints "cpu NS", what the kernel says that it has used of CPUs.
 * PATH may be "none": then there is no guest and no snapshot.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"
#include "tiny_guest.h"

#define CONTENDED	(32 * MIB)

static char *memory;

static void die(const char *what, int error)
{
	fprintf(stderr, "tiny_vmm: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void start_guest(const char *path, size_t len)
{
	int fd, err;

	err = tiny_guest_start(len);
	if (err)
		die("KVM", -err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path, errno);
	memory = tiny_guest_map(fd);
	if (!memory)
		die("mmap", errno);
	close(fd);
}

static void touch_by_guest(bool write, size_t first, size_t nr)
{
	int err = tiny_guest_will_touch(first * PAGE, nr, write);

	while (!err) {
		err = tiny_guest_run();
		if (err != -EINTR)
			break;
		err = 0;
	}
	if (err)
		die("KVM_RUN", -err);
}

static void touch_by_host(bool write, size_t first, size_t nr)
{
	volatile char *p = memory + first * PAGE;

	for (; nr; nr--, p += PAGE) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
}

static void spin(unsigned int ms)
{
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000ULL;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

enum { STARTING, HOLDING, OVER };

/* Each mprotect() walks all the page tables with the lock held for writing. */
static void *hold_lock(void *arg)
{
	volatile int *state = arg;
	char *p = mmap(NULL, CONTENDED, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		       MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, CONTENDED, MADV_NOHUGEPAGE))
		die("mmap", errno);
	memset(p, 1, CONTENDED);
	*state = HOLDING;
	while (*state != OVER) {
		mprotect(p, CONTENDED, PROT_READ);
		mprotect(p, CONTENDED, PROT_READ | PROT_WRITE);
	}
	munmap(p, CONTENDED);
	return NULL;
}

/* What reads the list of mappings takes the lock for reading. */
static void contend(unsigned int ms)
{
	volatile int state = STARTING;
	char buf[4096];
	pthread_t thread;
	uint64_t end;

	if (pthread_create(&thread, NULL, hold_lock, (void *)&state))
		die("thread", EAGAIN);
	while (state == STARTING)
		usleep(1000);
	end = clock_ns(CLOCK_MONOTONIC) + ms * 1000000ULL;
	while (clock_ns(CLOCK_MONOTONIC) < end)
		read_file("/proc/self/maps", buf, sizeof(buf));
	state = OVER;
	pthread_join(thread, NULL);
}

static void obey(const char *line);

static void obey_input(void)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n"))
		obey(line);
}

static void obey(const char *line)
{
	size_t first = 0, nr = 0;
	char who[16], how[16];
	unsigned int ms;

	if (sscanf(line, "%15s %15s %zu %zu", who, how, &first, &nr) == 4) {
		bool write = !strcmp(how, "write");

		if (!strcmp(who, "guest"))
			return touch_by_guest(write, first, nr);
		return touch_by_host(write, first, nr);
	}
	if (!strcmp(line, "-"))
		obey_input();
	else if (sscanf(line, "sleep %u", &ms) == 1)
		usleep(ms * 1000);
	else if (sscanf(line, "spin %u", &ms) == 1)
		spin(ms);
	else if (sscanf(line, "contend %u", &ms) == 1)
		contend(ms);
	else
		die(line, EINVAL);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: tiny_vmm PATH BYTES LINE...\n");
		return 2;
	}
	if (strcmp(argv[1], "none"))
		start_guest(argv[1], strtoul(argv[2], NULL, 0));
	for (i = 3; i < argc; i++)
		obey(argv[i]);
	printf("cpu %llu\n",
	       (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
