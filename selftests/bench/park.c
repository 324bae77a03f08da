// SPDX-License-Identifier: GPL-2.0
/*
 * Parking: mremap(2) moves the page tables of the memory to another address,
 * at once where both are multiples of 1 GiB, and leaves a mapping of nothing
 * behind.  Only what that costs is measured: whoever looks there before
 * something else is mapped sees zeroes.
 */
#include <err.h>
#include <sys/mman.h>

#include "method.h"

static char *parked;

static int park_prepare(const struct memory *mem)
{
	parked = memory_room(mem->size);
	return 0;
}

static void park_pause(const struct memory *mem)
{
	if (mremap(mem->start, mem->size, mem->size, MREMAP_MAYMOVE |
		   MREMAP_FIXED | MREMAP_DONTUNMAP, parked) == MAP_FAILED)
		err(1, "mremap");
}

static void park_finish(const struct memory *mem)
{
	if (mremap(parked, mem->size, mem->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		   mem->start) == MAP_FAILED)
		err(1, "mremap back");
}

const struct method method_park = {
	.name = "park",
	.prepare = park_prepare,
	.pause = park_pause,
	.finish = park_finish,
};
