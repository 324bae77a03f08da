// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page tree against a flat model: random trees built by random changes, on
 * random older ones, dropped in random order, with allocations that fail.  What
 * must hold: each tree says what its model says, for as long as it lives, and
 * where two of them differ; a change is made as a whole or not at all; no node
 * and no reference on a page or a file is left at the end.
 *
 * In a model, a file's page is what a leaf's slot says of it.
 */
#include <stdio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "alone.h"
#include "backing.h"
#include "pages.h"
#include "slab.h"
#include "tree.h"

#define NR		512UL
#define WINDOW		(4 * NR)
#define NR_WINDOWS	4
#define SPAN		(NR_WINDOWS * WINDOW)
#define TREE_PAGES	(3UL << 18)
#define NR_TREES	6
#define NR_FILES	24

struct page {
	long refs;
	long fresh_refs;
	struct page *head;
	unsigned long nr;
	long users;
} __attribute__((aligned(64)));

static long live_pages;
static long file_slots[NR_FILES];

void vmfork_backing_get_slots(u32 number, unsigned int nr)
{
	assert(number < NR_FILES);
	file_slots[number] += nr;
}

void vmfork_backing_put_slot(u32 number)
{
	assert(number < NR_FILES && file_slots[number] > 0);
	file_slots[number]--;
}

/* What was read of a file, in this model: as many pages as its number says. */
u64 vmfork_backing_alone(u32 number, u64 slots)
{
	assert(number < NR_FILES && slots <= (u64)file_slots[number]);
	return slots == (u64)file_slots[number] ? number + 1 : 0;
}

static bool is_file(const struct page *page)
{
	return (unsigned long)page & VMFORK_SLOT_FILE;
}

/* A page, or a folio of 512, that its last reference frees. */
static struct page *page_new(bool huge)
{
	unsigned long i, nr = huge ? NR : 1;
	struct page *page = aligned_alloc(64, nr * sizeof(*page));

	memset(page, 0, nr * sizeof(*page));
	for (i = 0; i < nr; i++)
		page[i].head = page;
	page->refs = 1;
	page->nr = nr;
	live_pages++;
	return page;
}

struct page *vmfork_subpage(struct page *head, unsigned long nr)
{
	assert((unsigned long)(head - head->head) + nr < NR);
	return head + nr;
}

void vmfork_page_get(struct page *page, unsigned int nr, bool fresh)
{
	(void)fresh;
	assert(page->head->refs > 0);
	page->head->refs += nr;
}

struct folio *page_folio(struct page *page)
{
	return (struct folio *)page->head;
}

unsigned long folio_nr_pages(struct folio *folio)
{
	return ((struct page *)folio)->nr;
}

u64 vmfork_folio_tree_refs(struct folio *folio)
{
	return ((struct page *)folio)->refs;
}

unsigned long vmfork_page_put(struct page *page, bool fresh)
{
	struct page *head = page->head;
	unsigned long nr;

	(void)fresh;
	assert(head->refs > 0);
	if (--head->refs)
		return 0;
	live_pages--;
	nr = head->nr;
	free(head);
	return nr;
}

/*
 * Where indices of the model lie in the tree: in windows at its beginning, at
 * the border of two nodes of level 1, somewhere, and at its end.
 */
static u64 index_at(unsigned long i)
{
	static const u64 base[NR_WINDOWS] = {
		0, (1UL << 18) - WINDOW / 2, (2UL << 18) + 77 * NR,
		TREE_PAGES - WINDOW,
	};

	return base[i / WINDOW] + i % WINDOW;
}

struct model {
	struct vmfork_tree tree;
	struct page *pages[SPAN];
	bool huge[SPAN];
	bool live;
};

FIXTURE(tree) {
	struct model *m;
	unsigned int seed;
};

FIXTURE_SETUP(tree)
{
	const char *seed = getenv("SEED");

	self->seed = seed ? atoi(seed) : 20261121;
	self->m = calloc(NR_TREES, sizeof(*self->m));
	ASSERT_EQ(0, vmfork_tree_setup());
}

FIXTURE_TEARDOWN(tree)
{
	int i;

	slab_fail_after = -1;
	for (i = 0; i < NR_TREES; i++)
		if (self->m[i].live)
			vmfork_tree_destroy(&self->m[i].tree);
	free(self->m);
	EXPECT_EQ(0, live_pages);
	EXPECT_EQ(0, slab_live);
	for (i = 0; i < NR_FILES; i++)
		EXPECT_EQ(0, file_slots[i]);
	vmfork_tree_cleanup();
}

static unsigned long rnd(unsigned int *seed, unsigned long below)
{
	return (((unsigned long)rand_r(seed) << 15) ^ rand_r(seed)) % below;
}

/* The pages of files in a window, as runs: are they all that there are? */
static bool files_differ(struct model *m, unsigned long window)
{
	u64 index = index_at(window), end = index_at(window + WINDOW - 1) + 1;
	unsigned long i = window, slot;
	u64 nr, j;

	for (; (nr = vmfork_tree_next_file(&m->tree, &index, end, &slot));
	     index += nr) {
		for (; index_at(i) < index; i++)
			if (is_file(m->pages[i]))
				return true;
		for (j = 0; j < nr; j++, i++, slot += 1UL << VMFORK_FILE_AT_SHIFT)
			if ((unsigned long)m->pages[i] != slot)
				return true;
	}
	for (; i < window + WINDOW; i++)
		if (is_file(m->pages[i]))
			return true;
	return false;
}

/* All that a tree says, against its model: the first difference, or -1. */
static long differs(struct model *m)
{
	u64 pages = 0, huge = 0, file = 0;
	unsigned long i;

	for (i = 0; i < SPAN; i++) {
		bool is_huge;
		struct page *page = (void *)vmfork_tree_slot(&m->tree,
							     index_at(i),
							     &is_huge);

		if (page != m->pages[i] || (page && is_huge != m->huge[i]))
			return i;
		pages += page && !is_file(page);
		file += is_file(page);
		huge += page && is_huge;
	}
	for (i = 0; i < SPAN; i += VMFORK_RUN_PAGES) {
		unsigned long run[VMFORK_RUN_PAGES];
		unsigned int from = i / VMFORK_RUN_PAGES % VMFORK_RUN_PAGES;

		vmfork_tree_slots_at(&m->tree, index_at(i + from),
				     VMFORK_RUN_PAGES - from, run);
		if (memcmp(run, m->pages + i + from,
			   (VMFORK_RUN_PAGES - from) * sizeof(*run)))
			return i + from;
	}
	if (pages != vmfork_tree_pages(&m->tree) ||
	    file != vmfork_tree_file_pages(&m->tree))
		return SPAN;
	for (i = 0; i < SPAN; i += WINDOW)
		if (files_differ(m, i))
			return 2 * SPAN + i;
	if (huge != vmfork_tree_huge_folios(&m->tree) * NR)
		return SPAN + 1;
	for (i = 0; i + 1 < SPAN; i++) {
		bool data = !m->pages[i];	/* look for the other kind */
		unsigned long end = i - i % WINDOW + WINDOW, j = i;
		u64 next = vmfork_tree_next(&m->tree, index_at(i),
					    index_at(end - 1) + 1, data);

		while (j < end && !!m->pages[j] != data)
			j++;
		if (next != (j < end ? index_at(j) : index_at(end - 1) + 1))
			return SPAN + 2 + i;
		i += rnd(&(unsigned int){ i }, 97);
	}
	return -1;
}

/* A range in one window: where it begins, and its length. */
static unsigned long some_range(unsigned int *seed, unsigned long *nr)
{
	unsigned long at = rnd(seed, WINDOW);

	if (rnd(seed, 2))
		at &= ~(NR - 1);
	*nr = rnd(seed, 3) ? 1 + rnd(seed, WINDOW - at) : WINDOW - at;
	return rnd(seed, NR_WINDOWS) * WINDOW + at;
}

/* What is left of a 2 MiB folio is not one any more. */
static void model_split(struct model *m, unsigned long i)
{
	unsigned long first = i - index_at(i) % NR;

	if (m->huge[i])
		memset(m->huge + first, 0, NR * sizeof(*m->huge));
}

static bool add_page(struct model *m, struct vmfork_tree *change,
		     unsigned long i)
{
	struct vmfork_node *leaf = vmfork_tree_leaf(change, index_at(i),
						    GFP_KERNEL);
	unsigned long old;

	if (!leaf)
		return false;
	model_split(m, i);
	m->pages[i] = page_new(false);
	old = vmfork_leaf_set_fresh(leaf, index_at(i), m->pages[i]);
	leaf->slots[index_at(i) % VMFORK_RUN_PAGES] &= ~VMFORK_SLOT_FRESH;
	vmfork_slot_drop(old);
	return true;
}

static bool add_huge(struct model *m, struct vmfork_tree *change,
		     unsigned long i)
{
	struct page *page = page_new(true);
	unsigned long j;

	if (vmfork_tree_set_huge(change, index_at(i), (unsigned long)page)) {
		vmfork_page_put(page, false);
		return false;
	}
	for (j = 0; j < NR; j++) {
		m->pages[i + j] = page + j;
		m->huge[i + j] = true;
	}
	return true;
}

static bool add_file(struct model *m, struct vmfork_tree *change,
		     unsigned long i, unsigned long nr, unsigned int *seed)
{
	u64 at = rnd(seed, 2) ? index_at(i) : rnd(seed, 1UL << 37);
	u32 file = rnd(seed, NR_FILES);
	unsigned long j;

	if (vmfork_tree_set_file(change, index_at(i), nr, file, at))
		return false;
	for (j = 0; j < nr; j++) {
		model_split(m, i + j);
		m->pages[i + j] = (void *)vmfork_slot_file(file, at + j);
	}
	return true;
}

static bool is_hole(const struct model *m, unsigned long i, unsigned long nr)
{
	while (nr && !m->pages[i])
		nr--, i++;
	return !nr;
}

static bool add_share(struct model *m, struct vmfork_tree *change,
		      struct model *from, unsigned long dst, unsigned long src,
		      unsigned long nr)
{
	bool aligned = !((index_at(dst) ^ index_at(src)) % NR);
	unsigned long i;

	if (vmfork_tree_share(change, index_at(dst), &from->tree, index_at(src),
			      nr))
		return false;
	for (i = 0; i < nr; i++) {
		unsigned long first = index_at(dst + i) % NR;
		bool whole = aligned && i >= first && i - first + NR <= nr;

		m->pages[dst + i] = from->pages[src + i];
		m->huge[dst + i] = whole && from->huge[src + i];
	}
	return true;
}

static bool share_all(struct model *m, struct vmfork_tree *change,
		      struct model *from)
{
	if (vmfork_tree_share(change, 0, &from->tree, 0, TREE_PAGES))
		return false;
	memcpy(m->pages, from->pages, sizeof(m->pages));
	memcpy(m->huge, from->huge, sizeof(m->huge));
	return true;
}

/* One thing that a change does; false if memory ran out. */
static bool step(struct model *all, struct model *m, struct vmfork_tree *change,
		 unsigned int *seed)
{
	unsigned long nr, at = some_range(seed, &nr), src, i;
	struct model *from = &all[rnd(seed, NR_TREES)];

	switch (rnd(seed, 8)) {
	case 0:
		if (!from->live || !is_hole(m, 0, SPAN))
			return true;
		return share_all(m, change, from);
	case 1:
		return add_huge(m, change, at & ~(NR - 1));
	case 2:
	case 3:
		for (i = 0; i < nr % 40; i++)
			if (!add_page(m, change, at + i))
				return false;
		return true;
	case 4:
		return add_file(m, change, at, nr, seed);
	case 5:
		if (vmfork_tree_erase(change, index_at(at), nr))
			return false;
		for (i = at; i < at + nr; i++) {
			model_split(m, i);
			m->pages[i] = NULL;
		}
		return true;
	default:
		if (!from->live)
			return true;
		src = rnd(seed, 2) ? at : some_range(seed, &i);
		if (nr > WINDOW - src % WINDOW)
			nr = WINDOW - src % WINDOW;
		if (!is_hole(m, at, nr))
			return true;
		return add_share(m, change, from, at, src, nr);
	}
}

/* A change: it takes the tree's place, or nobody ever hears of it. */
static void transact(struct model *all, struct model *m, unsigned int *seed)
{
	static struct model new;
	struct vmfork_tree change;
	int steps = 1 + rnd(seed, 5);
	bool ok = true;

	memcpy(&new, m, sizeof(new));
	vmfork_tree_begin(&change, &m->tree);
	while (ok && steps--)
		ok = step(all, &new, &change, seed);
	if (ok && rnd(seed, 8)) {
		memcpy(m->pages, new.pages, sizeof(m->pages));
		memcpy(m->huge, new.huge, sizeof(m->huge));
		vmfork_tree_commit(&m->tree, &change);
	} else {
		vmfork_tree_destroy(&change);
	}
}

static void build(struct model *all, struct model *m, unsigned int *seed)
{
	int changes = 1 + rnd(seed, 5);

	memset(m, 0, sizeof(*m));
	vmfork_tree_init(&m->tree, TREE_PAGES);
	while (changes--)
		transact(all, m, seed);
	vmfork_tree_seal(&m->tree);
	m->live = true;
}

static void drop(struct model *m)
{
	vmfork_tree_destroy(&m->tree);
	m->live = false;
}

/* Where two trees differ, against their models: the first error, or -1. */
static long diff_differs(struct model *a, struct model *b)
{
	unsigned long i, w;
	u64 at, end, diff_end;

	for (w = 0; w < SPAN; w += WINDOW) {
		at = index_at(w);
		end = index_at(w + WINDOW - 1) + 1;
		for (i = w; at < end; at = diff_end) {
			at = vmfork_tree_next_diff(&a->tree, &b->tree, at, end,
						   &diff_end);
			for (; i < w + WINDOW && index_at(i) < at; i++)
				if (a->pages[i] != b->pages[i])
					return i;
			if (at >= end)
				break;
			for (; i < w + WINDOW && index_at(i) < diff_end; i++)
				if (a->pages[i] == b->pages[i])
					return i;
		}
	}
	return -1;
}

static long some_diff_differs(struct model *all, unsigned int *seed)
{
	struct model *a = &all[rnd(seed, NR_TREES)];
	struct model *b = &all[rnd(seed, NR_TREES)];

	return a->live && b->live ? diff_differs(a, b) : -1;
}

/* Is all that a tree has of a folio in one place, whole nodes as well? */
static bool is_in_one_place(const struct model *m)
{
	static struct page *heads[SPAN];
	struct page *last = NULL;
	unsigned long i, j, nr = 0;

	for (i = 0; i < SPAN; i++) {
		struct page *page = m->pages[i];
		struct page *head = page && !is_file(page) ? page->head : NULL;

		if (!head || head == last)
			continue;
		for (j = 0; j < nr; j++)
			if (heads[j] == head)
				return false;
		heads[nr++] = head;
		last = head;
	}
	return true;
}

static int compare_pages(const void *a, const void *b)
{
	struct page *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Likewise for files: is each of their pages in one place? */
static bool are_files_in_one_place(const struct model *m)
{
	static struct page *all[SPAN];
	unsigned long i, nr = 0;

	for (i = 0; i < SPAN; i++)
		if (is_file(m->pages[i]))
			all[nr++] = m->pages[i];
	qsort(all, nr, sizeof(*all), compare_pages);
	for (i = 1; i < nr; i++)
		if (all[i] == all[i - 1])
			return false;
	return true;
}

/* Of the files that nobody names any more, but did */
static u64 read_pages_gone(const long *before)
{
	u64 gone = 0;
	int i;

	for (i = 0; i < NR_FILES; i++)
		if (before[i] && !file_slots[i])
			gone += i + 1;
	return gone;
}

/* What a tree holds alone is what goes with it. */
TEST_F_TIMEOUT(tree, alone, 300)
{
	int round, exact = 0, files = 0;
	bool one_place, files_one_place;
	struct vmfork_alone alone;
	long before[NR_FILES];
	u64 freed;

	for (round = 0; round < 600; round++) {
		struct model *m = &self->m[rnd(&self->seed, NR_TREES)];

		if (m->live) {
			one_place = is_in_one_place(m);
			files_one_place = are_files_in_one_place(m);
			exact += one_place;
			memcpy(before, file_slots, sizeof(before));
			ASSERT_EQ(0, vmfork_tree_alone(&m->tree, &alone));
			ASSERT_LE(alone.pages, vmfork_tree_pages(&m->tree));
			ASSERT_LE(alone.pages, alone.memory);
			freed = vmfork_tree_destroy(&m->tree);
			m->live = false;
			ASSERT_LE(alone.memory, freed);
			if (one_place)
				ASSERT_EQ(alone.memory, freed);
			ASSERT_LE(alone.file, read_pages_gone(before));
			if (files_one_place)
				ASSERT_EQ(alone.file, read_pages_gone(before));
			files += files_one_place && alone.file;
		}
		build(self->m, m, &self->seed);
	}
	EXPECT_LT(100, exact);
	EXPECT_LT(20, files);
}

TEST_F_TIMEOUT(tree, random_trees, 300)
{
	int round, i;

	for (round = 0; round < 300; round++) {
		struct model *m = &self->m[rnd(&self->seed, NR_TREES)];

		if (m->live)
			drop(m);
		build(self->m, m, &self->seed);
		for (i = 0; i < NR_TREES; i++)
			if (self->m[i].live)
				ASSERT_EQ(-1, differs(&self->m[i]))
					TH_LOG("round %d, tree %d", round, i);
		ASSERT_EQ(-1, some_diff_differs(self->m, &self->seed));
	}
}

/* Memory runs out at each allocation in turn; older trees do not notice. */
TEST_F_TIMEOUT(tree, out_of_memory, 300)
{
	int round, i;

	for (round = 0; round < 300; round++) {
		struct model *m = &self->m[rnd(&self->seed, NR_TREES)];

		if (m->live)
			drop(m);
		slab_fail_after = rnd(&self->seed, 40);
		build(self->m, m, &self->seed);
		slab_fail_after = -1;
		for (i = 0; i < NR_TREES; i++)
			if (self->m[i].live)
				ASSERT_EQ(-1, differs(&self->m[i]))
					TH_LOG("round %d, tree %d", round, i);
		ASSERT_EQ(-1, some_diff_differs(self->m, &self->seed));
	}
}

static void commit_page(struct model *m, unsigned long i)
{
	struct vmfork_tree change;

	vmfork_tree_begin(&change, &m->tree);
	assert(add_page(m, &change, i));
	vmfork_tree_commit(&m->tree, &change);
}

/* A snapshot of a snapshot shares all of its nodes. */
TEST_F(tree, whole_tree_is_shared)
{
	struct model *a = &self->m[0], *b = &self->m[1];
	unsigned long i;
	long before;

	vmfork_tree_init(&a->tree, TREE_PAGES);
	for (i = 0; i < SPAN; i += 7)
		commit_page(a, i);
	vmfork_tree_seal(&a->tree);
	a->live = true;
	before = slab_live;

	vmfork_tree_init(&b->tree, TREE_PAGES);
	ASSERT_TRUE(share_all(b, &b->tree, a));
	vmfork_tree_seal(&b->tree);
	b->live = true;
	EXPECT_EQ(before, slab_live);
	EXPECT_EQ(-1, differs(b));
	EXPECT_EQ(-1, diff_differs(a, b));

	/* One page changed costs the path to it. */
	commit_page(b, 3 * WINDOW + 5);
	vmfork_tree_seal(&b->tree);
	EXPECT_EQ(before + b->tree.level + 1, slab_live);
	EXPECT_EQ(-1, differs(a));
	EXPECT_EQ(-1, differs(b));
	EXPECT_EQ(-1, diff_differs(a, b));
}

/* Trees of snapshots of different sizes have roots of different levels. */
TEST_F(tree, different_sizes)
{
	struct model *a = &self->m[0], *b = &self->m[1];
	unsigned long i;

	vmfork_tree_init(&a->tree, WINDOW);
	vmfork_tree_init(&b->tree, 1UL << 30);
	a->live = true;
	b->live = true;
	ASSERT_NE(a->tree.level, b->tree.level);
	EXPECT_EQ(-1, diff_differs(a, b));
	for (i = 0; i < WINDOW; i += 5)
		commit_page(a, i);
	vmfork_tree_seal(&a->tree);
	EXPECT_EQ(-1, diff_differs(a, b));
	EXPECT_EQ(-1, diff_differs(b, a));
	ASSERT_TRUE(add_share(b, &b->tree, a, 0, 0, WINDOW));
	vmfork_tree_seal(&b->tree);
	EXPECT_EQ(-1, differs(b));
	EXPECT_EQ(-1, diff_differs(a, b));
	commit_page(b, 2 * WINDOW);
	commit_page(b, 7);
	vmfork_tree_seal(&b->tree);
	EXPECT_EQ(-1, diff_differs(a, b));
	EXPECT_EQ(-1, diff_differs(b, a));
}

/*
 * A file that is written grows page by page, in any order, and loses pages again;
 * sometimes there is no memory.  Nobody else has its tree, so nothing is copied.
 */
TEST_F(tree, written_page_by_page)
{
	struct model *m = &self->m[0];
	struct page *page;
	unsigned long i, n;

	vmfork_tree_init(&m->tree, 0);
	m->live = true;
	for (n = 0; n < 3 * SPAN; n++) {
		/* Further out with time, so that it gets more levels. */
		i = rnd(&self->seed, 1 + n % SPAN);
		if (n % 5 == 4) {
			ASSERT_EQ(0, vmfork_tree_erase(&m->tree, index_at(i),
						       1));
			m->pages[i] = NULL;
			continue;
		}
		if (n % 7 == 6)
			slab_fail_after = rnd(&self->seed, 4);
		page = page_new(false);
		if (vmfork_tree_grow(&m->tree, index_at(i) + 1) ||
		    vmfork_tree_set_page(&m->tree, index_at(i), page))
			vmfork_page_put(page, false);
		else
			m->pages[i] = page;
		slab_fail_after = -1;
	}
	ASSERT_EQ(0, vmfork_tree_grow(&m->tree, TREE_PAGES));
	vmfork_tree_seal(&m->tree);
	EXPECT_EQ(-1, differs(m));
	/* As deep as one that was made for that size. */
	vmfork_tree_init(&self->m[1].tree, TREE_PAGES);
	EXPECT_EQ(self->m[1].tree.level, m->tree.level);
}

/* No depth grows with the length of a chain of which the newest is kept. */
TEST_F(tree, chain_does_not_grow)
{
	struct model *old = &self->m[0], *new = &self->m[1], *tmp;
	long nodes = 0, pages = 0;
	int i;

	vmfork_tree_init(&old->tree, TREE_PAGES);
	for (i = 0; i < (int)WINDOW; i++)
		commit_page(old, i);
	vmfork_tree_seal(&old->tree);
	old->live = true;
	for (i = 0; i < 5000; i++) {
		memset(new, 0, sizeof(*new));
		vmfork_tree_init(&new->tree, TREE_PAGES);
		ASSERT_TRUE(share_all(new, &new->tree, old));
		commit_page(new, rnd(&self->seed, WINDOW));
		vmfork_tree_seal(&new->tree);
		new->live = true;
		drop(old);
		tmp = old;
		old = new;
		new = tmp;
		if (!i) {
			nodes = slab_live;
			pages = live_pages;
		}
	}
	EXPECT_EQ(nodes, slab_live);
	EXPECT_EQ(pages, live_pages);
	EXPECT_EQ(-1, differs(old));
}

static unsigned long *next_fresh(struct model *m, unsigned long from,
				 u64 *index, unsigned int *level)
{
	*index = index_at(from);
	return vmfork_tree_next_fresh(&m->tree, index, TREE_PAGES, level);
}

/* Fresh pages are found, each in its order, and only they. */
TEST_F(tree, fresh_slots)
{
	struct model *m = &self->m[0];
	struct vmfork_node *leaf;
	unsigned int level;
	unsigned long *slot;
	struct page *page;
	u64 index;

	vmfork_tree_init(&m->tree, TREE_PAGES);
	m->live = true;
	EXPECT_EQ(NULL, next_fresh(m, 0, &index, &level));
	commit_page(m, 3);
	EXPECT_EQ(NULL, next_fresh(m, 0, &index, &level));
	leaf = vmfork_tree_leaf(&m->tree, 4, GFP_KERNEL);
	ASSERT_NE(NULL, leaf);
	EXPECT_EQ(0, vmfork_leaf_set_fresh(leaf, 4, page_new(false)));
	EXPECT_EQ(&leaf->slots[4], next_fresh(m, 0, &index, &level));
	EXPECT_EQ(4, index);
	EXPECT_EQ(0, level);
	EXPECT_EQ(NULL, next_fresh(m, 5, &index, &level));
	leaf->slots[4] &= ~VMFORK_SLOT_FRESH;

	page = page_new(true);
	ASSERT_EQ(0, vmfork_tree_set_huge(&m->tree, NR, (unsigned long)page |
					  VMFORK_SLOT_FRESH));
	ASSERT_NE(NULL, next_fresh(m, 9, &index, &level));
	EXPECT_EQ(NR, index);
	EXPECT_EQ(VMFORK_HUGE_LEVEL, level);

	/* Split for one page: it is found there, and the rest as runs. */
	ASSERT_NE(NULL, vmfork_tree_leaf(&m->tree, NR + 41, GFP_KERNEL));
	slot = next_fresh(m, NR, &index, &level);
	ASSERT_NE(NULL, slot);
	EXPECT_EQ(NR, index);
	EXPECT_EQ(VMFORK_RUN_LEVEL, level);
	slot = next_fresh(m, NR + 41, &index, &level);
	ASSERT_NE(NULL, slot);
	EXPECT_EQ(NR + 41, index);
	EXPECT_EQ(0, level);
	EXPECT_EQ((unsigned long)(page + 41) | VMFORK_SLOT_FRESH, *slot);
}

/* Whatever was collected on top of whatever, all of it is found, by any way. */
TEST_F(tree, fresh_slots_at_random)
{
	struct model *m = &self->m[0];
	struct vmfork_tree change;
	struct vmfork_node *leaf;
	unsigned int level, round;
	bool fresh[WINDOW];
	unsigned long *slot, i, n;
	unsigned long old;
	u64 index;

	vmfork_tree_init(&m->tree, TREE_PAGES);
	m->live = true;
	for (round = 0; round < 500; round++) {
		memset(fresh, 0, sizeof(fresh));
		vmfork_tree_begin(&change, &m->tree);
		for (n = rnd(&self->seed, 40); n; n--) {
			i = rnd(&self->seed, WINDOW);
			leaf = vmfork_tree_leaf(&change, index_at(i),
						GFP_KERNEL);
			ASSERT_NE(NULL, leaf);
			old = vmfork_leaf_set_fresh(leaf, index_at(i),
						    page_new(false));
			if (old)
				vmfork_page_put(vmfork_slot_page(old),
						old & VMFORK_SLOT_FRESH);
			fresh[i] = true;
		}
		i = rnd(&self->seed, WINDOW);
		index = index_at(i);
		for (;; i++, index++) {
			slot = vmfork_tree_next_fresh(&change, &index,
						      TREE_PAGES, &level);
			while (i < WINDOW && !fresh[i])
				i++;
			if (i == WINDOW)
				break;
			ASSERT_NE(NULL, slot);
			EXPECT_EQ(index_at(i), index);
			EXPECT_EQ(0, level);
			EXPECT_TRUE(*slot & VMFORK_SLOT_FRESH);
		}
		EXPECT_EQ(NULL, slot);
		index = 0;
		while ((slot = vmfork_tree_next_fresh(&change, &index,
						      TREE_PAGES, &level)))
			*slot &= ~VMFORK_SLOT_FRESH;
		if (round % 3)
			vmfork_tree_seal(&change);
		vmfork_tree_commit(&m->tree, &change);
	}
}

TEST_HARNESS_MAIN
