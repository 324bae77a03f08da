/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world of a running program: the arena, file descriptors and processes
 * that its calls work on, and the model of what memory must hold.
 *
 * The arena is a fixed range of addresses.  The model knows of each of its
 * pages what it must read as, and of each snapshot of this program the pages
 * at its beginning; or that it does not know.  A program forks with fork(2),
 * so each process has a world, and a model, of its own.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/vmfork.h>

#include "prog.h"

#define PAGE		4096UL
#define HUGE_PAGES	512UL
#define ARENA		0x10000000000UL
#define ARENA_PAGES	2048UL
#define NR_FDS		12
#define NR_PROCS	8
#define NR_SNAPS	32
#define NR_INDICES	64

/*
 * What a page holds: words 0, 255 and 511 are its value exclusive-or their
 * number, all others are 0.  Two bits are no part of a value.
 */
#define VAL_ZERO	0ULL
#define VAL_MAY_BE_ZERO	1ULL		/* MADV_FREE: this value, or all 0 */
#define VAL_UNKNOWN	2ULL

enum page_kind {
	PAGE_NONE,		/* not mapped */
	PAGE_ANON,
	PAGE_SNAP,		/* a mapping of a snapshot */
	PAGE_BEYOND,		/* the same, past the snapshot's end: SIGBUS */
	PAGE_SHARED,
	PAGE_ODD,		/* anything else: never looked at */
};

#define PF_FAULTS	1	/* may fault, though it seems to be readable */
#define PF_AMBIGUOUS	2	/* who knows what MADV_DONTNEED leads to */
#define PF_WIPE		4	/* MADV_WIPEONFORK */
#define PF_DONTFORK	8

struct page_model {
	uint64_t val;
	uint32_t snap_page;
	uint8_t snap;			/* index in world.snap */
	uint8_t kind;
	uint8_t prot;
	uint8_t flags;
};

/* A snapshot; what lies beyond ARENA_PAGES of it is not known. */
struct snap_model {
	uint64_t id, size;
	uint64_t val[ARENA_PAGES];
};

enum fd_type { FD_CLOSED, FD_DEVICE, FD_SNAP, FD_OTHER };

struct fd_slot {
	int fd;
	uint8_t type, snap;
};

struct proc_slot {
	pid_t pid;
	int pidfd;
	unsigned int index;		/* in shared->meddled */
};

struct flip {
	uint32_t word, value;
};

struct world {
	struct page_model page[ARENA_PAGES];
	struct snap_model snap[NR_SNAPS];
	unsigned int nr_snaps;
	bool lost;		/* threads work on it: the model says nothing */
	struct fd_slot fd[NR_FDS];
	struct proc_slot proc[NR_PROCS];
	unsigned int index, parent_index;
	struct vmfork_region region[VMFORK_MAX_REGIONS];
	struct flip flip[4];
	unsigned int nr_flips;
	int pipe[2], file, secret;	/* 0: not made yet */
	int disk;
	bool poison;		/* MADV_HWPOISON and such are allowed */
};

/* Seen by all processes of a program, and by whoever runs it. */
struct shared {
	char violation[512];	/* what must not be */
	uint32_t violated;
	uint32_t stop;		/* processes that wait may end */
	uint32_t next_index;
	uint32_t may_die;	/* the program may be killed by a signal */
	uint32_t changed;	/* which settings of the kernel */
	uint32_t result[MAX_CALLS];	/* errno | refusal << 16 */
	/*
	 * By a process's index: others have captured its memory, so that it
	 * does not know what lies below its pages; or have written to it.
	 */
	uint8_t captured[NR_INDICES], written[NR_INDICES];
};

extern struct world w;
extern struct shared *shared;

static inline long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* Notes what must not be, the first time, and ends the process. */
void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2),
						    noreturn));

/* guard.c: what faults here, faults without harm */
extern __thread sigjmp_buf guard_env;
extern __thread volatile int guarded;

/* true until a fault, then false; guard_end() when done. */
#define guard_begin() (guarded = 1, !sigsetjmp(guard_env, 0))
#define guard_end() ((void)(guarded = 0))

void guard_setup(void);
int guarded_copy(void *to, const void *from, size_t len);

/* model.c */
static inline char *page_addr(uint64_t page)
{
	return (char *)(ARENA + page * PAGE);
}

uint64_t stamp_value(uint64_t stamp, uint64_t page);
/* A range of the arena, cut where the arena ends; Return: pages. */
uint64_t clip(uint64_t *page, uint64_t pages);
uint64_t address(uint64_t code);
uint64_t length(uint64_t code);
/* The page of the arena at an address, or -1. */
long arena_page(uint64_t addr);

void model_set(uint64_t page, uint64_t pages, enum page_kind kind, int prot,
	       uint64_t val);
void model_snap(uint64_t page, uint64_t pages, int prot, unsigned int snap,
		uint64_t snap_page);
void model_snap_again(uint64_t page, unsigned int snap);
void model_unknown(uint64_t page, uint64_t pages);
void model_flag(uint64_t page, uint64_t pages, int flag);
void model_drop(uint64_t page, uint64_t pages);
void model_move(uint64_t from, uint64_t to, uint64_t pages, bool leave);
void model_no_sharing(void);
void model_forked(bool child);
/* Writes to memory, as its model then says. Return: pages written. */
long store(uint64_t page, uint64_t pages, uint64_t stride, uint64_t stamp);

/* check.c */
void check_all(void);

/* slots.c */
int slot_fd(uint64_t slot);
struct fd_slot *slot_of(uint64_t slot);
long slot_put(uint64_t slot, int fd, enum fd_type type, unsigned int snap);
struct proc_slot *proc_slot(uint64_t code);
int lowest_fd(void);
int pipe_end(int which);
int plain_file(void);
int names_file(void);

/* run.c */
void run_calls(unsigned int from, unsigned int to);
extern __thread unsigned int pc, pc_end;
extern const struct prog *running;

#endif
