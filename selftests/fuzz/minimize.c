// SPDX-License-Identifier: GPL-2.0
/*
 * Shorter programs that are as good.
 */
#include "run.h"

/** prog_minimize() - leave out halves, then less, while @keep says so */
void prog_minimize(struct prog *p, keep_fn keep, void *data)
{
	unsigned int size = p->nr / 2, at;

	for (; size; size /= 2) {
		for (at = p->nr; at-- > 0;) {
			struct prog shorter = *p;

			if (at + size > p->nr)
				continue;
			prog_remove(&shorter, at, size);
			if (shorter.nr && keep(&shorter, data))
				*p = shorter;
		}
	}
}
