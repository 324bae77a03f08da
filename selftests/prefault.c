// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that do not come: VMFORK_PREFAULT maps or copies ranges of mappings
 * ahead, and a fault brings its neighbours along.  Whatever is mapped before
 * it is asked for is right.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "kind_variants.h"
#include "lib.h"
#include "live.h"
#include "peer.h"

#define LEN	(8 * MIB)
#define OFFSET	(4 * MIB)

/* Faults that a loop over memory takes for other reasons. */
#define FEW	8

/* A snapshot, and two children of it, one of them elsewhere. */
FIXTURE(prefault) {
	struct area area;
	struct peer *peer;
	int fd;
	struct view child, other;
	struct vmfork_prefault p;
};

FIXTURE_VARIANT(prefault) { enum kind kind; };
KIND_VARIANT(prefault, base, KIND_BASE);
KIND_VARIANT(prefault, thp, KIND_THP);
KIND_VARIANT(prefault, thp_shift, KIND_THP_SHIFT);
KIND_VARIANT(prefault, thp_part, KIND_THP_PART);
KIND_VARIANT(prefault, mixed, KIND_MIXED);
KIND_VARIANT(prefault, hole, KIND_HOLE);

FIXTURE_SETUP(prefault)
{
	struct area *area = &self->area;

	self->peer = peer_start();
	ASSERT_NE(NULL, self->peer);
	ASSERT_EQ(0, area_make(area, variant->kind, LEN, OFFSET));
	self->fd = capture_range(-1, area->view.addr, area->view.pages * PAGE,
				 area->offset, NULL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, view_map(&self->child, NULL, self->fd, area->offset,
			      area->view.pages, area->view.model));
	ASSERT_EQ(0, view_map(&self->other, self->peer, self->fd, area->offset,
			      area->view.pages, area->view.model));
}

FIXTURE_TEARDOWN(prefault)
{
	view_unmap(&self->child);
	area_free(&self->area);
	peer_kill(self->peer);
	close(self->fd);
}

static long all_right(FIXTURE_DATA(prefault) *self)
{
	return view_check(&self->area.view, "the parent") +
	       view_check(&self->child, "the child") +
	       view_check(&self->other, "the other child") +
	       snapshot_check(self->fd, self->area.offset,
			      self->area.view.pages, self->area.view.model,
			      "the snapshot");
}

static bool is_hole(const struct view *view, size_t page)
{
	return !view->model[page].fill && !view->model[page].poke;
}

static size_t used(const struct view *view, size_t first, size_t nr)
{
	size_t i, n = 0;

	for (i = first; i < first + nr; i++)
		n += !is_hole(view, i);
	return n;
}

static int prefault(const struct view *view, uint32_t flags,
		    struct vmfork_prefault *out)
{
	return prefault_range(view->who ? view->who->pidfd : -1, view->addr,
			      view->pages * PAGE, flags, out);
}

/* How many faults it takes to read, or write, all pages that are no holes. */
static long faults_of(const struct view *view, bool write)
{
	volatile char *at = view->addr;
	long before = page_faults();
	size_t i;

	for (i = 0; i < view->pages; i++, at += PAGE) {
		if (is_hole(view, i))
			continue;
		if (write)
			__atomic_fetch_or(at, 0, __ATOMIC_RELAXED);
		else
			(void)*at;
	}
	return page_faults() - before;
}

static long do_faults(int fd, const void *arg)
{
	const struct view *view = arg;

	(void)fd;
	return faults_of(view, false);
}

TEST_F(prefault, to_read)
{
	struct view *view = &self->child;
	size_t pages = view->pages, nr = used(view, 0, pages);

	ASSERT_EQ(0, prefault(view, 0, &self->p));
	EXPECT_EQ(nr, self->p.pages_mapped);
	EXPECT_EQ(0, self->p.pages_copied);
	EXPECT_EQ(VMFORK_OK, self->p.refusal);
	/* Holes are left alone: they cost nothing. */
	EXPECT_EQ(nr, pagemap_count(view->addr, pages * PAGE, PM_PRESENT));
	EXPECT_EQ((long)nr * 4, smaps_kb(0, view->addr, pages * PAGE, "Rss"));
	EXPECT_EQ(0, smaps_kb(0, view->addr, pages * PAGE, "Anonymous"));
	EXPECT_GE(FEW, faults_of(view, false));
	/* What is there already stays. */
	ASSERT_EQ(0, prefault(view, 0, &self->p));
	EXPECT_EQ(0, self->p.pages_mapped);
	EXPECT_EQ(0, all_right(self));
}

TEST_F(prefault, to_write)
{
	struct view *view = &self->child;
	size_t nr = used(view, 0, view->pages);

	ASSERT_EQ(0, prefault(view, VMFORK_PREFAULT_WRITE, &self->p));
	EXPECT_LE(nr, self->p.pages_copied);
	EXPECT_GE(view->pages, self->p.pages_copied);
	EXPECT_LE((long)nr * 4, smaps_kb(0, view->addr, view->pages * PAGE,
					 "Anonymous"));
	EXPECT_GE(FEW, faults_of(view, true));
	EXPECT_EQ(0, all_right(self));
	ASSERT_EQ(0, prefault(view, VMFORK_PREFAULT_WRITE, &self->p));
	EXPECT_EQ(0, self->p.pages_copied);
	/* They are its own. */
	view_fill(view, view->pages / 2, 1);
	view_poke(view, 3, 2);
	EXPECT_EQ(0, all_right(self));
}

/* Of memory that was written to here and there, it maps the rest. */
TEST_F(prefault, beside_what_was_written)
{
	struct view *view = &self->child;
	size_t i, nr = 0, mapped;

	for (i = 5; i < view->pages; i += 30, nr++)
		view_fill(view, i, i + 1);
	ASSERT_EQ(0, prefault(view, 0, &self->p));
	mapped = self->p.pages_mapped;
	EXPECT_EQ(used(view, 0, view->pages), mapped + nr);
	EXPECT_EQ((long)nr * 4, smaps_kb(0, view->addr, view->pages * PAGE,
					 "Anonymous"));
	EXPECT_GE(FEW, faults_of(view, false));
	EXPECT_EQ(0, all_right(self));
}

/* After a capture of its own memory the parent is no other than a child. */
TEST_F(prefault, the_parent)
{
	struct view *view = &self->area.view;
	size_t nr = used(view, 0, view->pages);

	ASSERT_EQ(0, prefault(view, 0, &self->p));
	EXPECT_EQ(nr, pagemap_count(view->addr, view->pages * PAGE,
				    PM_PRESENT));
	EXPECT_GE(FEW, faults_of(view, false));
	EXPECT_EQ(0, all_right(self));
}

TEST_F(prefault, by_pidfd)
{
	struct view *view = &self->other;
	size_t nr = used(view, 0, view->pages);

	ASSERT_EQ(0, prefault(view, 0, &self->p));
	EXPECT_EQ(nr, self->p.pages_mapped);
	EXPECT_GE(FEW, peer_call(self->peer, do_faults, -1, view,
				 sizeof(*view)));
	ASSERT_EQ(0, prefault(view, VMFORK_PREFAULT_WRITE, &self->p));
	EXPECT_LE(nr, self->p.pages_copied);
	EXPECT_EQ(0, all_right(self));
}

/* Ranges as a list of a working set has them: many, small, in its order. */
TEST_F(prefault, many_ranges)
{
	static struct vmfork_range range[2048];
	struct view *view = &self->child;
	size_t i, nr = 0;

	for (i = 0; i + 3 < view->pages; i += 7, nr++) {
		/* From both ends by turns. */
		size_t at = nr & 1 ? view->pages - 3 - i : i;

		range[nr] = range_of(view->addr + at * PAGE,
				     (1 + nr % 3) * PAGE);
	}
	ASSERT_EQ(0, prefault_ranges(-1, range, nr, 0, &self->p));
	EXPECT_GE(used(view, 0, view->pages),
		  self->p.pages_mapped);
	for (i = 0; i < nr; i++) {
		size_t first = (range[i].start - (uintptr_t)view->addr) / PAGE;

		EXPECT_LE(used(view, first, range[i].len / PAGE),
			  pagemap_count(view->addr + first * PAGE,
					range[i].len, PM_PRESENT))
			TH_LOG("range %zu", i);
	}
	/* The device does it, and so does any snapshot. */
	self->p = (struct vmfork_prefault){
		.size = sizeof(self->p), .pidfd = -1, .nr_ranges = nr,
		.ranges = (uintptr_t)range,
	};
	EXPECT_EQ(0, prefault_full(self->fd, &self->p));
	EXPECT_EQ(0, self->p.pages_mapped);
	EXPECT_EQ(0, all_right(self));
}

/* What can not be read or written by its process is not made so. */
TEST_F(prefault, protections)
{
	struct view *view = &self->child;
	size_t half = view->pages / 2 * PAGE;
	char flags[256];

	ASSERT_EQ(0, mprotect(view->addr, half, PROT_READ));
	ASSERT_EQ(0, mprotect(view->addr + half, view->pages * PAGE - half,
			      PROT_NONE));
	/* Whether it is refused or not, it does no harm. */
	prefault(view, VMFORK_PREFAULT_WRITE, &self->p);
	prefault(view, 0, &self->p);
	ASSERT_EQ(0, smaps_flags(view->addr, flags, sizeof(flags)));
	EXPECT_FALSE(has_flag(flags, "wr"));
	ASSERT_EQ(0, smaps_flags(view->addr + half, flags, sizeof(flags)));
	EXPECT_FALSE(has_flag(flags, "rd"));
	ASSERT_EQ(0, mprotect(view->addr, view->pages * PAGE,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, all_right(self));
	view_fill(view, 1, 1);
	EXPECT_EQ(0, all_right(self));
}

#define refused(err, why, range, nr, where, at) \
	check_refused(_metadata, self, err, why, range, nr, where, at)

static void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(prefault) *self, int err, uint32_t why,
			  const struct vmfork_range *range, unsigned int nr,
			  uint32_t where, const void *at)
{
	uint32_t flags;

	for (flags = 0; flags <= VMFORK_PREFAULT_WRITE; flags++) {
		EXPECT_EQ(-err, prefault_ranges(-1, range, nr, flags,
						&self->p));
		EXPECT_EQ(why, self->p.refusal);
		EXPECT_EQ(where, self->p.refused_range);
		EXPECT_EQ((uintptr_t)at, self->p.refused_addr);
	}
	EXPECT_EQ(0, all_right(self));
}

TEST_F(prefault, of_what_is_no_mapping)
{
	struct view *view = &self->child;
	char *end = view->addr + view->pages * PAGE;
	struct vmfork_range range[2];
	struct area other;

	ASSERT_EQ(0, area_make(&other, KIND_BASE, MIB, 0));
	range[0] = range_of(view->addr, PAGE);
	range[1] = range_of(other.view.addr + 3 * PAGE, PAGE);
	refused(ENXIO, VMFORK_NO_MAPPING, range, 2, 1,
		other.view.addr + 3 * PAGE);
	ASSERT_NE(MAP_FAILED, mmap(end, PAGE, PROT_READ, MAP_PRIVATE |
				   MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
				   0));
	range[1] = range_of(end - PAGE, 2 * PAGE);
	refused(ENXIO, VMFORK_NO_MAPPING, range, 2, 1, end);
	ASSERT_EQ(0, munmap(end, PAGE));
	refused(EFAULT, VMFORK_UNMAPPED, range, 2, 1, end);
	EXPECT_EQ(0, view_check(&other.view, "what is no mapping"));
	area_free(&other);
}

/*
 * Fault-around: reading in order takes far fewer faults than there are pages,
 * in a child, in the parent after a capture, and after one in place.
 */
TEST(neighbours_come_along)
{
	struct area area;
	struct view child;
	long faults, most;
	int fd, i;

	ASSERT_EQ(0, area_make(&area, KIND_BASE, LEN, OFFSET));
	most = area.view.pages / 4;
	fd = capture_range(-1, area.view.addr, LEN, OFFSET, NULL);
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		faults = faults_of(&area.view, false);
		EXPECT_GE(most, faults) TH_LOG("the parent: %ld", faults);
		EXPECT_EQ(0, view_check(&area.view, "the parent"));
		ASSERT_EQ(0, view_map(&child, NULL, fd, OFFSET,
				      area.view.pages, area.view.model));
		faults = faults_of(&child, false);
		EXPECT_GE(most, faults) TH_LOG("a child: %ld", faults);
		EXPECT_EQ(0, view_check(&child, "a child"));
		EXPECT_EQ(0, smaps_kb(0, child.addr, LEN, "Anonymous"));
		EXPECT_EQ((long)LEN >> 10, smaps_kb(0, child.addr, LEN, "Rss"));
		view_unmap(&child);
		close(fd);
		/* All of it is written, and is new. */
		for (size_t page = 0; page < area.view.pages; page++)
			view_poke(&area.view, page, page + 1);
		fd = capture_range(-1, area.view.addr, LEN, OFFSET, NULL);
		ASSERT_LE(0, fd);
	}
	close(fd);
	area_free(&area);
}

/*
 * Reads at random of a mapping that has a bit of everything, each of which
 * may map others: none is ever wrong, and nothing that was written is lost.
 */
TEST_F(prefault, in_any_order)
{
	struct view *view[] = { &self->child, &self->area.view };
	uint64_t seed = test_seed();
	size_t i, v;

	for (i = 0; i < 4000; i++) {
		size_t page = rnd(&seed) % self->child.pages;

		v = rnd(&seed) & 1;
		/* The parent's model is the snapshot's: it only reads. */
		if (!v && rnd(&seed) % 8 == 0)
			view_fill(view[v], page, rnd(&seed) | 1);
		if (rnd(&seed) % 64 == 0) {
			ASSERT_EQ(0, prefault_range(-1, view[v]->addr +
						    page * PAGE, PAGE, 0,
						    NULL));
		}
		ASSERT_TRUE(page_is(view[v]->addr + page * PAGE,
				    &view[v]->model[page]))
			TH_LOG("read %zu, page %zu", i, page);
	}
	EXPECT_EQ(0, all_right(self));
}

TEST_HARNESS_MAIN
