// SPDX-License-Identifier: GPL-2.0
/* What every vmfork selftest needs: the ioctls, and what /proc says. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

/*
 * Before anything else: some tests turn KSM on or change sysctls, which they
 * should not do to a machine that is not there for it.
 */
static void __attribute__((constructor)) need_module(void)
{
	if (!access(VMFORK_DEVICE, F_OK))
		return;
	printf("TAP version 13\n1..0 # SKIP vmfork.ko is not loaded\n");
	exit(4);	/* KSFT_SKIP */
}

int device(void)
{
	int fd = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fd = -errno;
		note("%s: %s", VMFORK_DEVICE, strerror(-fd));
	}
	return fd;
}

enum capture_kind capture_kind;

/* Two pages of each 2 MiB are written to, and hold what they held. */
static void touch_regions(const struct vmfork_capture *cap)
{
	const struct vmfork_region *region = (void *)(uintptr_t)cap->regions;
	uint64_t at, end;
	uint32_t i;

	for (i = 0; i < cap->nr_regions; i++) {
		at = region[i].addr + 3 * PAGE;
		end = region[i].addr + region[i].len;
		for (; at + 2 * PAGE <= end; at += HUGE)
			madvise((void *)(uintptr_t)at, 2 * PAGE,
				MADV_POPULATE_WRITE);
	}
}

/* Whether it works or not: the capture itself will tell. */
static void capture_before(int dev, const struct vmfork_capture *cap)
{
	struct vmfork_capture before = *cap;
	int fd;

	if (cap->size != sizeof(*cap) || cap->flags)
		return;
	if (capture_kind == CAPTURE_PREARMED)
		before.flags = VMFORK_CAPTURE_PREARM;
	fd = ioctl(dev, VMFORK_CAPTURE, &before);
	if (fd < 0)
		return;
	if (capture_kind != CAPTURE_PREARMED)
		close(fd);
	if (cap->pidfd == -1)
		touch_regions(cap);
}

int capture_full(int dev, struct vmfork_capture *cap)
{
	int fd;

	if (capture_kind != CAPTURE_FIRST)
		capture_before(dev, cap);
	fd = ioctl(dev, VMFORK_CAPTURE, cap);
	return fd < 0 ? -errno : fd;
}

int capture_regions(int pidfd, const struct vmfork_region *regions,
		    unsigned int nr, struct vmfork_capture *out)
{
	struct vmfork_capture cap = {
		.size = sizeof(cap),
		.pidfd = pidfd,
		.nr_regions = nr,
		.regions = (uintptr_t)regions,
	};
	int dev, fd;

	dev = device();
	if (dev < 0)
		return dev;
	fd = capture_full(dev, &cap);
	close(dev);
	if (out)
		*out = cap;
	return fd;
}

int capture_range(int pidfd, const void *addr, size_t len, uint64_t offset,
		  struct vmfork_capture *out)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)addr, .len = len, .offset = offset,
	};

	return capture_regions(pidfd, &region, 1, out);
}

int snapshot_info(int fd, struct vmfork_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return ioctl(fd, VMFORK_INFO, info) ? -errno : 0;
}

const char *refusal_text(const struct vmfork_capture *cap)
{
	static char text[80];

	snprintf(text, sizeof(text), "refusal %u, region %u, address %llx",
		 cap->refusal, cap->refused_region,
		 (unsigned long long)cap->refused_addr);
	return text;
}

void *reserve(size_t len, uint64_t offset)
{
	char *room, *start;

	room = mmap(NULL, len + 2 * HUGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	start = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	start += offset % HUGE;
	if (start > room)
		munmap(room, start - room);
	munmap(start + len, room + len + 2 * HUGE - (start + len));
	return start;
}

void *map_snapshot(int fd, size_t len, uint64_t offset)
{
	void *at = reserve(len, offset), *map;

	if (!at)
		return NULL;
	map = mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		   fd, offset);
	if (map == MAP_FAILED) {
		note("mmap of a snapshot: %s", strerror(errno));
		munmap(at, len);
		return NULL;
	}
	return map;
}

uint64_t test_seed(void)
{
	const char *text = getenv("VMFORK_TEST_SEED");

	return text ? strtoull(text, NULL, 0) : 20240101;
}

uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

unsigned int test_seconds(unsigned int normal)
{
	const char *text = getenv("VMFORK_TEST_SECONDS");

	return text ? strtoul(text, NULL, 0) : normal;
}

unsigned int slowness(void)
{
	const char *text = getenv("VMFORK_TEST_SLOWNESS");
	unsigned int times = text ? strtoul(text, NULL, 0) : 1;

	return times ? times : 1;
}

int read_file(const char *path, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got < size - 1 && (n = read(fd, buf + got, size - 1 - got)) > 0)
		got += n;
	if (n < 0)
		n = -errno;
	close(fd);
	buf[got] = 0;
	return n < 0 ? n : (int)got;
}

int write_file(const char *path, const char *text)
{
	int fd, ret = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

long read_number(const char *path)
{
	char buf[64];
	int ret = read_file(path, buf, sizeof(buf));

	return ret < 0 ? ret : strtol(buf, NULL, 0);
}

/* The number after "<field>" at the beginning of a line of @path. */
static long field_value(const char *path, const char *field)
{
	static char text[32768];
	char *line;
	size_t n = strlen(field);

	if (read_file(path, text, sizeof(text)) < 0)
		return -1;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, field, n) && strchr(": \t", line[n]))
			return strtol(line + n + strspn(line + n, ": \t"),
				      NULL, 10);
	}
	return -1;
}

long meminfo_kb(const char *field)
{
	return field_value("/proc/meminfo", field);
}

long vmstat_value(const char *field)
{
	return field_value("/proc/vmstat", field);
}

/*
 * Calls @fn for each line of smaps that belongs to a VMA of the range.  No
 * malloc() in here: it would change the very list that is read.
 */
static int smaps_walk(pid_t pid, const void *addr, size_t len,
		      void (*fn)(const char *line, void *arg), void *arg)
{
	static char buf[65536];
	size_t have = 0;
	bool inside = false;
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid ? pid : getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + have, sizeof(buf) - have - 1)) > 0) {
		char *line = buf, *end;

		have += n;
		buf[have] = 0;
		while ((end = strchr(line, '\n'))) {
			unsigned long from, to;

			*end = 0;
			if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
				inside = from < (uintptr_t)addr + len &&
					 to > (uintptr_t)addr;
			else if (inside)
				fn(line, arg);
			line = end + 1;
		}
		have -= line - buf;
		memmove(buf, line, have);
	}
	close(fd);
	return 0;
}

struct smaps_sum {
	const char *field;
	long kb;
};

static void smaps_add(const char *line, void *arg)
{
	struct smaps_sum *sum = arg;
	size_t n = strlen(sum->field);

	if (!strncmp(line, sum->field, n) && line[n] == ':')
		sum->kb += strtol(line + n + 1, NULL, 10);
}

long smaps_kb(pid_t pid, const void *addr, size_t len, const char *field)
{
	struct smaps_sum sum = { .field = field };
	int ret = smaps_walk(pid, addr, len, smaps_add, &sum);

	return ret ? ret : sum.kb;
}

struct smaps_text {
	char *buf;
	size_t size;
};

static void smaps_copy_flags(const char *line, void *arg)
{
	struct smaps_text *text = arg;

	if (!strncmp(line, "VmFlags:", 8))
		snprintf(text->buf, text->size, "%s ", line + 8);
}

int smaps_flags(const void *addr, char *buf, size_t size)
{
	struct smaps_text text = { .buf = buf, .size = size };

	buf[0] = 0;
	return smaps_walk(0, addr, 1, smaps_copy_flags, &text);
}

bool has_flag(const char *flags, const char *flag)
{
	char word[8];

	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(flags, word);
}

int count_fds(void)
{
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1;	/* the directory's own */
}

static uint64_t read_entry(const char *path, uint64_t index)
{
	uint64_t entry = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &entry, sizeof(entry), index * 8) != 8)
		note("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return entry;
}

uint64_t pagemap_entry(const void *addr)
{
	return read_entry("/proc/self/pagemap", (uintptr_t)addr / PAGE);
}

uint64_t page_flags(const void *addr)
{
	uint64_t entry = pagemap_entry(addr);

	if (!(entry & PM_PRESENT))
		return 0;
	return read_entry("/proc/kpageflags", entry & PM_PFN);
}

size_t pagemap_read(const void *addr, size_t pages, uint64_t *entries)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t page = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while (page < pages) {
		n = pread(fd, entries + page, (pages - page) * 8,
			  ((uintptr_t)addr / PAGE + page) * 8);
		if (n <= 0)
			break;
		page += n / 8;
	}
	close(fd);
	return page;
}

size_t pagemap_count(const void *addr, size_t len, uint64_t bits)
{
	uint64_t entries[512];
	size_t page, pages = len / PAGE, found = 0, got, i;

	for (page = 0; page < pages; page += got) {
		got = pagemap_read((const char *)addr + page * PAGE,
				   pages - page < 512 ? pages - page : 512,
				   entries);
		if (!got)
			break;
		for (i = 0; i < got; i++)
			found += !!(entries[i] & bits);
	}
	return found;
}

size_t page_flags_count(const void *addr, size_t len, uint64_t flags)
{
	size_t at, found = 0;

	for (at = 0; at < len; at += PAGE)
		found += !!(page_flags((const char *)addr + at) & flags);
	return found;
}

long ksm_merged(void)
{
	return read_number("/proc/self/ksm_merging_pages");
}

long page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

bool swap_is_on(void)
{
	char buf[1024];

	return read_file("/proc/swaps", buf, sizeof(buf)) > 0 &&
	       strchr(buf, '/');
}

const char *scratch_disk(void)
{
	static char path[32];
	char swaps[1024], *env = getenv("VMFORK_TEST_DISK");
	struct stat st;
	int c;

	if (env)
		return env;
	if (read_file("/proc/swaps", swaps, sizeof(swaps)) < 0)
		swaps[0] = 0;
	for (c = 'a'; c <= 'd'; c++) {
		snprintf(path, sizeof(path), "/dev/vd%c", c);
		if (!strstr(swaps, path) && !stat(path, &st) &&
		    S_ISBLK(st.st_mode))
			return path;
	}
	return NULL;
}

int pidfd_of(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}
