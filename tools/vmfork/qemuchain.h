/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The images that a disk is made of, by the names that QEMU has for them.
 */
#ifndef VMFORK_QEMUCHAIN_H
#define VMFORK_QEMUCHAIN_H

#include <stdbool.h>

struct json_object;
struct qemu_cmd;
struct qemu_disk;

/** qemu_chain_path() - of an image; to be freed; NULL if its name tells none */
char *qemu_chain_path(const char *name);

/**
 * qemu_chain_file_node() - what QEMU is to call the file of a node of ours
 *
 * Return: to be freed; NULL if there is no memory.
 */
char *qemu_chain_file_node(const char *node);

/**
 * qemu_chain_resolve() - find names of images on top by their files' nodes
 * @blocks: the answer to query-block, in which they are put
 * @nodes: the answer to query-named-block-nodes
 */
void qemu_chain_resolve(struct json_object *blocks,
			struct json_object *nodes);

/**
 * qemu_chain_read() - take down which files there are
 * @image: of query-block, on top
 * @cmd: relative names are relative to its directory
 * @disk: out: @files, the one on top first
 *
 * Return: false if the first or the last has no path, or there is no memory.
 */
bool qemu_chain_read(struct json_object *image, const struct qemu_cmd *cmd,
		     struct qemu_disk *disk);

#endif /* VMFORK_QEMUCHAIN_H */
