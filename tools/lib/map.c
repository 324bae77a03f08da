// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * A private mapping of a snapshot, placed so that huge pages fit.
 *
 * A huge page of a snapshot can be mapped as one only where the address and
 * the offset are the same modulo 2 MiB.  mmap(2) promises no such address, so
 * more address space than needed is reserved, the mapping put where it fits,
 * and the rest given back.
 */
#include <errno.h>
#include <sys/mman.h>

#include "vmfork.h"

#define HUGE_SIZE	((size_t)2 << 20)

/*
 * No swap space is reserved: most pages of most children are never written,
 * and a parent's worth of commit charge for each would refuse them early.
 */
static int map_at(int snapshot, void *addr, size_t len, uint64_t offset,
		  int fixed, void **mapped)
{
	void *p = mmap(addr, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_NORESERVE | fixed, snapshot,
		       (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	*mapped = p;
	return 0;
}

static int map_aligned(int snapshot, size_t len, uint64_t offset,
		       void **mapped)
{
	size_t reserved = len + HUGE_SIZE;
	size_t head, tail;
	char *area;
	int ret;

	if (reserved < len)
		return -ENOMEM;
	area = mmap(NULL, reserved, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return -errno;

	head = (offset - (uintptr_t)area) % HUGE_SIZE;
	tail = reserved - head - len;
	ret = map_at(snapshot, area + head, len, offset, MAP_FIXED, mapped);
	if (ret) {
		munmap(area, reserved);
		return ret;
	}
	if (head)
		munmap(area, head);
	if (tail)
		munmap(area + head + len, tail);
	return 0;
}

int vmfork_map(int snapshot, void *addr, size_t len, uint64_t offset,
	       void **mapped)
{
	/* munmap() of the surplus works in pages; refuse what mmap() rounds. */
	if (len % 4096 || offset % 4096)
		return -EINVAL;
	if (addr)
		return map_at(snapshot, addr, len, offset, MAP_FIXED, mapped);
	if (len < HUGE_SIZE)
		return map_at(snapshot, NULL, len, offset, 0, mapped);
	return map_aligned(snapshot, len, offset, mapped);
}
