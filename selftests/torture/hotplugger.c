// SPDX-License-Identifier: GPL-2.0
/* The hotplugger takes CPUs away, but for the first, and brings them back. */
#include <unistd.h>

#include "actors.h"
#include "torture.h"

#define ONLINE "/sys/devices/system/cpu/cpu1/online"

bool hotplugger_possible(void)
{
	return !access(ONLINE, W_OK);
}

void hotplugger_run(struct self *self)
{
	while (!stopping()) {
		doze(self, 5000000);
		poke_file("CPU taken away", ONLINE, "0");
		doze(self, 800000);
		poke_file("CPU brought back", ONLINE, "1");
	}
}
