// SPDX-License-Identifier: GPL-2.0
/* The model of the walk: processes, snapshots, and what they must hold. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pages.h"
#include "walk.h"

void walk_say(struct walk *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->line[w->lines++ % NR_LINES], sizeof(w->line[0]), fmt, ap);
	va_end(ap);
}

/* Processes */

struct proc *walk_proc(struct walk *w)
{
	size_t i, at = walk_rnd(w, NR_PROCS);

	for (i = 0; i < NR_PROCS; i++)
		if (w->proc[(at + i) % NR_PROCS].peer)
			return &w->proc[(at + i) % NR_PROCS];
	return NULL;
}

struct proc *walk_free_proc(struct walk *w)
{
	size_t i;

	for (i = 0; i < NR_PROCS; i++)
		if (!w->proc[i].peer)
			return &w->proc[i];
	return NULL;
}

unsigned int walk_nr_procs(const struct walk *w)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_PROCS; i++)
		nr += !!w->proc[i].peer;
	return nr;
}

size_t walk_run(const struct proc *p, size_t page, size_t most)
{
	size_t nr = 0;

	while (nr < most && page + nr < ARENA_PAGES && p->page[page + nr].mapped)
		nr++;
	return nr;
}

/* Few pages are as likely as many. */
static size_t some_pages(struct walk *w, size_t most)
{
	static const size_t limit[] = { 1, 4, 40, 512, 1024, ARENA_PAGES };
	size_t below = limit[walk_rnd(w, ARRAY_SIZE(limit))];

	return 1 + walk_rnd(w, below < most ? below : most);
}

bool walk_range(struct walk *w, struct proc *p, size_t *page, size_t *nr)
{
	size_t from = walk_rnd(w, ARENA_PAGES), i;

	for (i = 0; i < ARENA_PAGES; i++) {
		*page = (from + i) % ARENA_PAGES;
		if (p->page[*page].mapped)
			break;
	}
	if (i == ARENA_PAGES)
		return false;
	*nr = walk_run(p, *page, some_pages(w, ARENA_PAGES));
	return true;
}

static bool is_place(const struct proc *p, size_t page, size_t nr)
{
	const struct page *first = &p->page[page];
	size_t i;

	for (i = 0; i < nr; i++)
		if (!first[i].mapped || first[i].snap != first->snap ||
		    first[i].at != first->at + i)
			return false;
	return nr && first->snap;
}

bool walk_place(struct walk *w, struct proc *p, size_t *page, size_t *nr)
{
	size_t i, at = walk_rnd(w, NR_PLACES);

	for (i = 0; i < NR_PLACES; i++) {
		const struct place *place = &p->place[(at + i) % NR_PLACES];

		if (!is_place(p, place->page, place->nr))
			continue;
		*page = place->page;
		*nr = place->nr;
		return true;
	}
	return false;
}

void walk_add_place(struct proc *p, size_t page, size_t nr)
{
	p->place[p->next_place++ % NR_PLACES] = (struct place){ page, nr };
}

/* Snapshots */

static bool is_mapped(const struct walk *w, unsigned int snap)
{
	size_t i, page;

	for (i = 0; i < NR_PROCS; i++) {
		if (!w->proc[i].peer)
			continue;
		for (page = 0; page < ARENA_PAGES; page++)
			if (w->proc[i].page[page].mapped &&
			    w->proc[i].page[page].snap == snap)
				return true;
	}
	return false;
}

unsigned int walk_new_snap(struct walk *w, int fd, size_t pages)
{
	unsigned int i;
	struct snap *snap;

	for (i = 0; i < NR_SNAPS; i++)
		if (!w->snap[i].used)
			break;
	for (i = i < NR_SNAPS ? i : 0; w->snap[i].used; i++) {
		if (i == NR_SNAPS - 1) {
			note("no room for one more snapshot");
			abort();
		}
		if (w->snap[i].fd < 0 && !is_mapped(w, i + 1))
			break;
	}
	snap = &w->snap[i];
	if (!snap->fill)
		snap->fill = malloc(SNAP_PAGES * sizeof(*snap->fill));
	if (!snap->fill)
		abort();
	memset(snap->fill, 0, SNAP_PAGES * sizeof(*snap->fill));
	snap->used = true;
	snap->fd = fd;
	snap->pages = pages;
	return i + 1;
}

unsigned int walk_nr_fds(const struct walk *w)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_SNAPS; i++)
		nr += w->snap[i].used && w->snap[i].fd >= 0;
	return nr;
}

unsigned int walk_some_snap(struct walk *w)
{
	size_t i, at = walk_rnd(w, NR_SNAPS);

	for (i = 0; i < NR_SNAPS; i++) {
		const struct snap *snap = &w->snap[(at + i) % NR_SNAPS];

		if (snap->used && snap->fd >= 0)
			return (at + i) % NR_SNAPS + 1;
	}
	return 0;
}

void walk_drop_snap(struct walk *w, unsigned int snap)
{
	close(snap_of(w, snap)->fd);
	snap_of(w, snap)->fd = -1;
}

/* Everything is compared. */

static void note_wrong(const char *what, size_t page, const void *is,
		       uint64_t fill)
{
	const uint64_t *word = is;

	note("%s: page %zu is %llx %llx, not of %llx", what, page,
	     (unsigned long long)word[0], (unsigned long long)word[1],
	     (unsigned long long)fill);
}

struct check_arg {
	const struct page *page;
	unsigned int nr;
};

static long do_check(int fd, const void *arg)
{
	const struct check_arg *check = arg;
	long wrong = 0;
	char what[32];
	size_t i;

	(void)fd;
	snprintf(what, sizeof(what), "process %u", check->nr);
	for (i = 0; i < ARENA_PAGES; i++) {
		struct stamp stamp = { .fill = check->page[i].fill };

		if (!check->page[i].mapped || page_is(page_at(i), &stamp))
			continue;
		if (wrong++ < 3)
			note_wrong(what, i, page_at(i), stamp.fill);
	}
	return wrong;
}

static long check_snap(const struct snap *snap, unsigned int nr)
{
	static char buf[64 * PAGE] __attribute__((aligned(4096)));
	long wrong = 0;
	char what[32];
	size_t at, i;
	ssize_t got;

	snprintf(what, sizeof(what), "snapshot %u", nr);
	for (at = 0; at < snap->pages; at += got / PAGE) {
		size_t n = snap->pages - at < 64 ? snap->pages - at : 64;

		got = pread(snap->fd, buf, n * PAGE, at * PAGE);
		if (got <= 0 || got % PAGE) {
			note("%s: pread at page %zu: %zd", what, at, got);
			return wrong + 1;
		}
		for (i = 0; i < got / PAGE; i++) {
			struct stamp stamp = { .fill = snap->fill[at + i] };

			if (!page_is(buf + i * PAGE, &stamp) && wrong++ < 3)
				note_wrong(what, at + i, buf + i * PAGE,
					   stamp.fill);
		}
	}
	if (pread(snap->fd, buf, PAGE, snap->pages * PAGE)) {
		note("%s does not end at page %zu", what, snap->pages);
		wrong++;
	}
	return wrong;
}

long walk_check(struct walk *w)
{
	struct check_arg arg;
	unsigned int i;
	long wrong = 0;

	/* All processes at once. */
	for (i = 0; i < NR_PROCS; i++) {
		arg = (struct check_arg){ w->proc[i].page, i };
		if (w->proc[i].peer)
			peer_send(w->proc[i].peer, do_check, -1, &arg,
				  sizeof(arg));
	}
	for (i = 0; i < NR_SNAPS; i++)
		if (w->snap[i].used && w->snap[i].fd >= 0)
			wrong += check_snap(&w->snap[i], i + 1);
	for (i = 0; i < NR_PROCS; i++)
		if (w->proc[i].peer)
			wrong += !!peer_wait(w->proc[i].peer);
	return wrong;
}

int walk_start(struct walk *w, uint64_t seed, int advice)
{
	size_t i;

	w->seed = seed;
	w->advice = advice;
	w->call = shared_alloc(sizeof(*w->call));
	for (i = 0; i < NR_PROCS; i++)
		w->proc[i].page = shared_alloc(ARENA_PAGES *
					       sizeof(struct page));
	/* Before there is any snapshot: they shall have none of it. */
	for (i = 0; i < 2; i++) {
		w->proc[i].peer = peer_start();
		if (!w->proc[i].peer)
			return -EAGAIN;
	}
	return 0;
}

void walk_end(struct walk *w)
{
	unsigned int i;

	for (i = 0; i < NR_PROCS; i++)
		peer_kill(w->proc[i].peer);
	for (i = 0; i < NR_SNAPS; i++) {
		if (w->snap[i].used && w->snap[i].fd >= 0)
			close(w->snap[i].fd);
		free(w->snap[i].fill);
	}
}
