// SPDX-License-Identifier: GPL-2.0
/* Part of a guest is mapped, or copied, at once, while it runs. */
#include "../live.h"
#include "guest.h"

void trick_prefault(struct guest *g)
{
	bool write = chance(g->self, 50);
	struct vmfork_prefault prefault;
	size_t first, nr;
	int ret;

	part_draw(g, &first, &nr, 1024);
	ret = did(write ? "prefault: copy" : "prefault: map",
		  prefault_range(-1, page_at(g, first), nr * PAGE,
				 write ? VMFORK_PREFAULT_WRITE : 0,
				 &prefault));
	count("pages mapped by prefault", prefault.pages_mapped);
	count("pages copied by prefault", prefault.pages_copied);
	/* Memory that is no mapping, or being captured; over an import's quota. */
	expect_errno("prefault", ret, ALLOWED(MAY_BE_REFUSED, ENXIO),
		     "no more is said");
}
