// SPDX-License-Identifier: GPL-2.0
/* The world: how the kernel is set up for the storm, and set back. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cells.h"
#include "torture.h"
#include "world.h"

#define CORE "/tmp/torture.core"

/* NULL: left as it is, but set back, as the tuner changes it. */
static const struct {
	const char *path;
	const char *value;
} settings[] = {
	{ "/sys/kernel/mm/ksm/sleep_millisecs", "5" },
	{ "/sys/kernel/mm/ksm/pages_to_scan", "2000" },
	{ "/sys/kernel/mm/ksm/run", "1" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
	  "20" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs",
	  "20" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan",
	  "8192" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "always" },
	{ "/sys/kernel/mm/transparent_hugepage/defrag", "madvise" },
	{ "/sys/kernel/mm/lru_gen/enabled", NULL },
	/* How many snapshots there are in the pool */
	{ "/proc/sys/net/unix/max_dgram_qlen", "20" },
	{ "/proc/sys/kernel/core_pattern", CORE },
	{ "/proc/sys/kernel/core_uses_pid", "0" },
	{ "/proc/sys/vm/oom_dump_tasks", "0" },
	{ "/proc/sys/vm/overcommit_memory", NULL },
	{ "/proc/sys/vm/swappiness", NULL },
	{ "/proc/sys/kernel/numa_balancing", NULL },
};

static char was[ARRAY_SIZE(settings)][64];

/* The chosen one of "[always] madvise never", or the text itself. */
static void chosen(char *text)
{
	char *from = strchr(text, '['), *to = strchr(text, ']');

	text[strcspn(text, "\n")] = 0;
	if (from && to) {
		*to = 0;
		memmove(text, from + 1, to - from);
	}
}

/* A compressed disk in memory to be swapped to, before the other one. */
static void make_zram(void)
{
	if (access("/sys/block/zram0/disksize", W_OK) &&
	    system("modprobe zram 2>/dev/null"))
		return;
	if (access("/sys/block/zram0/disksize", W_OK))
		return;
	if (write_file("/sys/block/zram0/disksize", "128M"))
		return;
	if (system("mkswap /dev/zram0 >/dev/null"))
		return;
	did("zram: swapped to", swapon("/dev/zram0", SWAP_FLAG_PREFER | 10) ?
			       -errno : 0);
}

void world_prepare(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (read_file(settings[i].path, was[i],
			      sizeof(was[i])) <= 0)
			continue;
		chosen(was[i]);
		if (settings[i].value)
			write_file(settings[i].path, settings[i].value);
	}
	if (system("modprobe hwpoison-inject 2>/dev/null"))
		did("hwpoison-inject", -ENOENT);
	make_zram();
}

void world_restore(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (was[i][0])
			write_file(settings[i].path, was[i]);
	unlink(CORE);
	if (swapoff("/dev/zram0"))
		return;
	write_file("/sys/block/zram0/reset", "1");
}

void world_calm(void)
{
	write_file("/sys/devices/system/cpu/cpu1/online", "1");
	write_file("/sys/kernel/mm/damon/admin/kdamonds/0/state", "off");
	write_file("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0");
	write_file("/sys/kernel/mm/ksm/run", "2");
	unlink(CORE);
}

/*
 * What there was before, and how much less, or more, of it is no reason to
 * worry, in pages.
 */
static long sum(const char *const *fields, size_t nr)
{
	long all = 0;

	while (nr--) {
		long one = vmstat_value(fields[nr]);

		all += one > 0 ? one : 0;
	}
	return all;
}

/*
 * On the LRU lists as if anonymous, but nobody's: a page that was stolen, and
 * not given back.  Fewer may be seen, as pages in the swap cache may be mapped.
 */
static long nobodys(void)
{
	static const char *const lists[] = {
		"nr_active_anon", "nr_inactive_anon",
	};
	static const char *const owned[] = {
		"nr_anon_pages", "nr_shmem", "nr_swapcached",
	};

	return sum(lists, ARRAY_SIZE(lists)) - sum(owned, ARRAY_SIZE(owned));
}

/*
 * Free, but kept by a CPU for itself, which no counter of free pages has.  Since
 * 6.7 these may be an eighth of all memory.
 */
static long kept_by_cpus(void)
{
	static char text[65536];
	const char *at = text;
	long all = 0;

	if (read_file("/proc/zoneinfo", text, sizeof(text)) <= 0)
		return 0;
	while ((at = strstr(at, " count: "))) {
		at += strlen(" count: ");
		all += atol(at);
	}
	return all;
}

static long free_pages(void)
{
	return vmstat_value("nr_free_pages") + kept_by_cpus();
}

/* Neither free nor known to any counter: a copy that was not given back. */
static long unaccounted(void)
{
	static const char *const known[] = {
		"nr_active_anon", "nr_inactive_anon",
		"nr_active_file", "nr_inactive_file", "nr_unevictable",
		"nr_slab_reclaimable", "nr_slab_unreclaimable",
		"nr_page_table_pages", "nr_zspages",
	};
	long kib = meminfo_kb("MemTotal") - meminfo_kb("KernelStack") -
		   meminfo_kb("VmallocUsed") - meminfo_kb("Percpu");

	return kib / 4 - free_pages() - sum(known, ARRAY_SIZE(known));
}

/* Huge pages that still count as anonymous; newer kernels have that. */
static long huge_anon(void)
{
	long nr = read_number("/sys/kernel/mm/transparent_hugepage/"
			      "hugepages-2048kB/stats/nr_anon");

	/* Broken ones are given up as they are. */
	return nr < 0 ? 0 : nr - (long)shared->poisoned_huge;
}

static struct {
	const char *what;
	long before, now;
	long tolerance;
	bool less_is_bad;
	bool has_broken;	/* pages that were broken miss here */
	long (*get)(void);	/* NULL: it is in /proc/vmstat */
} sums[] = {
	{ "nr_anon_pages", .tolerance = 600 },
	{ "nr_anon_transparent_hugepages", .tolerance = 0 },
	{ "nr_mapped", .tolerance = 600 },
	{ "nr_shmem", .tolerance = 100 },
	{ "nr_page_table_pages", .tolerance = 100 },
	{ "nr_mlock", .tolerance = 0 },
	{ "nr_isolated_anon", .tolerance = 0 },
	{ "nr_isolated_file", .tolerance = 0 },
	{ "free pages", .tolerance = 6144, .less_is_bad = true,
	  .has_broken = true, .get = free_pages },
	{ "pages of nobody on LRU lists", .tolerance = 64, .has_broken = true,
	  .get = nobodys },
	{ "unaccounted pages", .tolerance = 2048, .has_broken = true,
	  .get = unaccounted },
	{ "huge pages counted as anonymous", .get = huge_anon },
};

/* What the kernel has done meanwhile, as it counts it itself. */
static const char *const deeds[] = {
	"pswpin", "pswpout", "pgmigrate_success", "pgmigrate_fail",
	"thp_fault_alloc", "thp_collapse_alloc", "thp_split_page",
	"thp_split_page_failed", "thp_deferred_split_page", "thp_split_pmd",
	"thp_swpout", "compact_success", "compact_isolated", "oom_kill",
	"numa_pages_migrated", "pglazyfreed", "pgsteal_kswapd",
	"pgsteal_direct", "ksm_swpin_copy", "cow_ksm",
};

static long deeds_before[ARRAY_SIZE(deeds)];

void world_deeds(bool before)
{
	char name[44];
	size_t i;
	long now;

	for (i = 0; i < ARRAY_SIZE(deeds); i++) {
		now = vmstat_value(deeds[i]);
		if (before)
			deeds_before[i] = now;
		snprintf(name, sizeof(name), "the kernel: %s", deeds[i]);
		if (!before && now > deeds_before[i])
			count(name, now - deeds_before[i]);
	}
}

static void settle(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		sync();
		write_file("/proc/sys/vm/drop_caches", "3");
		write_file("/proc/sys/vm/stat_refresh", "1");
		usleep(200000);
	}
}

static void measure(bool before)
{
	size_t i;

	settle();
	for (i = 0; i < ARRAY_SIZE(sums); i++) {
		sums[i].now = sums[i].get ? sums[i].get() :
					    vmstat_value(sums[i].what);
		if (before)
			sums[i].before = sums[i].now;
	}
}

void world_measure(void)
{
	measure(true);
}

/* What page trees are made of */
static const char *const caches[] = {
	"vmfork_leaf", "vmfork_runs", "vmfork_node",
};

/* Objects of a slab cache that are in use; 0 if there is no such cache. */
static long slab_objects(const char *name)
{
	static char text[65536];
	char path[80], *at;

	/* Free objects of a CPU's own slab count as used, until it has none. */
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", name);
	write_file(path, "1");
	if (read_file("/proc/slabinfo", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, name);
	return at ? atol(at + strlen(name)) : 0;
}

static bool is_missing(size_t i)
{
	long diff = sums[i].now - sums[i].before;
	long tolerance = sums[i].tolerance;

	if (sums[i].has_broken)
		tolerance += shared->poisoned + shared->poisoned_huge * 512L;
	if (sums[i].less_is_bad)
		diff = -diff;
	return diff > tolerance;
}

int world_missing(unsigned int round)
{
	int missing, try;
	long objects;
	size_t i;

	/* What dies in the background takes a while. */
	for (try = 0, missing = 1; try < 20 && missing; try++) {
		measure(false);
		for (i = 0, missing = 0; i < ARRAY_SIZE(sums); i++)
			missing += is_missing(i);
		objects = 0;
		for (i = 0; i < ARRAY_SIZE(caches); i++)
			objects += slab_objects(caches[i]);
		missing += objects > 0;
	}
	for (i = 0; i < ARRAY_SIZE(sums); i++)
		printf("# after round %u: %s %ld, before %ld%s\n", round,
		       sums[i].what, sums[i].now, sums[i].before,
		       is_missing(i) ? ": MISSING" : "");
	printf("# after round %u: %ld nodes of page trees, HardwareCorrupted %ld kB\n",
	       round, objects, meminfo_kb("HardwareCorrupted"));
	return missing;
}

int world_leaks(void)
{
	static const char file[] = "/sys/kernel/debug/kmemleak";
	char line[300];
	int leaks = 0;
	FILE *in;

	/* An object counts if two scans, five seconds apart, find no pointer. */
	if (write_file(file, "scan"))
		return 0;
	sleep(6);
	write_file(file, "scan");
	in = fopen(file, "r");
	while (in && fgets(line, sizeof(line), in)) {
		leaks += !strncmp(line, "unreferenced object", 19);
		if (leaks < 10)
			printf("# %s", line);
	}
	if (in)
		fclose(in);
	did("kmemleak", leaks ? -EBADF : 0);
	return leaks;
}

int module_unload(void)
{
	int try, ret = 0;

	/* It may take a moment until a killed process is all gone. */
	for (try = 0; try < 100; try++) {
		ret = syscall(SYS_delete_module, "vmfork", O_NONBLOCK) ?
		      -errno : 0;
		if (ret != -EWOULDBLOCK && ret != -EBUSY)
			break;
		usleep(100000);
	}
	return did("module unloaded", ret);
}

int module_load(void)
{
	struct utsname name;
	char path[200];
	int fd, ret;

	uname(&name);
	snprintf(path, sizeof(path), "/lib/modules/%s/vmfork.ko",
		 name.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return did("module loaded", -errno);
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return did("module loaded", ret);
}
