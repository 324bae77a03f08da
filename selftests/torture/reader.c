// SPDX-License-Identifier: GPL-2.0
/*
 * Readers take snapshots out of the pool, look at them in every way there is,
 * write to their own mappings of them, and put them back or drop them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "../live.h"
#include "actors.h"
#include "shot.h"

/* Writes some pages; those are its own, the others stay the snapshot's. */
static void write_some(struct self *self, struct shot *shot)
{
	uint64_t *map = (uint64_t *)shot_map(shot), object = new_object();
	static bool mine[MAX_PAGES];
	size_t i, page;

	if (!map)
		give_up("map a shot", -ENOMEM);
	memset(mine, 0, sizeof(mine));
	for (i = 0; i < 40; i++) {
		page = draw(self, shot->pages);
		mine[page] = true;
		pattern_fill(map + page * PAGE_WORDS, shared->seed,
			     TAG(object, page + 1), page);
	}
	if (chance(self, 30))
		madvise(map, shot->pages * PAGE, MADV_PAGEOUT);
	doze(self, 50000);
	for (page = 0; page < shot->pages; page++) {
		uint64_t tag = mine[page] ? TAG(object, page + 1) :
					    shot->tag[page];

		if (tag != TAG_TORN &&
		    pattern_wrong(map + page * PAGE_WORDS, shared->seed, tag,
				  page) != PAGE_WORDS)
			fail("a reader that writes: %s",
			     describe(map + page * PAGE_WORDS, tag, page));
	}
	shot_unmap(shot, map);
	count("pages checked in snapshots", shot->pages);
}

/* Writes all over a mapping of it, and has that taken back. */
static void reset_some(struct self *self, struct shot *shot)
{
	uint64_t *map = (uint64_t *)shot_map(shot), object = new_object();
	size_t i, page;
	int round, ret;

	if (!map)
		give_up("map a shot", -ENOMEM);
	if (chance(self, 30))
		prefault_range(-1, map, shot->pages * PAGE,
			       draw(self, 2) ? VMFORK_PREFAULT_WRITE : 0, NULL);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 40; i++) {
			page = draw(self, shot->pages);
			pattern_fill(map + page * PAGE_WORDS, shared->seed,
				     TAG(object, page + 1), page);
		}
		ret = did("reset: a reader", reset_range(shot->fd, -1, map,
				shot->pages * PAGE, NULL));
		expect_errno("reset of a mapping", ret, ALLOWED(MAY_BE_REFUSED),
			     "no more is said");
		for (page = 0; !ret && page < shot->pages; page++)
			if (shot->tag[page] != TAG_TORN &&
			    pattern_wrong(map + page * PAGE_WORDS, shared->seed,
					  shot->tag[page], page) != PAGE_WORDS)
				fail("a reader that was reset: %s",
				     describe(map + page * PAGE_WORDS,
					      shot->tag[page], page));
	}
	shot_unmap(shot, map);
	count("pages checked in snapshots", 5 * shot->pages);
}

static void compare_two(struct self *self, const struct shot *shot)
{
	static struct shot other;

	if (!pool_get(&other))
		return;
	shot_diff(self, shot, &other, "two shots");
	pool_put(&other);
}

static void check_holes(const struct shot *shot)
{
	off_t at = shot->offset, end = shot->offset + shot->pages * PAGE;

	while (at < end) {
		off_t data = lseek(shot->fd, at, SEEK_DATA);

		if (data < 0 && errno != ENXIO)
			fail("SEEK_DATA: %s", strerror(errno));
		if (data < 0 || data > end)
			data = end;
		for (; at < data; at += PAGE)
			if (shot->tag[(at - shot->offset) / PAGE])
				fail("a hole where page %llu should be",
				     (unsigned long long)(at - shot->offset) /
				     PAGE);
		if (at < end)
			at = lseek(shot->fd, at, SEEK_HOLE);
		if (at < 0)
			fail("SEEK_HOLE: %s", strerror(errno));
	}
	did("lseek", 0);
}

/* Pages of the snapshot travel through a pipe. */
static void check_splice(struct self *self, const struct shot *shot)
{
	static uint64_t buf[PAGE_WORDS];
	size_t page = draw(self, shot->pages);
	loff_t at = shot->offset + page * PAGE;
	int fds[2];
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC))
		give_up("pipe", -errno);
	n = splice(shot->fd, &at, fds[1], NULL, PAGE, 0);
	did("splice", n < 0 ? -errno : 0);
	if (n == (ssize_t)PAGE && read(fds[0], buf, PAGE) == n &&
	    shot->tag[page] != TAG_TORN &&
	    pattern_wrong(buf, shared->seed, shot->tag[page], page) !=
	    PAGE_WORDS)
		fail("splice: %s", describe(buf, shot->tag[page], page));
	close(fds[0]);
	close(fds[1]);
}

static void reopen(struct shot *shot)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shot->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	did("reopen", fd < 0 ? -errno : 0);
	if (fd < 0)
		return;
	close(shot->fd);
	shot->fd = fd;
}

/* A child that is captured at once, without having run. */
static void capture_again(struct self *self, struct shot *shot)
{
	struct vmfork_capture cap;
	uint64_t *map = (uint64_t *)shot_map(shot);
	int fd;

	if (!map)
		give_up("map a shot", -ENOMEM);
	if (chance(self, 50))
		for (size_t i = 0; i < shot->pages; i += 1 + draw(self, 9))
			*(volatile uint64_t *)(map + i * PAGE_WORDS);
	fd = capture_range(-1, map, shot->pages * PAGE, shot->offset, &cap);
	did("capture: a mapping", fd < 0 ? fd : 0);
	expect_errno("capture of a mapping", fd,
		     ALLOWED(MAY_BE_REFUSED), refusal_text(&cap));
	shot_unmap(shot, map);
	if (fd < 0)
		return;
	if (cap.pages_stolen || cap.pages_copied)
		fail("%llu pages of a mapping that nobody wrote were taken",
		     (unsigned long long)cap.pages_stolen + cap.pages_copied);
	close(shot->fd);
	shot->fd = fd;
	shot_check(self, shot, "captured again");
}

static void read_one(struct self *self, struct shot *shot)
{
	struct vmfork_info info;

	switch (draw(self, 11)) {
	case 0:
	case 1:
		write_some(self, shot);
		break;
	case 2:
		check_holes(shot);
		break;
	case 3:
		check_splice(self, shot);
		break;
	case 4:
		reopen(shot);
		did("info", snapshot_info(shot->fd, &info));
		break;
	case 5:
		capture_again(self, shot);
		break;
	case 6:
	case 7:
		reset_some(self, shot);
		break;
	case 8:
		compare_two(self, shot);
		break;
	default:
		shot_check(self, shot, "a reader");
		break;
	}
}

void reader_run(struct self *self)
{
	static struct shot shot;

	while (!stopping()) {
		if (pool_get(&shot)) {
			read_one(self, &shot);
			if (chance(self, 65))
				pool_put(&shot);
			else
				shot_drop(&shot);
		}
		doze(self, 80000);
	}
}
