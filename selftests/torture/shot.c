// SPDX-License-Identifier: GPL-2.0
/* Shots: captures that are judged, and what was captured. */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shot.h"

static void swap_parts(struct plan *plan, unsigned int i, unsigned int j)
{
	struct range part = plan->part[i];

	plan->part[i] = plan->part[j];
	plan->part[j] = part;
}

/* Each part begins where the last one ends; some are left out. */
static void draw_parts(struct self *self, const struct board *b,
		       struct plan *plan)
{
	unsigned int n = 1 + draw(self, MAX_REGIONS);
	uint32_t first = 0, nr;

	plan->parts = 0;
	for (; n && first < b->pages; n--, first += nr) {
		nr = n == 1 ? b->pages - first :
			      1 + draw(self, b->pages - first);
		if (plan->parts && chance(self, 15))
			continue;
		plan->part[plan->parts++] = (struct range){ first, nr };
		swap_parts(plan, plan->parts - 1, draw(self, plan->parts));
	}
}

static void draw_wipes(struct self *self, const struct board *b,
		       struct plan *plan)
{
	uint32_t first;

	for (; plan->wipes < MAX_WIPES; plan->wipes++) {
		first = draw(self, b->pages);
		plan->wipe[plan->wipes] = (struct range){
			first, 1 + draw(self, (b->pages - first + 3) / 4),
		};
	}
}

void plan_draw(struct self *self, const struct board *b, struct plan *plan)
{
	*plan = (struct plan)PLAN_WHOLE(b);
	if (b->uncut || chance(self, 40))
		return;
	plan->whole = false;
	draw_parts(self, b, plan);
	if (chance(self, 20))
		draw_wipes(self, b, plan);
}

static bool in_range(const struct range *range, size_t page)
{
	return page >= range->first && page < range->first + range->nr;
}

static bool in_plan(const struct plan *plan, size_t page)
{
	unsigned int i;

	for (i = 0; i < plan->wipes; i++)
		if (in_range(&plan->wipe[i], page))
			return false;
	for (i = 0; i < plan->parts; i++)
		if (in_range(&plan->part[i], page))
			return true;
	return false;
}

static void count_capture(const struct vmfork_capture *cap)
{
	count("pages stolen", cap->pages_stolen);
	count("pages copied: shared", cap->copied_shared);
	count("pages copied: ksm", cap->copied_ksm);
	count("pages copied: busy", cap->copied_busy);
	count("pages copied: partial", cap->copied_partial);
	count("pages shared with older snapshots", cap->pages_shared);
	count("pages in huge pages", cap->pages_huge);
	count("pages of holes", cap->pages_hole);
	count("pages wiped", cap->pages_wiped);
	count("pages captured in place", cap->pages_in_place);
}

static struct vmfork_capture latest;

const char *shot_refusal(void)
{
	return refusal_text(&latest);
}

static void set_region(struct vmfork_region *region, const struct board *b,
		       const struct range *range, bool wipe)
{
	region->addr = b->addr + range->first * PAGE;
	region->len = range->nr * PAGE;
	region->offset = wipe ? 0 : b->offset + range->first * PAGE;
	region->flags = wipe ? VMFORK_REGION_WIPE : 0;
}

/* @cap has what is special about it, and gets the results. */
static int visit(struct board *b, int pidfd, const struct plan *plan,
		 struct vmfork_capture *cap)
{
	struct vmfork_region regions[MAX_REGIONS + MAX_WIPES];
	unsigned int i;
	int dev, ret;

	dev = device();
	if (dev < 0)
		return dev;
	cap->size = sizeof(*cap);
	cap->pidfd = pidfd;
	cap->nr_regions = plan->parts + plan->wipes;
	cap->regions = (uintptr_t)regions;
	cap->snapshot_size = b->offset + b->pages * PAGE;
	for (i = 0; i < plan->wipes; i++)
		set_region(&regions[i], b, &plan->wipe[i], true);
	for (i = 0; i < plan->parts; i++)
		set_region(&regions[plan->wipes + i], b, &plan->part[i], false);
	__atomic_add_fetch(&b->visits, 1, __ATOMIC_SEQ_CST);
	ret = capture_full(dev, cap);
	close(dev);
	cap->regions = 0;
	latest = *cap;
	if (ret >= 0)
		count_capture(cap);
	return ret;
}

static int capture(struct shot *shot, struct board *b, int pidfd,
		   const struct plan *plan)
{
	struct vmfork_capture cap = { 0 };

	shot->fd = visit(b, pidfd, plan, &cap);
	shot->pages = b->pages;
	shot->offset = b->offset;
	return shot->fd < 0 ? shot->fd : 0;
}

int shot_prearm(struct self *self, struct board *b, int pidfd,
		const struct plan *plan)
{
	static const unsigned int slices[] = { 0, 1, 100000, 10000000 };
	struct vmfork_capture cap = {
		.flags = VMFORK_CAPTURE_PREARM,
		.slice_ns = slices[draw(self, ARRAY_SIZE(slices))],
	};
	int ret;

	/* A VMA for each slice. */
	b->plain = 0;
	ret = visit(b, pidfd, plan, &cap);
	if (ret > 0)
		fail("a capture ahead gives descriptor %d", ret);
	return ret;
}

/* Is it the beginning of one tag and the end of another? */
static bool is_seam(const uint64_t *words, uint64_t seed, size_t page)
{
	uint64_t head = words[0], tail = words[PAGE_WORDS - 1];
	uint64_t head_base = pattern_base(seed, head, page);
	uint64_t tail_base = pattern_base(seed, tail, page);
	unsigned int i = 0;

	if (head == tail)
		return false;
	while (i < PAGE_WORDS && words[i] == pattern_word(head_base, head, i))
		i++;
	while (i < PAGE_WORDS && words[i] == pattern_word(tail_base, tail, i))
		i++;
	return i == PAGE_WORDS;
}

/**
 * struct judge - what a shot of a guest is judged by
 * @newest: the newest tag in the shot
 */
struct judge {
	struct shot *shot;
	struct board *b;
	const struct glance *before, *after;
	const struct plan *plan;
	const uint64_t *map;
	const char *who;
	uint64_t newest;
	unsigned int seams;
};

static void judge_page(struct judge *j, size_t page)
{
	const uint64_t *words = j->map + page * PAGE_WORDS;
	uint64_t head = words[0], tail = words[PAGE_WORDS - 1];
	bool whole;

	if (!in_plan(j->plan, page)) {
		if (pattern_wrong(words, shared->seed, TAG_ZERO, page) !=
		    PAGE_WORDS)
			fail("%s: left out, but in the snapshot: %s", j->who,
			     describe(words, TAG_ZERO, page));
		j->shot->tag[page] = TAG_ZERO;
		return;
	}
	whole = pattern_wrong(words, shared->seed, head, page) == PAGE_WORDS;
	if (!whole && j->before->tag[page] == TAG_TORN) {
		j->shot->tag[page] = TAG_TORN;
		return;
	}
	if (!whole && !is_seam(words, shared->seed, page))
		fail("%s, of object %llx: %s", j->who,
		     (unsigned long long)j->b->object,
		     describe(words, j->before->tag[page], page));
	if (!glance_allows(j->before, j->after, j->b, page, head) ||
	    !glance_allows(j->before, j->after, j->b, page, tail))
		fail("%s, of object %llx, from before or after (%llx to %llx, lost %u to %u): %s",
		     j->who, (unsigned long long)j->b->object,
		     (unsigned long long)j->before->tag[page],
		     (unsigned long long)j->after->intent[page],
		     j->before->lost[page], j->after->lost[page],
		     describe(words, j->before->tag[page], page));
	j->shot->tag[page] = whole ? head : TAG_TORN;
	j->seams += !whole;
	if (TAG_OBJECT(head) == j->b->object && head > j->newest)
		j->newest = head;
}

/*
 * One VMA is captured in one instant: of what the generator has written last
 * before the newest that is in the shot, nothing may be missing.
 */
static void judge_instant(struct judge *j)
{
	size_t page;

	for (page = 0; page < j->shot->pages; page++) {
		uint64_t is = j->shot->tag[page];
		uint64_t last = j->after->tag[page];

		if (j->before->lost[page] != j->after->lost[page] ||
		    is == TAG_TORN || last != j->after->intent[page])
			continue;
		if (TAG_OBJECT(last) != j->b->object || last > j->newest)
			continue;
		if (is != last)
			fail("%s, of object %llx: page %zu has gen %llu, but %llu was written before gen %llu elsewhere, which it has",
			     j->who, (unsigned long long)j->b->object, page,
			     (unsigned long long)TAG_GEN(is),
			     (unsigned long long)TAG_GEN(last),
			     (unsigned long long)TAG_GEN(j->newest));
	}
	if (j->seams > 1)
		fail("%s, of object %llx: %u pages were caught half written at one instant",
		     j->who, (unsigned long long)j->b->object, j->seams);
	did("instants", 0);
}

int shot_take(struct shot *shot, struct board *b, int pidfd,
	      const struct plan *plan, const char *who)
{
	static struct glance before, after;
	struct judge j = {
		.shot = shot, .b = b, .before = &before, .after = &after,
		.plan = plan, .who = who,
	};
	size_t page;
	bool ahead;
	int ret;

	if (!plan->whole)
		b->plain = 0;
	glance_before(&before, b);
	ret = capture(shot, b, pidfd, plan);
	glance_after(&after, b);
	if (ret)
		return ret;
	ahead = plan->ahead && b->visits == plan->ahead + 1 &&
		latest.pages_in_place == b->pages;
	if (ahead)
		count("captured ahead, then at one instant", 1);
	if (before.life != after.life) {
		shot_drop(shot);
		return -ECHILD;
	}
	j.map = shot_map(shot);
	if (!j.map) {
		shot_drop(shot);
		give_up("map a shot", -ENOMEM);
	}
	for (page = 0; page < shot->pages; page++)
		judge_page(&j, page);
	count("pages checked in captures", shot->pages);
	count("pages caught half written", j.seams);
	if (plan->whole && (ahead || (before.plain && after.plain)))
		judge_instant(&j);
	shot_unmap(shot, j.map);
	__atomic_add_fetch(&shared->judged, 1, __ATOMIC_RELAXED);
	return 0;
}

const uint64_t *shot_map(const struct shot *shot)
{
	return map_snapshot(shot->fd, shot->pages * PAGE, shot->offset);
}

void shot_unmap(const struct shot *shot, const void *map)
{
	munmap((void *)map, shot->pages * PAGE);
}

static void check_page(const struct shot *shot, const void *words, size_t page,
		       const char *who)
{
	uint64_t tag = shot->tag[page];

	if (tag != TAG_TORN &&
	    pattern_wrong(words, shared->seed, tag, page) != PAGE_WORDS)
		fail("%s: a snapshot has changed: %s", who,
		     describe(words, tag, page));
}

static void check_by_reading(const struct shot *shot, const char *who)
{
	static uint64_t words[PAGE_WORDS];
	size_t page;
	ssize_t n;

	for (page = 0; page < shot->pages; page++) {
		n = pread(shot->fd, words, PAGE, shot->offset + page * PAGE);
		if (n != (ssize_t)PAGE)
			fail("%s: pread of page %zu: %zd (%s)", who, page, n,
			     strerror(errno));
		check_page(shot, words, page, who);
	}
}

void shot_check(struct self *self, const struct shot *shot, const char *who)
{
	const uint64_t *map;
	size_t page;

	if (chance(self, 30)) {
		check_by_reading(shot, who);
	} else {
		map = shot_map(shot);
		if (!map)
			give_up("map a shot", -ENOMEM);
		for (page = 0; page < shot->pages; page++)
			check_page(shot, map + page * PAGE_WORDS, page, who);
		shot_unmap(shot, map);
	}
	count("pages checked in snapshots", shot->pages);
}

void shot_drop(struct shot *shot)
{
	close(shot->fd);
	shot->fd = -1;
}
