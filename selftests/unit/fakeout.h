/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output of the command vmfork, for tests and fuzz targets of its parts.
 */
#ifndef VMFORK_FAKEOUT_H
#define VMFORK_FAKEOUT_H

/* What failure() has told last */
extern char told[1024];

#endif /* VMFORK_FAKEOUT_H */
