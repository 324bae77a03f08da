// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork doctor: settings of memory that make captures dearer, or copy pages
 * that could be taken.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

void doctor_thp(struct doctor *doctor)
{
	static const char name[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	char text[64];

	if (!doctor_read(doctor, name, text, sizeof(text)))
		return;		/* doctor_config() has said so */
	if (strstr(text, "[never]")) {
		doctor_find(doctor, "thp", DOCTOR_WARN,
			    "Memory is never in huge pages: captures and faults handle 512 times as many.");
		doctor_advise(doctor, "Write madvise or always to %s.", name);
	} else {
		doctor_find(doctor, "thp", DOCTOR_OK,
			    "Guests can have huge pages (%s).",
			    strstr(text, "[always]") ? "always" :
						       "where asked for");
	}
}

void doctor_swap(struct doctor *doctor)
{
	uint64_t total = doctor_meminfo(doctor, "SwapTotal");
	uint64_t used = total - doctor_meminfo(doctor, "SwapFree");

	if (!total) {
		doctor_find(doctor, "swap", DOCTOR_OK,
			    "There is no swap that a capture would have to read from.");
	} else if (used < 1024) {
		doctor_find(doctor, "swap", DOCTOR_OK,
			    used ? "Swap is hardly used." : "Swap is not used.");
	} else {
		doctor_find(doctor, "swap", DOCTOR_WARN,
			    "%llu MiB are in swap: what of it is a guest's, a capture reads back first, and may copy.",
			    (unsigned long long)used >> 10);
		doctor_advise(doctor,
			      "Keep guests out of it: MemorySwapMax=0 (memory.swap.max) for the VMM's unit.");
	}
}

void doctor_ksm(struct doctor *doctor)
{
	uint64_t run, sharing;

	if (!doctor_number(doctor, "/sys/kernel/mm/ksm/run", &run))
		return;
	doctor_number(doctor, "/sys/kernel/mm/ksm/pages_sharing", &sharing);
	if (!run && !sharing) {
		doctor_find(doctor, "ksm", DOCTOR_OK, "KSM is off.");
	} else if (run == 2) {
		doctor_find(doctor, "ksm", DOCTOR_OK,
			    "KSM takes merged pages apart.");
	} else {
		doctor_find(doctor, "ksm", DOCTOR_WARN,
			    "KSM has merged %llu MiB%s: a capture copies such pages.",
			    (unsigned long long)sharing >> 8,
			    run ? " so far" : "");
		doctor_advise(doctor,
			      "Write 2 to /sys/kernel/mm/ksm/run, or start VMMs without it (QEMU: -machine mem-merge=off).");
	}
}

void doctor_cma(struct doctor *doctor)
{
	uint64_t total = doctor_meminfo(doctor, "CmaTotal");

	if (!total) {
		doctor_find(doctor, "cma", DOCTOR_OK,
			    "No memory is set aside for CMA.");
		return;
	}
	doctor_find(doctor, "cma", DOCTOR_NOTE,
		    "CMA has %llu MiB: guests' pages there can not make room any more once a snapshot holds them.",
		    (unsigned long long)total >> 10);
	doctor_advise(doctor,
		      "Boot without cma= and hugetlb_cma= if no device asks for that memory.");
}

/* Pages of all ZONE_MOVABLE; the zone's name comes before its pages. */
static uint64_t movable_pages(const struct doctor *doctor)
{
	unsigned long long pages, sum = 0;
	char path[512], line[256];
	bool movable = false;
	FILE *file;

	file = fopen(doctor_path(doctor, path, "/proc/zoneinfo"), "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "Node ", 5))
			movable = strstr(line, "zone  Movable");
		else if (movable && sscanf(line, " managed %llu", &pages) == 1)
			sum += pages;
	}
	fclose(file);
	return sum;
}

void doctor_movable(struct doctor *doctor)
{
	uint64_t pages = movable_pages(doctor);

	if (!pages) {
		doctor_find(doctor, "movable", DOCTOR_OK,
			    "No memory has to stay movable.");
		return;
	}
	doctor_find(doctor, "movable", DOCTOR_WARN,
		    "%llu MiB have to stay movable: a capture copies pages that lie there.",
		    (unsigned long long)pages >> 8);
	doctor_advise(doctor,
		      "Boot without movablecore=, kernelcore= and movable_node, and have hot-plugged memory online_kernel.");
}

void doctor_hugetlb(struct doctor *doctor)
{
	uint64_t kib = doctor_meminfo(doctor, "Hugetlb");

	if (!kib) {
		doctor_find(doctor, "hugetlb", DOCTOR_OK,
			    "No memory is set aside for hugetlbfs.");
		return;
	}
	doctor_find(doctor, "hugetlb", DOCTOR_NOTE,
		    "hugetlbfs has %llu MiB: guests in it can not be captured.",
		    (unsigned long long)kib >> 10);
	doctor_advise(doctor,
		      "Start VMMs with anonymous memory and transparent huge pages instead, and free the pool: sysctl vm.nr_hugepages=0.");
}

void doctor_mlock(struct doctor *doctor)
{
	uint64_t kib = doctor_meminfo(doctor, "Mlocked");

	/* What a daemon or two lock of themselves is nobody's guest. */
	if (kib < 64 << 10) {
		doctor_find(doctor, "mlock", DOCTOR_OK,
			    "Hardly any memory is locked.");
		return;
	}
	doctor_find(doctor, "mlock", DOCTOR_NOTE,
		    "%llu MiB are locked: guests in locked memory can not be captured.",
		    (unsigned long long)kib >> 10);
	doctor_advise(doctor,
		      "Start VMMs that are to be forked without it (QEMU: -overcommit mem-lock=off).");
}

/* --- memory cgroups ---------------------------------------------------------- */

#define CGROUPS	"/sys/fs/cgroup"

/* memory.max or memory.high of a group; no limit: UINT64_MAX */
static uint64_t limit_of(const struct doctor *doctor, const char *group,
			 const char *file)
{
	char name[512];
	uint64_t value;

	snprintf(name, sizeof(name), CGROUPS "%.400s/%s", group, file);
	return doctor_number(doctor, name, &value) ? value : UINT64_MAX;
}

/* What is left below the limits of a group, and which limit it is */
static uint64_t left_in(const struct doctor *doctor, const char *group,
			uint64_t *limit)
{
	uint64_t max = limit_of(doctor, group, "memory.max");
	uint64_t high = limit_of(doctor, group, "memory.high");
	uint64_t used = limit_of(doctor, group, "memory.current");

	*limit = high < max ? high : max;
	if (*limit == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	return *limit > used ? *limit - used : 0;
}

/* The group of this process or one above it that has least left */
static uint64_t find_tightest(const struct doctor *doctor, const char *own,
			      char group[400], uint64_t *limit)
{
	uint64_t left, least = UINT64_MAX, its_limit;
	char at[400];

	*limit = UINT64_MAX;
	snprintf(at, sizeof(at), "%s", own);
	while (strrchr(at, '/')) {
		left = left_in(doctor, at, &its_limit);
		if (left < least) {
			least = left;
			*limit = its_limit;
			snprintf(group, 400, "%s", at);
		}
		*strrchr(at, '/') = '\0';
	}
	return least;
}

void doctor_memcg(struct doctor *doctor)
{
	char own[400], group[400] = "";
	uint64_t left, limit;

	if (!doctor_exists(doctor, CGROUPS "/cgroup.controllers") ||
	    !doctor_read(doctor, "/proc/self/cgroup", own, sizeof(own)) ||
	    strncmp(own, "0::", 3)) {
		doctor_find(doctor, "memcg", DOCTOR_NOTE,
			    "cgroup v2 is not mounted at %s, so that limits were not looked at.",
			    CGROUPS);
		doctor_advise(doctor,
			      "Mind the limits of the VMM's group: captured pages stay charged to it until the last snapshot goes.");
		return;
	}
	left = find_tightest(doctor, own + 3, group, &limit);
	if (left == UINT64_MAX) {
		doctor_find(doctor, "memcg", DOCTOR_OK,
			    "No memory limit holds for this process.");
		return;
	}
	doctor_find(doctor, "memcg",
		    left < limit / 10 ? DOCTOR_WARN : DOCTOR_NOTE,
		    "Of its limit of %llu MiB, cgroup %s has %llu MiB left.",
		    (unsigned long long)limit >> 20, group,
		    (unsigned long long)left >> 20);
	doctor_advise(doctor,
		      "Raise memory.max, or drop snapshots: what they hold stays charged to the group that touched it first.");
}

void doctor_overcommit(struct doctor *doctor)
{
	uint64_t mode;

	if (!doctor_number(doctor, "/proc/sys/vm/overcommit_memory", &mode))
		return;
	if (mode != 2) {
		doctor_find(doctor, "overcommit", DOCTOR_OK,
			    "A clone is charged for what it writes.");
		return;
	}
	doctor_find(doctor, "overcommit", DOCTOR_WARN,
		    "Each clone reserves the size of its guest (vm.overcommit_memory is 2).");
	doctor_advise(doctor,
		      "Set vm.overcommit_memory to 0 or 1, or mappings fail long before memory runs out.");
}
