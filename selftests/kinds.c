// SPDX-License-Identifier: GPL-2.0
/*
 * How memory of each kind is made.
 *
 * A kind that was asked for is looked for afterwards in the page tables: a
 * test of swapped-out memory that was never swapped out says nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"
#include "pages.h"
#include "peer.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define KPF_ZERO_PAGE	KPF_BIT(24)
#define KSM_DIR		"/sys/kernel/mm/ksm/"

static uint64_t seed = 1;

static int map_area(struct area *area, int advice)
{
	area->map = reserve(area->map_len, (uintptr_t)area->view.addr);
	if (!area->map || mmap(area->map, area->map_len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			       0) == MAP_FAILED)
		return -ENOMEM;
	area->view.addr = area->map;
	return madvise(area->map, area->map_len, advice) ? -errno : 0;
}

static void fill(struct area *area, size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr && i < area->view.pages; i++) {
		area->view.model[i] = (struct stamp){ .fill = rnd(&seed) | 1 };
		page_fill(area->view.addr + i * PAGE,
			  area->view.model[i].fill);
		area->touched++;
	}
}

static int make_base(struct area *area)
{
	int ret = map_area(area, MADV_NOHUGEPAGE);

	if (!ret)
		fill(area, 0, area->view.pages);
	return ret;
}

/* Memory may be in pieces after a while; the kernel then has to be asked. */
static int collapse(const char *addr, size_t len)
{
	long kb;
	int try;

	for (try = 0; try < 10; try++) {
		kb = smaps_kb(0, addr, len, "AnonHugePages");
		if (kb == (long)(len >> 10))
			return 0;
		write_file("/proc/sys/vm/compact_memory", "1");
		madvise((void *)addr, len, MADV_COLLAPSE);
	}
	note("no huge pages to be had: %ld kB of %zu", kb, len >> 10);
	return -ENOMEM;
}

static int make_thp(struct area *area)
{
	int ret = map_area(area, MADV_HUGEPAGE);

	if (ret)
		return ret;
	fill(area, 0, area->view.pages);
	return collapse(area->map, area->map_len);
}

static int make_thp_part(struct area *area)
{
	int ret = make_thp(area);
	size_t i;

	/* From each huge page: some at its end, middle or beginning. */
	for (i = 0; !ret && i < area->view.pages; i += 512) {
		size_t first = i + (i / 512 % 3) * 200, nr = 100 + i / 512;

		if (madvise(area->view.addr + first * PAGE, nr * PAGE,
			    MADV_DONTNEED))
			ret = -errno;
		memset(area->view.model + first, 0, nr * sizeof(struct stamp));
		area->touched -= nr;
	}
	return ret;
}

/*
 * The region is one page shorter than the huge pages, at both ends, and its
 * offset follows, so that what is not cut could stay huge.
 */
static int make_thp_edge(struct area *area)
{
	int ret;

	area->map_len = area->len;
	ret = map_area(area, MADV_HUGEPAGE);
	if (ret)
		return ret;
	page_fill(area->map, 77);
	page_fill(area->map + area->len - PAGE, 78);
	area->view.addr += PAGE;
	area->view.pages -= 2;
	area->len -= 2 * PAGE;
	area->offset += PAGE;
	fill(area, 0, area->view.pages);
	return collapse(area->map, area->map_len);
}

static int make_thp_shift(struct area *area)
{
	area->offset += 8 * PAGE;
	return make_thp(area);
}

/*
 * khugepaged comes at once when it has had nothing to do, and would make huge
 * pages of all this; where this is slow, before it is even done.  It lets be
 * what has a hole, if it is told so.
 */
static void keep_holes(void)
{
	write_file("/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none",
		   "0");
}

static int make_mixed(struct area *area)
{
	size_t i, j;
	int ret;

	keep_holes();
	ret = map_area(area, MADV_NOHUGEPAGE);
	if (ret)
		return ret;
	for (i = 512; i < area->view.pages; i += 2048)
		fill(area, i, 511);
	for (i = 1536; i < area->view.pages; i += 2048)
		for (j = 0; j < 512; j += 7)
			fill(area, i + j, 1 + j % 3);
	if (madvise(area->map, area->map_len, MADV_HUGEPAGE))
		return -errno;
	for (i = 0; !ret && i < area->view.pages; i += 2048) {
		fill(area, i, 512);
		ret = collapse(area->view.addr + i * PAGE, HUGE);
	}
	return ret;
}

/*
 * What was written to swap stays in the swap cache until somebody needs the
 * memory, and is not read from the disk before that.  mincore(2) tells.
 */
static size_t count_on_disk(const char *addr, size_t pages)
{
	unsigned char in_core[512];
	size_t i, n, found = 0;

	for (; pages; pages -= n, addr += n * PAGE) {
		n = pages < 512 ? pages : 512;
		if (mincore((void *)addr, n * PAGE, in_core))
			return 0;
		for (i = 0; i < n; i++)
			found += !in_core[i];
	}
	return found;
}

size_t swap_out(char *addr, size_t pages)
{
	size_t i, out = 0;
	int try;

	for (try = 0; try < 40; try++) {
		/*
		 * Pages are skipped while they wait to be put on the LRU
		 * lists, on a CPU that nothing else happens on perhaps: this
		 * empties the waiting lines of all.
		 */
		if (try % 4 == 3)
			write_file("/proc/sys/vm/compact_memory", "1");
		madvise(addr, pages * PAGE, MADV_PAGEOUT);
		out = count_on_disk(addr, pages);
		if (out == pages)
			break;
		usleep(20000);
		/* Back from the cache, and clean, it is dropped next time. */
		for (i = 0; i < pages; i++)
			if (!count_on_disk(addr + i * PAGE, 1))
				(void)*(volatile char *)(addr + i * PAGE);
	}
	return out;
}

static int page_out(struct area *area)
{
	size_t pages = area->map_len / PAGE;
	size_t out = swap_out(area->map, pages);

	if (out >= pages * 3 / 4)
		return 0;
	note("only %zu of %zu pages went to swap", out, pages);
	return -EAGAIN;
}

static int make_swap(struct area *area)
{
	return make_base(area) ?: page_out(area);
}

static int make_swap_thp(struct area *area)
{
	return make_thp(area) ?: page_out(area);
}

static int make_swap_cache(struct area *area)
{
	return make_swap(area) ?:
	       view_check(&area->view, "read back from swap") ? -EIO : 0;
}

static int make_ksm(struct area *area)
{
	long before = ksm_merged();
	size_t i, merged = 0;
	int try, ret;

	ret = map_area(area, MADV_NOHUGEPAGE);
	if (ret)
		return ret;
	fill(area, 0, area->view.pages);
	for (i = 0; i < area->view.pages; i++) {
		area->view.model[i] = area->view.model[i & ~3UL];
		page_fill(area->view.addr + i * PAGE,
			  area->view.model[i].fill);
	}
	if (madvise(area->map, area->map_len, MADV_MERGEABLE))
		return -errno;
	write_file(KSM_DIR "pages_to_scan", "20000");
	write_file(KSM_DIR "sleep_millisecs", "10");
	ret = write_file(KSM_DIR "run", "1");
	for (try = 0; !ret && try < 150; try++) {
		merged = ksm_merged() - before;
		if (merged >= area->view.pages * 3 / 4)
			break;
		usleep(100000);
	}
	write_file(KSM_DIR "run", "0");
	if (ret || merged >= area->view.pages * 3 / 4)
		return ret;
	note("KSM merged only %zu of %zu pages", merged, area->view.pages);
	return -EAGAIN;
}

/*
 * The forked process stays, and the area's owner has written to some of its
 * pages since, which are its own again.
 */
static int share_by_fork(struct area *area)
{
	size_t i;

	area->other = area->view;
	area->other.model = model_copy(area->view.model, area->view.pages);
	area->other.who = peer_start();
	if (!area->other.who)
		return -EAGAIN;
	for (i = 0; i < area->view.pages; i += 5)
		view_fill(&area->view, i, rnd(&seed) | 1);
	return 0;
}

static int make_forked(struct area *area)
{
	return make_base(area) ?: share_by_fork(area);
}

static int make_forked_thp(struct area *area)
{
	return make_thp(area) ?: share_by_fork(area);
}

static int make_fork_gone(struct area *area)
{
	struct peer *peer;
	int ret = make_base(area);

	if (ret)
		return ret;
	peer = peer_start();
	if (!peer)
		return -EAGAIN;
	peer_kill(peer);
	return 0;
}

/* What is in such pages is for the kernel to say; see area_settle(). */
static int make_free(struct area *area)
{
	size_t i;
	int ret = make_base(area);

	for (i = 0; !ret && i < area->view.pages; i += 32)
		if (madvise(area->view.addr + i * PAGE, 16 * PAGE, MADV_FREE))
			ret = -errno;
	return ret;
}

static int make_zero(struct area *area)
{
	size_t half = area->map_len / 2;
	int ret = map_area(area, MADV_NOHUGEPAGE);

	if (ret)
		return ret;
	if (madvise(area->map + half, area->map_len - half, MADV_HUGEPAGE))
		return -errno;
	if (view_check(&area->view, "never written"))
		return -EIO;
	if (page_flags_count(area->map, half, KPF_ZERO_PAGE) == half / PAGE)
		return 0;
	note("the kernel's zero page is not mapped");
	return -EAGAIN;
}

static int make_hole(struct area *area)
{
	int ret = map_area(area, MADV_NOHUGEPAGE);

	if (ret)
		return ret;
	fill(area, 3, 1);
	fill(area, 100, 20);
	fill(area, area->view.pages - 300, 7);
	return 0;
}

/* What the file holds; nothing in its second quarter, which is a hole. */
static int fill_file(struct area *area, int fd)
{
	static char page[PAGE];
	size_t i;

	if (ftruncate(fd, area->len))
		return -errno;
	for (i = 0; i < area->view.pages; i++) {
		if (i * 4 / area->view.pages == 1)
			continue;
		area->view.model[i].fill = rnd(&seed) | 1;
		page_fill(page, area->view.model[i].fill);
		if (pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			return -ENOSPC;
		area->touched++;
	}
	return 0;
}

/* The file is nobody's but the mapping's. */
static int make_file(struct area *area)
{
	int fd = memfd_create("area", MFD_CLOEXEC), ret;
	size_t i;

	if (fd < 0)
		return -errno;
	ret = map_area(area, MADV_NOHUGEPAGE);
	if (!ret)
		ret = fill_file(area, fd);
	if (!ret && mmap(area->map, area->map_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		ret = -errno;
	close(fd);
	for (i = 0; !ret && i < area->view.pages; i += 3)
		ret = view_poke(&area->view, i, rnd(&seed) | 1);
	return ret;
}

static const struct {
	const char *name;
	int (*make)(struct area *area);
	bool swap;
} kinds[NR_KINDS] = {
	[KIND_BASE]	  = { "base", make_base, false },
	[KIND_THP]	  = { "thp", make_thp, false },
	[KIND_THP_PART]	  = { "thp_part", make_thp_part, false },
	[KIND_THP_EDGE]	  = { "thp_edge", make_thp_edge, false },
	[KIND_THP_SHIFT]  = { "thp_shift", make_thp_shift, false },
	[KIND_MIXED]	  = { "mixed", make_mixed, false },
	[KIND_SWAP]	  = { "swap", make_swap, true },
	[KIND_SWAP_THP]	  = { "swap_thp", make_swap_thp, true },
	[KIND_SWAP_CACHE] = { "swap_cache", make_swap_cache, true },
	[KIND_KSM]	  = { "ksm", make_ksm, false },
	[KIND_FORKED]	  = { "forked", make_forked, false },
	[KIND_FORKED_THP] = { "forked_thp", make_forked_thp, false },
	[KIND_FORK_GONE]  = { "fork_gone", make_fork_gone, false },
	[KIND_FREE]	  = { "free", make_free, false },
	[KIND_ZERO]	  = { "zero", make_zero, false },
	[KIND_HOLE]	  = { "hole", make_hole, false },
	[KIND_FILE]	  = { "file", make_file, false },
};

const char *kind_name(enum kind kind)
{
	return kinds[kind].name;
}

const char *kind_missing(enum kind kind)
{
	if (kinds[kind].swap && !swap_is_on())
		return "no swap is on (the VM has none, or swapon failed)";
	return NULL;
}

int area_make(struct area *area, enum kind kind, size_t len, uint64_t offset)
{
	int ret;

	memset(area, 0, sizeof(*area));
	area->kind = kind;
	area->len = len;
	area->map_len = len;
	area->offset = offset;
	area->view.pages = len / PAGE;
	area->view.model = model_alloc(area->view.pages);
	/* Congruent with the offset, before a kind says otherwise. */
	area->view.addr = (char *)(uintptr_t)(offset % HUGE);
	seed = test_seed() + kind;
	ret = kinds[kind].make(area);
	if (ret)
		note("memory of kind %s: %s", kind_name(kind), strerror(-ret));
	return ret;
}

/*
 * A page that was given back with MADV_FREE reads as before or as zeroes, and
 * the kernel decides when.  Takes what it is into the model.
 */
void area_settle(struct area *area)
{
	static const struct stamp zero;
	size_t i;

	if (area->kind != KIND_FREE)
		return;
	for (i = 0; i < area->view.pages; i++)
		if (i % 32 < 16 && page_is(area->view.addr + i * PAGE, &zero))
			area->view.model[i] = zero;
}

bool area_others_right(const struct area *area)
{
	const struct stamp before = { .fill = 77 }, after = { .fill = 78 };

	if (area->kind == KIND_THP_EDGE &&
	    (!page_is(area->map, &before) ||
	     !page_is(area->map + area->map_len - PAGE, &after)))
		return false;
	return !area->other.who ||
	       !view_check(&area->other, "the forked process");
}

void area_free(struct area *area)
{
	peer_kill(area->other.who);
	if (area->map)
		munmap(area->map, area->map_len);
	area->map = NULL;
}
