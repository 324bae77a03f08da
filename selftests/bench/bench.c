// SPDX-License-Identifier: GPL-2.0
/*
 * What a capture, an attach and a fault cost, counted in instructions.
 *
 * To be run in the test VM with -icount shift=0: there a nanosecond of
 * CLOCK_MONOTONIC is one instruction, and every run gives the same figures.
 * Anywhere else they are nanoseconds, with the noise of that machine.
 *
 * Prints a table in lines that begin with "# ", then one line of JSON.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vmfork.h>

#define PAGE_SIZE	4096UL
#define HUGE_SIZE	(2UL << 20)
#define MIB		(1UL << 20)
#define GIB		(1UL << 30)

#define CAPTURE_SIZE	(192 * MIB)
#define CHILD_SIZE	(64 * MIB)
#define ROUNDS		5

static int device;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/*
 * The lowest of some rounds: what is above it is a timer's interrupt, or the
 * page allocator refilling its lists.
 */
static uint64_t lowest(const uint64_t *values, size_t n)
{
	uint64_t low = values[0];

	while (n--)
		if (values[n] < low)
			low = values[n];
	return low;
}

/*
 * While this is held, no other process gets the CPU unless we sleep: a forked
 * child that ran before fork() returned would be taken for a part of fork().
 */
static void hold_cpu(bool hold)
{
	struct sched_param param = { .sched_priority = hold };
	int policy = hold ? SCHED_FIFO : SCHED_OTHER;

	if (sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param))
		err(1, "sched_setscheduler");
}

/* One line of JSON is built up while the figures come in. */
static char json[8192];

static void figure(const char *key, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void figure(const char *key, const char *format, ...)
{
	size_t used = strlen(json);
	va_list args;

	used += snprintf(json + used, sizeof(json) - used, "%s\"%s\": ",
			 used ? ", " : "{", key);
	va_start(args, format);
	used += vsnprintf(json + used, sizeof(json) - used, format, args);
	va_end(args);
	if (used >= sizeof(json))
		errx(1, "too many figures");
}

/* Anonymous memory, aligned for huge pages, of one kind of page */
static char *memory(size_t size, bool huge)
{
	char *map = mmap(NULL, size + HUGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start;

	if (map == MAP_FAILED)
		err(1, "mmap of %zu bytes", size);
	start = (char *)(((uintptr_t)map + HUGE_SIZE - 1) & -HUGE_SIZE);
	if (start > map)
		munmap(map, start - map);
	munmap(start + size, map + HUGE_SIZE - start);
	if (madvise(start, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		err(1, "madvise");
	return start;
}

/* Different contents in each page, so that nothing merges them */
static void touch(char *start, size_t size, uint64_t seed)
{
	size_t at;

	for (at = 0; at < size; at += PAGE_SIZE)
		*(volatile uint64_t *)(start + at) = seed ^ at;
}

/*
 * What fork(2) of this process costs the parent.  The pages belong to the
 * parent alone again afterwards, and are writable.
 */
static uint64_t time_fork(char *start, size_t size)
{
	uint64_t before, after;
	int status;
	pid_t pid;

	hold_cpu(true);
	before = now();
	pid = fork();
	if (!pid)
		_exit(0);
	after = now();
	hold_cpu(false);
	if (pid < 0)
		err(1, "fork");
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "a forked child failed");
	touch(start, size, 1);
	return after - before;
}

static int capture(char *start, size_t size, uint64_t snapshot_size,
		   struct vmfork_capture *cap, uint64_t *took)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)start,
		.len = size,
	};
	uint64_t before;
	int snapshot;

	*cap = (struct vmfork_capture) {
		.size = sizeof(*cap),
		.pidfd = -1,
		.nr_regions = 1,
		.regions = (uintptr_t)&region,
		.snapshot_size = snapshot_size,
	};
	hold_cpu(true);
	before = now();
	snapshot = ioctl(device, VMFORK_CAPTURE, cap);
	*took = now() - before;
	hold_cpu(false);
	if (snapshot < 0)
		err(1, "VMFORK_CAPTURE (refusal %u)", cap->refusal);
	return snapshot;
}

/* Of a THP capture's memory, a page that was no huge page would be no THP. */
static void check_kind(const struct vmfork_capture *cap, size_t pages,
		       bool huge)
{
	if (cap->pages_stolen + cap->pages_copied != pages)
		errx(1, "captured %llu pages of %zu",
		     cap->pages_stolen + cap->pages_copied, pages);
	if (cap->pages_huge != (huge ? pages : 0))
		errx(1, "captured %llu pages in huge pages, expected %zu",
		     (unsigned long long)cap->pages_huge, huge ? pages : 0);
}

static uint64_t bench_capture(const char *kind, bool huge)
{
	const size_t pages = CAPTURE_SIZE / PAGE_SIZE;
	uint64_t forks[ROUNDS], captures[ROUNDS];
	uint64_t forked, captured, copied = 0;
	struct vmfork_capture cap;
	char key[64];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		char *start = memory(CAPTURE_SIZE, huge);
		int snapshot;

		touch(start, CAPTURE_SIZE, i);
		forks[i] = time_fork(start, CAPTURE_SIZE);
		snapshot = capture(start, CAPTURE_SIZE, 0, &cap, &captures[i]);
		check_kind(&cap, pages, huge);
		copied += cap.pages_copied;
		close(snapshot);
		munmap(start, CAPTURE_SIZE);
	}
	forked = lowest(forks, ROUNDS);
	captured = lowest(captures, ROUNDS);

	snprintf(key, sizeof(key), "capture_%s_vs_fork", kind);
	figure(key, "%.3f", (double)captured / forked);
	snprintf(key, sizeof(key), "capture_%s_instructions", kind);
	figure(key, "%llu", (unsigned long long)captured);
	snprintf(key, sizeof(key), "fork_%s_instructions", kind);
	figure(key, "%llu", (unsigned long long)forked);

	printf("# %-4s capture %11llu  fork %11llu  ratio %6.3f",
	       kind, (unsigned long long)captured, (unsigned long long)forked,
	       (double)captured / forked);
	printf("   (target %s)\n", huge ? "1.0" : "5.0");
	printf("#      per page: prepare %.1f collect %.1f unmap %.1f steal %.1f"
	       ", all %.1f, fork %.1f; %llu copied\n",
	       (double)cap.ns_prepare / pages, (double)cap.ns_collect / pages,
	       (double)cap.ns_unmap / pages, (double)cap.ns_steal / pages,
	       (double)captured / pages, (double)forked / pages,
	       (unsigned long long)copied);
#define PHASE(phase) do {						\
	snprintf(key, sizeof(key), "capture_%s_" #phase "_per_page", kind);	\
	figure(key, "%.1f", (double)cap.ns_##phase / pages);		\
} while (0)
	PHASE(prepare);
	PHASE(collect);
	PHASE(unmap);
	PHASE(steal);
#undef PHASE
	return copied;
}

/* A snapshot of 64 MiB of memory, of this size; its memory stays mapped. */
static int snapshot_of(size_t size, bool huge)
{
	struct vmfork_capture cap;
	uint64_t took;
	char *start = memory(CHILD_SIZE, huge);
	int snapshot;

	touch(start, CHILD_SIZE, size);
	snapshot = capture(start, CHILD_SIZE, size, &cap, &took);
	check_kind(&cap, CHILD_SIZE / PAGE_SIZE, huge);
	munmap(start, CHILD_SIZE);
	return snapshot;
}

static char *attach(int snapshot, size_t size, uint64_t *took)
{
	uint64_t before = now();
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 snapshot, 0);

	*took = now() - before;
	if (map == MAP_FAILED)
		err(1, "mmap of a snapshot");
	return map;
}

static void bench_attach(const char *key, size_t size)
{
	int snapshot = snapshot_of(size, false);
	uint64_t took[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++)
		munmap(attach(snapshot, size, &took[i]), size);
	close(snapshot);
	took[0] = lowest(took, ROUNDS);
	figure(key, "%llu", (unsigned long long)took[0]);
	printf("# attach %5zu MiB %9llu   (target under 20000)\n", size / MIB,
	       (unsigned long long)took[0]);
}

enum access { READ, WRITE, READ_THEN_WRITE };

static uint64_t access_all(char *start, size_t size, size_t step, bool write)
{
	uint64_t before = now();
	size_t at;

	for (at = 0; at < size; at += step) {
		if (write)
			*(volatile uint64_t *)(start + at) = at;
		else
			(void)*(volatile uint64_t *)(start + at);
	}
	return now() - before;
}

/*
 * Faults in a child's mapping: a process of its own, which maps the snapshot
 * and touches each page once.  With no snapshot (-1), faults on memory that
 * the child has from fork(2), for comparison.
 */
static double faults(int snapshot, char *inherited, size_t step,
		     enum access access)
{
	size_t pages = CHILD_SIZE / step;
	uint64_t took;
	int result[2];
	pid_t pid;

	if (pipe(result))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		char *start = inherited ? inherited :
			      attach(snapshot, CHILD_SIZE, &took);

		if (access == READ_THEN_WRITE)
			access_all(start, CHILD_SIZE, step, false);
		took = access_all(start, CHILD_SIZE, step, access != READ);
		if (write(result[1], &took, sizeof(took)) != sizeof(took))
			_exit(1);
		_exit(0);
	}
	close(result[1]);
	if (read(result[0], &took, sizeof(took)) != sizeof(took))
		errx(1, "a child died");
	close(result[0]);
	waitpid(pid, NULL, 0);
	return (double)took / pages;
}

static void fault_figure(const char *key, double value, const char *text)
{
	figure(key, "%.1f", value);
	printf("# %-44s %10.1f\n", text, value);
}

static void bench_faults(void)
{
	int snapshot = snapshot_of(CHILD_SIZE, false);
	int huge = snapshot_of(CHILD_SIZE, true);
	char *forked = memory(CHILD_SIZE, false);

	touch(forked, CHILD_SIZE, 2);
	fault_figure("read_fault_4k", faults(snapshot, NULL, PAGE_SIZE, READ),
		     "read fault, 4 KiB page of a snapshot");
	fault_figure("write_fault_4k", faults(snapshot, NULL, PAGE_SIZE, WRITE),
		     "write fault, 4 KiB page of a snapshot");
	fault_figure("write_after_read_4k",
		     faults(snapshot, NULL, PAGE_SIZE, READ_THEN_WRITE),
		     "write fault, 4 KiB page that was read before");
	fault_figure("fork_write_fault_4k",
		     faults(-1, forked, PAGE_SIZE, WRITE),
		     "for comparison: write fault after fork(2)");
	fault_figure("read_fault_thp", faults(huge, NULL, HUGE_SIZE, READ),
		     "read fault, 2 MiB page of a snapshot");
	fault_figure("write_fault_thp_4k", faults(huge, NULL, PAGE_SIZE, WRITE),
		     "write fault, 4 KiB in a 2 MiB page");
	munmap(forked, CHILD_SIZE);
	close(huge);
	close(snapshot);
}

int main(void)
{
	uint64_t copied;

	setvbuf(stdout, NULL, _IOLBF, 0);
	device = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "%s", VMFORK_DEVICE);

	copied = bench_capture("4k", false);
	copied += bench_capture("thp", true);
	bench_attach("attach_instructions_64m", 64 * MIB);
	bench_attach("attach_instructions_1g", GIB);
	bench_faults();
	figure("copied_pages", "%llu", (unsigned long long)copied);
	printf("%s}\n", json);
	return 0;
}
