/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kinds of memory that a capture may meet, and what must be in it.
 *
 * An *area* is anonymous memory of one kind.  A *view* is memory in some
 * process (the area itself, or a mapping of a snapshot of it) together with a
 * *model*: what each of its pages must hold.  A test writes through views and
 * then has every view checked, each byte of it.
 */
#ifndef SELFTESTS_PAGES_H
#define SELFTESTS_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;

/*
 * What a page holds: 512 words made from @fill (all 0 if that is 0), one of
 * which is replaced by @poke if that is not 0.
 */
struct stamp {
	uint64_t fill;
	uint64_t poke;
};

void page_fill(void *page, uint64_t fill);
void page_poke(void *page, const struct stamp *old, uint64_t poke);
bool page_is(const void *page, const struct stamp *stamp);

enum kind {
	KIND_BASE,		/* 4 KiB pages */
	KIND_THP,		/* whole 2 MiB pages */
	KIND_THP_PART,		/* huge pages with parts given back */
	KIND_THP_EDGE,		/* the region begins and ends inside of them */
	KIND_THP_SHIFT,		/* addr and offset differ modulo 2 MiB */
	KIND_MIXED,		/* huge, base, hole, sparse in turns */
	KIND_SWAP,		/* swapped out */
	KIND_SWAP_THP,		/* huge pages, swapped out */
	KIND_SWAP_CACHE,	/* swapped out and read back */
	KIND_KSM,		/* merged by KSM */
	KIND_FORKED,		/* shared with a forked process, now alive */
	KIND_FORKED_THP,
	KIND_FORK_GONE,		/* that process is gone */
	KIND_FREE,		/* MADV_FREE'd in part */
	KIND_ZERO,		/* read, never written: the kernel's zero page */
	KIND_HOLE,		/* mostly never touched */
	KIND_FILE,		/* a file, mapped privately, a third written to */
	NR_KINDS
};

struct view {
	struct peer *who;	/* NULL: the test itself */
	char *addr;
	size_t pages;
	struct stamp *model;	/* in memory shared with the peers */
};

struct area {
	struct view view;
	enum kind kind;
	size_t len;
	uint64_t offset;
	size_t touched;		/* pages that were ever written */
	char *map;		/* the mapping that it is in, in whole */
	size_t map_len;
	struct view other;	/* of the forked process, if there is one */
};

const char *kind_name(enum kind kind);
/* Why this kind can not be had on this machine, or NULL. */
const char *kind_missing(enum kind kind);
/* 0, or -errno with a note that says what could not be had. */
int area_make(struct area *area, enum kind kind, size_t len, uint64_t offset);
/* How many of these touched pages then are on the swap device, nowhere else. */
size_t swap_out(char *addr, size_t pages);
/* Takes what MADV_FREE made of the area into its model, once it is captured. */
void area_settle(struct area *area);
/* The memory around the region, and the forked process, are as they were. */
bool area_others_right(const struct area *area);
void area_free(struct area *area);

/* A model, out of memory that all peers share, whenever they were started. */
struct stamp *model_alloc(size_t pages);
struct stamp *model_copy(const struct stamp *model, size_t pages);
/* Maps the snapshot @fd; the model is a copy of @model. */
int view_map(struct view *view, struct peer *who, int fd, uint64_t offset,
	     size_t pages, const struct stamp *model);
void view_unmap(struct view *view);
/* Checks every byte; notes the first wrong page, returns how many. */
long view_check(const struct view *view, const char *what);
int view_fill(struct view *view, size_t page, uint64_t fill);
int view_poke(struct view *view, size_t page, uint64_t poke);
/* MADV_DONTNEED of one page, which then is as @base says. */
int view_reset(struct view *view, size_t page, const struct stamp *base);
/* The same of a snapshot, by pread. */
long snapshot_check(int fd, uint64_t offset, size_t pages,
		    const struct stamp *model, const char *what);

#endif
