// SPDX-License-Identifier: GPL-2.0
/* What the model walk does, to memory and to its model alike. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "live.h"
#include "pages.h"
#include "walk.h"

/* Set by those who know where peers are: @p's number, for what is said. */
static int nr_of(const struct walk *w, const struct proc *p)
{
	return p - w->proc;
}

static int failed(const struct walk *w, const char *what, long ret)
{
	note("%s: %s (%s)", what, strerror(-ret),
	     w->line[(w->lines - 1) % NR_LINES]);
	return -1;
}

/* One argument for all that peers do to their arenas. */
struct range_arg {
	size_t page, nr, to;
	int how;
	uint64_t fill;
};

static long ask(struct proc *p, peer_fn fn, int fd,
		const struct range_arg *arg)
{
	return peer_call(p->peer, fn, fd, arg, sizeof(*arg));
}

/* Memory */

static long do_write(int fd, const void *arg)
{
	const struct range_arg *a = arg;
	size_t i;

	(void)fd;
	for (i = 0; i < a->nr; i++)
		page_fill(page_at(a->page + i), a->fill + i);
	return 0;
}

/* All of the pages, or as many as can be written. */
static int op_write(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };
	size_t i;

	if (!walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	for (i = 0; i < arg.nr && p->page[arg.page + i].writable; i++)
		;
	if (!i)
		return 1;
	arg.nr = i;
	arg.fill = w->stamp + 1;
	w->stamp += arg.nr;
	walk_say(w, "%d: write %zu+%zu", nr_of(w, p), arg.page, arg.nr);
	for (i = 0; i < arg.nr; i++)
		p->page[arg.page + i].fill = arg.fill + i;
	return ask(p, do_write, -1, &arg) ? -1 : 0;
}

static long do_read(int fd, const void *arg)
{
	const struct range_arg *a = arg;
	size_t i;

	(void)fd;
	for (i = 0; i < a->nr; i++)
		(void)*(volatile char *)page_at(a->page + i);
	return 0;
}

static int op_read(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };

	if (!walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	walk_say(w, "%d: read %zu+%zu", nr_of(w, p), arg.page, arg.nr);
	return ask(p, do_read, -1, &arg) ? -1 : 0;
}

/* Any range, of which half begin where a huge page may. */
static void any_range(struct walk *w, struct range_arg *arg, size_t most)
{
	arg->page = walk_rnd(w, ARENA_PAGES);
	if (walk_rnd(w, 2))
		arg->page &= ~511UL;
	arg->nr = 1 + walk_rnd(w, most);
	if (walk_rnd(w, 2) && arg->nr > 512)
		arg->nr &= ~511UL;
	if (arg->nr > ARENA_PAGES - arg->page)
		arg->nr = ARENA_PAGES - arg->page;
}

static long do_map(int fd, const void *arg)
{
	const struct range_arg *a = arg;
	void *at = page_at(a->page);

	(void)fd;
	if (mmap(at, a->nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -errno;
	return madvise(at, a->nr * PAGE, a->how) ? -errno : 0;
}

static int op_map(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };
	size_t i;
	long ret;

	any_range(w, &arg, 1600);
	arg.how = w->advice;
	if (!arg.how)
		arg.how = walk_rnd(w, 2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
	walk_say(w, "%d: map %zu+%zu", nr_of(w, p), arg.page, arg.nr);
	ret = ask(p, do_map, -1, &arg);
	if (ret)
		return failed(w, "mmap", ret);
	for (i = 0; i < arg.nr; i++)
		p->page[arg.page + i] = (struct page){
			.mapped = true, .writable = true,
		};
	return 0;
}

static long do_unmap(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	(void)fd;
	return munmap(page_at(a->page), a->nr * PAGE) ? -errno : 0;
}

static void model_unmap(struct proc *p, size_t page, size_t nr)
{
	memset(&p->page[page], 0, nr * sizeof(p->page[0]));
}

static int op_unmap(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };
	long ret;

	if (!walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	if (arg.nr > 200)
		arg.nr = 1 + walk_rnd(w, 200);
	walk_say(w, "%d: unmap %zu+%zu", nr_of(w, p), arg.page, arg.nr);
	ret = ask(p, do_unmap, -1, &arg);
	if (ret)
		return failed(w, "munmap", ret);
	model_unmap(p, arg.page, arg.nr);
	return 0;
}

static long do_move(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	(void)fd;
	return mremap(page_at(a->page), a->nr * PAGE, a->nr * PAGE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, page_at(a->to)) ==
	       MAP_FAILED ? -errno : 0;
}

/* Where nothing is mapped; a refusal may have unmapped what was there. */
static bool find_room(struct walk *w, const struct proc *p, size_t nr,
		      size_t *to)
{
	size_t from = walk_rnd(w, ARENA_PAGES), free = 0, i;

	for (i = 0; i < ARENA_PAGES && free < nr; i++) {
		*to = (from + i) % ARENA_PAGES;
		if (!*to)
			free = 0;
		free = p->page[*to].mapped ? 0 : free + 1;
	}
	*to -= nr - 1;
	return free == nr;
}

static int op_move(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };
	long ret;

	if (walk_rnd(w, 2) ? !walk_place(w, p, &arg.page, &arg.nr) :
			     !walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	if (!find_room(w, p, arg.nr, &arg.to))
		return 1;
	walk_say(w, "%d: move %zu+%zu to %zu", nr_of(w, p), arg.page, arg.nr,
		 arg.to);
	ret = ask(p, do_move, -1, &arg);
	/* Only one mapping can be moved at a time. */
	if (ret == -EFAULT)
		return 1;
	if (ret)
		return failed(w, "mremap", ret);
	memcpy(&p->page[arg.to], &p->page[arg.page],
	       arg.nr * sizeof(p->page[0]));
	model_unmap(p, arg.page, arg.nr);
	walk_add_place(p, arg.to, arg.nr);
	return 0;
}

static long do_shrink(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	(void)fd;
	return mremap(page_at(a->page), a->nr * PAGE, a->to * PAGE, 0) ==
	       MAP_FAILED ? -errno : 0;
}

static int op_shrink(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };
	long ret;

	if (!walk_place(w, p, &arg.page, &arg.nr) || arg.nr < 2)
		return 1;
	arg.to = arg.nr - 1 - walk_rnd(w, arg.nr > 300 ? 300 : arg.nr - 1);
	walk_say(w, "%d: shrink %zu+%zu to %zu", nr_of(w, p), arg.page,
		 arg.nr, arg.to);
	ret = ask(p, do_shrink, -1, &arg);
	if (ret)
		return failed(w, "mremap", ret);
	model_unmap(p, arg.page + arg.to, arg.nr - arg.to);
	walk_add_place(p, arg.page, arg.to);
	return 0;
}

static long do_protect(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	(void)fd;
	return mprotect(page_at(a->page), a->nr * PAGE, a->how) ? -errno : 0;
}

static int op_protect(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { .how = PROT_READ };
	size_t i;
	long ret;

	if (!walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	if (walk_rnd(w, 3))
		arg.how |= PROT_WRITE;
	walk_say(w, "%d: protect %zu+%zu %d", nr_of(w, p), arg.page, arg.nr,
		 arg.how);
	ret = ask(p, do_protect, -1, &arg);
	if (ret)
		return failed(w, "mprotect", ret);
	for (i = 0; i < arg.nr; i++)
		p->page[arg.page + i].writable = arg.how & PROT_WRITE;
	return 0;
}

static long do_advise(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	(void)fd;
	return madvise(page_at(a->page), a->nr * PAGE, a->how) ? -errno : 0;
}

/* Advice that changes nothing but, perhaps, what the mappings are. */
static int op_advise(struct walk *w)
{
	static const int advices[] = {
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_RANDOM, MADV_NORMAL,
		MADV_SEQUENTIAL, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED,
	};
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };

	if (!walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	arg.how = advices[walk_rnd(w, ARRAY_SIZE(advices))];
	walk_say(w, "%d: advise %zu+%zu %d", nr_of(w, p), arg.page, arg.nr,
		 arg.how);
	ask(p, do_advise, -1, &arg);
	return 0;
}

static int op_discard(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { .how = MADV_DONTNEED };
	struct page *page;
	size_t i;
	long ret;

	if (!walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	page = &p->page[arg.page];
	for (i = 0; i < arg.nr && !page[i].loose; i++)
		;
	if (!i)
		return 1;
	arg.nr = i;
	walk_say(w, "%d: discard %zu+%zu", nr_of(w, p), arg.page, arg.nr);
	ret = ask(p, do_advise, -1, &arg);
	if (ret)
		return failed(w, "madvise", ret);
	for (i = 0; i < arg.nr; i++)
		page[i].fill = !page[i].snap ? 0 :
			       snap_of(w, page[i].snap)->fill[page[i].at];
	return 0;
}

/* Processes */

static int op_fork(struct walk *w)
{
	struct proc *from = walk_proc(w), *to = walk_free_proc(w);
	struct page *page;

	if (!to)
		return 1;
	walk_say(w, "%d: fork to %d", nr_of(w, from), nr_of(w, to));
	page = to->page;
	*to = *from;
	to->page = page;
	memcpy(page, from->page, ARENA_PAGES * sizeof(*page));
	to->peer = peer_fork(from->peer);
	return to->peer ? 0 : -1;
}

static int op_exit(struct walk *w)
{
	struct proc *p = walk_proc(w);

	if (walk_nr_procs(w) < NR_PROCS)
		return 1;
	walk_say(w, "%d: exit", nr_of(w, p));
	peer_kill(p->peer);
	p->peer = NULL;
	return 0;
}

/* Snapshots */

static long do_attach(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	return mmap(page_at(a->page), a->nr * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, a->to * PAGE) == MAP_FAILED ?
	       -errno : 0;
}

static int op_attach(struct walk *w)
{
	struct proc *p = walk_proc(w);
	unsigned int nr = walk_some_snap(w);
	struct range_arg arg = { 0 };
	struct snap *snap;
	size_t i;
	long ret;

	if (!nr)
		return 1;
	snap = snap_of(w, nr);
	any_range(w, &arg, ARENA_PAGES);
	/* Where it was, or anywhere, at an offset that suits huge pages or not */
	arg.to = walk_rnd(w, 2) ? arg.page : walk_rnd(w, snap->pages);
	if (!walk_rnd(w, 3))
		arg.to = (arg.to & ~511UL) + arg.page % 512;
	if (arg.to >= snap->pages)
		arg.to = 0;
	if (arg.nr > snap->pages - arg.to)
		arg.nr = snap->pages - arg.to;
	walk_say(w, "%d: attach %zu+%zu to snapshot %u at %zu", nr_of(w, p),
		 arg.page, arg.nr, nr, arg.to);
	ret = ask(p, do_attach, snap->fd, &arg);
	if (ret)
		return failed(w, "mmap of a snapshot", ret);
	for (i = 0; i < arg.nr; i++)
		p->page[arg.page + i] = (struct page){
			.mapped = true, .writable = true, .snap = nr,
			.at = arg.to + i, .fill = snap->fill[arg.to + i],
		};
	walk_add_place(p, arg.page, arg.nr);
	return 0;
}

static int op_drop(struct walk *w)
{
	unsigned int nr = walk_some_snap(w);

	if (walk_nr_fds(w) < 3)
		return 1;
	walk_say(w, "drop snapshot %u", nr);
	walk_drop_snap(w, nr);
	return 0;
}

/* Captures */

static bool overlaps(const struct vmfork_region *region, unsigned int nr,
		     size_t page, size_t pages)
{
	uintptr_t addr = (uintptr_t)page_at(page);
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (addr < region[i].addr + region[i].len &&
		    addr + pages * PAGE > region[i].addr)
			return true;
	return false;
}

static void add_region(struct call_arg *call, size_t page, size_t nr,
		       size_t offset)
{
	call->region[call->cap.nr_regions++] = (struct vmfork_region){
		.addr = (uintptr_t)page_at(page), .len = nr * PAGE,
		.offset = offset * PAGE,
	};
}

/* One place again, so that it may be done in place. */
static bool choose_place(struct walk *w, struct proc *p)
{
	size_t page, nr;

	if (!walk_place(w, p, &page, &nr))
		return false;
	add_region(w->call, page, nr, p->page[page].at);
	return true;
}

/* Where it lies in the arena it lies in the snapshot, as guests have it. */
static bool choose_arena(struct walk *w, struct proc *p)
{
	unsigned int i, nr = 1 + walk_rnd(w, NR_REGIONS);
	struct call_arg *call = w->call;
	size_t page, pages;

	for (i = 0; i < nr; i++) {
		if (!walk_range(w, p, &page, &pages))
			return false;
		/* As much as there is, perhaps. */
		if (walk_rnd(w, 2))
			pages = walk_run(p, page, ARENA_PAGES);
		if (!overlaps(call->region, call->cap.nr_regions, page, pages))
			add_region(call, page, pages, page);
	}
	call->cap.snapshot_size = ARENA_PAGES * PAGE;
	return true;
}

/* Several ranges side by side in the snapshot, or with gaps, in any order. */
static bool choose_packed(struct walk *w, struct proc *p)
{
	unsigned int i, nr = 1 + walk_rnd(w, NR_REGIONS);
	size_t at = walk_rnd(w, 2) ? 0 : walk_rnd(w, 600);
	struct call_arg *call = w->call;
	size_t page, pages;

	for (i = 0; i < nr; i++) {
		if (!walk_range(w, p, &page, &pages))
			return false;
		if (overlaps(call->region, call->cap.nr_regions, page, pages))
			continue;
		add_region(call, page, pages, at);
		at += pages + (walk_rnd(w, 2) ? 0 : walk_rnd(w, 300));
	}
	return true;
}

/* In a peer; what it says is in shared memory. */
static long do_capture(int pidfd, const void *arg)
{
	struct call_arg *call = *(struct call_arg *const *)arg;
	int dev = device(), ret;

	if (dev < 0)
		return dev;
	call->cap.pidfd = pidfd;
	ret = capture_full(dev, &call->cap);
	close(dev);
	return ret;
}

/* By itself, by another, or by the test. */
static int capture_by(struct walk *w, struct proc *p)
{
	struct proc *other = walk_proc(w);
	bool prearm = w->call->cap.flags;
	int ret;

	if (!walk_rnd(w, 3))
		return do_capture(p->peer->pidfd, &w->call);
	if (walk_rnd(w, 2))
		other = p;
	ret = peer_call(other->peer, do_capture,
			other == p ? -1 : p->peer->pidfd, &w->call,
			sizeof(w->call));
	return ret < 0 || prearm ? ret : peer_take_fd(other->peer, ret);
}

static void model_capture(struct walk *w, struct proc *p, int fd)
{
	struct vmfork_capture *cap = &w->call->cap;
	unsigned int nr, i;
	struct snap *snap;
	size_t j;

	nr = walk_new_snap(w, fd, cap->snapshot_size / PAGE);
	snap = snap_of(w, nr);
	for (i = 0; i < cap->nr_regions; i++) {
		const struct vmfork_region *region = &w->call->region[i];
		size_t first = (region->addr - (uintptr_t)ARENA) / PAGE;
		size_t at = region->offset / PAGE, pages = region->len / PAGE;

		for (j = 0; j < pages; j++) {
			struct page *page = &p->page[first + j];

			snap->fill[at + j] = page->fill;
			page->snap = nr;
			page->at = at + j;
			page->loose = false;
		}
		walk_add_place(p, first, pages);
	}
	w->in_place += cap->pages_in_place;
	w->taken += cap->pages_stolen + cap->pages_copied;
	w->shared += cap->pages_shared;
}

static uint64_t region_pages(const struct call_arg *call)
{
	uint64_t pages = 0;
	unsigned int i;

	for (i = 0; i < call->cap.nr_regions; i++)
		pages += call->region[i].len / PAGE;
	return pages;
}

static int capture(struct walk *w, uint32_t flags)
{
	struct proc *p = walk_proc(w);
	struct vmfork_capture *cap = &w->call->cap;
	uint64_t size, sum;
	bool chosen;
	int fd, try;

	memset(w->call, 0, sizeof(*w->call));
	cap->size = sizeof(*cap);
	cap->flags = flags;
	cap->regions = (uintptr_t)w->call->region;
	if (flags && walk_rnd(w, 2))
		cap->slice_ns = 1;
	switch (walk_rnd(w, 4)) {
	case 0:
		chosen = choose_packed(w, p);
		break;
	case 1:
		chosen = choose_arena(w, p);
		break;
	default:
		chosen = choose_place(w, p);
		/* The size of others, so that it can be reset to them. */
		if (chosen && w->call->region[0].offset / PAGE +
		    w->call->region[0].len / PAGE <= ARENA_PAGES)
			cap->snapshot_size = ARENA_PAGES * PAGE;
	}
	if (!chosen || !cap->nr_regions)
		return 1;
	if (!flags && walk_nr_fds(w) >= MAX_FDS)
		walk_drop_snap(w, walk_some_snap(w));
	size = cap->snapshot_size;
	walk_say(w, "%d: %s %u regions, %llx+%llx at %llx, ...", nr_of(w, p),
		 flags ? "pre-arm" : "capture", cap->nr_regions,
		 w->call->region[0].addr, w->call->region[0].len,
		 w->call->region[0].offset);
	for (try = 0; try < 20; try++) {
		cap->snapshot_size = size;
		fd = capture_by(w, p);
		if (fd != -EAGAIN)
			break;
		usleep(10000);
	}
	if (fd < 0) {
		note("%s", refusal_text(cap));
		return failed(w, "capture", fd);
	}
	sum = cap->pages_stolen + cap->pages_copied + cap->pages_shared +
	      cap->pages_hole;
	if (sum != region_pages(w->call)) {
		note("%llu pages stolen, %llu copied, %llu shared, %llu holes, but there are %llu",
		     cap->pages_stolen, cap->pages_copied, cap->pages_shared,
		     cap->pages_hole,
		     (unsigned long long)region_pages(w->call));
		return -1;
	}
	model_capture(w, p, flags ? -1 : fd);
	return 0;
}

static int op_capture(struct walk *w)
{
	return capture(w, 0);
}

static int op_prearm(struct walk *w)
{
	return capture(w, VMFORK_CAPTURE_PREARM);
}

/* Of what is not mapped at all: refused, and nothing has changed. */
static int op_no_capture(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { 0 };
	struct vmfork_capture cap;
	int fd;

	any_range(w, &arg, ARENA_PAGES);
	if (walk_run(p, arg.page, arg.nr) == arg.nr)
		return 1;
	walk_say(w, "%d: no capture of %zu+%zu", nr_of(w, p), arg.page,
		 arg.nr);
	fd = capture_range(p->peer->pidfd, page_at(arg.page), arg.nr * PAGE,
			   0, &cap);
	if (fd == -EFAULT && cap.refusal == VMFORK_UNMAPPED)
		return 0;
	note("captured what is not mapped: %d, %s", fd, refusal_text(&cap));
	return -1;
}

/* On mappings */

/* 0, or what a reset of the range to the snapshot is refused with. */
static int reset_error(struct walk *w, const struct proc *p, size_t page,
		       size_t nr, const struct snap *snap)
{
	size_t i;

	for (i = page; i < page + nr; i++) {
		if (!p->page[i].mapped)
			return -EFAULT;
		if (!p->page[i].snap)
			return -ENXIO;
		if (snap_of(w, p->page[i].snap)->pages != snap->pages)
			return -ERANGE;
	}
	return 0;
}

struct reset_arg {
	char *addr;
	size_t len;
};

static long do_reset(int fd, const void *arg)
{
	const struct reset_arg *a = arg;

	return reset_range(fd, -1, a->addr, a->len, NULL);
}

static long reset_by(struct walk *w, struct proc *p, int fd, size_t page,
		     size_t nr)
{
	struct reset_arg arg = { page_at(page), nr * PAGE };

	if (walk_rnd(w, 2))
		return reset_range(fd, p->peer->pidfd, arg.addr, arg.len,
				   NULL);
	return peer_call(p->peer, do_reset, fd, &arg, sizeof(arg));
}

static int op_reset(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct snap *snap;
	size_t page, nr, i;
	unsigned int to;
	int want, try = 0;
	long ret;

	/* Most of the time something that can be done. */
	do {
		if (walk_rnd(w, 3) ? !walk_place(w, p, &page, &nr) :
				     !walk_range(w, p, &page, &nr))
			return 1;
		if (walk_rnd(w, 2)) {
			i = walk_rnd(w, nr);
			page += i;
			nr = 1 + walk_rnd(w, nr - i);
		}
		to = p->page[page].snap;
		if (!to || snap_of(w, to)->fd < 0 || walk_rnd(w, 2))
			to = walk_some_snap(w);
		if (!to)
			return 1;
		snap = snap_of(w, to);
		want = reset_error(w, p, page, nr, snap);
	} while (want && ++try < 8);
	walk_say(w, "%d: reset %zu+%zu to snapshot %u", nr_of(w, p), page, nr,
		 to);
	for (try = 0; try < 20; try++) {
		ret = reset_by(w, p, snap->fd, page, nr);
		if (ret != -EAGAIN)
			break;
		usleep(10000);
	}
	if (ret != want) {
		note("wanted: %s", strerror(-want));
		return failed(w, "reset", ret);
	}
	if (want)
		return 0;
	for (i = page; i < page + nr; i++) {
		p->page[i].fill = snap->fill[p->page[i].at];
		p->page[i].loose |= p->page[i].snap != to;
	}
	return 0;
}

static long do_prefault(int fd, const void *arg)
{
	const struct range_arg *a = arg;

	(void)fd;
	return prefault_range(-1, page_at(a->page), a->nr * PAGE, a->how,
			      NULL);
}

static int op_prefault(struct walk *w)
{
	struct proc *p = walk_proc(w);
	struct range_arg arg = { .how = VMFORK_PREFAULT_WRITE };
	int want = 0;
	size_t i;
	long ret;

	if (walk_rnd(w, 2) ? !walk_place(w, p, &arg.page, &arg.nr) :
			     !walk_range(w, p, &arg.page, &arg.nr))
		return 1;
	if (walk_rnd(w, 3))
		arg.how = 0;
	for (i = arg.page; i < arg.page + arg.nr; i++) {
		if (!p->page[i].writable)
			arg.how = 0;
		if (!p->page[i].snap)
			want = -ENXIO;
	}
	walk_say(w, "%d: prefault %zu+%zu %d", nr_of(w, p), arg.page, arg.nr,
		 arg.how);
	ret = walk_rnd(w, 2) ? ask(p, do_prefault, -1, &arg) :
	      prefault_range(p->peer->pidfd, page_at(arg.page), arg.nr * PAGE,
			     arg.how, NULL);
	return ret == want ? 0 : failed(w, "prefault", ret);
}

static uint64_t fill_at(const struct snap *snap, size_t page)
{
	return page < snap->pages ? snap->fill[page] : 0;
}

static int op_diff(struct walk *w)
{
	static bool differs[SNAP_PAGES];
	uint32_t contents = walk_rnd(w, 2) ? VMFORK_DIFF_CONTENTS : 0;
	unsigned int one = walk_some_snap(w), two = walk_some_snap(w);
	static const unsigned int room[] = { 1, 5, 100, VMFORK_MAX_REGIONS };
	size_t i;
	long ret;

	if (!one)
		return 1;
	walk_say(w, "diff of snapshots %u and %u, %s", one, two,
		 contents ? "contents" : "pages");
	ret = diff_pages(snap_of(w, one)->fd, snap_of(w, two)->fd, contents,
			 room[walk_rnd(w, ARRAY_SIZE(room))], differs,
			 SNAP_PAGES);
	if (ret < 0)
		return failed(w, "diff", ret);
	for (i = 0; i < SNAP_PAGES; i++) {
		bool want = fill_at(snap_of(w, one), i) !=
			    fill_at(snap_of(w, two), i);

		if (contents ? want != differs[i] : want && !differs[i]) {
			note("diff of snapshots %u and %u: page %zu is %s",
			     one, two, i, want ? "missing" : "too much");
			return -1;
		}
	}
	return one == two && ret ? -1 : 0;
}

const struct op walk_ops[] = {
	{ "write", 24, op_write },
	{ "read", 6, op_read },
	{ "map", 5, op_map },
	{ "unmap", 3, op_unmap },
	{ "move", 6, op_move },
	{ "shrink", 2, op_shrink },
	{ "protect", 3, op_protect },
	{ "advise", 3, op_advise },
	{ "discard", 3, op_discard },
	{ "fork", 3, op_fork },
	{ "exit", 3, op_exit },
	{ "attach", 6, op_attach },
	{ "drop", 4, op_drop },
	{ "capture", 14, op_capture },
	{ "pre-arm", 6, op_prearm },
	{ "no capture", 1, op_no_capture },
	{ "reset", 8, op_reset },
	{ "prefault", 6, op_prefault },
	{ "diff", 6, op_diff },
};

const size_t nr_walk_ops = ARRAY_SIZE(walk_ops);
