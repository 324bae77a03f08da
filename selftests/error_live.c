// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that memory meets which is a mapping of a snapshot, or becomes
 * one while it is in use: a capture in place, one ahead, reset, prefault; and
 * those of a diff.
 *
 * Whatever fails, the memory is as it was, or, after a reset, as it was or is
 * to be, page by page.  What is written to it next is in the next capture:
 * nothing has lost track of what was written.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "live.h"
#include "sweep_harness.h"

/* What an act is about; other acts have other arguments. */
#define TO_OTHER	1L	/* reset: to the second snapshot */
#define PART		2L	/* reset: not all of the mapping */
#define PART_PAGES	16

/* What the snapshots hold, s->base and s->out. */
static struct stamp *of_base, *of_out;

static size_t size(const struct sweep *s)
{
	return s->area.view.pages * PAGE;
}

static int capture(struct sweep *s)
{
	struct view *view = &s->area.view;

	return capture_range(view->who ? view->who->pidfd : -1, view->addr,
			     size(s), s->area.offset, NULL);
}

static struct stamp *model_now(const struct sweep *s)
{
	return model_copy(s->area.view.model, s->area.view.pages);
}

static void write_every(struct sweep *s, size_t step, uint64_t poke)
{
	size_t i;

	for (i = 0; i < s->area.view.pages; i += step)
		view_poke(&s->area.view, i, poke + i);
}

static int make_memory(struct sweep *s)
{
	return area_make(&s->area, s->sc->kind, s->sc->pages * PAGE, 0);
}

/* A mapping of a snapshot, some of it written to. */
static int make_captured(struct sweep *s)
{
	int ret = make_memory(s);

	if (!ret)
		ret = s->base = capture(s);
	if (ret < 0)
		return ret;
	of_base = model_now(s);
	write_every(s, 7, 0x1000);
	return 0;
}

/* The same by mmap(2), so that nobody has noted yet what is written to. */
static int make_attached(struct sweep *s)
{
	int ret = make_captured(s);
	size_t pages = s->area.view.pages;

	if (ret)
		return ret;
	if (mmap(s->area.view.addr, size(s), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED, s->base, s->area.offset) ==
	    MAP_FAILED)
		return -errno;
	memcpy(s->area.view.model, of_base, pages * sizeof(*of_base));
	write_every(s, 7, 0x2000);
	return 0;
}

/* It was moved away and back, and what was noted is not relied on. */
static int make_moved(struct sweep *s)
{
	int ret = make_captured(s);
	char *at = s->area.view.addr, *room;

	if (ret)
		return ret;
	room = reserve(size(s), 0);
	if (!room || mremap(at, size(s), size(s), MREMAP_MAYMOVE |
			    MREMAP_FIXED, room) != room)
		return -ENOMEM;
	room[PAGE]++;
	room[PAGE]--;
	if (mremap(room, size(s), size(s), MREMAP_MAYMOVE | MREMAP_FIXED,
		   at) != at)
		return -ENOMEM;
	return 0;
}

/* One mapping in a VMA for each slice. */
static int make_slices(struct sweep *s)
{
	int ret = make_memory(s);

	if (!ret)
		ret = prearm_range(-1, s->area.view.addr, size(s),
				   s->area.offset, 1, NULL);
	if (!ret)
		write_every(s, 7, 0x3000);
	return ret;
}

/* Two snapshots; the memory is a mapping of the second one. */
static int make_two(struct sweep *s)
{
	int ret = make_captured(s);

	if (ret)
		return ret;
	s->out = capture(s);
	if (s->out < 0)
		return s->out;
	of_out = model_now(s);
	write_every(s, 11, 0x4000);
	return 0;
}

/* One mapping in several VMAs, of which some are not like the others. */
static int make_split(struct sweep *s)
{
	size_t part = s->sc->pages / 4 * PAGE;
	int ret = make_two(s);

	if (ret)
		return ret;
	return madvise(s->area.view.addr + part, 2 * part, MADV_DONTDUMP) ?
	       -errno : 0;
}

/* The same, and another process maps it too, by fork(2). */
static int make_forked(struct sweep *s)
{
	int ret = make_two(s);

	if (ret)
		return ret;
	s->peer = peer_start();
	return s->peer ? 0 : -EAGAIN;
}

/* A process that nobody has captured before, nor watched in any way. */
static long do_make(int fd, const void *arg)
{
	size_t len = *(const size_t *)arg;
	char *map = reserve(len, 0);

	(void)fd;
	return map && mprotect(map, len, PROT_READ | PROT_WRITE) == 0 ?
	       (long)map : -ENOMEM;
}

static int make_peer(struct sweep *s)
{
	struct view *view = &s->area.view;
	size_t len = s->sc->pages * PAGE, i;

	s->peer = peer_start();
	if (!s->peer)
		return -EAGAIN;
	view->who = s->peer;
	view->pages = s->sc->pages;
	view->model = model_alloc(view->pages);
	view->addr = (char *)peer_call(s->peer, do_make, -1, &len, sizeof(len));
	if ((long)view->addr <= 0)
		return -ENOMEM;
	for (i = 0; i < view->pages; i++)
		view_fill(view, i, i + 1);
	return 0;
}

static int setup(struct sweep *s)
{
	of_base = NULL;
	of_out = NULL;
	return s->sc->make(s);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void undo(struct sweep *s)
{
	close_fd(&s->fd);
	close_fd(&s->base);
	close_fd(&s->out);
	if (!s->area.view.who)
		area_free(&s->area);
	peer_kill(s->peer);
	s->peer = NULL;
}

/* Captures: the regions are one, all of the memory. */

static int act_capture_flags(struct sweep *s, uint32_t flags)
{
	struct view *view = &s->area.view;
	int fd;

	*s->region = (struct vmfork_region){
		.addr = (uintptr_t)view->addr, .len = size(s),
		.offset = s->area.offset,
	};
	*s->cap = (struct vmfork_capture){
		.size = sizeof(*s->cap), .flags = flags,
		.pidfd = view->who ? view->who->pidfd : -1,
		.nr_regions = 1, .regions = (uintptr_t)s->region,
		.slice_ns = flags ? 1 : 0,
	};
	fd = ioctl(s->dev, VMFORK_CAPTURE, s->cap);
	return fd < 0 ? -errno : fd;
}

static int act_capture(struct sweep *s)
{
	int fd = act_capture_flags(s, 0);

	s->fd = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

static int act_prearm(struct sweep *s)
{
	return act_capture_flags(s, VMFORK_CAPTURE_PREARM);
}

static const char *snapshots_right(struct sweep *s)
{
	size_t pages = s->area.view.pages;

	if (of_base && snapshot_check(s->base, s->area.offset, pages, of_base,
				      "the first snapshot"))
		return "the first snapshot has changed";
	if (of_out && snapshot_check(s->out, s->area.offset, pages, of_out,
				     "the second snapshot"))
		return "the second snapshot has changed";
	return NULL;
}

/* A capture in which nothing fails has all that was written up to now. */
static const char *capture_right(struct sweep *s)
{
	int fd = capture(s);
	long wrong;

	if (fd < 0)
		return "then it can not be captured";
	wrong = snapshot_check(fd, s->area.offset, s->area.view.pages,
			       s->area.view.model, "the next snapshot");
	close(fd);
	return wrong ? "the next snapshot is not right" : NULL;
}

static const char *memory_right(struct sweep *s)
{
	if (view_check(&s->area.view, s->sc->name))
		return "the memory is not right";
	return area_others_right(&s->area) ? NULL :
	       "somebody else's memory has changed";
}

/* Judges the memory, writes to it, and judges what is captured then. */
static const char *check_memory(struct sweep *s, int ret)
{
	const char *wrong = memory_right(s) ?: snapshots_right(s);

	if (wrong)
		return wrong;
	write_every(s, 13, 0x10000 + (ret < 0 ? 1 : 0));
	wrong = memory_right(s);
	/* If it failed it is done again, and then comes by here again. */
	if (wrong || ret < 0)
		return wrong;
	return capture_right(s) ?: memory_right(s) ?: snapshots_right(s);
}

static const char *check_capture(struct sweep *s, int ret)
{
	if (ret >= 0 && s->fd >= 0 &&
	    snapshot_check(s->fd, s->area.offset, s->area.view.pages,
			   s->area.view.model, "the snapshot"))
		return "the snapshot is not right";
	return check_memory(s, ret);
}

static const char *check_in_place(struct sweep *s, int ret)
{
	if (ret >= 0 && s->cap->pages_in_place != s->area.view.pages)
		return "it was not captured in place";
	return check_capture(s, ret);
}

/* Reset */

static size_t reset_pages(const struct sweep *s)
{
	return s->sc->arg & PART ? PART_PAGES : s->area.view.pages;
}

static int act_reset(struct sweep *s)
{
	return reset_range(s->sc->arg & TO_OTHER ? s->base : s->out, -1,
			   s->area.view.addr, reset_pages(s) * PAGE, NULL);
}

static const char *check_reset(struct sweep *s, int ret)
{
	const struct stamp *to = s->sc->arg & TO_OTHER ? of_base : of_out;
	struct view *view = &s->area.view;
	size_t i;

	for (i = 0; i < reset_pages(s); i++)
		if (ret >= 0 || page_is(view->addr + i * PAGE, &to[i]))
			view->model[i] = to[i];
	return check_memory(s, ret);
}

/* Prefault */

static int make_cold(struct sweep *s)
{
	int ret = make_attached(s);

	if (ret)
		return ret;
	/* What was written stays, what was only read is not mapped. */
	return mmap(s->area.view.addr, size(s) / 2, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, s->base, s->area.offset) ==
	       MAP_FAILED ? -errno : 0;
}

static int setup_cold(struct sweep *s)
{
	int ret = setup(s);

	if (!ret)
		memcpy(s->area.view.model, of_base,
		       s->area.view.pages / 2 * sizeof(*of_base));
	return ret;
}

static int act_prefault(struct sweep *s)
{
	struct vmfork_range range = range_of(s->area.view.addr, size(s));
	struct vmfork_prefault prefault = {
		.size = sizeof(prefault), .flags = s->sc->arg, .pidfd = -1,
		.nr_ranges = 1, .ranges = (uintptr_t)&range,
	};

	return prefault_full(s->dev, &prefault);
}

static void touch_all(struct sweep *s)
{
	volatile char *at = s->area.view.addr, *end = at + size(s);

	for (; at < end; at += PAGE)
		*at;
}

static const char *check_prefault(struct sweep *s, int ret)
{
	long before = page_faults();

	touch_all(s);
	if (ret >= 0 && page_faults() > before + 1)
		return "not all of it was mapped";
	return check_memory(s, ret);
}

/* Diff */

static struct vmfork_range ranges[64];
static struct vmfork_diff diff;

static int act_diff(struct sweep *s)
{
	diff = (struct vmfork_diff){
		.size = sizeof(diff), .flags = s->sc->arg, .fd = s->out,
		.nr_ranges = sizeof(ranges) / sizeof(ranges[0]),
		.ranges = (uintptr_t)ranges,
	};
	return diff_full(s->base, &diff);
}

static bool is_told(size_t page)
{
	unsigned int i;

	for (i = 0; i < diff.nr_ranges; i++)
		if (page * PAGE - ranges[i].start < ranges[i].len)
			return true;
	return false;
}

static const char *check_diff(struct sweep *s, int ret)
{
	size_t i, offset = s->area.offset / PAGE;

	for (i = 0; ret >= 0 && i < s->area.view.pages; i++)
		if (is_told(offset + i) !=
		    !!memcmp(&of_base[i], &of_out[i], sizeof(*of_base)))
			return "it tells something else";
	return memory_right(s) ?: snapshots_right(s);
}

static const char *no_usercopy(void)
{
	return access("/sys/kernel/debug/fail_usercopy", F_OK) ?
	       "no FAULT_INJECTION_USERCOPY in this kernel" : NULL;
}

#pragma GCC diagnostic ignored "-Woverride-init"

#define LIVE(name, ...) \
	SCENARIO(name, .setup = setup, .undo = undo, .pages = 48, \
		 .least = 3, ##__VA_ARGS__)

#define IN_PLACE(name, ...) \
	LIVE(name, .act = act_capture, .check = check_in_place, \
	     .make = make_captured, .least = 8, ##__VA_ARGS__)

IN_PLACE(in_place);
IN_PLACE(in_place_thp, .kind = KIND_THP, .pages = 1024, .stride = 9);
IN_PLACE(in_place_mixed, .kind = KIND_MIXED, .pages = 2048, .stride = 29,
	.least = 2);
IN_PLACE(in_place_attached, .make = make_attached);
IN_PLACE(in_place_moved, .make = make_moved);
IN_PLACE(in_place_split, .make = make_split);
IN_PLACE(in_place_slices, .make = make_slices, .kind = KIND_MIXED,
	 .pages = 2048, .stride = 29,
	.least = 2);

/* Its mm is told nothing of changes until then; that may fail. */
LIVE(first, .act = act_capture, .check = check_capture, .make = make_peer,
	.where = SWEEP_WORKER);

#define PREARM(name, ...) \
	LIVE(name, .act = act_prearm, .check = check_memory, \
	     .make = make_memory, .least = 8, ##__VA_ARGS__)

PREARM(prearm);
PREARM(prearm_slices, .kind = KIND_MIXED, .pages = 2048, .stride = 19,
	.least = 2);
PREARM(prearm_forked, .kind = KIND_FORKED);
PREARM(prearm_again, .make = make_captured);
PREARM(prearm_split, .make = make_split);
PREARM(prearm_again_slices, .make = make_slices, .kind = KIND_MIXED,
	.pages = 2048, .stride = 29,
	.least = 2);
PREARM(prearm_attached, .make = make_attached);
PREARM(prearm_remote, .make = make_peer, .where = SWEEP_WORKER);

#define RESET(name, ...) \
	LIVE(name, .act = act_reset, .check = check_reset, \
	     .make = make_two, ##__VA_ARGS__)

RESET(reset);
RESET(reset_to_other, .arg = TO_OTHER);
RESET(reset_thp, .kind = KIND_THP, .pages = 1024, .arg = TO_OTHER);
RESET(reset_split, .make = make_split, .arg = TO_OTHER);
RESET(reset_part, .arg = PART);
RESET(reset_part_to_other, .arg = PART | TO_OTHER, .least = 8);
RESET(reset_forked, .make = make_forked, .least = 8);
RESET(reset_forked_to_other, .make = make_forked, .arg = TO_OTHER,
	.least = 8);

#define PREFAULT(name, ...) \
	LIVE(name, .setup = setup_cold, .act = act_prefault, \
	     .check = check_prefault, .make = make_cold, ##__VA_ARGS__)

PREFAULT(prefault);
PREFAULT(prefault_thp, .kind = KIND_THP, .pages = 1024);
PREFAULT(prefault_write, .arg = VMFORK_PREFAULT_WRITE, .least = 40);

#define DIFF(name, ...) \
	LIVE(name, .act = act_diff, .check = check_diff, .make = make_two, \
	     .missing = no_usercopy, ##__VA_ARGS__)

DIFF(diff);
DIFF(diff_contents, .arg = VMFORK_DIFF_CONTENTS);

TEST_HARNESS_MAIN
