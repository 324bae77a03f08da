/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files, for targets that are not to look at those of this machine: built with
 * -Dstat=fuzz_stat, so that the structure is called that, too.
 */
#ifndef USER_FUZZSTAT_H
#define USER_FUZZSTAT_H

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Each name is a file, but for a few */
int fuzz_stat(const char *path, struct stat *st)
{
	const char *c;

	memset(st, 0, sizeof(*st));
	if (strstr(path, "gone")) {
		errno = ENOENT;
		return -1;
	}
	st->st_mode = strstr(path, "/dev/") ? S_IFBLK : S_IFREG;
	for (c = path; *c; c++)
		st->st_ino = 31 * st->st_ino + *c;
	return 0;
}

#endif
