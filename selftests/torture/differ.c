// SPDX-License-Identifier: GPL-2.0
/* What two shots differ in, as the kernel says, and as they are known to. */
#include "../live.h"
#include "shot.h"

/* Where both are all there is of a snapshot, in pages */
static size_t end_of(const struct shot *shot)
{
	return shot->offset / PAGE + shot->pages;
}

/* The tag at a page of the file, and what its pattern is made with. */
static uint64_t tag_at(const struct shot *shot, size_t index, size_t *page)
{
	*page = index - shot->offset / PAGE;
	return index < shot->offset / PAGE || index >= end_of(shot) ?
	       TAG_ZERO : shot->tag[*page];
}

/* 1 or 0; -1 if nobody knows */
static int must_differ(const struct shot *a, const struct shot *b,
		       size_t index)
{
	size_t page_a, page_b;
	uint64_t tag_a = tag_at(a, index, &page_a);
	uint64_t tag_b = tag_at(b, index, &page_b);

	if (tag_a == TAG_TORN || tag_b == TAG_TORN)
		return -1;
	return tag_a != tag_b ||
	       (page_a != page_b && tag_a && !IS_COMMON(tag_a));
}

void shot_diff(struct self *self, const struct shot *a, const struct shot *b,
	       const char *who)
{
	static bool differs[2 * MAX_PAGES + 4 * HUGE / PAGE];
	size_t end = end_of(a) > end_of(b) ? end_of(a) : end_of(b), i;
	bool contents = chance(self, 60);
	long nr;

	nr = diff_pages(a->fd, b->fd, contents ? VMFORK_DIFF_CONTENTS : 0,
			1 + draw(self, 64), differs, end);
	did(contents ? "diff: contents" : "diff: pages", nr < 0 ? nr : 0);
	expect_errno("diff", nr, ALLOWED(ENOMEM, EHWPOISON), who);
	for (i = 0; nr >= 0 && i < end; i++) {
		int must = must_differ(a, b, i);

		if (must < 0 || must == differs[i] || (!must && !contents))
			continue;
		fail("%s: page %zu %s, and is said %s", who, i,
		     must ? "differs" : "does not differ",
		     differs[i] ? "to" : "not to");
	}
	count("pages compared by diffs", nr > 0 ? nr : 0);
}
