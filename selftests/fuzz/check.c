// SPDX-License-Identifier: GPL-2.0
/*
 * Does memory, and do snapshots, hold what the model says?
 */
#include <string.h>
#include <sys/mman.h>

#include "world.h"

#define BATCH	16

static bool page_has(const uint64_t *word, uint64_t val)
{
	unsigned int i;

	for (i = 0; i < 512; i++) {
		uint64_t want = 0;

		if (val && (i == 0 || i == 255 || i == 511))
			want = val ^ i;
		if (word[i] != want)
			return false;
	}
	return true;
}

/* Whole pages, so that nobody's old memory shows through anywhere. */
static bool page_right(const void *at, uint64_t val)
{
	if (val & VAL_UNKNOWN)
		return true;
	if (val & VAL_MAY_BE_ZERO && page_has(at, 0))
		return true;
	return page_has(at, val & ~VAL_MAY_BE_ZERO);
}

/* Long runs of zeroes are not looked at page by page. */
static bool worth_it(uint64_t page, uint64_t val, uint64_t before)
{
	return val || before || mix(page) % 64 == 0;
}

static void describe(const struct page_model *p, const void *at, char *text,
		     size_t size)
{
	const uint64_t *word = at;

	snprintf(text, size, "kind %u prot %u flags %x snap %u page %x, value "
		 "%llx, words %llx %llx %llx", p->kind, p->prot, p->flags,
		 p->snap, p->snap_page, (unsigned long long)p->val,
		 (unsigned long long)word[0],
		 (unsigned long long)(word[255] ^ 255),
		 (unsigned long long)(word[511] ^ 511));
}

static bool may_fault(const struct page_model *p)
{
	return p->flags & PF_FAULTS || p->kind == PAGE_BEYOND;
}

static void check_page(uint64_t page)
{
	static uint64_t copy[512];
	const struct page_model *p = &w.page[page];
	char text[256];

	if (guarded_copy(copy, page_addr(page), PAGE)) {
		if (!may_fault(p))
			violation("page %lx (kind %u, prot %u) can not be read",
				  (unsigned long)page, p->kind, p->prot);
		return;
	}
	if (p->kind == PAGE_BEYOND)
		violation("page %lx is past the end of its snapshot, and can "
			  "be read", (unsigned long)page);
	if (page_right(copy, p->val))
		return;
	describe(p, copy, text, sizeof(text));
	violation("page %lx is wrong: %s", (unsigned long)page, text);
}

static void check_arena(void)
{
	uint64_t page, before = 1;
	const struct page_model *p;

	for (page = 0; page < ARENA_PAGES; page++) {
		p = &w.page[page];
		if (p->kind == PAGE_NONE || p->kind == PAGE_ODD ||
		    !(p->prot & (PROT_READ | PROT_WRITE))) {
			before = 1;
			continue;
		}
		if (p->val & VAL_UNKNOWN && p->kind != PAGE_BEYOND)
			continue;
		if (worth_it(page, p->val, before))
			check_page(page);
		before = p->val;
	}
}

static bool batch_matters(const uint64_t *val, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (val[i] & ~VAL_UNKNOWN)
			return true;
	return false;
}

static void check_snap(int fd, unsigned int index)
{
	static char buf[BATCH * PAGE];
	const struct snap_model *s = &w.snap[index];
	uint64_t pages = s->size / PAGE, at;
	unsigned int i, nr;
	ssize_t n;

	if (pages > ARENA_PAGES)
		pages = ARENA_PAGES;
	for (at = 0; at < pages; at += nr) {
		nr = pages - at < BATCH ? pages - at : BATCH;
		if (at && !batch_matters(s->val + at, nr))
			continue;
		n = pread(fd, buf, nr * PAGE, at * PAGE);
		if (n < 0 && errno == EBADF)
			return;		/* opened with O_PATH, or write-only */
		/* A file's, which has changed: nobody knows what it held. */
		for (i = 0; i < nr && !(s->val[at + i] & VAL_UNKNOWN); i++)
			;
		if (i < nr && (n > 0 || (n < 0 && errno == EIO)))
			n = n > 0 ? n : 0;
		else if (n != (ssize_t)(nr * PAGE))
			violation("pread of snapshot %u at page %lx: %zd (%s)",
				  index, (unsigned long)at, n,
				  n < 0 ? strerror(errno) : "short");
		for (i = 0; i < n / PAGE; i++)
			if (!page_right(buf + i * PAGE, s->val[at + i]))
				violation("snapshot %u is wrong at page %lx: "
					  "value %llx, first word %llx", index,
					  (unsigned long)at + i,
					  (unsigned long long)s->val[at + i],
					  *(unsigned long long *)
					  (buf + i * PAGE));
	}
}

/** check_all() - the arena and all snapshots; does not return if wrong */
void check_all(void)
{
	uint32_t seen = 0;
	unsigned int i;

	if (w.lost || shared->written[w.index])
		return;
	check_arena();
	for (i = 0; i < NR_FDS; i++) {
		struct fd_slot *s = &w.fd[i];

		if (s->type != FD_SNAP || seen & 1U << s->snap)
			continue;
		seen |= 1U << s->snap;
		check_snap(s->fd, s->snap);
	}
}
