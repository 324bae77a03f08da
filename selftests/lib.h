/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every vmfork selftest needs: the ioctls, and what /proc says.
 *
 * These call the kernel itself rather than libvmfork, so that a test sees
 * exactly what the kernel answers.  Functions return -errno on failure and
 * print only where the caller could not say as much.
 */
#ifndef SELFTESTS_LIB_H
#define SELFTESTS_LIB_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <linux/vmfork.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)
#define MIB	(1UL << 20)

/* What a test says besides its verdict; KTAP takes "# ..." as a remark. */
#define note(fmt, ...) fprintf(stderr, "# " fmt "\n", ##__VA_ARGS__)

/*
 * What there is where a test's own captures are made: memory that is not a
 * mapping yet, or one that was captured, or pre-armed, just before, and of
 * which some pages were written since, with what they hold.  Of the calling
 * process, and of peers that it starts later.
 */
enum capture_kind { CAPTURE_FIRST, CAPTURE_IN_PLACE, CAPTURE_PREARMED };
extern enum capture_kind capture_kind;

/* Captures. Each returns a snapshot's file descriptor, or -errno. */
int device(void);
int capture_full(int dev, struct vmfork_capture *cap);
int capture_regions(int pidfd, const struct vmfork_region *regions,
		    unsigned int nr, struct vmfork_capture *out);
int capture_range(int pidfd, const void *addr, size_t len, uint64_t offset,
		  struct vmfork_capture *out);
int snapshot_info(int fd, struct vmfork_info *info);
const char *refusal_text(const struct vmfork_capture *cap);

/* A mapping of a snapshot whose address suits huge pages; NULL on failure. */
void *map_snapshot(int fd, size_t len, uint64_t offset);
/* Room for @len bytes at an address that is @offset modulo 2 MiB. */
void *reserve(size_t len, uint64_t offset);

/* Numbers: a seeded generator, and the clock. */
uint64_t test_seed(void);
uint64_t rnd(uint64_t *state);
uint64_t now_ns(void);
/*
 * For loops that wait and threads that never do.  It also has an emulator that
 * runs all CPUs in one thread (QEMU's tcg,thread=single) go on with the next
 * CPU, which it otherwise does ten times a second only: without it every TLB
 * shootdown takes that long, and nothing ever happens at the same time.
 */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Seconds that a test of its kind runs; VMFORK_TEST_SECONDS overrides. */
unsigned int test_seconds(unsigned int normal);
/* How many times slower than usual this kernel is: limits are longer for it. */
unsigned int slowness(void);

/* /proc and /sys */
int read_file(const char *path, char *buf, size_t size);
int write_file(const char *path, const char *text);
long read_number(const char *path);
long meminfo_kb(const char *field);
long vmstat_value(const char *field);
/* Sum of a smaps field over the VMAs that touch the range, in kB. */
long smaps_kb(pid_t pid, const void *addr, size_t len, const char *field);
/* The VmFlags line of the VMA at @addr of this process. */
int smaps_flags(const void *addr, char *buf, size_t size);
bool has_flag(const char *flags, const char *flag);
int count_fds(void);

/* Page table state, from pagemap and kpageflags */
#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)
#define PM_PFN		((1ULL << 55) - 1)
#define KPF_BIT(n)	(1ULL << (n))

uint64_t pagemap_entry(const void *addr);
uint64_t page_flags(const void *addr);
/* Returns how many entries it could read. */
size_t pagemap_read(const void *addr, size_t pages, uint64_t *entries);
/* How many pages of the range have any of @bits in pagemap. */
size_t pagemap_count(const void *addr, size_t len, uint64_t bits);
size_t page_flags_count(const void *addr, size_t len, uint64_t flags);
/*
 * Pages of this process that KSM has merged.  (Linux 6.12 says KPF_KSM of all
 * anonymous pages.)
 */
long ksm_merged(void);

/* Page faults of the calling thread so far. */
long page_faults(void);

bool swap_is_on(void);
/* A block device that nobody uses, for O_DIRECT; its path, or NULL. */
const char *scratch_disk(void);

int pidfd_of(pid_t pid);

#endif
