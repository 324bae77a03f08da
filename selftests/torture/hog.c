// SPDX-License-Identifier: GPL-2.0
/*
 * The hog takes memory until others go to swap, looks whether its own is
 * right, and gives it back.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "actors.h"
#include "torture.h"

#define STEP	(8 * MIB)

/* One word a page is enough to have it, and to see whose it is. */
static void stamp(char *map, size_t len, uint64_t object, bool check)
{
	size_t at;

	for (at = 0; at < len && !stopping(); at += PAGE) {
		uint64_t *word = (uint64_t *)(map + at);

		if (check && *word != TAG(object, at / PAGE))
			fail("a hog's page %zu is %llx", at / PAGE,
			     (unsigned long long)*word);
		*word = TAG(object, at / PAGE);
	}
}

void hog_run(struct self *self)
{
	size_t most = (size_t)meminfo_kb("MemTotal") * 1024, len, at;
	uint64_t object = new_object();
	char *map;

	write_file("/proc/self/oom_score_adj", "1000");
	while (!stopping()) {
		/* From a little to more than there can be without swap. */
		len = (most / 100 * (5 + draw(self, 85))) & ~(STEP - 1);
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (map == MAP_FAILED)
			give_up("hog", -errno);
		if (chance(self, 50))
			madvise(map, len, MADV_NOHUGEPAGE);
		for (at = 0; at < len && !stopping(); at += STEP) {
			stamp(map + at, STEP, object, false);
			doze(self, 10000);
		}
		count("memory taken by the hog, MiB", at / MIB);
		doze(self, 2000000);
		if (chance(self, 30))
			for (at = 0; at < len && !stopping(); at += STEP)
				stamp(map + at, STEP, object, true);
		munmap(map, len);
		doze(self, 5000000);
	}
}
