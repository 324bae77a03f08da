// SPDX-License-Identifier: GPL-2.0
/* The actors, and how many there are of each. */
#include "actors.h"
#include "guest.h"

const struct actor actors[] = {
	/* The killer must not kill who would leave a CPU off or a cell frozen. */
	{ "guest", 5, .mortal = true, .guest = true, .run = guest_run },
	{ "vcpu", 2, .mortal = true, .guest = true, .possible = vcpu_possible,
	  .run = guest_run_vcpu },
	{ "capturer", 3, .mortal = true, .run = capturer_run },
	{ "reader", 2, .mortal = true, .run = reader_run },
	{ "asker", 1, .mortal = true, .run = asker_run },
	{ "namer", 2, .mortal = true, .run = namer_run },
	{ "peeker", 1, .mortal = true, .run = peeker_run },
	{ "killer", 1, .run = killer_run },
	{ "hog", 1, .mortal = true, .run = hog_run },
	{ "oom", 1, .possible = oom_possible, .run = oom_run },
	{ "mover", 1, .mortal = true, .run = mover_run },
	{ "tuner", 1, .run = tuner_run },
	{ "poisoner", 1, .possible = poisoner_possible, .run = poisoner_run },
	{ "hotplugger", 1, .possible = hotplugger_possible,
	  .run = hotplugger_run },
	{ "freezer", 1, .possible = freezer_possible, .run = freezer_run },
	{ "unloader", 1, .mortal = true, .run = unloader_run },
	{ "watcher", 1, .possible = watcher_possible, .run = watcher_run },
};

const unsigned int nr_actors = ARRAY_SIZE(actors);
