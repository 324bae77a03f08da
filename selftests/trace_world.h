/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A snapshot of pages of 4 KiB and holes, and a child of it that nobody has
 * touched, with the module's events turned on.
 */
#ifndef SELFTESTS_TRACE_WORLD_H
#define SELFTESTS_TRACE_WORLD_H

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "live.h"
#include "tracing.h"

#define LEN	(4 * MIB)
#define PAGES	(LEN / PAGE)
#define OFFSET	(16 * MIB)

FIXTURE(trace) {
	char *parent, *child;
	int fd;
	uint64_t id, map;
	struct script script;
};

static inline bool is_hole(size_t page)
{
	return page % 8 == 7;
}

/* Captured from the first page on, of which some are holes; or NULL. */
static inline char *make_parent(bool thp)
{
	char *at = reserve(LEN, 0);
	size_t i;

	if (!at || mmap(at, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		return NULL;
	madvise(at, LEN, thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i++)
		if (thp || !is_hole(i))
			at[i * PAGE] = i + 1;
	return at;
}

static inline void read_page(const char *at, size_t page)
{
	(void)*(const volatile char *)(at + page * PAGE);
}

static inline void write_page(char *at, size_t page)
{
	*(volatile char *)(at + page * PAGE) = 99;
}

FIXTURE_SETUP(trace)
{
	if (tracing_missing())
		SKIP(return, "%s", tracing_missing());
	self->parent = make_parent(false);
	ASSERT_NE(NULL, self->parent);
	self->fd = capture_range(-1, self->parent, LEN, OFFSET, NULL);
	ASSERT_LE(0, self->fd);
	self->id = snapshot_id(self->fd);
	self->child = map_snapshot(self->fd, LEN, OFFSET);
	ASSERT_NE(NULL, self->child);
	self->map = mapping_at(self->child);
	ASSERT_NE(0, self->map);
	ASSERT_EQ(0, set_fault_around(1));
	ASSERT_EQ(0, tracing_start(NULL));
}

FIXTURE_TEARDOWN(trace)
{
	tracing_stop();
	set_fault_around(0);
	munmap(self->parent, LEN);
	munmap(self->child, LEN);
	close(self->fd);
}

/*
 * The child is one of a new parent, which is huge pages and so is its snapshot,
 * and faults map as many as they like to.  NULL: there are none to be had.
 */
static inline char *make_huge(struct __test_metadata *_metadata,
			      FIXTURE_DATA(trace) *self, int *fd)
{
	char *at = make_parent(true);
	struct vmfork_capture cap;

	ASSERT_NE(NULL, at);
	*fd = capture_range(-1, at, LEN, OFFSET, &cap);
	ASSERT_LE(0, *fd);
	if (cap.pages_huge != PAGES)
		return NULL;
	munmap(self->child, LEN);
	self->child = map_snapshot(*fd, LEN, OFFSET);
	ASSERT_NE(NULL, self->child);
	self->id = cap.id;
	self->map = mapping_at(self->child);
	ASSERT_EQ(0, set_fault_around(0));
	tracing_stop();
	ASSERT_EQ(0, tracing_start(NULL));
	return at;
}

/* What the script is to have next, of a page of the child. */
static inline void want_fault(FIXTURE_DATA(trace) *self, size_t page,
			      const char *kind, unsigned int pages)
{
	script_add(&self->script,
		   "vmfork_fault: snapshot=%lu mapping=%lu addr=%#lx offset=%#lx kind=%s flags= pages=%u",
		   self->id, self->map,
		   (uintptr_t)self->child + page * PAGE, OFFSET + page * PAGE,
		   kind, pages);
}

static inline void want_cow(FIXTURE_DATA(trace) *self, size_t page)
{
	script_add(&self->script,
		   "vmfork_cow: snapshot=%lu mapping=%lu addr=%#lx offset=%#lx flags=",
		   self->id, self->map,
		   (uintptr_t)self->child + page * PAGE, OFFSET + page * PAGE);
}

/* Touches of pages that are not mapped, and what they are to give. */
static inline void read_first(FIXTURE_DATA(trace) *self, size_t page)
{
	read_page(self->child, page);
	want_fault(self, page, is_hole(page) ? "read_hole" : "read", 1);
}

static inline void write_first(FIXTURE_DATA(trace) *self, size_t page)
{
	write_page(self->child, page);
	want_fault(self, page, is_hole(page) ? "write_hole" : "write", 1);
}

/* A write to one that is. */
static inline void write_mapped(FIXTURE_DATA(trace) *self, size_t page)
{
	write_page(self->child, page);
	want_cow(self, page);
}

#endif
