// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings are split, protected, moved away and back, locked, while others
 * may capture them.
 */
#include <sys/mman.h>

#include "guest.h"
#include "shot.h"

void trick_protect(struct guest *g)
{
	static const int prots[] = { PROT_READ, PROT_NONE,
				     PROT_READ | PROT_WRITE | PROT_EXEC };
	int prot = prots[draw(g->self, ARRAY_SIZE(prots))];
	size_t first, nr;

	part_draw(g, &first, &nr, 512);
	g->b->plain = 0;
	if (did("mprotect", mprotect(page_at(g, first), nr * PAGE, prot) ?
			    -errno : 0))
		return;
	doze(g->self, 30000);
	if (prot != PROT_NONE)
		board_check(g->b, g->map, first, nr, "protected, a guest");
	if (mprotect(page_at(g, first), nr * PAGE, PROT_READ | PROT_WRITE))
		give_up("mprotect", -errno);
}

void trick_move(struct guest *g)
{
	size_t first, nr;
	char *from, *to, *is;

	part_draw(g, &first, &nr, 512);
	from = page_at(g, first);
	g->b->plain = 0;
	to = reserve(nr * PAGE, (uintptr_t)from);
	if (!to)
		give_up("mmap: move", -ENOMEM);
	is = mremap(from, nr * PAGE, nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    to);
	/* Parts in several mappings can not be moved at once. */
	did("mremap", is == MAP_FAILED ? -errno : 0);
	if (is == MAP_FAILED) {
		munmap(to, nr * PAGE);
		return;
	}
	doze(g->self, 20000);
	is = mremap(to, nr * PAGE, nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    from);
	if (is == MAP_FAILED)
		give_up("mremap", -errno);
	board_check(g->b, g->map, first, nr, "moved and back, a guest");
}

void trick_lock(struct guest *g)
{
	struct plan plan = PLAN_WHOLE(g->b);
	static struct shot shot;
	char flags[200];
	size_t first, nr;
	bool locked;
	int ret;

	part_draw(g, &first, &nr, 64);
	g->b->plain = 0;
	if (did("mlock", mlock(page_at(g, first), nr * PAGE) ? -errno : 0))
		return;
	/* The kernel does not lock mappings of ours, and does not say so. */
	locked = !smaps_flags(page_at(g, first), flags, sizeof(flags)) &&
		 has_flag(flags, "lo");
	ret = did(locked ? "capture: locked" : "capture: locked in vain",
		  shot_take(&shot, g->b, -1, &plan, "lock"));
	if (!ret)
		pool_put(&shot);
	if (locked && ret != -ENOLCK)
		expect_errno("capture of locked memory", ret ?: -ENODATA,
			     ALLOWED(MAY_BE_REFUSED), shot_refusal());
	munlock(page_at(g, first), nr * PAGE);
}
