// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that a capture can meet: memory of all kinds, one region and
 * many, of the caller's own process and of another, and memory that is a
 * mapping of a snapshot already.
 *
 * Whatever fails, the errno is right, what the structure says is too, no
 * descriptor and no half snapshot remains, and the memory is as it was, byte
 * for byte, can be written to, and captured.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sweep_harness.h"

/* What the results hold before, to tell what was written. */
#define GARBAGE 0x5a

/* How the regions of a capture lie in the area; see lay_out(). */
enum layout {
	ONE,		/* all of it */
	TWO_IN_VMA,	/* two parts of one VMA */
	SPARSE,		/* three parts, very far apart in the snapshot */
	MANY,		/* as many as there may be, a page each */
	WIPED,		/* all of it but some pages, that are wiped */
};

#define WIPED_PAGE	8
#define WIPED_PAGES	8

static void add_region(struct sweep *s, size_t page, size_t pages,
		       uint64_t offset)
{
	s->region[s->cap->nr_regions++] = (struct vmfork_region) {
		.addr = (uintptr_t)s->area.view.addr + page * PAGE,
		.len = pages * PAGE,
		.offset = offset,
	};
}

static void lay_out(struct sweep *s)
{
	size_t pages = s->area.view.pages, i;
	uint64_t offset = s->area.offset;

	s->cap->nr_regions = 0;
	switch ((enum layout)s->sc->arg) {
	case ONE:
		add_region(s, 0, pages, offset);
		break;
	case TWO_IN_VMA:
		add_region(s, 1, pages / 2 - 2, offset + PAGE);
		add_region(s, pages / 2 + 1, pages / 2 - 2,
			   offset + (pages / 2 + 1) * PAGE);
		break;
	case SPARSE:
		add_region(s, 0, 1, 0);
		add_region(s, 1, 2, (1ULL << 39) - PAGE);
		add_region(s, 4, 1, VMFORK_MAX_SIZE - PAGE);
		break;
	case MANY:
		for (i = 0; i < VMFORK_MAX_REGIONS; i++)
			add_region(s, i, 1, (i * 7 % 256) * PAGE);
		break;
	case WIPED:
		add_region(s, 0, pages, offset);
		add_region(s, WIPED_PAGE, WIPED_PAGES, 0);
		s->region[1].flags = VMFORK_REGION_WIPE;
		break;
	}
	s->cap->size = sizeof(*s->cap);
	s->cap->pidfd = -1;
	s->cap->regions = (uintptr_t)s->region;
}

/* Memory of the scenario's kind. */
static int make_area(struct sweep *s)
{
	return area_make(&s->area, s->sc->kind, s->sc->pages * PAGE,
			 s->sc->offset);
}

static int capture_before(struct sweep *s)
{
	return capture_range(-1, s->area.view.addr, s->area.len,
			     s->area.offset, NULL);
}

/* Memory that was captured, and written to since. */
static int make_captured(struct sweep *s)
{
	size_t i;
	int ret = make_area(s);

	if (!ret)
		ret = s->base = capture_before(s);
	if (ret < 0)
		return ret;
	for (i = 0; i < s->area.view.pages; i += 7)
		view_poke(&s->area.view, i, i + 1);
	return 0;
}

/* Memory that was captured, and not written to since. */
static int make_clean(struct sweep *s)
{
	int ret = make_area(s);

	if (!ret)
		ret = s->base = capture_before(s);
	return ret < 0 ? ret : 0;
}

/* The same in several VMAs, and only the VMAs hold the snapshot. */
static int make_split(struct sweep *s)
{
	int ret = make_captured(s);
	size_t part;

	part = s->area.view.pages / 4;
	if (ret)
		return ret;
	close(s->base);
	s->base = -1;
	if (mprotect(s->area.view.addr + part * PAGE, part * PAGE, PROT_READ) ||
	    madvise(s->area.view.addr + 2 * part * PAGE, part * PAGE,
		    MADV_DONTDUMP))
		return -errno;
	return 0;
}

/* Anonymous memory in several VMAs. */
static int make_vmas(struct sweep *s)
{
	int ret = make_area(s);
	size_t i;

	for (i = 0; !ret && i < s->area.view.pages; i += 8)
		if (madvise(s->area.view.addr + i * PAGE, 4 * PAGE,
			    MADV_DONTDUMP))
			ret = -errno;
	return ret;
}

/* Memory of which a part is not for children. */
static int make_wiped(struct sweep *s)
{
	int ret = make_area(s);

	if (!ret && madvise(s->area.view.addr + WIPED_PAGE * PAGE,
			    WIPED_PAGES * PAGE, MADV_WIPEONFORK))
		ret = -errno;
	return ret;
}

static int make_moved(struct sweep *s)
{
	char *to, *from;
	int ret = make_captured(s);

	if (ret)
		return ret;
	from = s->area.view.addr;
	to = reserve(s->area.map_len, 4 * PAGE);
	if (!to || mremap(from, s->area.map_len, s->area.map_len,
			  MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return -ENOMEM;
	s->area.view.addr = to;
	s->area.map = to;
	return 0;
}

/* Pages that were written since the capture are shared by fork(2). */
static int make_shared(struct sweep *s)
{
	int ret = make_captured(s);

	if (ret)
		return ret;
	s->area.other = s->area.view;
	s->area.other.model = model_copy(s->area.view.model,
					 s->area.view.pages);
	s->area.other.who = peer_start();
	return s->area.other.who ? 0 : -EAGAIN;
}

/* Of the VMAs in the memory: how many, and how many are mappings. */
static unsigned int count_vmas(struct sweep *s, unsigned int *mappings)
{
	unsigned long at = (unsigned long)s->area.view.addr, from, to;
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned int nr = 0;
	char line[512];

	*mappings = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx", &from, &to) != 2 ||
		    from >= at + s->area.len || to <= at)
			continue;
		nr++;
		*mappings += !!strstr(line, "vmfork:");
	}
	if (file)
		fclose(file);
	return nr;
}

static int setup(struct sweep *s)
{
	int ret = s->sc->make(s);
	unsigned int mappings;

	if (ret)
		return ret;
	lay_out(s);
	s->value = count_vmas(s, &mappings);
	return 0;
}

/* A process of its own that captures us: a kernel thread does it for it. */
static int setup_remote(struct sweep *s)
{
	s->peer = peer_start();
	s->out = pidfd_of(getpid());
	return s->peer && s->out >= 0 ? setup(s) : -EAGAIN;
}

/* Now it is us who capture another process: its memory, our structure. */
static long do_make(int fd, const void *arg)
{
	size_t len = *(const size_t *)arg;
	char *map = reserve(len, 0);

	(void)fd;
	return map && mprotect(map, len, PROT_READ | PROT_WRITE) == 0 ?
	       (long)map : -ENOMEM;
}

static int setup_caller(struct sweep *s)
{
	size_t len = s->sc->pages * PAGE, i;
	struct view *view = &s->area.view;

	s->peer = peer_start();
	if (!s->peer)
		return -EAGAIN;
	s->area.len = len;
	view->who = s->peer;
	view->pages = s->sc->pages;
	view->model = model_alloc(view->pages);
	view->addr = (char *)peer_call(s->peer, do_make, -1, &len, sizeof(len));
	if ((long)view->addr <= 0)
		return -ENOMEM;
	for (i = 0; i < view->pages; i++)
		view_fill(view, i, i + 1);
	lay_out(s);
	s->cap->pidfd = s->peer->pidfd;
	return 0;
}

static void spoil_results(struct vmfork_capture *cap)
{
	size_t from = offsetof(struct vmfork_capture, id);

	cap->snapshot_size = 0;
	memset((char *)cap + from, GARBAGE, sizeof(*cap) - from);
	/* These came later, and are no results. */
	cap->into_fd = 0;
	cap->reserved = 0;
}

static int act(struct sweep *s)
{
	spoil_results(s->cap);
	s->fd = ioctl(s->dev, VMFORK_CAPTURE, s->cap);
	if (s->fd >= 0)
		return 0;
	return -errno;
}

struct remote_arg {
	int dev;
	struct vmfork_capture *cap;
};

static long do_capture(int pidfd, const void *arg)
{
	const struct remote_arg *r = arg;
	int fd;

	r->cap->pidfd = pidfd;
	fd = ioctl(r->dev, VMFORK_CAPTURE, r->cap);
	return fd < 0 ? -errno : fd;
}

static int act_remote(struct sweep *s)
{
	struct remote_arg arg = { .dev = s->dev, .cap = s->cap };
	long theirs;

	spoil_results(s->cap);
	theirs = peer_call(s->peer, do_capture, s->out, &arg, sizeof(arg));
	if (theirs < 0)
		return theirs;
	s->fd = syscall(SYS_pidfd_getfd, s->peer->pidfd, (int)theirs, 0);
	return s->fd < 0 ? -ENOTRECOVERABLE : 0;
}

static bool untouched(const struct vmfork_capture *cap)
{
	struct vmfork_capture spoiled = *cap;

	spoil_results(&spoiled);
	return !memcmp(&spoiled, cap, sizeof(spoiled));
}

/* On failure the results say so: all of them, or nothing was written. */
static const char *results_of_failure(const struct vmfork_capture *cap)
{
	if (untouched(cap))
		return NULL;
	if (cap->refusal != VMFORK_OK)
		return "no refusal, but the results name one";
	if (cap->refused_region || cap->refused_addr)
		return "no refusal, but the results say where";
	if (cap->pages_pinned)
		return "pages are said to be pinned";
	if (cap->pages_copied != cap->copied_shared + cap->copied_ksm +
	    cap->copied_busy + cap->copied_partial)
		return "copies do not sum up";
	return NULL;
}

/*
 * In a single VMA nothing is captured before what fails.  Only where the
 * results could not be written was all of it.
 */
static bool half_captured(struct sweep *s, int err)
{
	unsigned int mappings, vmas;

	if (s->area.view.who || s->cap->nr_regions > 1 || s->value > 1 ||
	    s->base >= 0 || s->sc->make != make_area || err == -EFAULT)
		return false;
	vmas = count_vmas(s, &mappings);
	return vmas && mappings;
}

/* Is any page of the memory writable still, and is it the process's own? */
static const char *write_some(struct sweep *s)
{
	struct view *view = &s->area.view;
	size_t i, quarter = view->pages / 4;

	for (i = 0; i < view->pages; i += 13) {
		/* make_split() has made this part read-only. */
		if (s->sc->make == make_split && i / quarter == 1)
			continue;
		view_poke(view, i, view->model[i].poke + 0x1001);
	}
	return view_check(view, s->sc->name) ? "a write went wrong" : NULL;
}

static const char *check_failure(struct sweep *s, int err)
{
	const char *wrong = results_of_failure(s->cap);

	if (wrong)
		return wrong;
	if (view_check(&s->area.view, s->sc->name))
		return "the memory has changed";
	if (!area_others_right(&s->area))
		return "somebody else's memory has changed";
	if (half_captured(s, err))
		return "it became a mapping";
	if (s->sc->keep)
		return NULL;
	return write_some(s);
}

/* What the snapshot must hold of each page of the memory. */
static struct stamp *expected(struct sweep *s)
{
	struct stamp *model = model_copy(s->area.view.model,
					 s->area.view.pages);

	if (s->sc->arg == WIPED || s->sc->make == make_wiped)
		memset(model + WIPED_PAGE, 0, WIPED_PAGES * sizeof(*model));
	return model;
}

static const char *check_snapshot(struct sweep *s)
{
	const struct vmfork_region *r = s->region;
	struct stamp *model = expected(s);
	unsigned int i;

	for (i = 0; i < s->cap->nr_regions; i++, r++) {
		size_t page = (r->addr - (uintptr_t)s->area.view.addr) / PAGE;

		if (r->flags & VMFORK_REGION_WIPE)
			continue;
		if (snapshot_check(s->fd, r->offset, r->len / PAGE,
				   model + page, "the snapshot"))
			return "the snapshot is not right";
	}
	return NULL;
}

static const char *check_success(struct sweep *s)
{
	const struct vmfork_capture *cap = s->cap;
	struct vmfork_info info;
	const char *wrong;

	area_settle(&s->area);
	if (snapshot_info(s->fd, &info) || info.id != cap->id ||
	    info.snapshot_size != cap->snapshot_size ||
	    info.pages != cap->pages_stolen + cap->pages_copied +
	    cap->pages_shared)
		return "the results do not say what the snapshot is";
	wrong = check_snapshot(s);
	if (wrong)
		return wrong;
	if (view_check(&s->area.view, s->sc->name) ||
	    !area_others_right(&s->area))
		return "the memory is not as it was";
	return NULL;
}

static const char *check(struct sweep *s, int ret)
{
	return ret < 0 ? check_failure(s, ret) : check_success(s);
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
	area_free(&s->area);
	peer_kill(s->peer);
	s->peer = NULL;
}

/* A row may say otherwise than the macro that it is made with. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define CAPTURE(name, ...) \
	SCENARIO(name, .setup = setup, .act = act, .check = check, \
		 .undo = undo, .make = make_area, .pages = 48, \
		 .least = 12, ##__VA_ARGS__)

/* By the way its pages are mapped */
CAPTURE(base);
CAPTURE(thp, .kind = KIND_THP, .pages = 1024);
CAPTURE(thp_part, .kind = KIND_THP_PART, .pages = 512);
CAPTURE(thp_edge, .kind = KIND_THP_EDGE, .pages = 1024);
CAPTURE(thp_shift, .kind = KIND_THP_SHIFT, .pages = 512);
CAPTURE(mixed, .kind = KIND_MIXED, .pages = 2048);
/* To read a page from a disk takes many allocations. */
CAPTURE(swap, .kind = KIND_SWAP, .pages = 12);
CAPTURE(swap_thp, .kind = KIND_SWAP_THP, .pages = 512, .stride = 401,
	.least = 4);
CAPTURE(swap_cache, .kind = KIND_SWAP_CACHE, .pages = 12);
CAPTURE(ksm, .kind = KIND_KSM, .keep = true);
CAPTURE(forked, .kind = KIND_FORKED);
CAPTURE(forked_thp, .kind = KIND_FORKED_THP, .pages = 512, .stride = 13);
CAPTURE(fork_gone, .kind = KIND_FORK_GONE);
CAPTURE(zero, .kind = KIND_ZERO, .pages = 1024, .stride = 3, .least = 6);
CAPTURE(hole, .kind = KIND_HOLE, .pages = 1024);
CAPTURE(file, .kind = KIND_FILE, .pages = 1024);

/* By its regions */
CAPTURE(two_in_a_vma, .arg = TWO_IN_VMA);
CAPTURE(several_vmas, .make = make_vmas);
CAPTURE(deep_tree, .arg = SPARSE);
CAPTURE(many_regions, .arg = MANY, .pages = 256, .stride = 211, .least = 8);

CAPTURE(wiped_region, .arg = WIPED);
CAPTURE(wiped_vma, .make = make_wiped);

/* Memory that is a mapping of a snapshot */
CAPTURE(again, .make = make_captured);
CAPTURE(again_thp, .make = make_captured, .kind = KIND_THP, .pages = 1024);
CAPTURE(again_clean, .make = make_clean, .pages = 1024, .kind = KIND_MIXED);
CAPTURE(again_split, .make = make_split);
CAPTURE(again_moved, .make = make_moved);
CAPTURE(again_shared, .make = make_shared);

/* Another process: the kernel thread's part, and the caller's */
#define REMOTE(name, ...) \
	CAPTURE(name, .setup = setup_remote, .act = act_remote, \
		.where = SWEEP_WORKER, .least = 5, ##__VA_ARGS__)

REMOTE(remote);
REMOTE(remote_thp, .kind = KIND_THP, .pages = 1024);
REMOTE(remote_vmas, .make = make_vmas);
REMOTE(remote_swap, .kind = KIND_SWAP, .pages = 4);
REMOTE(remote_again, .make = make_captured);
CAPTURE(remote_caller, .setup = setup_caller, .least = 6);

/*
 * The operator's cap is an injection of its own: a capture of several VMAs
 * goes over it in the first, the second, the third ... page.
 */
#define MAX_BYTES "/sys/module/vmfork/parameters/max_bytes"

static int set_max(unsigned long pages)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", pages * PAGE);
	return write_file(MAX_BYTES, text);
}

static const struct scenario over_quota = {
	.name = "quota", .make = make_vmas, .pages = 48,
};

FIXTURE(quota) {
	struct sweep s;
};

FIXTURE_SETUP(quota)
{
	self->s.sc = &over_quota;
	self->s.dev = device();
	ASSERT_LE(0, self->s.dev);
	ASSERT_EQ(0, read_number(MAX_BYTES));
}

FIXTURE_TEARDOWN(quota)
{
	set_max(0);
}

static const char *check_over_quota(struct sweep *s, int ret)
{
	if (ret != -EDQUOT || s->cap->refusal != VMFORK_QUOTA)
		return "an errno or a refusal that does not say what happened";
	if (s->cap->refused_addr < (uintptr_t)s->area.view.addr ||
	    s->cap->refused_addr >= (uintptr_t)s->area.view.addr + s->area.len)
		return "it does not say where";
	return write_some(s);
}

TEST_F_TIMEOUT(quota, exceeded_in_each_page, 290)
{
	unsigned long pages, refused = 0;
	struct sweep *s = &self->s;
	uint64_t last = 0, where;
	const char *wrong;
	void *arena;
	int ret;

	arena = shared_alloc(0);
	/* All that it needs: snapshots of the same user may be there already. */
	for (pages = 1; pages < 4096; pages++) {
		shared_reset(arena);
		s->cap = shared_alloc(sizeof(*s->cap));
		s->region = shared_alloc(sizeof(*s->region));
		s->fd = s->base = s->out = -1;
		memset(&s->area, 0, sizeof(s->area));
		ASSERT_EQ(0, setup(s));
		ASSERT_EQ(0, set_max(pages));
		ret = act(s);
		ASSERT_EQ(0, set_max(0));
		wrong = ret < 0 ? check_over_quota(s, ret) : check(s, ret);
		ASSERT_EQ(NULL, wrong) TH_LOG("%lu pages: %s", pages, wrong);
		if (ret >= 0)
			break;
		refused++;
		where = s->cap->refused_addr - (uintptr_t)s->area.view.addr;
		EXPECT_LE(last, where) TH_LOG("%lu pages", pages);
		last = where;
		ret = act(s);
		ASSERT_EQ(0, ret) TH_LOG("then it does not work");
		ASSERT_EQ(NULL, check(s, ret));
		undo(s);
	}
	undo(s);
	note("quota: %lu captures refused, %lu pages were enough", refused,
	     pages);
	EXPECT_LE(47, refused);
	/* The last ones got far. */
	EXPECT_LE(40 * PAGE, last);
}

TEST_HARNESS_MAIN
