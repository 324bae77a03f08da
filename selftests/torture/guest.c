// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's life: memory, fresh or a mapping of a snapshot; somebody who
 * writes it; tricks; and an end of one kind or another.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"
#include "shot.h"

#define MAX_BURST	48

static void report_bad(struct guest *g)
{
	struct board *b = g->b;

	fail("the generator of object %llx: %s",
	     (unsigned long long)b->object,
	     describe(page_at(g, b->bad_page), b->tag[b->bad_page],
		      b->bad_page));
}

/* The thread that has the generator run, in bursts, and pauses it. */
static void *run_generator(void *arg)
{
	struct guest *g = arg;
	struct board *b = g->b;
	int ret;

	while (!b->stop && !b->bad) {
		uint32_t ticket = b->ticket;

		if (ticket) {
			b->acked = ticket;
			usleep(100);
			continue;
		}
		b->burst = 1 + (b->rng >> 7) % MAX_BURST;
		if (g->has_vcpu) {
			ret = vcpu_generate(&g->vcpu);
			/* Somebody may break pages, but not a guest's. */
			if (ret)
				fail("KVM_RUN of object %llx: %d",
				     (unsigned long long)b->object, ret);
		} else {
			generate(b, (volatile uint64_t *)g->map);
		}
		usleep((b->rng >> 13) % 3000);
	}
	if (b->bad)
		report_bad(g);
	return NULL;
}

static const uint32_t sizes[] = { 256, 512, 1024, 1024, MAX_PAGES };

/* Fresh memory, of huge pages or not, some of it written. */
static void make_fresh(struct guest *g)
{
	static const int advices[] = {
		MADV_NOHUGEPAGE, MADV_HUGEPAGE, MADV_HUGEPAGE, MADV_NORMAL,
	};
	struct board *b = g->b;
	size_t i, part = draw(g->self, 101);

	b->pages = sizes[draw(g->self, ARRAY_SIZE(sizes))];
	b->offset = draw(g->self, 4) * HUGE + (chance(g->self, 30) ?
					       8 * PAGE : 0);
	g->len = b->pages * PAGE;
	g->map = reserve(g->len, chance(g->self, 80) ? b->offset : 0);
	if (!g->map || mmap(g->map, g->len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		       MAP_FAILED)
		give_up("guest: mmap", -errno);
	madvise(g->map, g->len, advices[draw(g->self, ARRAY_SIZE(advices))]);
	memset((void *)b->tag, 0, sizeof(b->tag));
	for (i = 0; i < b->pages && !stopping(); i++)
		if (draw(g->self, 100) < part)
			board_write(b, (uint64_t *)g->map, i);
	b->plain = 1;
	g->fresh = true;
}

/* A child: whatever the snapshot holds is the beginning. */
static bool make_child(struct guest *g)
{
	static struct shot shot;
	struct board *b = g->b;
	size_t i;

	if (!pool_get(&shot))
		return false;
	b->pages = shot.pages;
	b->offset = shot.offset;
	g->len = b->pages * PAGE;
	g->map = chance(g->self, 80) ? (char *)shot_map(&shot) :
		 mmap(NULL, g->len, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		      shot.fd, shot.offset);
	if (!g->map || g->map == MAP_FAILED)
		give_up("guest: mmap", -errno);
	for (i = 0; i < b->pages; i++)
		b->tag[i] = b->inherited[i] = b->intent[i] = shot.tag[i];
	if (chance(g->self, 40))
		pool_put(&shot);
	else
		shot_drop(&shot);
	b->plain = 1;
	return true;
}

static void begin(struct guest *g, struct self *self, bool has_vcpu)
{
	struct board *b = &shared->boards[self->nr];
	uint32_t life = b->life | 1;	/* the last one may have been killed */

	b->life = life + 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memset((char *)b + offsetof(struct board, pid), 0,
	       sizeof(*b) - offsetof(struct board, pid));
	b->pid = getpid();
	b->seed = shared->seed;
	b->object = new_object();
	b->rng = rnd(&self->rng) | 1;
	b->uncut = chance(self, 40);
	*g = (struct guest){ .self = self, .b = b, .has_vcpu = has_vcpu };
	if (!chance(self, 60) || !make_child(g))
		make_fresh(g);
	b->addr = (uintptr_t)g->map;
	count(g->fresh ? "guests: fresh" : "guests: children", 1);
	board_check(b, g->map, 0, b->pages, "a new guest");
	if (has_vcpu) {
		int ret = vcpu_open(&g->vcpu, b, g->map, g->len);

		if (ret)
			give_up("guest: vCPU", ret);
		count("guests: with a vCPU", 1);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	b->life = life + 2;
	if (pthread_create(&g->runner, NULL, run_generator, g))
		give_up("guest: thread", -errno);
}

/* Every guest gets its own mixture of tricks. */
static const struct trick *pick(struct guest *g)
{
	unsigned int i, sum = 0, at;

	for (i = 0; i < nr_tricks; i++)
		sum += wanted(tricks[i].name) ? tricks[i].weight : 0;
	if (!sum)
		return NULL;
	at = draw(g->self, sum);
	for (i = 0;; i++) {
		unsigned int weight = wanted(tricks[i].name) ?
				      tricks[i].weight : 0;

		if (at < weight)
			return &tricks[i];
		at -= weight;
	}
}

static void play(struct guest *g, const struct trick *trick)
{
	if (trick->quiet)
		board_pause(g->b);
	if (g->b->bad)
		report_bad(g);
	trick->play(g);
	if (trick->quiet)
		board_resume(g->b);
}

static void dump_core(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	/* All of it, snapshots' pages too. */
	setrlimit(RLIMIT_CORE, &unlimited);
	write_file("/proc/self/coredump_filter", "0x7f");
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* It may be captured all the while, by others. */
static void end(struct guest *g)
{
	switch (draw(g->self, 5)) {
	case 0:
		count("guests: ended by exec", 1);
		execl("/bin/busybox", "true", NULL);
		break;
	case 1:
		count("guests: ended dumping core", 1);
		dump_core();
		break;
	case 2:
		count("guests: ended in order", 1);
		g->b->stop = 1;
		pthread_join(g->runner, NULL);
		board_check(g->b, g->map, 0, g->b->pages, "at its end, a guest");
		if (g->has_vcpu)
			vcpu_close(&g->vcpu);
		g->b->life++;
		munmap(g->map, g->len);
		break;
	case 3:
		count("guests: waiting to be killed", 1);
		doze(g->self, 3000000);
		break;
	default:
		count("guests: ended by exit", 1);
		break;
	}
	_exit(0);
}

static void live(struct self *self, bool has_vcpu)
{
	unsigned int nr = 10 + draw(self, 50);
	const struct trick *trick;
	static struct guest g;

	begin(&g, self, has_vcpu);
	while (nr-- && !stopping()) {
		trick = pick(&g);
		if (trick)
			play(&g, trick);
		doze(self, 20000);
	}
	board_pause(g.b);
	if (g.b->bad)
		report_bad(&g);
	board_check(g.b, g.map, 0, g.b->pages, "a guest");
	board_resume(g.b);
	end(&g);
}

void guest_run(struct self *self)
{
	live(self, false);
}

void guest_run_vcpu(struct self *self)
{
	live(self, true);
}

void part_draw(struct guest *g, size_t *first, size_t *nr, size_t most)
{
	size_t pages = g->b->pages;

	*first = draw(g->self, pages);
	*nr = 1 + draw(g->self, most);
	if (chance(g->self, 25)) {
		*first &= ~511UL;
		*nr = 512;
	}
	if (*nr > pages - *first)
		*nr = pages - *first;
}
