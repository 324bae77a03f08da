// SPDX-License-Identifier: GPL-2.0
/* The freezer stops whole cells of actors, wherever they are, and thaws them. */
#include <unistd.h>

#include "actors.h"
#include "cells.h"
#include "torture.h"

bool freezer_possible(void)
{
	return !access(CELLS "cell0/cgroup.freeze", W_OK);
}

void freezer_run(struct self *self)
{
	while (!stopping()) {
		unsigned int cell = draw(self, NR_CELLS);

		doze(self, 2000000);
		cell_freeze(cell, true);
		doze(self, 300000);
		cell_freeze(cell, false);
	}
}
