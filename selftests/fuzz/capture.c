// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the ioctls, right and wrong, and what must hold after them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include "calls.h"
#include "world.h"

/* The most that the kernel may take for one of the structures */
union argument {
	struct vmfork_capture cap;
	struct vmfork_info info;
	uint32_t word[PAGE / 4];
	char bytes[PAGE];
};

/* Where a structure is put: what it is, and if the kernel can read it there */
enum place {
	PLACE_NORMAL, PLACE_STRADDLE, PLACE_READ_ONLY, PLACE_UNMAPPED,
	PLACE_ARENA, PLACE_KERNEL, PLACE_NONCANONICAL, PLACE_ODD, NR_PLACES
};

struct capture {
	union argument *arg;
	int target;			/* pidfd as the kernel sees it */
	struct proc_slot *proc;		/* whose it is, if it is one */
	bool self, known;		/* own memory; the regions are known */
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

/* flip WORD VALUE: of the next structure; from word 1024 on of the regions */
long call_flip(const uint64_t *arg)
{
	unsigned int i = w.nr_flips;

	if (i >= sizeof(w.flip) / sizeof(w.flip[0]))
		return -ENOSPC;
	w.flip[i] = (struct flip){ arg[0], arg[1] };
	w.nr_flips = i + 1;
	return 0;
}

static void flip(union argument *arg)
{
	unsigned int i;

	for (i = 0; i < w.nr_flips; i++) {
		uint32_t word = w.flip[i].word, *words = arg->word;

		if (word < 1024) {
			words[word] ^= w.flip[i].value;
		} else {
			words = (uint32_t *)w.region;
			words[word % (sizeof(w.region) / 4)] ^=
				w.flip[i].value;
		}
	}
	w.nr_flips = 0;
}

/* Two pages, of which only the first is there */
static char *edge(void)
{
	static char *at;

	if (!at) {
		at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED) {
			at = NULL;
			return NULL;
		}
		munmap(at + PAGE, PAGE);
	}
	return at;
}

static char *read_only(const void *bytes, size_t len)
{
	static char page[PAGE] __attribute__((aligned(4096)));

	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	/* Another thread may have it read-only again. */
	guarded_copy(page, bytes, len);
	mprotect(page, PAGE, PROT_READ);
	return page;
}

/*
 * Puts @len bytes to where @place says.  Where memory of the arena is used,
 * its model knows nothing of it any more.
 */
static void *put(uint64_t place, uint64_t page, void *bytes, size_t len)
{
	char *at;

	switch (place % NR_PLACES) {
	case PLACE_STRADDLE:
		at = edge();
		if (!at)
			return bytes;
		at += PAGE - len / 2 / 8 * 8;
		memcpy(at, bytes, len / 2 / 8 * 8);
		return at;
	case PLACE_READ_ONLY:
		return read_only(bytes, len < PAGE ? len : PAGE);
	case PLACE_UNMAPPED:
		return (void *)(ARENA - 16 * PAGE);
	case PLACE_ARENA:
		clip(&page, 1);
		model_unknown(page, len > PAGE && page < ARENA_PAGES - 3 ?
			      3 : 1);
		if (guard_begin())
			memcpy(page_addr(page), bytes, len < PAGE ? len : PAGE);
		guard_end();
		return page_addr(page);
	case PLACE_KERNEL:
		return (void *)0xffff888000000000UL;
	case PLACE_NONCANONICAL:
		return (void *)0xdead000000000000UL;
	case PLACE_ODD:
		memmove((char *)bytes + 3, bytes, len);
		return (char *)bytes + 3;
	default:
		return bytes;
	}
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
	nr = seen.cap.nr_regions;
	if (nr > VMFORK_MAX_REGIONS)
		return;
	if (guarded_copy(c->region, (void *)seen.cap.regions,
			 nr * sizeof(c->region[0])))
		return;
	c->nr = nr;
	c->known = true;
}

static void look_whose(struct capture *c)
{
	unsigned int i;

	c->self |= c->target == -1;
	c->proc = NULL;
	for (i = 0; i < NR_PROCS && !c->self; i++)
		if (w.proc[i].pid && w.proc[i].pidfd == c->target)
			c->proc = &w.proc[i];
	/* Not a thread of ours, but with the same memory */
	if (c->proc && c->proc->index == w.index)
		c->self = true;
}

#define TARGETS		20
#define TARGET_OWN	12

/* -1, a child's, or something that is no child's pidfd; *@opened to close */
static int target_of(uint64_t code, int *opened)
{
	*opened = -1;
	if (code < 4)
		return -1;
	if (code < TARGET_OWN)
		return proc_slot(code)->pid ? proc_slot(code)->pidfd : 999;
	switch (code) {
	case TARGET_OWN:
		*opened = pidfd_open(getpid(), 0);
		break;
	case 13:		/* Whoever runs the programs is not a target. */
		*opened = w.parent_index ? pidfd_open(getppid(), 0) : -1;
		break;
	case 14:
		*opened = pidfd_open(2, 0);	/* a kernel thread */
		break;
	case 15:
		return slot_fd(0);
	case 16:
		return slot_fd(1);
	case 17:
		return -2;
	case 18:
		return 0x7fffffff;
	default:
		return pipe_end(0);
	}
	return *opened;
}

/* Whoever may be captured learns that it may have been */
static void warn_others(const struct capture *c)
{
	if (c->proc)
		__atomic_store_n(&shared->captured[c->proc->index], 1,
				 __ATOMIC_SEQ_CST);
	else if (!c->self)
		__atomic_store_n(&shared->captured[w.parent_index], 1,
				 __ATOMIC_SEQ_CST);
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

	if (is_wiped(c, addr) || (p && p->flags & PF_WIPE && c->self)) {
		val = VAL_ZERO;
	} else if (p && c->self && p->kind != PAGE_ODD) {
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

	if (!c->self)
		return;
	for (i = 0; i < ARENA_PAGES; i++)
		if (w.page[i].kind == PAGE_ANON || w.page[i].kind == PAGE_SNAP)
			w.page[i].flags |= PF_AMBIGUOUS;
}

static const uint16_t refusal_errno[] = {
	[VMFORK_UNALIGNED] = EINVAL, [VMFORK_OVERFLOW] = EOVERFLOW,
	[VMFORK_OVERLAP] = EEXIST, [VMFORK_UNMAPPED] = EFAULT,
	[VMFORK_SHARED] = EXDEV, [VMFORK_FILE] = EOPNOTSUPP,
	[VMFORK_HUGETLB] = EMEDIUMTYPE, [VMFORK_SPECIAL] = ENODEV,
	[VMFORK_UFFD] = EADDRINUSE, [VMFORK_LOCKED] = ENOLCK,
	[VMFORK_STACK] = ENOTUNIQ, [VMFORK_PINNED] = EBUSY,
	[VMFORK_RACE] = EAGAIN, [VMFORK_POISON] = EHWPOISON,
	[VMFORK_SWAPIN] = EIO, [VMFORK_DYING] = ESRCH,
	[VMFORK_QUOTA] = EDQUOT,
};

#define NR_REFUSALS	(sizeof(refusal_errno) / sizeof(refusal_errno[0]))

/* The errors that uapi/linux/vmfork.h allows without a refusal */
static bool plain_errno(int err)
{
	switch (err) {
	case EINVAL: case E2BIG: case EFAULT: case ENOMEM: case EINTR:
	case EBADF: case EPERM: case EMFILE: case ENFILE:
		return true;
	default:
		return false;
	}
}

static void check_failure(const struct vmfork_capture *out, bool readable,
			  int err)
{
	uint32_t why = readable ? out->refusal : VMFORK_OK;

	if (why && why < NR_REFUSALS) {
		/* Memory or patience may have come to an end after it. */
		if (refusal_errno[why] != err && err != EINTR && err != ENOMEM)
			violation("a capture is refused for reason %u with "
				  "errno %d", why, err);
		return;
	}
	if (plain_errno(err))
		return;
	if (readable)
		violation("a capture fails with errno %d and refusal %u", err,
			  why);
}

static void check_success(const struct capture *c, int fd, int lowest,
			  const struct vmfork_capture *out, bool readable)
{
	uint64_t pages = 0;
	struct stat st;
	unsigned int i;

	if (fd != lowest && !w.lost)
		violation("a capture returned descriptor %d and not %d", fd,
			  lowest);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		violation("fstat of a snapshot fails");
	if (!readable || w.lost)
		return;
	if ((uint64_t)st.st_size != out->snapshot_size)
		violation("a snapshot's size is %llx and %llx",
			  (unsigned long long)st.st_size,
			  (unsigned long long)out->snapshot_size);
	if (!out->id || out->refusal)
		violation("a capture succeeds with id %llu and refusal %u",
			  (unsigned long long)out->id, out->refusal);
	if (out->pages_copied != out->copied_shared + out->copied_ksm +
	    out->copied_busy + out->copied_partial)
		violation("pages copied do not add up");
	for (i = 0; c->known && i < c->nr; i++)
		if (!(c->region[i].flags & VMFORK_REGION_WIPE))
			pages += c->region[i].len / PAGE;
	if (c->known && out->size == sizeof(*out) &&
	    pages != out->pages_stolen + out->pages_copied +
	    out->pages_shared + out->pages_hole + out->pages_wiped)
		violation("pages do not add up: %llu stolen, %llu copied, "
			  "%llu shared, %llu holes, %llu wiped of %llu",
			  (unsigned long long)out->pages_stolen,
			  (unsigned long long)out->pages_copied,
			  (unsigned long long)out->pages_shared,
			  (unsigned long long)out->pages_hole,
			  (unsigned long long)out->pages_wiped,
			  (unsigned long long)pages);
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

static void fill(struct vmfork_capture *cap, const uint64_t *arg,
		 int target)
{
	*cap = (struct vmfork_capture){
		.size = sizeof(*cap), .pidfd = target, .nr_regions = arg[1],
		.snapshot_size = length(arg[3]),
	};
}

static int device_fd(void)
{
	unsigned int i;

	for (i = 0; i < NR_FDS; i++)
		if (w.fd[i].type == FD_DEVICE)
			return w.fd[i].fd;
	return -1;
}

static void note_refusal(uint32_t why)
{
	if (pc < MAX_CALLS)
		shared->result[pc] = why << 16;
}

/*
 * capture TARGET NR PLACES SIZE SLOT PAGE: of the regions set before.  PLACES
 * is one for the structure and, times 16, one for the regions.
 */
long call_capture(const uint64_t *arg)
{
	static union argument buf;
	struct capture c = { .arg = &buf };
	struct vmfork_capture out = { 0 };
	uint64_t code = arg[0] % TARGETS;
	int opened, target = target_of(code, &opened), fd, lowest, err;
	int dev = device_fd(), own = -1;
	bool readable, flipped = w.nr_flips;
	void *at;

	if (dev < 0)
		dev = own = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);
	memset(&buf, 0, sizeof(buf));
	fill(&buf.cap, arg, target);
	buf.cap.regions = (uintptr_t)put(arg[2] / 16, arg[5] + 4, w.region,
					 (arg[1] % 9) * sizeof(w.region[0]));
	flip(&buf);
	at = put(arg[2], arg[5], &buf, sizeof(buf.cap));
	look(&c, at);
	c.self = code == TARGET_OWN && c.target == opened;
	look_whose(&c);
	warn_others(&c);

	lowest = lowest_fd();
	fd = result(ioctl(dev, VMFORK_CAPTURE, at));
	err = fd < 0 ? -fd : 0;
	/* Elsewhere it may not have been possible to write the results. */
	readable = !flipped && arg[2] % NR_PLACES == PLACE_NORMAL &&
		   !guarded_copy(&out, at, sizeof(out));
	if (fd < 0) {
		if (lowest != lowest_fd() && !w.lost)
			violation("a failed capture (%d) left a descriptor",
				  fd);
		if (dev >= 0 && (c.known || err != ENOTTY))
			check_failure(&out, readable && c.known, err);
		note_refusal(readable ? out.refusal & 31 : 0);
		model_failed(&c);
	} else {
		check_success(&c, fd, lowest, &out, readable);
		fd = keep(&c, fd, arg[4]);
	}
	if (arg[2] / 16 % NR_PLACES == PLACE_ODD)
		memset(w.region, 0, sizeof(w.region));
	if (opened >= 0)
		close(opened);
	if (own >= 0)
		close(own);
	return fd;
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
	flip(&buf);
	at = put(arg[1], arg[2], &buf, sizeof(buf.info));
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
	    out.pages + out.pages_hole != out.snapshot_size / PAGE ||
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
