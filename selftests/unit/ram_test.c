// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/vmfork/ram.c and backing.c: what of a virtual machine is captured, and
 * what lies behind the addresses of a process.
 *
 * The plan is compared with one that is made page by page, for many small
 * virtual machines with slots at random.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmfork.h>

#include "backing.h"
#include "kselftest_harness.h"
#include "out.h"
#include "ram.h"
#include "vm.h"

#define PAGE	4096ULL
#define HVA	0x700000000000ULL
#define PAGES	24		/* in the process, and in the guest */
#define SLOTS	8

/* Failures that are expected are not told. */
int failure(int status, int error, const char *format, ...)
{
	(void)error;
	(void)format;
	return status;
}

static uint64_t seed = 1;

static unsigned int rnd(unsigned int below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % below;
}

struct world {
	struct vm vm;
	struct vm_holder owner;
	struct vm_slot slots[2 * SLOTS];
	struct backings backings;
	struct backing ranges[PAGES];
	bool read_only;
};

static void make_backings(struct world *w)
{
	unsigned int at = 0, len;

	w->backings = (struct backings){ .ranges = w->ranges };
	while (at < PAGES) {
		struct backing *range = &w->ranges[w->backings.nr];
		enum backing_kind kind = BACKING_ANONYMOUS;

		len = 1 + rnd(PAGES - at);
		if (rnd(3) == 0)
			kind = BACKING_ANONYMOUS +
			       rnd(BACKING_DEVICE - BACKING_ANONYMOUS + 1);
		*range = (struct backing){
			.start = HVA + at * PAGE,
			.end = HVA + (at + len) * PAGE,
			.kind = kind,
			.snapshot = 7,
			.offset = at * PAGE,
		};
		/* Sometimes there is nothing. */
		w->backings.nr += at == 0 || rnd(5);
		at += len;
	}
}

static uint32_t some_flags(void)
{
	return (rnd(6) ? 0 : VM_SLOT_READONLY) |
	       (rnd(9) ? 0 : VM_SLOT_GUEST_MEMFD) |
	       (rnd(2) ? 0 : VM_SLOT_LOGGED);
}

/* In each space in order, none overlapping another in the guest */
static void make_slots(struct world *w)
{
	unsigned int space, at, len, room;

	w->vm = (struct vm){ .slots = w->slots, .owner = &w->owner };
	for (space = 0; space < 2; space++) {
		for (at = rnd(3); at < PAGES && w->vm.nr_slots < SLOTS +
		     space * SLOTS; at += len + rnd(3)) {
			len = 1 + rnd(PAGES - at);
			room = PAGES - len;
			w->slots[w->vm.nr_slots++] = (struct vm_slot){
				.gpa = at * PAGE,
				.len = len * PAGE,
				.hva = HVA + (rnd(2) && at <= room ? at :
					      rnd(room + 1)) * PAGE,
				.flags = some_flags(),
				.id = rnd(9) ? at : VM_SLOT_OWN + 1,
				.space = space,
			};
		}
	}
}

/* What is expected of a page of a slot */
struct page {
	uint64_t gpa;
	uint64_t hva;
	const char *why;	/* NULL: it is captured */
};

struct pages {
	struct page page[4 * PAGES];
	unsigned int nr;
};

static bool has(const struct pages *pages, const struct page *wanted)
{
	unsigned int i;

	for (i = 0; i < pages->nr; i++)
		if (pages->page[i].gpa == wanted->gpa &&
		    pages->page[i].hva == wanted->hva &&
		    !strcmp(pages->page[i].why ?: "", wanted->why ?: ""))
			return true;
	return false;
}

static void put(struct pages *pages, uint64_t gpa, uint64_t hva,
		const char *why)
{
	const struct page page = { gpa, hva, why };

	if (!has(pages, &page))
		pages->page[pages->nr++] = page;
}

static bool in_space_0(const struct world *w, uint64_t gpa)
{
	size_t i;

	for (i = 0; i < w->vm.nr_slots; i++)
		if (!w->slots[i].space && gpa >= w->slots[i].gpa &&
		    gpa < w->slots[i].gpa + w->slots[i].len)
			return true;
	return false;
}

static enum backing_kind kind_at(const struct world *w, uint64_t hva)
{
	size_t i;

	for (i = 0; i < w->backings.nr; i++)
		if (hva >= w->ranges[i].start && hva < w->ranges[i].end)
			return w->ranges[i].kind;
	return BACKING_NONE;
}

static const struct page *captured_at(const struct pages *pages, uint64_t hva)
{
	unsigned int i;

	for (i = 0; i < pages->nr; i++)
		if (pages->page[i].hva == hva && !pages->page[i].why)
			return &pages->page[i];
	return NULL;
}

static void expect_page(const struct world *w, const struct vm_slot *slot,
			uint64_t at, struct pages *pages)
{
	const uint64_t gpa = slot->gpa + at, hva = slot->hva + at;
	const struct page *other = captured_at(pages, hva);
	const enum backing_kind kind = kind_at(w, hva);
	const char *why = NULL;

	if (slot->id >= VM_SLOT_OWN)
		why = "kvm";
	else if (slot->flags & VM_SLOT_GUEST_MEMFD)
		why = "private";
	else if ((slot->flags & VM_SLOT_READONLY) && !w->read_only)
		why = "read-only";
	else if (kind != BACKING_ANONYMOUS && kind != BACKING_SNAPSHOT &&
		 kind != BACKING_FILE)
		why = backing_name(kind);
	else if (other && other->gpa != gpa)
		why = "alias";
	else if (!other && slot->space && in_space_0(w, gpa))
		why = "hidden";
	put(pages, gpa, hva, why);
}

static void expect(const struct world *w, struct pages *pages)
{
	bool known[PAGES] = { false };
	uint64_t at, end = 0;
	size_t i;

	pages->nr = 0;
	for (i = 0; i < w->vm.nr_slots; i++)
		for (at = 0; at < w->slots[i].len; at += PAGE) {
			expect_page(w, &w->slots[i], at, pages);
			known[(w->slots[i].gpa + at) / PAGE] = true;
		}
	for (i = 0; i < pages->nr; i++)
		if (!pages->page[i].why && end < pages->page[i].gpa)
			end = pages->page[i].gpa;
	for (at = 0; at < end; at += PAGE)
		if (!known[at / PAGE])
			put(pages, at, 0, "mmio");
}

static void expand(const struct ram *ram, struct pages *pages)
{
	uint64_t at;
	size_t i;

	pages->nr = 0;
	for (i = 0; i < ram->nr; i++)
		for (at = 0; at < ram->regions[i].len; at += PAGE)
			put(pages, ram->regions[i].offset + at,
			    ram->regions[i].addr + at, NULL);
	for (i = 0; i < ram->nr_left; i++)
		for (at = 0; at < ram->left[i].len; at += PAGE)
			put(pages, ram->left[i].gpa + at,
			    ram->left[i].hva ? ram->left[i].hva + at : 0,
			    ram->left[i].why);
}

static bool contains(const struct pages *all, const struct pages *some,
		     const char *what)
{
	unsigned int i;

	for (i = 0; i < some->nr; i++) {
		if (has(all, &some->page[i]))
			continue;
		printf("# %s: gpa %llx hva %llx %s\n", what,
		       (unsigned long long)some->page[i].gpa,
		       (unsigned long long)some->page[i].hva,
		       some->page[i].why ?: "captured");
		return false;
	}
	return true;
}

/* As the kernel wants them: in order, and nothing twice */
static bool is_proper(const struct ram *ram)
{
	size_t i, j;

	for (i = 0; i < ram->nr; i++)
		for (j = 0; j < i; j++) {
			const struct vmfork_region *a = &ram->regions[j];
			const struct vmfork_region *b = &ram->regions[i];

			if (a->offset + a->len > b->offset ||
			    (a->addr < b->addr + b->len &&
			     b->addr < a->addr + a->len))
				return false;
		}
	return true;
}

TEST(as_page_by_page)
{
	static struct pages wanted, is;
	static struct world w;
	unsigned int round, captured = 0;
	struct ram ram;

	for (round = 0; round < 20000; round++) {
		make_backings(&w);
		make_slots(&w);
		w.read_only = rnd(4) == 0;
		ram_plan(&w.vm, &w.backings, w.read_only, 256, &ram);
		expect(&w, &wanted);
		expand(&ram, &is);
		captured += ram.nr;
		ASSERT_TRUE(is_proper(&ram))
			TH_LOG("round %u", round);
		ASSERT_TRUE(contains(&is, &wanted, "missing") &&
			    contains(&wanted, &is, "too much"))
			TH_LOG("round %u", round);
		ram_free(&ram);
	}
	/* Or nothing was tested. */
	EXPECT_LT(20000, captured);
}

TEST(too_many_pieces)
{
	struct backing range = {
		.start = HVA, .end = HVA + 1024 * PAGE,
		.kind = BACKING_ANONYMOUS,
	};
	const struct backings backings = { .ranges = &range, .nr = 1 };
	static struct vm_slot slots[20];
	struct vm_holder owner = { .pid = 1 };
	const struct vm vm = {
		.slots = slots, .nr_slots = 20, .owner = &owner,
	};
	struct ram ram;
	int i;

	for (i = 0; i < 20; i++)
		slots[i] = (struct vm_slot){
			.gpa = i * PAGE, .hva = HVA + 2 * i * PAGE, .len = PAGE,
		};
	EXPECT_EQ(0, ram_plan(&vm, &backings, false, 20, &ram));
	EXPECT_EQ(20, ram.nr);
	ram_free(&ram);
	EXPECT_NE(0, ram_plan(&vm, &backings, false, 19, &ram));
	ram_free(&ram);
	/* Those that touch are one. */
	for (i = 0; i < 20; i++)
		slots[i].hva = HVA + i * PAGE;
	EXPECT_EQ(0, ram_plan(&vm, &backings, false, 1, &ram));
	EXPECT_EQ(1, ram.nr);
	EXPECT_EQ(20 * PAGE, ram.regions[0].len);
	ram_free(&ram);
}

static uint64_t map(int flags, const char *file)
{
	int fd = file ? open(file, O_RDWR) : -1;
	void *at = mmap(NULL, 2 * PAGE, PROT_READ, flags, fd, 0);

	if (fd >= 0)
		close(fd);
	return at == MAP_FAILED ? 0 : (uintptr_t)at;
}

TEST(backings_of_this_process)
{
	const uint64_t anonymous = map(MAP_PRIVATE | MAP_ANONYMOUS, NULL);
	const uint64_t shared = map(MAP_SHARED | MAP_ANONYMOUS, NULL);
	const uint64_t nothing = map(MAP_PRIVATE | MAP_ANONYMOUS, NULL);
	char path[] = "/tmp/vmfork-ram-XXXXXX";
	struct backings backings;
	struct backing at;
	uint64_t file;
	int fd = mkstemp(path);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 2 * PAGE));
	file = map(MAP_PRIVATE, path);
	unlink(path);
	ASSERT_TRUE(anonymous && shared && nothing && file);
	munmap((void *)nothing, 2 * PAGE);

	ASSERT_EQ(0, backing_read(getpid(), &backings));
	at = backing_at(&backings, anonymous + PAGE, anonymous + 2 * PAGE);
	EXPECT_EQ(BACKING_ANONYMOUS, at.kind);
	EXPECT_EQ(anonymous + PAGE, at.start);
	EXPECT_EQ(anonymous + 2 * PAGE, at.end);
	EXPECT_EQ(BACKING_SHARED,
		  backing_at(&backings, shared, shared + PAGE).kind);
	EXPECT_EQ(BACKING_FILE, backing_at(&backings, file, file + PAGE).kind);
	at = backing_at(&backings, PAGE, 2 * PAGE);
	EXPECT_EQ(BACKING_NONE, at.kind);
	EXPECT_EQ(2 * PAGE, at.end);
	backing_free(&backings);

	ASSERT_EQ(0, backing_read(0, &backings));
	EXPECT_EQ(BACKING_GONE, backing_at(&backings, PAGE, 2 * PAGE).kind);
	backing_free(&backings);
	close(fd);
}

TEST_HARNESS_MAIN
