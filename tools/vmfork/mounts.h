/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where vmforkfs is mounted, and which file a name there is.
 */
#ifndef VMFORK_MOUNTS_H
#define VMFORK_MOUNTS_H

#include <limits.h>
#include <stdbool.h>

/* Where it is mounted if nobody says otherwise. */
#define DEFAULT_MOUNT	"/run/vmfork"

/** is_vmforkfs() - whether a path is on it */
bool is_vmforkfs(const char *path);

/**
 * find_mount() - a place where it is mounted
 * @path: room for PATH_MAX bytes
 *
 * Return: false if it is mounted nowhere.
 */
bool find_mount(char *path);

/**
 * name_path() - which file is meant
 * @name: a path; or without a slash in it, if there is no such file, a name on
 *	vmforkfs
 * @path: room for PATH_MAX bytes: the path
 */
void name_path(const char *name, char *path);

#endif /* VMFORK_MOUNTS_H */
