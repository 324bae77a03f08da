// SPDX-License-Identifier: GPL-2.0
/*
 * The mover has the kernel move pages: compaction, migration between nodes of
 * processes and of single pages, and has caches dropped.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "actors.h"
#include "shot.h"

#define MOVE_PAGES	64
#define MOVE_ALL	4	/* MPOL_MF_MOVE_ALL: shared ones too */

static bool have_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

static void migrate_process(struct self *self)
{
	struct board *b = &shared->boards[draw(self, MAX_BOARDS)];
	unsigned long nodes[] = { 1, 2 };
	unsigned int from = draw(self, 2);
	long ret;

	if (!(b->life & 1) || b->pid <= 0)
		return;
	ret = syscall(SYS_migrate_pages, b->pid, 2L, &nodes[from],
		      &nodes[!from]);
	did("migrate_pages", ret < 0 ? -errno : 0);
	count("pages that would not migrate", ret > 0 ? ret : 0);
}

/* Of a guest, or of the mover's own mapping of a snapshot. */
static void move_pages_of(struct self *self, int pid, uint64_t addr,
			  size_t pages, const char *what)
{
	void *at[MOVE_PAGES];
	int to[MOVE_PAGES], status[MOVE_PAGES], i, moved = 0;
	long ret;

	for (i = 0; i < MOVE_PAGES; i++) {
		at[i] = (void *)(addr + draw(self, pages) * PAGE);
		to[i] = draw(self, 2);
		status[i] = -1;
	}
	ret = syscall(SYS_move_pages, pid, (long)MOVE_PAGES, at, to, status,
		      MOVE_ALL);
	did(what, ret < 0 ? -errno : 0);
	for (i = 0; ret >= 0 && i < MOVE_PAGES; i++)
		moved += status[i] >= 0;
	count("pages moved or there already", moved);
}

static void move_snapshot(struct self *self)
{
	static struct shot shot;
	const uint64_t *map;
	size_t page;

	if (!pool_get(&shot))
		return;
	map = shot_map(&shot);
	if (!map)
		give_up("map a shot", -ENOMEM);
	for (page = 0; page < shot.pages; page += 3)
		*(volatile uint64_t *)(map + page * PAGE_WORDS);
	move_pages_of(self, 0, (uintptr_t)map, shot.pages,
		      "move_pages: a snapshot");
	for (page = 0; page < shot.pages; page++)
		if (shot.tag[page] != TAG_TORN &&
		    pattern_wrong(map + page * PAGE_WORDS, shared->seed,
				  shot.tag[page], page) != PAGE_WORDS)
			fail("a snapshot that was moved: %s",
			     describe(map + page * PAGE_WORDS, shot.tag[page],
				      page));
	count("pages checked in snapshots", shot.pages);
	shot_unmap(&shot, map);
	pool_put(&shot);
}

static void move_guest(struct self *self)
{
	struct board *b = &shared->boards[draw(self, MAX_BOARDS)];

	if (b->life & 1 && b->pid > 0 && b->pages)
		move_pages_of(self, b->pid, b->addr, b->pages,
			      "move_pages: a guest");
}

void mover_run(struct self *self)
{
	static const char *const drop[] = { "1", "2", "3" };

	while (!stopping()) {
		switch (draw(self, have_nodes() ? 8 : 3)) {
		case 0:
		case 1:
			poke_file("compact_memory",
				  "/proc/sys/vm/compact_memory", "1");
			break;
		case 2:
			poke_file("drop_caches", "/proc/sys/vm/drop_caches",
				  drop[draw(self, 3)]);
			break;
		case 3:
		case 4:
			migrate_process(self);
			break;
		case 5:
			move_guest(self);
			break;
		default:
			move_snapshot(self);
			break;
		}
		doze(self, 500000);
	}
}
