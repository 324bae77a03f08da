// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the ioctls, right and wrong, and what must hold after them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include "argument.h"
#include "calls.h"
#include "world.h"

struct capture {
	struct whose whose;
	int target;			/* pidfd as the kernel sees it */
	bool known;			/* the regions are */
	uint64_t size;			/* of the snapshot, if it was given */
	struct vmfork_region region[VMFORK_MAX_REGIONS];
	unsigned int nr;
};

/* region I ADDR LEN OFFSET FLAGS */
long call_region(const uint64_t *arg)
{
	w.region[arg[0] % VMFORK_MAX_REGIONS] = (struct vmfork_region){
		address(arg[1]), length(arg[2]), length(arg[3]), arg[4],
	};
	return 0;
}

/* What the kernel will see, if it can see anything */
static void look(struct capture *c, const void *arg)
{
	union argument seen = { 0 };
	unsigned int nr;

	c->known = false;
	if (guarded_copy(&seen, arg, sizeof(seen.cap)))
		return;
	c->target = seen.cap.pidfd;
	c->size = seen.cap.snapshot_size;
	nr = seen.cap.nr_regions;
	if (nr > VMFORK_MAX_REGIONS)
		return;
	if (guarded_copy(c->region, (void *)seen.cap.regions,
			 nr * sizeof(c->region[0])))
		return;
	c->nr = nr;
	c->known = true;
}

static bool is_wiped(const struct capture *c, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->region[i].flags & VMFORK_REGION_WIPE &&
		    addr - c->region[i].addr < c->region[i].len)
			return true;
	return false;
}

static void model_captured_page(const struct capture *c, unsigned int snap,
				uint64_t addr, uint64_t snap_page)
{
	long page = arena_page(addr);
	struct page_model *p = page < 0 ? NULL : &w.page[page];
	uint64_t val = VAL_UNKNOWN;

	if (is_wiped(c, addr) || (p && p->flags & PF_WIPE && c->whose.self)) {
		val = VAL_ZERO;
	} else if (p && c->whose.self && p->kind != PAGE_ODD) {
		val = p->kind == PAGE_BEYOND ? VAL_UNKNOWN : p->val;
		if (p->kind == PAGE_BEYOND)
			model_unknown(page, 1);
		p->kind = PAGE_SNAP;
		p->snap = snap;
		p->snap_page = snap_page;
		p->flags &= ~PF_AMBIGUOUS;
	}
	if (snap_page < ARENA_PAGES)
		w.snap[snap].val[snap_page] = val;
}

static void model_captured(const struct capture *c, unsigned int snap)
{
	const struct vmfork_region *r;
	uint64_t i;

	for (r = c->region; r < c->region + c->nr; r++) {
		if (r->flags & VMFORK_REGION_WIPE)
			continue;
		for (i = 0; i < r->len / PAGE; i++) {
			if (arena_page(r->addr + i * PAGE) < 0 &&
			    r->offset / PAGE + i >= ARENA_PAGES)
				break;
			model_captured_page(c, snap, r->addr + i * PAGE,
					    r->offset / PAGE + i);
		}
	}
}

/* Something may have been captured before it failed; all reads as before. */
static void model_failed(const struct capture *c)
{
	unsigned int i;

	if (!c->whose.self)
		return;
	for (i = 0; i < ARENA_PAGES; i++)
		if (w.page[i].kind == PAGE_ANON || w.page[i].kind == PAGE_SNAP)
			w.page[i].flags |= PF_AMBIGUOUS;
}

static uint64_t region_pages(const struct capture *c)
{
	uint64_t pages = 0;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (!(c->region[i].flags & VMFORK_REGION_WIPE))
			pages += c->region[i].len / PAGE;
	return pages;
}

/* Where the last region ends, in the snapshot */
static uint64_t region_end(const struct capture *c)
{
	const struct vmfork_region *r;
	uint64_t end = 0;

	for (r = c->region; r < c->region + c->nr; r++)
		if (!(r->flags & VMFORK_REGION_WIPE) && r->offset + r->len > end)
			end = r->offset + r->len;
	return end;
}

static void check_counts(const struct capture *c,
			 const struct vmfork_capture *out, bool readable)
{
	uint64_t pages = region_pages(c);

	if (!readable || w.lost)
		return;
	if (!out->id || out->refusal)
		violation("a capture succeeds with id %llu and refusal %u",
			  (unsigned long long)out->id, out->refusal);
	if (out->pages_copied != out->copied_shared + out->copied_ksm +
	    out->copied_busy + out->copied_partial)
		violation("pages copied do not add up");
	if (!c->known || out->size != sizeof(*out))
		return;
	if (pages != out->pages_stolen + out->pages_copied +
	    out->pages_shared + out->pages_file + out->pages_hole +
	    out->pages_wiped)
		violation("pages do not add up: %llu stolen, %llu copied, "
			  "%llu shared, %llu of files, %llu holes, %llu wiped "
			  "of %llu",
			  (unsigned long long)out->pages_stolen,
			  (unsigned long long)out->pages_copied,
			  (unsigned long long)out->pages_shared,
			  (unsigned long long)out->pages_file,
			  (unsigned long long)out->pages_hole,
			  (unsigned long long)out->pages_wiped,
			  (unsigned long long)pages);
	if (out->pages_in_place > pages)
		violation("%llu pages of %llu were captured in place",
			  (unsigned long long)out->pages_in_place,
			  (unsigned long long)pages);
}

static void check_success(const struct capture *c, int fd, int lowest,
			  const struct vmfork_capture *out, bool readable)
{
	struct stat st;

	if (fd != lowest && !w.lost)
		violation("a capture returned descriptor %d and not %d", fd,
			  lowest);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		violation("fstat of a snapshot fails");
	if (readable && !w.lost && (uint64_t)st.st_size != out->snapshot_size)
		violation("a snapshot's size is %llx and %llx",
			  (unsigned long long)st.st_size,
			  (unsigned long long)out->snapshot_size);
	check_counts(c, out, readable);
}

static long keep(const struct capture *c, int fd, uint64_t slot)
{
	unsigned int snap, i;
	struct stat st;

	snap = __atomic_fetch_add(&w.nr_snaps, 1, __ATOMIC_RELAXED);
	if (snap >= NR_SNAPS || fstat(fd, &st)) {
		close(fd);
		model_unknown(0, ARENA_PAGES);
		return 0;
	}
	w.snap[snap].size = st.st_size;
	if (c->known) {
		model_captured(c, snap);
	} else {
		model_unknown(0, ARENA_PAGES);
		for (i = 0; i < ARENA_PAGES; i++)
			w.snap[snap].val[i] = VAL_UNKNOWN;
	}
	return slot_put(slot, fd, FD_SNAP, snap);
}

/*
 * A capture ahead leaves memory that is a mapping of a snapshot that nobody has
 * a descriptor of.
 */
static void prearmed(const struct capture *c)
{
	unsigned int snap = __atomic_fetch_add(&w.nr_snaps, 1,
					       __ATOMIC_RELAXED);

	if (snap >= NR_SNAPS || !c->known) {
		model_unknown(0, ARENA_PAGES);
		return;
	}
	w.snap[snap].size = c->size ?: region_end(c);
	model_captured(c, snap);
}

/* Not readable: the results could not be written, or not where they are. */
static void failed(const struct capture *c, const struct vmfork_capture *out,
		   bool readable, int err, int lowest)
{
	if (lowest != lowest_fd() && !w.lost)
		violation("a failed capture (%d) left a descriptor", err);
	if (readable && c->known)
		check_failure("a capture", out->refusal, err);
	note_refusal(readable ? out->refusal & 31 : 0);
	model_failed(c);
}

/*
 * Captures the regions that were set before.  @places is one for the structure
 * and, times 16, one for the regions.
 */
static long capture(struct vmfork_capture cap, uint64_t target_code,
		    uint64_t places, uint64_t slot, uint64_t page)
{
	static union argument buf;
	struct capture c = { 0 };
	struct vmfork_capture out = { 0 };
	int opened, target, fd, lowest;
	int dev = device_fd(), own = -1;
	bool readable, flipped = w.nr_flips;
	int into = -1;
	struct stat st;
	void *at;

	if (cap.flags & VMFORK_CAPTURE_INTO) {
		into = names_file();
		cap.into_fd = into;
	}
	target_code %= TARGETS;
	target = target_of(target_code, &opened);
	if (dev < 0)
		dev = own = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);
	memset(&buf, 0, sizeof(buf));
	buf.cap = cap;
	buf.cap.size = sizeof(cap);
	buf.cap.pidfd = target;
	buf.cap.regions = (uintptr_t)argument_put(places / 16, page + 4,
			w.region, (cap.nr_regions % 9) * sizeof(w.region[0]));
	argument_flip(&buf);
	at = argument_put(places, page, &buf, sizeof(buf.cap));
	look(&c, at);
	look_whose(&c.whose, c.target,
		   target_code == TARGET_OWN && c.target == opened);
	warn_others(&c.whose, false);

	lowest = lowest_fd();
	fd = result(ioctl(dev, VMFORK_CAPTURE, at));
	/* Elsewhere it may not have been possible to write the results. */
	readable = !flipped && places % NR_PLACES == PLACE_NORMAL &&
		   !guarded_copy(&out, at, sizeof(out));
	if (into >= 0 && (fstat(into, &st) || (fd < 0 && st.st_size)))
		violation("a failed capture (%d) left something in its file",
			  -fd);
	if (fd < 0) {
		failed(&c, &out, readable && dev >= 0, -fd, lowest);
	} else if (!fd && into >= 0 && st.st_size) {
		check_counts(&c, &out, readable);
		fd = keep(&c, into, slot);
		into = -1;
	} else if (!fd) {	/* No descriptor: that one is taken. */
		check_counts(&c, &out, readable);
		prearmed(&c);
	} else {
		check_success(&c, fd, lowest, &out, readable);
		fd = keep(&c, fd, slot);
	}
	if (places / 16 % NR_PLACES == PLACE_ODD)
		memset(w.region, 0, sizeof(w.region));
	if (opened >= 0)
		close(opened);
	if (own >= 0)
		close(own);
	if (into >= 0)
		close(into);
	return fd;
}

/* into TARGET NR PLACES SIZE SLOT PAGE: a capture into a file of vmforkfs */
long call_into(const uint64_t *arg)
{
	struct vmfork_capture cap = {
		.flags = VMFORK_CAPTURE_INTO, .nr_regions = arg[1],
		.snapshot_size = length(arg[3]),
	};

	return capture(cap, arg[0], arg[2], arg[4], arg[5]);
}

/* capture TARGET NR PLACES SIZE SLOT PAGE */
long call_capture(const uint64_t *arg)
{
	struct vmfork_capture cap = {
		.nr_regions = arg[1], .snapshot_size = length(arg[3]),
	};

	return capture(cap, arg[0], arg[2], arg[4], arg[5]);
}

/* prearm TARGET NR PLACES SIZE SLICE PAGE: a capture ahead */
long call_prearm(const uint64_t *arg)
{
	struct vmfork_capture cap = {
		.flags = VMFORK_CAPTURE_PREARM, .nr_regions = arg[1],
		.snapshot_size = length(arg[3]), .slice_ns = arg[4],
	};

	return capture(cap, arg[0], arg[2], 0, arg[5]);
}

/* info SLOT PLACE PAGE */
long call_info(const uint64_t *arg)
{
	static union argument buf;
	struct fd_slot *s = slot_of(arg[0]);
	struct vmfork_info out;
	long err;
	void *at;

	memset(&buf, 0, sizeof(buf));
	buf.info.size = sizeof(buf.info);
	argument_flip(&buf);
	at = argument_put(arg[1], arg[2], &buf, sizeof(buf.info));
	err = result(ioctl(slot_fd(arg[0]), VMFORK_INFO, at));
	if (err) {
		if (s->type == FD_SNAP && err != -EINVAL && err != -E2BIG &&
		    err != -EFAULT && err != -EBADF)
			violation("VMFORK_INFO fails with %ld", err);
		return err;
	}
	if (s->type != FD_SNAP)
		violation("VMFORK_INFO of what is no snapshot succeeds");
	if (guarded_copy(&out, at, sizeof(out)))
		return 0;
	if (out.snapshot_size != w.snap[s->snap].size ||
	    out.pages + out.pages_hole + out.pages_file !=
	    out.snapshot_size / PAGE || out.pages_read > out.pages_file ||
	    out.pages_huge > out.pages || !out.id || out.reserved)
		violation("VMFORK_INFO is wrong: size %llx, %llu pages, "
			  "%llu holes", (unsigned long long)out.snapshot_size,
			  (unsigned long long)out.pages,
			  (unsigned long long)out.pages_hole);
	return 0;
}

/* ioctl SLOT COMMAND ARG: unknown ones, most of them */
long call_ioctl(const uint64_t *arg)
{
	static char buf[PAGE];
	unsigned int cmd = arg[1] < 32 ? VMFORK_CAPTURE + arg[1] : arg[1];
	struct fd_slot *s = slot_of(arg[0]);
	long ret;

	/* FIFREEZE stops whoever changes that file system: no bug of ours. */
	if (_IOC_TYPE(cmd) == 'X' && (_IOC_NR(cmd) == _IOC_NR(FIFREEZE) ||
				      _IOC_NR(cmd) == _IOC_NR(FITHAW)))
		return -EPERM;
	ret = result(ioctl(slot_fd(arg[0]), cmd, arg[2] % 3 ? (uintptr_t)buf :
			   address(arg[2])));
	if ((s->type == FD_DEVICE || s->type == FD_SNAP) && ret >= 0 &&
	    _IOC_TYPE(cmd) == VMFORK_IOC_MAGIC)
		violation("unknown ioctl %x succeeds", cmd);
	return ret;
}
