// SPDX-License-Identifier: GPL-2.0
/*
 * Where vmforkfs is mounted, and which file a name there is.
 */
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vmfork.h>

#include "mounts.h"

bool is_vmforkfs(const char *path)
{
	struct statfs st;

	return !statfs(path, &st) && st.f_type == VMFORKFS_MAGIC;
}

/* The one that everybody has, or the first of any. */
bool find_mount(char *path)
{
	struct mntent *entry;
	bool found = false;
	FILE *mounts;

	if (is_vmforkfs(DEFAULT_MOUNT)) {
		snprintf(path, PATH_MAX, "%s", DEFAULT_MOUNT);
		return true;
	}
	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return false;
	while (!found && (entry = getmntent(mounts))) {
		found = !strcmp(entry->mnt_type, "vmforkfs") &&
			strlen(entry->mnt_dir) < PATH_MAX;
		if (found)
			snprintf(path, PATH_MAX, "%s", entry->mnt_dir);
	}
	endmntent(mounts);
	return found;
}

void name_path(const char *name, char *path)
{
	char mount[PATH_MAX];

	if (!strchr(name, '/') && access(name, F_OK) && find_mount(mount) &&
	    snprintf(path, PATH_MAX, "%s/%s", mount, name) < PATH_MAX &&
	    !access(path, F_OK))
		return;
	snprintf(path, PATH_MAX, "%s", name);
}
