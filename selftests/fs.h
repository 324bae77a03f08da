/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmforkfs for tests: a mount, and files in it.
 *
 * There is one file system for all mounts of it, so each test has a directory
 * of its own there, and takes away what it made.
 */
#ifndef SELFTESTS_FS_H
#define SELFTESTS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmfork.h>

#define FS_PATH_MAX	100

/**
 * struct fs - a mount
 * @mount: where
 * @dir: an empty directory on it
 */
struct fs {
	char mount[FS_PATH_MAX];
	char dir[FS_PATH_MAX];
};

/* 0 or -errno. @options as those of mount(2), or NULL. */
int fs_mount(struct fs *fs, const char *options);
/* Takes away all that is below @dir, and the mount; 0 or -errno. */
int fs_unmount(struct fs *fs);
/* Room for a path, which is @name in @dir. */
const char *fs_path(const struct fs *fs, const char *name, char *path);
/* A new, empty file, open for reading and writing; or -errno. */
int fs_create(const struct fs *fs, const char *name);
int fs_open(const struct fs *fs, const char *name, int flags);
/* FICLONE, 0 or -errno. */
int fs_clone(int to, int from);
/* A new name for the snapshot @from, open for reading and writing; or -errno. */
int fs_name(const struct fs *fs, const char *name, int from);
/* A capture of the caller's memory into the file @to; 0 or -errno. */
int fs_capture(int to, const void *addr, size_t len, uint64_t offset,
	       struct vmfork_capture *out);
uint64_t fs_id(int fd);

#endif
