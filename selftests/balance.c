// SPDX-License-Identifier: GPL-2.0
/* The kernel's own counts of everything that vmfork takes. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balance.h"
#include "lib.h"

#define NR_ANON "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/stats/nr_anon"
#define SLAB "/sys/kernel/slab/"

/* What page trees are made of */
static const char *const nodes[] = {
	SLAB "vmfork_leaf/", SLAB "vmfork_runs/", SLAB "vmfork_node/",
};

#define NR_NODES (sizeof(nodes) / sizeof(nodes[0]))

long free_pages(void)
{
	static char text[65536];
	long pages = vmstat_value("nr_free_pages");
	char *at;

	if (read_file("/proc/zoneinfo", text, sizeof(text)) < 0)
		return -1;
	for (at = text; (at = strstr(at, "count:")); at++)
		pages += strtol(at + 6, NULL, 10);
	return pages;
}

static void shrink_nodes(void)
{
	char path[64];
	size_t i;

	for (i = 0; i < NR_NODES; i++) {
		snprintf(path, sizeof(path), "%sshrink", nodes[i]);
		write_file(path, "1");
	}
}

static long count_nodes(void)
{
	char path[64];
	long sum = 0;
	size_t i;

	for (i = 0; i < NR_NODES; i++) {
		snprintf(path, sizeof(path), "%sobjects", nodes[i]);
		sum += read_number(path);
	}
	return sum;
}

void settle(void)
{
	write_file("/proc/sys/vm/drop_caches", "3");
	usleep(50000);		/* RCU, delayed fput, percpu batches */
	write_file("/proc/sys/vm/stat_refresh", "1");
	shrink_nodes();
}

struct balance balance(void)
{
	struct balance b;

	settle();
	b.free = free_pages();
	b.anon = vmstat_value("nr_anon_pages");
	b.mapped = vmstat_value("nr_mapped");
	b.shmem = vmstat_value("nr_shmem");
	b.tables = vmstat_value("nr_page_table_pages");
	b.slab = vmstat_value("nr_slab_unreclaimable");
	b.thp_anon = read_number(NR_ANON);
	b.nodes = count_nodes();
	return b;
}

bool close_to(long a, long b, long by)
{
	return a - b <= by && b - a <= by;
}

static bool balanced(const struct balance *was, const struct balance *is,
		     bool loud)
{
	if (loud)
		note("free %+ld, anon %+ld, mapped %+ld, shmem %+ld, page tables %+ld, slab %+ld pages; THPs %+ld, nodes %+ld",
		     is->free - was->free, is->anon - was->anon,
		     is->mapped - was->mapped, is->shmem - was->shmem,
		     is->tables - was->tables, is->slab - was->slab,
		     is->thp_anon - was->thp_anon, is->nodes - was->nodes);
	return is->free >= was->free - BALANCE_NOISE &&
	       close_to(is->anon, was->anon, 64) &&
	       close_to(is->mapped, was->mapped, 64) &&
	       close_to(is->shmem, was->shmem, 64) &&
	       close_to(is->tables, was->tables, 32) &&
	       is->slab <= was->slab + 128 &&
	       is->thp_anon == was->thp_anon && is->nodes == was->nodes;
}

void shrink_slabs(void)
{
	struct dirent *entry;
	char path[320];
	DIR *dir = opendir(SLAB);

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), SLAB "%s/shrink", entry->d_name);
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			write_file(path, "1");
	}
	if (dir)
		closedir(dir);
}

/* Processes and their memory go away a moment after they are reaped. */
bool balanced_soon(const struct balance *was)
{
	struct balance is;
	int try;

	for (try = 0; try < 40; try++) {
		is = balance();
		if (balanced(was, &is, false))
			return true;
		usleep(50000);
		if (try % 8 == 1)
			shrink_slabs();
	}
	balanced(was, &is, true);
	return false;
}
