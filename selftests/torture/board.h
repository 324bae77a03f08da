/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Boards: what everybody knows of a guest.
 *
 * A board lies in memory that all processes share.  The guest's generator, a
 * thread or a vCPU, says there what it has written and what it is about to, so
 * that whoever captures the guest while it runs can judge what he got.
 */
#ifndef TORTURE_BOARD_H
#define TORTURE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_PAGES	1536	/* three huge pages */
#define MAX_BOARDS	16

/**
 * struct board - a guest, as others see it
 * @life: odd while there is a guest to be captured; rises with each change
 * @pid: of the guest
 * @object: who writes; see pattern.h
 * @addr: of its memory, in its address space; @pages: of it
 * @offset: by convention, of that memory in snapshots, in bytes
 * @uncut: nobody is to cut it into several regions
 * @plain: it is one VMA, so that a capture of it is one instant
 * @visits: how often somebody was about to capture it
 * @seed: of the patterns, the same for all
 * @ticket: not 0: the generator has to pause; @acked: the ticket it saw
 * @stop: the generator has to end
 * @rng: where the generator is in its decisions
 * @burst: how many pages it still visits before it takes a breath
 * @gen: its last generation
 * @checked: pages that it has looked at; @written: pages it wrote
 * @bad: it found a wrong page: @bad_page, at @bad_word
 * @tag: what each page holds; @intent: what it may hold already
 * @inherited: what a page goes back to by MADV_DONTNEED, as long as nobody
 *	has captured the guest
 * @lost: rises when a page is about to go back to something older
 */
struct board {
	volatile uint32_t life;
	volatile int32_t pid;
	uint64_t object;
	uint64_t addr;
	uint64_t offset;
	uint32_t pages;
	uint32_t uncut;
	volatile uint32_t plain;
	volatile uint32_t visits;
	uint64_t seed;
	volatile uint32_t ticket, acked, stop;
	volatile uint32_t bad, bad_page, bad_word;
	uint64_t rng;
	uint64_t burst;
	volatile uint64_t gen;
	volatile uint64_t checked, written;
	volatile uint64_t tag[MAX_PAGES];
	volatile uint64_t intent[MAX_PAGES];
	volatile uint64_t inherited[MAX_PAGES];
	volatile uint32_t lost[MAX_PAGES];
} __attribute__((aligned(4096)));

/**
 * struct glance - what a board said at one time
 */
struct glance {
	uint64_t tag[MAX_PAGES];
	uint64_t intent[MAX_PAGES];
	uint32_t lost[MAX_PAGES];
	uint32_t life;
	uint32_t plain;
};

/* Where a vCPU has its memory. */
#define BOARD_GPA	0x200000UL
#define DATA_GPA	0x1000000UL

/*
 * Visits pages until the burst is over, a pause or the end is asked for, or a
 * page is wrong.  The guests' vCPUs run it as well as their threads.
 */
void generate(struct board *b, volatile uint64_t *data);

/* Before and after a capture of a guest that may run. */
void glance_before(struct glance *g, const struct board *b);
void glance_after(struct glance *g, const struct board *b);
/* May a page have had this tag at some time between the two? */
bool glance_allows(const struct glance *before, const struct glance *after,
		   const struct board *b, size_t page, uint64_t tag);

/* To have the generator out of the way; the guest itself only. */
void board_pause(struct board *b);
void board_resume(struct board *b);
/* A page is about to be, and then is, written by others than the generator. */
uint64_t board_write(struct board *b, volatile uint64_t *data, size_t page);
/* Pages are about to become what they were before, or something else. */
void board_lose(struct board *b, size_t first, size_t nr);
/*
 * The guest's memory against its board, the generator being paused; settles
 * what may be one of two.  Dies if a page is wrong.
 */
void board_check(struct board *b, const void *data, size_t first, size_t nr,
		 const char *what);
/* What a page is after it went back to something older. */
void board_settle(struct board *b, const void *data, size_t page,
		  const char *what);

#endif
