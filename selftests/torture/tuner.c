// SPDX-License-Identifier: GPL-2.0
/*
 * The tuner turns the knobs of those who work on memory in the background:
 * KSM, khugepaged, the LRU lists; and listens to the module's events.
 */
#include <unistd.h>

#include "actors.h"
#include "torture.h"

static const struct {
	const char *what;
	const char *path;
	const char *values[4];
} knobs[] = {
	/* 2 takes all that was merged apart */
	{ "KSM run", "/sys/kernel/mm/ksm/run", { "1", "1", "2", "0" } },
	{ "KSM zero pages", "/sys/kernel/mm/ksm/use_zero_pages",
	  { "0", "1", "0", "1" } },
	{ "THP", "/sys/kernel/mm/transparent_hugepage/enabled",
	  { "always", "madvise", "always", "never" } },
	{ "THP defrag", "/sys/kernel/mm/transparent_hugepage/defrag",
	  { "always", "defer", "defer+madvise", "madvise" } },
	{ "LRU generations", "/sys/kernel/mm/lru_gen/enabled",
	  { "0", "7", "1", "7" } },
	{ "overcommit", "/proc/sys/vm/overcommit_memory",
	  { "0", "1", "0", "1" } },
	{ "swappiness", "/proc/sys/vm/swappiness",
	  { "0", "60", "100", "100" } },
	{ "quota", "/sys/module/vmfork/parameters/max_bytes",
	  { "0", "0", "0", "33554432" } },
	{ "fault around", "/sys/module/vmfork/parameters/fault_around",
	  { "1", "512", "40", "512" } },
	{ "events", "/sys/kernel/tracing/events/vmfork/enable",
	  { "1", "0", "1", "0" } },
	{ "events of writes",
	  "/sys/kernel/tracing/events/vmfork/vmfork_cow/enable",
	  { "1", "0", "1", "0" } },
	{ "NUMA balancing", "/proc/sys/kernel/numa_balancing",
	  { "0", "1", "1", "0" } },
};

void tuner_run(struct self *self)
{
	while (!stopping()) {
		size_t i = draw(self, ARRAY_SIZE(knobs));
		size_t value = draw(self, 4);

		doze(self, 2000000);
		if (!access(knobs[i].path, W_OK))
			poke_file(knobs[i].what, knobs[i].path,
				  knobs[i].values[value]);
	}
}
