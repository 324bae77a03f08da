// SPDX-License-Identifier: GPL-2.0
/* Boards: what a guest's memory holds, and what a look at it may have found. */
#include <sched.h>
#include <unistd.h>

#include "torture.h"

/* See board_lose(): who does not see the change sees that it began. */
static void copy(struct glance *g, const struct board *b)
{
	size_t i;

	for (i = 0; i < b->pages; i++) {
		g->lost[i] = b->lost[i];
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		g->tag[i] = b->tag[i];
		g->intent[i] = b->intent[i];
	}
	g->plain = b->plain;
}

/* First of all what can not be undone, last of all what says it is over. */
void glance_before(struct glance *g, const struct board *b)
{
	g->life = b->life;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	copy(g, b);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void glance_after(struct glance *g, const struct board *b)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	copy(g, b);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	g->life = b->life;
}

/* What a page may go back to: what it was at some time in this life. */
static bool is_older(const struct board *b, size_t page, uint64_t tag,
		     uint64_t until)
{
	if (tag == b->inherited[page] || b->inherited[page] == TAG_TORN)
		return true;
	if (IS_COMMON(tag))
		return true;
	return TAG_OBJECT(tag) == b->object && TAG_GEN(tag) <= TAG_GEN(until);
}

bool glance_allows(const struct glance *before, const struct glance *after,
		   const struct board *b, size_t page, uint64_t tag)
{
	uint64_t was = before->tag[page], may = after->intent[page];

	if (was == TAG_TORN)
		return true;
	if (tag == (was & ~TAG_MAYBE) || tag == before->intent[page] ||
	    tag == may)
		return true;
	if (TAG_OBJECT(tag) == b->object && TAG_GEN(tag) <= TAG_GEN(may) &&
	    (TAG_OBJECT(was) != b->object || TAG_GEN(tag) >= TAG_GEN(was)))
		return true;
	if (was & TAG_MAYBE && !tag)
		return true;
	return before->lost[page] != after->lost[page] &&
	       is_older(b, page, tag, TAG(b->object, b->gen));
}

void board_pause(struct board *b)
{
	static uint32_t ticket;

	b->ticket = ++ticket;
	while (b->acked != ticket) {
		usleep(100);
		if (b->bad)
			return;
	}
}

void board_resume(struct board *b)
{
	b->ticket = 0;
}

uint64_t board_write(struct board *b, volatile uint64_t *data, size_t page)
{
	uint64_t tag = TAG(b->object, ++b->gen);

	b->intent[page] = tag;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pattern_fill(data + page * PAGE_WORDS, b->seed, tag, page);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	b->tag[page] = tag;
	return tag;
}

void board_lose(struct board *b, size_t first, size_t nr)
{
	size_t page;

	for (page = first; page < first + nr; page++) {
		b->tag[page] = TAG_TORN;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		b->lost[page]++;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

static const uint64_t *page_of(const void *data, size_t page)
{
	return (const uint64_t *)data + page * PAGE_WORDS;
}

/*
 * What it went back to may be a page that a capture has caught half written,
 * but both halves were this page's own once.
 */
void board_settle(struct board *b, const void *data, size_t page,
		  const char *what)
{
	const uint64_t *words = page_of(data, page);
	uint64_t head = words[0], tail = words[PAGE_WORDS - 1];
	uint64_t until = TAG(b->object, b->gen);

	if (!is_older(b, page, head, until) || !is_older(b, page, tail, until))
		fail("%s of object %llx: %s", what,
		     (unsigned long long)b->object,
		     describe(words, b->inherited[page], page));
	if (pattern_wrong(words, b->seed, head, page) == PAGE_WORDS)
		b->tag[page] = head;
	else if (head != tail || b->inherited[page] == TAG_TORN)
		b->tag[page] = TAG_TORN;
	else
		fail("%s of object %llx: %s", what,
		     (unsigned long long)b->object,
		     describe(words, head, page));
	b->intent[page] = b->tag[page];
}

void board_check(struct board *b, const void *data, size_t first, size_t nr,
		 const char *what)
{
	size_t page;

	for (page = first; page < first + nr; page++) {
		const uint64_t *words = page_of(data, page);
		uint64_t tag = b->tag[page];

		if (tag == TAG_TORN)
			continue;
		if (tag & TAG_MAYBE) {
			/* What is still there may yet be dropped. */
			tag &= ~TAG_MAYBE;
			if (!words[0])
				b->tag[page] = tag = TAG_ZERO;
		}
		if (pattern_wrong(words, b->seed, tag, page) != PAGE_WORDS)
			fail("%s of object %llx: %s", what,
			     (unsigned long long)b->object,
			     describe(words, tag, page));
	}
	count("pages checked by guests", nr);
}
