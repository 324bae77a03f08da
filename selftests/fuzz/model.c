// SPDX-License-Identifier: GPL-2.0
/*
 * The model: what each page of the arena must read as.
 */
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "world.h"

struct world w;
struct shared *shared;

uint64_t stamp_value(uint64_t stamp, uint64_t page)
{
	if (!stamp)
		return VAL_ZERO;
	return mix(stamp << 32 | page) & ~(VAL_MAY_BE_ZERO | VAL_UNKNOWN);
}

uint64_t clip(uint64_t *page, uint64_t pages)
{
	*page %= ARENA_PAGES;
	pages %= ARENA_PAGES + 1;
	return pages < ARENA_PAGES - *page ? pages : ARENA_PAGES - *page;
}

/* Places where an address may be wrong in its own way */
static uint64_t odd_address(uint64_t which)
{
	static char data[2 * PAGE] __attribute__((aligned(4096)));
	static const char text[] = "text";
	char stack;

	switch (which) {
	case 0: return 0;
	case 1: return 1;
	case 2: return PAGE;
	case 3: return 0x7ffffffff000 - PAGE;
	case 4: return 0x7ffffffff000;
	case 5: return 0x7ffffffff000 + PAGE;
	case 6: return 0x800000000000;
	case 7: return 0xffff800000000000;
	case 8: return 0xffffffffff600000;		/* vsyscall */
	case 9: return ~0ULL - PAGE + 1;
	case 10: return ~0ULL;
	case 11: return getauxval(AT_SYSINFO_EHDR);	/* vdso */
	case 12: return getauxval(AT_SYSINFO_EHDR) - PAGE;	/* vvar */
	case 13: return (uintptr_t)&stack & -PAGE;
	case 14: return (uintptr_t)sbrk(0) & -PAGE;
	case 15: return ((uintptr_t)sbrk(0) & -PAGE) - PAGE;
	case 16: return (uintptr_t)data;
	case 17: return (uintptr_t)text & -PAGE;
	case 18: return (uintptr_t)odd_address & -PAGE;
	case 19: return (uintptr_t)w.region & -PAGE;
	case 20: return (uintptr_t)shared;
	case 21: return ARENA - PAGE;
	case 22: return ARENA + ARENA_PAGES * PAGE;
	case 23: return ARENA + 1;
	case 24: return ARENA + 0x7f8;
	case 25: return ARENA + HUGE_PAGES * PAGE;
	case 26: return ARENA + HUGE_PAGES * PAGE - PAGE;
	case 27: return 1ULL << 63;
	default: return ARENA;
	}
}

/** address() - pages of the arena, odd addresses, or whatever it is */
uint64_t address(uint64_t code)
{
	if (code < 0x10000)
		return ARENA + code * PAGE;
	if (code < 0x10020)
		return odd_address(code - 0x10000);
	return code;
}

/** length() - pages, odd lengths, or whatever it is; for offsets too */
uint64_t length(uint64_t code)
{
	static const uint64_t odd[16] = {
		0, 1, PAGE - 1, PAGE + 1, 1ULL << 30, 1ULL << 40, 1ULL << 47,
		(1ULL << 47) - PAGE, 1ULL << 52, 1ULL << 63, 1ULL << 63 | PAGE,
		~0ULL, -PAGE, -2 * PAGE, 0x7ffffffff000 - ARENA, 1ULL << 44,
	};

	if (code < 0x10000)
		return code * PAGE;
	if (code < 0x10010)
		return odd[code - 0x10000];
	return code;
}

long arena_page(uint64_t addr)
{
	if (addr < ARENA || addr >= ARENA + ARENA_PAGES * PAGE)
		return -1;
	return (addr - ARENA) / PAGE;
}

void model_set(uint64_t page, uint64_t pages, enum page_kind kind, int prot,
	       uint64_t val)
{
	struct page_model *p = &w.page[page];

	for (; pages--; p++)
		*p = (struct page_model){
			.kind = kind, .prot = prot,
			.val = kind == PAGE_ODD ? VAL_UNKNOWN : val,
		};
}

static uint64_t snap_value(unsigned int snap, uint64_t page)
{
	return page < ARENA_PAGES ? w.snap[snap].val[page] : VAL_UNKNOWN;
}

/** model_snap() - pages are now a mapping of a snapshot */
void model_snap(uint64_t page, uint64_t pages, int prot, unsigned int snap,
		uint64_t snap_page)
{
	struct page_model *p = &w.page[page];

	for (; pages--; p++, snap_page++)
		*p = (struct page_model){
			.kind = snap_page < w.snap[snap].size / PAGE ?
				PAGE_SNAP : PAGE_BEYOND,
			.prot = prot, .snap = snap, .snap_page = snap_page,
			.val = snap_value(snap, snap_page),
		};
}

/** model_snap_again() - a mapping reads as this snapshot, where it maps it */
void model_snap_again(uint64_t page, unsigned int snap)
{
	struct page_model *p = &w.page[page];

	p->snap = snap;
	if (p->kind == PAGE_SNAP)
		p->val = snap_value(snap, p->snap_page);
}

/** model_unknown() - pages may hold anything, if they are mapped at all */
void model_unknown(uint64_t page, uint64_t pages)
{
	model_set(page, pages, PAGE_ODD, 0, VAL_UNKNOWN);
}

void model_flag(uint64_t page, uint64_t pages, int flag)
{
	struct page_model *p = &w.page[page];

	for (; pages--; p++)
		p->flags |= flag;
}

/* What a page reads as when the process gives up what it has written. */
static uint64_t base_value(const struct page_model *p)
{
	if (p->kind == PAGE_SHARED)
		return p->val;
	if (p->flags & PF_AMBIGUOUS ||
	    __atomic_load_n(&shared->captured[w.index], __ATOMIC_SEQ_CST))
		return VAL_UNKNOWN;
	switch (p->kind) {
	case PAGE_ANON:
		return VAL_ZERO;
	case PAGE_SNAP:
		return snap_value(p->snap, p->snap_page);
	default:
		return VAL_UNKNOWN;
	}
}

/** model_drop() - MADV_DONTNEED */
void model_drop(uint64_t page, uint64_t pages)
{
	struct page_model *p = &w.page[page];

	for (; pages--; p++)
		p->val = base_value(p);
}

/** model_move() - mremap(2); with @leave the old mapping stays, emptied */
void model_move(uint64_t from, uint64_t to, uint64_t pages, bool leave)
{
	static struct page_model moved[ARENA_PAGES];
	uint64_t i;

	for (i = from; leave && i < from + pages; i++)
		if (w.page[i].kind == PAGE_SHARED)
			model_no_sharing();
	memcpy(moved, &w.page[from], pages * sizeof(moved[0]));
	if (leave)
		model_drop(from, pages);
	else
		model_set(from, pages, PAGE_NONE, 0, VAL_ZERO);
	memcpy(&w.page[to], moved, pages * sizeof(moved[0]));
}

/** model_no_sharing() - one shared page may be seen at two places now */
void model_no_sharing(void)
{
	struct page_model *p;

	for (p = w.page; p < w.page + ARENA_PAGES; p++)
		if (p->kind == PAGE_SHARED)
			*p = (struct page_model){ .kind = PAGE_ODD,
						  .val = VAL_UNKNOWN };
}

/** model_forked() - fork(2) has just been; shared memory is not followed */
void model_forked(bool child)
{
	struct page_model *p;

	model_no_sharing();
	if (!child)
		return;
	for (p = w.page; p < w.page + ARENA_PAGES; p++) {
		if (p->flags & PF_DONTFORK)
			*p = (struct page_model){ .kind = PAGE_NONE };
		else if (p->flags & PF_WIPE)
			p->val = VAL_ZERO;
	}
}

/* Return: 0, or -EFAULT, maybe only after the first word */
static int store_page(uint64_t page, uint64_t val)
{
	const uint64_t words[3] = { val, val ? val ^ 255 : 0,
				    val ? val ^ 511 : 0 };
	char *at = page_addr(page);

	if (guarded_copy(at, &words[0], 8) ||
	    guarded_copy(at + 255 * 8, &words[1], 8))
		return -EFAULT;
	return guarded_copy(at + 511 * 8, &words[2], 8);
}

static bool must_be_writable(const struct page_model *p)
{
	return p->prot & PROT_WRITE && !(p->flags & PF_FAULTS) && !w.lost &&
	       (p->kind == PAGE_ANON || p->kind == PAGE_SNAP);
}

static void model_stored(uint64_t page, uint64_t val)
{
	struct page_model *p = &w.page[page];

	if (p->kind == PAGE_BEYOND && !w.lost)
		violation("page %lx is past the end of its snapshot, and was "
			  "written to", (unsigned long)page);
	if (p->kind == PAGE_NONE)	/* A stack has grown. */
		model_unknown(page, 1);
	if (p->kind != PAGE_ODD && !(p->val & VAL_UNKNOWN))
		p->val = val;
}

long store(uint64_t page, uint64_t pages, uint64_t stride, uint64_t stamp)
{
	uint64_t end = page + pages, val;
	long done = 0;

	for (; page < end; page += stride, done++) {
		val = stamp_value(stamp, page);
		if (!store_page(page, val)) {
			model_stored(page, val);
			continue;
		}
		if (must_be_writable(&w.page[page]))
			violation("page %lx can not be written to",
				  (unsigned long)page);
		w.page[page].val = VAL_UNKNOWN;
		return done ? done : -EFAULT;
	}
	return done;
}
