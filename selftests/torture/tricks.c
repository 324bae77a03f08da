// SPDX-License-Identifier: GPL-2.0
/* The tricks that guests play on their memory. */
#include "guest.h"

const struct trick tricks[] = {
	/* name		weight	quiet	play */
	{ "capture",	20,	false,	trick_capture },
	{ "capture_still", 8,	true,	trick_capture_still },
	{ "prearm",	8,	false,	trick_prearm },
	{ "reset",	8,	true,	trick_reset },
	{ "prefault",	4,	false,	trick_prefault },
	{ "check",	5,	true,	trick_check },
	{ "advise",	14,	false,	trick_advise },
	{ "discard",	7,	true,	trick_discard },
	{ "free",	4,	true,	trick_free },
	{ "twins",	4,	true,	trick_twins },
	{ "protect",	3,	true,	trick_protect },
	{ "move",	4,	true,	trick_move },
	{ "replace",	2,	true,	trick_replace },
	{ "file",	4,	true,	trick_file },
	{ "fork",	7,	true,	trick_fork },
	{ "splice",	3,	false,	trick_splice },
	{ "disk_write",	3,	false,	trick_disk_write },
	{ "disk_read",	3,	true,	trick_disk_read },
	{ "pin",	2,	true,	trick_pin },
	{ "uffd",	2,	true,	trick_uffd },
	{ "lock",	1,	true,	trick_lock },
};

const unsigned int nr_tricks = ARRAY_SIZE(tricks);
