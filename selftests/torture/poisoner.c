// SPDX-License-Identifier: GPL-2.0
/*
 * The poisoner has the kernel believe that a page of a snapshot is broken.  Who
 * uses that page gets SIGBUS, or the content; no other page changes, and the
 * page is never given to anybody else.
 *
 * It uses a family of its own, as everybody else has to find his pages whole.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"
#include "torture.h"

#define MAX_POISONED	60
#define MAX_POISONED_HUGE 12
#define CORRUPT_PFN	"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define KPF_BUDDY	KPF_BIT(10)
#define KPF_HWPOISON	KPF_BIT(19)

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

enum how { BY_MADVISE, BY_PFN, SOFTLY, BEFORE_CAPTURE, NR_HOWS };

/**
 * struct family - a process, its snapshot, and the page that breaks
 * @map: the captured process's memory
 * @told: what the witnesses, who have other mappings, wait for
 */
struct family {
	struct self *self;
	char *map;
	size_t pages, victim;
	uint64_t object;
	bool huge;
	int fd;
	volatile uint32_t *told;
};

static sigjmp_buf way_out;
static volatile sig_atomic_t guarded, signals;

static void on_sigbus(int sig)
{
	(void)sig;
	signals++;
	if (guarded)
		siglongjmp(way_out, 1);
}

/* Index of the first wrong word, PAGE_WORDS if there is none, -1: SIGBUS. */
static int look(const char *map, size_t page, uint64_t tag)
{
	int wrong;

	if (sigsetjmp(way_out, 1)) {
		guarded = 0;
		return -1;
	}
	guarded = 1;
	wrong = pattern_wrong((const uint64_t *)(map + page * PAGE),
			      shared->seed, tag, page);
	guarded = 0;
	return wrong;
}

/* @may_bus: the victim may be gone for this one. */
static void look_all(struct family *f, const char *map, uint64_t own,
		     bool may_bus, const char *who)
{
	size_t page;
	int wrong;

	for (page = 0; page < f->pages; page++) {
		uint64_t tag = page == f->victim && own ? own :
			       TAG(f->object, page + 1);

		wrong = look(map, page, tag);
		if (wrong == PAGE_WORDS)
			continue;
		if (wrong < 0 && page == f->victim && may_bus) {
			count("poison: SIGBUS", 1);
			continue;
		}
		if (wrong < 0)
			fail("%s: SIGBUS at page %zu, the broken one is %zu",
			     who, page, f->victim);
		fail("%s, page %zu is broken: %s", who, f->victim,
		     describe(map + page * PAGE, tag, page));
	}
	count("poison: pages checked", f->pages);
}

/* 0: has read all; 1: has its own copy of the victim; 2: has seen nothing. */
static void witness(struct family *f, int kind)
{
	static const char *const who[] = {
		"a witness who had read it", "a witness who had written it",
		"a witness who came later",
	};
	uint64_t object = new_object(), own = 0;
	char *map = map_snapshot(f->fd, f->pages * PAGE, 0);

	if (!map)
		_exit(3);
	if (kind != 2)
		look_all(f, map, 0, false, "before it broke");
	if (kind == 1) {
		own = TAG(object, 1);
		pattern_fill((uint64_t *)(map + f->victim * PAGE),
			     shared->seed, own, f->victim);
	}
	__atomic_add_fetch(&f->told[1], 1, __ATOMIC_SEQ_CST);
	while (!f->told[0] && !stopping())
		usleep(2000);
	look_all(f, map, own, kind != 1, who[kind]);
	_exit(0);
}

static uint64_t flags_of(uint64_t pfn)
{
	uint64_t flags = 0;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread(fd, &flags, 8, pfn * 8) != 8)
		flags = 0;
	if (fd >= 0)
		close(fd);
	return flags;
}

static void strike(enum how how, char *addr, uint64_t pfn)
{
	char text[32];
	int ret;

	switch (how) {
	case BY_PFN:
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)pfn);
		poke_file("poison: by pfn", CORRUPT_PFN, text);
		break;
	case SOFTLY:
		ret = madvise(addr, PAGE, MADV_SOFT_OFFLINE) ? -errno : 0;
		did("poison: softly", ret);
		break;
	default:
		ret = madvise(addr, PAGE, MADV_HWPOISON) ? -errno : 0;
		did("poison: by madvise", ret);
		break;
	}
}

static void read_all(struct family *f)
{
	static uint64_t words[PAGE_WORDS];
	size_t page;

	for (page = 0; page < f->pages; page++) {
		ssize_t n = pread(f->fd, words, PAGE, page * PAGE);

		if (page == f->victim && n < 0) {
			did("poison: read of the page", -errno);
			continue;
		}
		if (n != (ssize_t)PAGE)
			fail("pread of page %zu, the broken one is %zu: %s",
			     page, f->victim, strerror(errno));
		if (page == f->victim)
			did("poison: read of the page", 0);
		if (pattern_wrong(words, shared->seed, TAG(f->object, page + 1),
				  page) != PAGE_WORDS)
			fail("pread, page %zu is broken: %s", f->victim,
			     describe(words, TAG(f->object, page + 1), page));
	}
}

static void recapture(struct family *f)
{
	struct vmfork_capture cap;
	int fd;

	fd = capture_range(-1, f->map, f->pages * PAGE, 0, &cap);
	did("capture: with a broken page", fd < 0 ? fd : 0);
	expect_errno("capture with a broken page", fd,
		     ALLOWED(MAY_BE_REFUSED, EHWPOISON),
		     refusal_text(&cap));
	if (fd >= 0)
		close(fd);
}

static bool make_family(struct family *f)
{
	size_t page;

	f->huge = chance(f->self, 30);
	f->pages = f->huge ? 1024 : 64;
	f->victim = draw(f->self, f->pages);
	f->object = new_object();
	f->map = reserve(f->pages * PAGE, 0);
	if (!f->map || mmap(f->map, f->pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		       MAP_FAILED)
		give_up("poison: mmap", -errno);
	madvise(f->map, f->pages * PAGE, f->huge ? MADV_HUGEPAGE :
						   MADV_NOHUGEPAGE);
	for (page = 0; page < f->pages; page++)
		pattern_fill((uint64_t *)(f->map + page * PAGE), shared->seed,
			     TAG(f->object, page + 1), page);
	f->told[0] = f->told[1] = 0;
	return true;
}

static void break_before_capture(struct family *f)
{
	struct vmfork_capture cap;
	int fd;

	/* Then it is no snapshot's, and a huge page of its own is split. */
	strike(BY_MADVISE, f->map + f->victim * PAGE, 0);
	look_all(f, f->map, 0, true, "the owner");
	fd = capture_range(-1, f->map, f->pages * PAGE, 0, &cap);
	did("capture: over a broken page", fd < 0 ? fd : 0);
	expect_errno("capture over a broken page", fd,
		     ALLOWED(MAY_BE_REFUSED, EHWPOISON),
		     refusal_text(&cap));
	if (fd >= 0)
		close(fd);
	look_all(f, f->map, 0, true, "the owner, after a capture");
	munmap(f->map, f->pages * PAGE);
}

/* Gone for good: neither free nor anybody's. */
static void look_where_it_went(uint64_t pfn, bool was_poisoned)
{
	int try;

	if (!was_poisoned)
		return;
	for (try = 0; try < 20; try++) {
		uint64_t flags = flags_of(pfn);

		if (!(flags & KPF_HWPOISON))
			fail("broken page %llx is whole again (flags %llx)",
			     (unsigned long long)pfn,
			     (unsigned long long)flags);
		if (flags & KPF_BUDDY)
			fail("broken page %llx is free to be used (flags %llx)",
			     (unsigned long long)pfn,
			     (unsigned long long)flags);
		usleep(5000);
	}
}

static void break_snapshot(struct family *f, enum how how)
{
	pid_t pids[3];
	uint64_t pfn;
	char *map;
	bool poisoned;
	int i;

	f->fd = capture_range(-1, f->map, f->pages * PAGE, 0, NULL);
	if (f->fd < 0)
		give_up("poison: capture", f->fd);
	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i])
			witness(f, i);
		if (pids[i] < 0)
			give_up("poison: fork", -errno);
	}
	while (f->told[1] < 3 && !stopping())
		usleep(2000);
	if (stopping())
		_exit(0);	/* Not all of them have looked yet. */
	map = map_snapshot(f->fd, f->pages * PAGE, 0);
	if (!map)
		give_up("poison: mmap", -ENOMEM);
	if (chance(f->self, 50))	/* as a huge page, if it can be */
		look_all(f, map, 0, false, "before it broke");
	look(map, f->victim, TAG(f->object, f->victim + 1));
	pfn = pagemap_entry(map + f->victim * PAGE) & PM_PFN;
	strike(how, map + f->victim * PAGE, pfn);
	poisoned = flags_of(pfn) & KPF_HWPOISON;
	if (poisoned) {
		__atomic_add_fetch(f->huge ? &shared->poisoned_huge :
				   &shared->poisoned, 1, __ATOMIC_RELAXED);
		count(f->huge ? "poison: pages broken, in huge ones" :
		      "poison: pages broken, small ones", 1);
	}
	f->told[0] = 1;
	look_all(f, f->map, 0, true, "the captured process");
	look_all(f, map, 0, true, "the striker");
	read_all(f);
	recapture(f);
	for (i = 0; i < 3; i++) {
		int status = reap(pids[i]);

		if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
			_exit(1);
	}
	munmap(map, f->pages * PAGE);
	munmap(f->map, f->pages * PAGE);
	close(f->fd);
	look_where_it_went(pfn, poisoned);
}

bool poisoner_possible(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	/* With no length it only says whether it knows the advice. */
	bool ok = !madvise(page, 0, MADV_HWPOISON);

	munmap(page, PAGE);
	return ok;
}

void poisoner_run(struct self *self)
{
	struct family f = { .self = self };
	enum how how;

	signal(SIGBUS, on_sigbus);
	f.told = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED |
		      MAP_ANONYMOUS, -1, 0);
	if (f.told == MAP_FAILED)
		give_up("poison: mmap", -errno);
	while (!stopping()) {
		doze(self, 2000000);
		how = draw(self, NR_HOWS);
		if (how == BY_PFN && access(CORRUPT_PFN, W_OK))
			how = BY_MADVISE;
		make_family(&f);
		if (f.huge ? shared->poisoned_huge >= MAX_POISONED_HUGE :
			     shared->poisoned >= MAX_POISONED)
			how = SOFTLY;
		if (how == BEFORE_CAPTURE) {
			break_before_capture(&f);
			__atomic_add_fetch(&shared->poisoned, 1,
					   __ATOMIC_RELAXED);
		} else {
			break_snapshot(&f, how);
		}
	}
}
