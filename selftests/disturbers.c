// SPDX-License-Identifier: GPL-2.0
/*
 * The disturbers: what goes on in and around memory while it is captured.  The
 * zones before and after the core are changed in any way, the core in ways
 * that change no contents.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "races.h"

/*
 * Those that change the zones take turns, so that none of them touches what
 * another has just taken away.
 */
static pthread_mutex_t zone_lock = PTHREAD_MUTEX_INITIALIZER;

static char *zone_part(struct race *r, uint64_t *seed, size_t *len)
{
	size_t page = rnd(seed) % ZONE;

	*len = (1 + rnd(seed) % (ZONE - page)) * PAGE;
	return r->zone[rnd(seed) & 1] + page * PAGE;
}

/* Something else, or nothing, where something was. */
static void replace(char *at, size_t len, int prot)
{
	if (mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 (prot ? 0 : MAP_NORESERVE), -1, 0) == MAP_FAILED)
		abort();
}

static void turn_fault(struct race *r, uint64_t *seed)
{
	size_t i;

	for (i = 0; i < 32; i++)
		(void)r->core[rnd(seed) % CORE * WORDS + 7];
}

static void turn_map(struct race *r, uint64_t *seed)
{
	size_t len;
	char *part = zone_part(r, seed, &len);

	if (rnd(seed) & 1)
		munmap(part, len);
	relax();
	replace(part, len, PROT_READ | PROT_WRITE);
	part[rnd(seed) % len] = 1;
}

static void turn_protect(struct race *r, uint64_t *seed)
{
	static const int prot[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	size_t len;
	char *part = zone_part(r, seed, &len);

	mprotect(part, len, prot[rnd(seed) % 4]);
	/* The core stays writable, but its mapping is split and merged. */
	mprotect((char *)r->core + rnd(seed) % CORE * PAGE, PAGE,
		 prot[2 + rnd(seed) % 2]);
	relax();
	mprotect((void *)r->core, CORE * PAGE, prot[2]);
	mprotect(part, len, prot[2]);
}

static void turn_discard(struct race *r, uint64_t *seed)
{
	size_t len;
	char *part = zone_part(r, seed, &len);

	madvise(part, len, rnd(seed) & 1 ? MADV_DONTNEED : MADV_FREE);
	relax();
	memset(part, 1, len);
}

static void turn_move(struct race *r, uint64_t *seed)
{
	char *zone = r->zone[rnd(seed) & 1];

	/* Where the zone is of several mappings it fails, and unmaps. */
	if (mremap(zone, ZONE * PAGE, ZONE * PAGE, MREMAP_MAYMOVE |
		   MREMAP_FIXED, r->away) != MAP_FAILED) {
		relax();
		mremap(r->away, ZONE * PAGE, ZONE * PAGE, MREMAP_MAYMOVE |
		       MREMAP_FIXED, zone);
	}
	replace(r->away, ZONE * PAGE, PROT_NONE);
}

static void turn_lock(struct race *r, uint64_t *seed)
{
	size_t len;
	char *part = zone_part(r, seed, &len);

	mlock(part, len);
	relax();
	munlock(part, len);
}

static void turn_huge(struct race *r, uint64_t *seed)
{
	void *core = (void *)r->core;

	switch (rnd(seed) % 4) {
	case 0:
		madvise(core, CORE * PAGE, MADV_NOHUGEPAGE);
		break;
	case 1:
		madvise(core, CORE * PAGE, MADV_HUGEPAGE);
		break;
	case 2:
		madvise(core, CORE * PAGE, 25 /* MADV_COLLAPSE */);
		break;
	default:
		write_file("/proc/sys/vm/compact_memory", "1");
		break;
	}
	relax();
}

static const char *no_swap(void)
{
	return swap_is_on() ? NULL : "no swap is on";
}

static void turn_swap(struct race *r, uint64_t *seed)
{
	size_t page = rnd(seed) % (CORE - 64), nr = 1 + rnd(seed) % 64;

	/* A little at a time: others must get on as well. */
	madvise((char *)r->core + page * PAGE, nr * PAGE,
		rnd(seed) & 3 ? MADV_PAGEOUT : MADV_COLD);
	usleep(2000);
}

static const char *no_ksm(void)
{
	return access("/sys/kernel/mm/ksm/run", W_OK) ? "no KSM" : NULL;
}

static void turn_merge(struct race *r, uint64_t *seed)
{
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "2000");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "2");
	write_file("/sys/kernel/mm/ksm/run", "1");
	madvise((void *)r->core, CORE * PAGE, rnd(seed) & 7 ? MADV_MERGEABLE :
							      MADV_UNMERGEABLE);
	usleep(5000);
	write_file("/sys/kernel/mm/ksm/run", "0");
}

#define KHUGEPAGED_DIR "/sys/kernel/mm/transparent_hugepage/khugepaged/"

static const char *no_khugepaged(void)
{
	return access(KHUGEPAGED_DIR "scan_sleep_millisecs", W_OK) ?
	       "no khugepaged" : NULL;
}

/* It looks once in a while by itself, and then at anybody's memory. */
static void turn_khugepaged(struct race *r, uint64_t *seed)
{
	(void)r;
	write_file(KHUGEPAGED_DIR "max_ptes_none", "511");
	write_file(KHUGEPAGED_DIR "pages_to_scan", "8192");
	write_file(KHUGEPAGED_DIR "scan_sleep_millisecs", "1");
	usleep(rnd(seed) % 10000);
	write_file(KHUGEPAGED_DIR "scan_sleep_millisecs", "10000");
	write_file(KHUGEPAGED_DIR "pages_to_scan", "4096");
}

/* A forked process shares everything for a while, and writes its own. */
static void turn_fork(struct race *r, uint64_t *seed)
{
	pid_t pid = fork();
	size_t i;

	if (!pid) {
		for (i = 0; i < CORE; i += 1 + rnd(seed) % 64)
			r->core[i * WORDS] = 0;
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void *exit_at_once(void *arg)
{
	return arg;
}

static void turn_thread(struct race *r, uint64_t *seed)
{
	pthread_t thread;

	(void)r;
	(void)seed;
	if (!pthread_create(&thread, NULL, exit_at_once, NULL))
		pthread_join(thread, NULL);
}

/* Others take references: a pipe, a debugger, a remote reader. */
static void turn_gup(struct race *r, uint64_t *seed)
{
	static __thread char buf[16 * PAGE];
	char *page = (char *)r->core + rnd(seed) % (CORE - 16) * PAGE;
	struct iovec iov = { page, 16 * PAGE };
	struct iovec local = { buf, sizeof(buf) };
	int pipes[2];

	process_vm_readv(getpid(), &local, 1, &iov, 1, 0);
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return;
	vmsplice(pipes[1], &iov, 1, SPLICE_F_NONBLOCK);
	relax();
	close(pipes[0]);
	close(pipes[1]);
}

/* A second thread that captures the same memory. */
static void turn_capture(struct race *r, uint64_t *seed)
{
	int fd = capture_range(-1, (void *)r->core, CORE * PAGE, 0, NULL);

	(void)seed;
	if (fd >= 0)
		close(fd);
	relax();
}

const struct disturber disturbers[NR_DISTURBERS] = {
	[FAULT] = { turn_fault, false, NULL, {} },
	[MAP] = { turn_map, true, NULL, { EFAULT } },
	[PROTECT] = { turn_protect, true, NULL, {} },
	[DISCARD] = { turn_discard, true, NULL, {} },
	[MOVE] = { turn_move, true, NULL, { EFAULT } },
	[LOCK] = { turn_lock, true, NULL, { ENOLCK } },
	[HUGE_] = { turn_huge, false, NULL, {} },
	[SWAP] = { turn_swap, false, no_swap, {} },
	[MERGE] = { turn_merge, false, no_ksm, {} },
	[FORK] = { turn_fork, false, NULL, {} },
	[THREAD] = { turn_thread, false, NULL, {} },
	[GUP] = { turn_gup, false, NULL, {} },
	[CAPTURE] = { turn_capture, false, NULL, {} },
	[KHUGEPAGED] = { turn_khugepaged, false, no_khugepaged, {} },
};

/* A thread's work, until the race is to stop; @arg: struct disturb_arg. */
void *disturb(void *arg)
{
	struct disturb_arg *d = arg;

	while (!d->worker.race->stop) {
		if (d->what->in_zones)
			pthread_mutex_lock(&zone_lock);
		d->what->turn(d->worker.race, &d->worker.seed);
		if (d->what->in_zones)
			pthread_mutex_unlock(&zone_lock);
		relax();
	}
	return NULL;
}
