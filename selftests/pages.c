// SPDX-License-Identifier: GPL-2.0
/* Stamped pages, and views: memory somewhere with a model of its contents. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"
#include "pages.h"
#include "peer.h"

#define WORDS (PAGE / sizeof(uint64_t))

static uint64_t word_of(uint64_t fill, size_t i)
{
	return fill ? fill ^ (i * 0x9e3779b97f4a7c15) : 0;
}

static size_t poke_at(uint64_t fill)
{
	return fill % WORDS;
}

void page_fill(void *page, uint64_t fill)
{
	volatile uint64_t *word = page;
	size_t i;

	for (i = 0; i < WORDS; i++)
		word[i] = word_of(fill, i);
}

void page_poke(void *page, const struct stamp *old, uint64_t poke)
{
	((volatile uint64_t *)page)[poke_at(old->fill)] = poke;
}

bool page_is(const void *page, const struct stamp *stamp)
{
	const uint64_t *word = page;
	uint64_t wrong = 0;
	size_t i, at = poke_at(stamp->fill);

	for (i = 0; i < WORDS; i++)
		if (i != at)
			wrong |= word[i] ^ word_of(stamp->fill, i);
	return !wrong && word[at] == (stamp->poke ? stamp->poke :
				      word_of(stamp->fill, at));
}

struct stamp *model_alloc(size_t pages)
{
	return shared_alloc(pages * sizeof(struct stamp));
}

struct stamp *model_copy(const struct stamp *model, size_t pages)
{
	struct stamp *copy = model_alloc(pages);

	memcpy(copy, model, pages * sizeof(*model));
	return copy;
}

struct map_arg {
	size_t len;
	uint64_t offset;
};

static long do_map(int fd, const void *arg)
{
	const struct map_arg *map = arg;

	return (long)map_snapshot(fd, map->len, map->offset);
}

int view_map(struct view *view, struct peer *who, int fd, uint64_t offset,
	     size_t pages, const struct stamp *model)
{
	struct map_arg arg = { .len = pages * PAGE, .offset = offset };
	long addr;

	addr = peer_call(who, do_map, fd, &arg, sizeof(arg));
	if (addr <= 0)
		return addr ? (int)addr : -ENOMEM;
	view->who = who;
	view->addr = (char *)addr;
	view->pages = pages;
	view->model = model_copy(model, pages);
	return 0;
}

struct page_arg {
	struct view view;
	size_t page;
	struct stamp stamp;
};

static long do_unmap(int fd, const void *arg)
{
	const struct view *view = arg;

	(void)fd;
	return munmap(view->addr, view->pages * PAGE);
}

void view_unmap(struct view *view)
{
	if (view->addr)
		peer_call(view->who, do_unmap, -1, view, sizeof(*view));
	view->addr = NULL;
}

static void note_wrong(const char *what, size_t page, const void *is,
		       const struct stamp *stamp)
{
	const uint64_t *word = is;

	note("%s: page %zu is %llx %llx, not of %llx/%llx", what, page,
	     (unsigned long long)word[0], (unsigned long long)word[1],
	     (unsigned long long)stamp->fill,
	     (unsigned long long)stamp->poke);
}

struct check_arg {
	struct view view;
	char what[64];
};

static long do_check(int fd, const void *arg)
{
	const struct check_arg *check = arg;
	const struct view *view = &check->view;
	long wrong = 0;
	size_t i;

	(void)fd;
	for (i = 0; i < view->pages; i++) {
		const char *page = view->addr + i * PAGE;

		if (page_is(page, &view->model[i]))
			continue;
		if (!wrong++)
			note_wrong(check->what, i, page, &view->model[i]);
	}
	return wrong;
}

long view_check(const struct view *view, const char *what)
{
	struct check_arg arg = { .view = *view };

	snprintf(arg.what, sizeof(arg.what), "%s", what);
	return peer_call(view->who, do_check, -1, &arg, sizeof(arg));
}

static long do_fill(int fd, const void *arg)
{
	const struct page_arg *page = arg;

	(void)fd;
	page_fill(page->view.addr + page->page * PAGE, page->stamp.fill);
	return 0;
}

int view_fill(struct view *view, size_t page, uint64_t fill)
{
	struct page_arg arg = { .view = *view, .page = page };

	arg.stamp.fill = fill;
	view->model[page] = arg.stamp;
	return peer_call(view->who, do_fill, -1, &arg, sizeof(arg));
}

static long do_poke(int fd, const void *arg)
{
	const struct page_arg *page = arg;

	(void)fd;
	page_poke(page->view.addr + page->page * PAGE, &page->stamp,
		  page->stamp.poke);
	return 0;
}

int view_poke(struct view *view, size_t page, uint64_t poke)
{
	struct page_arg arg = { .view = *view, .page = page };

	view->model[page].poke = poke;
	arg.stamp = view->model[page];
	return peer_call(view->who, do_poke, -1, &arg, sizeof(arg));
}

static long do_reset(int fd, const void *arg)
{
	const struct page_arg *page = arg;

	(void)fd;
	return madvise(page->view.addr + page->page * PAGE, PAGE,
		       MADV_DONTNEED) ? -errno : 0;
}

int view_reset(struct view *view, size_t page, const struct stamp *base)
{
	struct page_arg arg = { .view = *view, .page = page };

	view->model[page] = *base;
	return peer_call(view->who, do_reset, -1, &arg, sizeof(arg));
}

long snapshot_check(int fd, uint64_t offset, size_t pages,
		    const struct stamp *model, const char *what)
{
	static char buf[64 * PAGE] __attribute__((aligned(4096)));
	long wrong = 0;
	size_t i, j;

	for (i = 0; i < pages; i += j) {
		size_t n = pages - i < 64 ? pages - i : 64;
		ssize_t got = pread(fd, buf, n * PAGE, offset + i * PAGE);

		if (got <= 0 || got % PAGE) {
			note("%s: pread at page %zu: %zd", what, i, got);
			return wrong + 1;
		}
		for (j = 0; j < (size_t)got / PAGE; j++)
			if (!page_is(buf + j * PAGE, &model[i + j]) && !wrong++)
				note_wrong(what, i + j, buf + j * PAGE,
					   &model[i + j]);
	}
	return wrong;
}
