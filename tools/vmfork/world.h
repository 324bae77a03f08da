/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module says there is: snapshots, and the mappings of them.
 */
#ifndef VMFORK_WORLD_H
#define VMFORK_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_PAGE	4096ULL

/**
 * struct snapshot - as in Documentation/netlink/specs/vmfork.yaml
 * @name: on vmforkfs, or NULL
 * @file: pages that are read from a file when they are used
 * @counted: @shared (pages), @alone and @alone_file (bytes) are known
 * @command: of its creator
 * @creator: process, or 0
 * @parent: its index in the world, or -1; see world_link()
 * @depth: how many ancestors it has there
 * @below: how many snapshots descend from it, itself included
 */
struct snapshot {
	uint64_t id, size, pages, huge, hole, file, stolen, copied, shared;
	uint64_t alone, alone_file, parent_id, created_ns, age_ns;
	uint32_t mappings, uid, gid, mode, creator;
	bool counted;
	char *name;
	char command[32];
	long parent;
	size_t depth;
	size_t below;
};

/**
 * struct mapping - likewise
 * @counted: @private and @shared (pages) are known
 * @pid: process, or 0
 */
struct mapping {
	uint64_t id, snapshot, start, end, offset, private, shared;
	uint64_t reads, writes;
	uint32_t pid, uid;
	bool counted;
	char command[32];
};

/**
 * struct world - all of them
 * @snapshots: in the order of their numbers
 * @mappings: in the order of their snapshots, then processes
 */
struct world {
	struct snapshot *snapshots;
	size_t nr_snapshots;
	struct mapping *mappings;
	size_t nr_mappings;
};

/** world_add_snapshot() - one more, zeroed; NULL if out of memory */
struct snapshot *world_add_snapshot(struct world *world);

/** world_add_mapping() - likewise */
struct mapping *world_add_mapping(struct world *world);

/**
 * world_link() - put all in order, and find out who descends from whom
 *
 * A parent that is not there (it may not be seen, or is gone) makes a root.
 */
void world_link(struct world *world);

/** world_find() - a snapshot by its number; -1 if it is not there */
long world_find(const struct world *world, uint64_t id);

/** world_first_mapping() - of a snapshot; world->nr_mappings if it has none */
size_t world_first_mapping(const struct world *world, uint64_t snapshot);

void world_free(struct world *world);

#endif /* VMFORK_WORLD_H */
