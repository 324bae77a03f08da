// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the ioctls on ranges of memory that are mappings of snapshots.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "argument.h"
#include "calls.h"

#define MAX_RANGES	4

/* What the kernel will see, as far as it is known */
struct request {
	struct whose whose;
	bool known;
	struct vmfork_range range[MAX_RANGES];
	unsigned int nr;
};

/* How the ranges of a call are made of one; Return: how many they are. */
static unsigned int cut(struct vmfork_range *range, uint64_t addr,
			uint64_t len, uint64_t how)
{
	uint64_t half = len / 2 / PAGE * PAGE;

	switch (how % 8) {
	case 0:
		return 0;
	case 1:
		range[0] = (struct vmfork_range){ addr + half, len - half };
		range[1] = (struct vmfork_range){ addr, half };
		return 2;
	case 2:
		range[0] = (struct vmfork_range){ addr, len };
		range[1] = (struct vmfork_range){ addr + half, PAGE };
		return 2;
	default:
		range[0] = (struct vmfork_range){ addr, len };
		return 1;
	}
}

static void look(struct request *r, int target, bool own, uint64_t ranges,
		 unsigned int nr)
{
	look_whose(&r->whose, target, own);
	r->nr = nr;
	r->known = nr <= MAX_RANGES &&
		   !guarded_copy(r->range, (void *)ranges,
				 nr * sizeof(r->range[0]));
}

/* Calls @fn for all that the request names of the arena. */
static void each_page(const struct request *r,
		      void (*fn)(uint64_t, const void *), const void *data)
{
	uint64_t page;
	unsigned int i;
	uint64_t addr;

	for (i = 0; i < r->nr; i++) {
		for (page = 0; page < ARENA_PAGES; page++) {
			addr = (uintptr_t)page_addr(page);
			if (addr - r->range[i].start < r->range[i].len)
				fn(page, data);
		}
	}
}

/* Of our own memory nobody else has made something that we do not know. */
static bool is_ours(const struct page_model *p)
{
	return !w.lost && !(p->flags & PF_AMBIGUOUS) && p->kind != PAGE_ODD &&
	       !__atomic_load_n(&shared->captured[w.index], __ATOMIC_SEQ_CST);
}

static void must_be_mapping(uint64_t page, const void *what)
{
	const struct page_model *p = &w.page[page];

	if (is_ours(p) && p->kind != PAGE_SNAP && p->kind != PAGE_BEYOND)
		violation("%s succeeds where page %lx is of kind %u",
			  (const char *)what, (unsigned long)page, p->kind);
}

static void page_reset(uint64_t page, const void *data)
{
	const struct fd_slot *s = data;
	struct page_model *p = &w.page[page];

	if (!is_ours(p)) {
		model_unknown(page, 1);
		return;
	}
	if (w.snap[s->snap].size != w.snap[p->snap].size)
		violation("page %lx was reset to a snapshot of another size",
			  (unsigned long)page);
	model_snap_again(page, s->snap);
}

static void page_half_reset(uint64_t page, const void *data)
{
	struct page_model *p = &w.page[page];

	(void)data;
	if (p->kind == PAGE_SNAP || p->flags & PF_AMBIGUOUS)
		model_unknown(page, 1);
}

/* What comes before anything is reset, if nobody else is at it */
static bool is_early(uint32_t why, long ret)
{
	if (!why)
		return ret == -EINVAL || ret == -E2BIG || ret == -EBADF ||
		       ret == -EPERM;
	return why != VMFORK_RACE && why != VMFORK_PINNED &&
	       why != VMFORK_DYING;
}

static void model_reset(const struct request *r, struct fd_slot *s, long ret,
			const struct vmfork_reset *out)
{
	if (!r->whose.self)
		return;
	if (!r->known) {
		/* Ranges that only the kernel could read, or none could. */
		if (!ret)
			model_unknown(0, ARENA_PAGES);
		return;
	}
	if (!ret) {
		each_page(r, must_be_mapping, "a reset");
		each_page(r, page_reset, s);
	} else if (!out || !is_early(out->refusal, ret)) {
		each_page(r, page_half_reset, NULL);
	}
}

/* reset SLOT TARGET ADDR LEN PLACES HOW */
long call_reset(const uint64_t *arg)
{
	static union argument buf;
	struct vmfork_range ranges[MAX_RANGES] = { 0 };
	struct vmfork_reset out, seen = { 0 };
	struct fd_slot *s = slot_of(arg[0]);
	uint64_t code = arg[1] % TARGETS;
	int opened, target = target_of(code, &opened);
	bool readable, flipped = w.nr_flips;
	struct request r = { 0 };
	long ret;
	void *at;

	memset(&buf, 0, sizeof(buf));
	buf.reset = (struct vmfork_reset){
		.size = sizeof(buf.reset), .pidfd = target,
		.nr_ranges = cut(ranges, address(arg[2]), length(arg[3]),
				 arg[5]),
	};
	buf.reset.ranges = (uintptr_t)argument_put(arg[4] / 16, arg[2] + 4,
						   ranges, sizeof(ranges));
	argument_flip(&buf);
	at = argument_put(arg[4], arg[2], &buf, sizeof(buf.reset));
	if (!guarded_copy(&seen, at, sizeof(seen))) {
		look(&r, seen.pidfd, code == TARGET_OWN &&
		     seen.pidfd == opened, seen.ranges, seen.nr_ranges);
		warn_others(&r.whose, true);
	}

	ret = result(ioctl(slot_fd(arg[0]), VMFORK_RESET, at));
	readable = !flipped && arg[4] % NR_PLACES == PLACE_NORMAL &&
		   !guarded_copy(&out, at, sizeof(out));
	if (!ret && s->type != FD_SNAP)
		violation("VMFORK_RESET of what is no snapshot succeeds");
	if (ret && s->type == FD_SNAP && readable)
		check_failure("a reset", out.refusal, -ret);
	if (!ret && readable && (out.refusal || out.pages_pinned))
		violation("a reset succeeds with refusal %u", out.refusal);
	if (s->type == FD_SNAP)
		model_reset(&r, s, ret, readable ? &out : NULL);
	if (ret)
		note_refusal(readable ? out.refusal & 31 : 0);
	if (opened >= 0)
		close(opened);
	return ret;
}

/* prefault SLOT TARGET ADDR LEN FLAGS PLACES: memory reads as before */
long call_prefault(const uint64_t *arg)
{
	static union argument buf;
	struct vmfork_range ranges[MAX_RANGES] = { 0 };
	struct vmfork_prefault out, seen = { 0 };
	struct fd_slot *s = slot_of(arg[0]);
	uint64_t code = arg[1] % TARGETS;
	int opened, target = target_of(code, &opened);
	bool readable, flipped = w.nr_flips;
	struct request r = { 0 };
	long ret;
	void *at;

	memset(&buf, 0, sizeof(buf));
	buf.prefault = (struct vmfork_prefault){
		.size = sizeof(buf.prefault), .pidfd = target, .flags = arg[4],
		.nr_ranges = cut(ranges, address(arg[2]), length(arg[3]),
				 arg[3]),
	};
	buf.prefault.ranges = (uintptr_t)argument_put(arg[5] / 16, arg[2] + 4,
						      ranges, sizeof(ranges));
	argument_flip(&buf);
	at = argument_put(arg[5], arg[2], &buf, sizeof(buf.prefault));
	if (!guarded_copy(&seen, at, sizeof(seen)))
		look(&r, seen.pidfd, code == TARGET_OWN &&
		     seen.pidfd == opened, seen.ranges, seen.nr_ranges);

	ret = result(ioctl(slot_fd(arg[0]), VMFORK_PREFAULT, at));
	readable = !flipped && arg[5] % NR_PLACES == PLACE_NORMAL &&
		   !guarded_copy(&out, at, sizeof(out));
	if (!ret && s->type != FD_SNAP && s->type != FD_DEVICE)
		violation("VMFORK_PREFAULT of what is not ours succeeds");
	if (ret && ret != -EACCES && readable &&
	    (s->type == FD_SNAP || s->type == FD_DEVICE))
		check_failure("a prefault", out.refusal, -ret);
	if (!ret && r.whose.self && r.known)
		each_page(&r, must_be_mapping, "a prefault");
	if (!ret && readable && (out.refusal || (out.pages_copied &&
				 !(arg[4] & VMFORK_PREFAULT_WRITE))))
		violation("a prefault succeeds with refusal %u, %llu copied",
			  out.refusal, (unsigned long long)out.pages_copied);
	if (ret)
		note_refusal(readable ? out.refusal & 31 : 0);
	if (opened >= 0)
		close(opened);
	return ret;
}
