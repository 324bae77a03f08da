// SPDX-License-Identifier: GPL-2.0
/* Memory to measure, and ways to write to it. */
#include <err.h>
#include <sys/mman.h>

#include "memory.h"

const char *const kind_names[NR_KINDS] = { "4k", "thp" };
const char *const pattern_names[NR_PATTERNS] = { "single", "runs",
						 "contiguous" };

/* Length of the runs of RUNS, in pages: 64 KiB */
#define RUN	16

char *memory_room(size_t size)
{
	char *room = mmap(NULL, size + GIB, PROT_NONE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start;

	if (room == MAP_FAILED)
		err(1, "mmap of %zu bytes", size);
	start = (char *)(((uintptr_t)room + GIB - 1) & -GIB);
	if (start > room)
		munmap(room, start - room);
	if (start < room + GIB)
		munmap(start + size, room + GIB - start);
	return start;
}

void memory_fill(const struct memory *mem, uint64_t seed)
{
	size_t at;

	for (at = 0; at < mem->size; at += PAGE)
		*(volatile uint64_t *)(mem->start + at) = seed ^ at;
}

struct memory memory_get(size_t size, enum kind kind)
{
	struct memory mem = { .size = size, .kind = kind };

	mem.start = mmap(memory_room(size), size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			 MAP_FIXED, -1, 0);
	if (mem.start == MAP_FAILED)
		err(1, "mmap of %zu bytes", size);
	if (madvise(mem.start, size, kind == KIND_THP ? MADV_HUGEPAGE :
		    MADV_NOHUGEPAGE))
		err(1, "madvise");
	memory_fill(&mem, 1);
	return mem;
}

void memory_put(struct memory *mem)
{
	if (mem->start && munmap(mem->start, mem->size))
		err(1, "munmap");
	mem->start = NULL;
}

char *memory_map(int file, char *room, size_t size)
{
	char *map = mmap(room, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 (room ? MAP_FIXED : 0), file, 0);

	if (map == MAP_FAILED)
		err(1, "mmap of a file");
	return map;
}

void memory_touch(char *start, size_t size, bool write)
{
	size_t at;

	for (at = 0; at < size; at += PAGE) {
		if (write)
			*(volatile uint64_t *)(start + at) = at;
		else
			(void)*(volatile uint64_t *)(start + at);
	}
}

static void write_page(const struct memory *mem, size_t page, uint64_t value)
{
	*(volatile uint64_t *)(mem->start + page * PAGE) = value;
}

size_t memory_dirty(const struct memory *mem, unsigned int permille,
		    enum pattern pattern, unsigned int round)
{
	size_t pages = mem->size / PAGE, wanted = pages * permille / 1000;
	size_t run, runs, r, i;

	run = pattern == SINGLE ? 1 : pattern == RUNS ? RUN : wanted;
	if (!run || run > wanted)
		errx(1, "too little memory to write to %u of 1000", permille);
	runs = wanted / run;
	for (r = 0; r < runs; r++)
		for (i = 0; i < run; i++)
			write_page(mem, (r * pages / runs + run * round + i) %
				   pages, round + r + i);
	return runs * run;
}

void memory_dirty_pages(const struct memory *mem, size_t pages)
{
	size_t stride = mem->size / PAGE / pages, i;

	for (i = 0; i < pages; i++)
		write_page(mem, i * stride, i);
}
