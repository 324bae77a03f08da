// SPDX-License-Identifier: GPL-2.0
/*
 * Filling a range of a child's memory at once, by what each has for it:
 * VMFORK_PREFAULT; MADV_POPULATE_READ and _WRITE; one UFFDIO_COPY.
 */
#include <err.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "figures.h"
#include "fullcopy.h"
#include "method.h"
#include "uffd_missing.h"
#include "vmfork.h"

static int by_prefault(char *start, size_t size, bool write)
{
	return vmfork_prefault(start, size, write);
}

static int by_populate(char *start, size_t size, bool write)
{
	return madvise(start, size, write ? MADV_POPULATE_WRITE :
		       MADV_POPULATE_READ);
}

static void per_page(uint64_t took, size_t size, enum kind kind,
		     const char *name, bool write)
{
	figure(1, (double)took * PAGE / size, "prefault_%s_%s_%s",
	       kind_names[kind], name, write ? "write" : "read");
}

static void measure(const char *name, int file, const struct memory *mem,
		    int (*fill)(char *start, size_t size, bool write))
{
	int write;

	for (write = 0; write < 2; write++) {
		struct memory map = *mem;
		uint64_t before, took;
		int ret;

		map.start = memory_map(file, memory_room(mem->size), mem->size);
		before = clock_now();
		ret = fill(map.start, map.size, write);
		took = clock_now() - before;
		memory_put(&map);
		if (!ret)
			per_page(took, mem->size, mem->kind, name, write);
	}
}

/* There is no reading: what it fills in are copies. */
static void measure_uffd(const struct memory *mem)
{
	const struct method *method = &method_uffd_missing;
	struct memory map = *mem;
	uint64_t before, took;

	map.start = method->attach(mem, memory_room(mem->size));
	method->serve(mem, map.start);
	before = clock_now();
	uffd_missing_fill(0, mem->size);
	took = clock_now() - before;
	per_page(took, mem->size, mem->kind, method->name, true);
	uffd_missing_end();
	memory_put(&map);
}

void chapter_prefault(enum kind kind)
{
	struct memory mem = memory_get(plan.slice, kind);
	struct vmfork_capture cap;
	int snapshot;

	if (kind == KIND_4K) {
		fullcopy_prepare(&mem);
		fullcopy_pause(&mem);
		measure("fullcopy", fullcopy_file(), &mem, by_populate);
		measure_uffd(&mem);
		fullcopy_finish(&mem);
	}
	snapshot = vmfork_capture(&mem, &cap);
	measure("vmfork", snapshot, &mem, by_prefault);
	measure("vmfork_populate", snapshot, &mem, by_populate);
	close(snapshot);
	memory_put(&mem);
}
