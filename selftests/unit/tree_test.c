// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmod/tree.c against a flat model: random trees built on random older ones,
 * dropped in random order, with allocations that fail.  What must hold: each
 * tree says what its model says, for as long as it lives; no node and no
 * reference on a page is left at the end.
 */
#include <stdio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "pages.h"
#include "slab.h"
#include "tree.h"

#define NR		512UL
#define WINDOW		(4 * NR)
#define NR_WINDOWS	4
#define SPAN		(NR_WINDOWS * WINDOW)
#define TREE_PAGES	(3UL << 18)
#define NR_TREES	6

struct page {
	long refs;
	long fresh_refs;
	struct page *head;
	long users;
} __attribute__((aligned(64)));

static long live_pages;

/* A page, or a folio of 512, that its last reference frees. */
static struct page *page_new(bool huge)
{
	unsigned long i, nr = huge ? NR : 1;
	struct page *page = aligned_alloc(64, nr * sizeof(*page));

	memset(page, 0, nr * sizeof(*page));
	for (i = 0; i < nr; i++)
		page[i].head = page;
	page->refs = 1;
	live_pages++;
	return page;
}

struct page *vmfork_subpage(struct page *head, unsigned long nr)
{
	assert(head->head == head);
	return head + nr;
}

void vmfork_page_get(struct page *page, bool fresh)
{
	(void)fresh;
	assert(page->head->refs > 0);
	page->head->refs++;
}

void vmfork_page_put(struct page *page, bool fresh)
{
	struct page *head = page->head;

	(void)fresh;
	assert(head->refs > 0);
	if (!--head->refs) {
		live_pages--;
		free(head);
	}
}

void get_page(struct page *page)
{
	vmfork_page_get(page, false);
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
	vmfork_tree_cleanup();
}

static unsigned long rnd(unsigned int *seed, unsigned long below)
{
	return (((unsigned long)rand_r(seed) << 15) ^ rand_r(seed)) % below;
}

/* All that a tree says, against its model: the first difference, or -1. */
static long differs(struct model *m)
{
	u64 pages = 0, huge = 0;
	unsigned long i;

	for (i = 0; i < SPAN; i++) {
		bool is_huge;
		struct page *page = vmfork_tree_get_page(&m->tree, index_at(i),
							 &is_huge);

		if (page)
			vmfork_page_put(page, false);
		if (page != m->pages[i] || (page && is_huge != m->huge[i]))
			return i;
		pages += !!page;
		huge += page && is_huge;
	}
	if (pages != vmfork_tree_pages(&m->tree))
		return SPAN;
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

static void model_erase(struct model *m, unsigned long i, unsigned long nr)
{
	vmfork_tree_erase(&m->tree, index_at(i), nr);
	for (; nr; nr--, i++) {
		/* What is left of a 2 MiB folio is single pages now. */
		if (m->huge[i]) {
			unsigned long first = i - index_at(i) % NR, j;

			for (j = first; j < first + NR; j++)
				m->huge[j] = false;
		}
		m->pages[i] = NULL;
	}
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

static bool add_page(struct model *m, unsigned long i)
{
	struct vmfork_node *leaf = vmfork_tree_leaf(&m->tree, index_at(i),
						    GFP_KERNEL);
	unsigned long *slot, old;

	if (!leaf)
		return false;
	if (m->huge[i]) {
		unsigned long first = i - index_at(i) % NR, j;

		for (j = first; j < first + NR; j++)
			m->huge[j] = false;
	}
	m->pages[i] = page_new(false);
	slot = &leaf->slots[index_at(i) & VMFORK_NODE_MASK];
	old = *slot;
	*slot = (unsigned long)m->pages[i];
	if (old)
		vmfork_page_put(vmfork_slot_page(old), false);
	return true;
}

static bool add_huge(struct model *m, unsigned long i)
{
	struct page *page = page_new(true);
	unsigned long j;

	if (vmfork_tree_set_huge(&m->tree, index_at(i),
				 (unsigned long)page | VMFORK_SLOT_HUGE)) {
		vmfork_page_put(page, false);
		return false;
	}
	for (j = 0; j < NR; j++) {
		m->pages[i + j] = page + j;
		m->huge[i + j] = true;
	}
	return true;
}

static bool add_share(struct model *m, struct model *from, unsigned long dst,
		      unsigned long src, unsigned long nr)
{
	bool aligned = !((index_at(dst) ^ index_at(src)) & VMFORK_NODE_MASK);
	unsigned long i;

	model_erase(m, dst, nr);
	if (vmfork_tree_share(&m->tree, index_at(dst), &from->tree,
			      index_at(src), nr)) {
		model_erase(m, dst, nr);
		return false;
	}
	for (i = 0; i < nr; i++) {
		unsigned long first = index_at(dst + i) & VMFORK_NODE_MASK;
		bool whole = aligned && i >= first && i - first + NR <= nr;

		m->pages[dst + i] = from->pages[src + i];
		m->huge[dst + i] = whole && from->huge[src + i];
	}
	return true;
}

/* One step of building a tree; false if memory ran out. */
static bool step(struct model *all, struct model *m, unsigned int *seed)
{
	unsigned long nr, at = some_range(seed, &nr), src, i;
	struct model *from = &all[rnd(seed, NR_TREES)];

	switch (rnd(seed, 6)) {
	case 0:
		model_erase(m, at, nr);
		return true;
	case 1:
		return add_huge(m, at & ~(NR - 1));
	case 2:
		for (i = 0; i < nr % 40; i++)
			if (!add_page(m, at + i))
				return false;
		return true;
	default:
		if (!from->live || from == m)
			return true;
		src = rnd(seed, 2) ? at : some_range(seed, &i);
		if (nr > WINDOW - src % WINDOW)
			nr = WINDOW - src % WINDOW;
		return add_share(m, from, at, src, nr);
	}
}

static void build(struct model *all, struct model *m, unsigned int *seed)
{
	int steps = 1 + rnd(seed, 20);

	memset(m, 0, sizeof(*m));
	vmfork_tree_init(&m->tree, TREE_PAGES);
	while (steps--)
		step(all, m, seed);
	vmfork_tree_seal(&m->tree);
	m->live = true;
}

static void drop(struct model *m)
{
	vmfork_tree_destroy(&m->tree);
	m->live = false;
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
	}
}

/* A snapshot of a snapshot shares all of its nodes but the root. */
TEST_F(tree, whole_tree_is_shared)
{
	struct model *a = &self->m[0], *b = &self->m[1];
	unsigned long i;
	long before;

	vmfork_tree_init(&a->tree, TREE_PAGES);
	for (i = 0; i < SPAN; i += 7)
		ASSERT_TRUE(add_page(a, i));
	vmfork_tree_seal(&a->tree);
	a->live = true;
	before = slab_live;

	vmfork_tree_init(&b->tree, TREE_PAGES);
	ASSERT_EQ(0, vmfork_tree_share(&b->tree, 0, &a->tree, 0, TREE_PAGES));
	memcpy(b->pages, a->pages, sizeof(b->pages));
	vmfork_tree_seal(&b->tree);
	b->live = true;
	EXPECT_EQ(before + 1, slab_live);
	EXPECT_EQ(-1, differs(b));

	/* One page changed costs the path to it. */
	b->tree.root->sealed = false;
	ASSERT_TRUE(add_page(b, 3 * WINDOW + 5));
	vmfork_tree_seal(&b->tree);
	EXPECT_EQ(before + 3, slab_live);
	EXPECT_EQ(-1, differs(a));
	EXPECT_EQ(-1, differs(b));
}

/* No depth grows with the length of a chain of which the newest is kept. */
TEST_F(tree, chain_does_not_grow)
{
	struct model *old = &self->m[0], *new = &self->m[1], *tmp;
	long nodes = 0, pages = 0;
	int i;

	vmfork_tree_init(&old->tree, TREE_PAGES);
	for (i = 0; i < (int)WINDOW; i++)
		ASSERT_TRUE(add_page(old, i));
	vmfork_tree_seal(&old->tree);
	old->live = true;
	for (i = 0; i < 5000; i++) {
		memset(new, 0, sizeof(*new));
		vmfork_tree_init(&new->tree, TREE_PAGES);
		ASSERT_TRUE(add_share(new, old, 0, 0, WINDOW));
		ASSERT_TRUE(add_page(new, rnd(&self->seed, WINDOW)));
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

/* Fresh pages are found by their leaf, and only they. */
TEST_F(tree, fresh_slots)
{
	struct model *m = &self->m[0];
	struct vmfork_node *leaf;
	struct page *page;

	vmfork_tree_init(&m->tree, TREE_PAGES);
	m->live = true;
	EXPECT_EQ(NULL, vmfork_tree_fresh_slot(&m->tree, 0));
	ASSERT_TRUE(add_page(m, 3));
	EXPECT_EQ(NULL, vmfork_tree_fresh_slot(&m->tree, 3));
	leaf = vmfork_tree_leaf(&m->tree, 4, GFP_KERNEL);
	ASSERT_NE(NULL, leaf);
	leaf->slots[4] = (unsigned long)page_new(false) | VMFORK_SLOT_FRESH;
	leaf->nr_fresh++;
	ASSERT_NE(NULL, vmfork_tree_fresh_slot(&m->tree, 100));
	EXPECT_EQ(leaf, vmfork_slot_node(*vmfork_tree_fresh_slot(&m->tree, 0)));
	vmfork_tree_erase(&m->tree, 4, 1);
	EXPECT_EQ(NULL, vmfork_tree_fresh_slot(&m->tree, 4));

	page = page_new(true);
	ASSERT_EQ(0, vmfork_tree_set_huge(&m->tree, NR, (unsigned long)page |
					  VMFORK_SLOT_HUGE |
					  VMFORK_SLOT_FRESH));
	EXPECT_NE(NULL, vmfork_tree_fresh_slot(&m->tree, NR + 9));
	leaf = vmfork_tree_leaf(&m->tree, NR + 9, GFP_KERNEL);
	ASSERT_NE(NULL, leaf);
	EXPECT_EQ(NR, leaf->nr_fresh);
	EXPECT_EQ((unsigned long)(page + 9) | VMFORK_SLOT_FRESH,
		  leaf->slots[9]);
}

TEST_HARNESS_MAIN
