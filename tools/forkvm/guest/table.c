// SPDX-License-Identifier: GPL-2.0
/*
 * The table: every page is filled from a seed that is kept elsewhere.
 *
 * A thread on each CPU owns a slice.  A step verifies one page against its
 * seed, and fills it from a new one.  A page lost, torn, or seen in an older
 * or a stranger's state does not fit its seed.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table.h"

#define PAGE		4096
#define WORDS		(PAGE / sizeof(uint64_t))
#define MAX_THREADS	8

struct slice {
	pthread_t thread;
	unsigned int cpu;
	uint64_t *page;			/* count pages of WORDS */
	uint64_t *seed;			/* what each was filled from */
	uint64_t count, step;
	pthread_mutex_t lock;		/* held for one batch */
};

struct status *status;

static struct slice slices[MAX_THREADS];
static unsigned int nr_slices;
static struct pace pace;
static uint64_t salt;

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ULL;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dULL;
	return x ^ x >> 33;
}

static uint64_t next_word(uint64_t word)
{
	return word * 6364136223846793005ULL + 1442695040888963407ULL;
}

static void fill(uint64_t *page, uint64_t seed)
{
	uint64_t word = seed;
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		word = next_word(word);
		page[i] = word;
	}
}

/* Reads the whole page, whatever it holds */
static bool matches(const uint64_t *page, uint64_t seed, uint64_t *sum)
{
	uint64_t word = seed, differ = 0;
	unsigned int i;

	*sum = 0;
	for (i = 0; i < WORDS; i++) {
		word = next_word(word);
		differ |= page[i] ^ word;
		*sum = *sum * 31 + page[i];
	}
	return !differ;
}

static void step(struct slice *s)
{
	uint64_t at = mix(s->step * MAX_THREADS + s->cpu) % s->count;
	uint64_t *page = s->page + at * WORDS;
	uint64_t sum;

	if (!matches(page, s->seed[at], &sum))
		__atomic_add_fetch(&status->errors, 1, __ATOMIC_SEQ_CST);
	s->seed[at] = mix(s->seed[at] ^ s->step ^
			  __atomic_load_n(&salt, __ATOMIC_RELAXED));
	fill(page, s->seed[at]);
	s->step++;
	__atomic_xor_fetch(&status->hash, mix(sum ^ s->step ^ s->cpu),
			   __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&status->counter, 1, __ATOMIC_SEQ_CST);
}

static void *slice_thread(void *arg)
{
	struct slice *s = arg;
	cpu_set_t cpus;
	unsigned int i;

	CPU_ZERO(&cpus);
	CPU_SET(s->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (;;) {
		pthread_mutex_lock(&s->lock);
		for (i = 0; i < pace.batch; i++)
			step(s);
		pthread_mutex_unlock(&s->lock);
		if (pace.sleep_us)
			usleep(pace.sleep_us);
	}
	return NULL;
}

static void *pages(uint64_t count)
{
	void *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int slice_create(struct slice *s, unsigned int cpu, uint64_t count)
{
	uint64_t i;

	s->cpu = cpu;
	s->count = count;
	s->page = pages(count);
	s->seed = calloc(count, sizeof(*s->seed));
	if (!s->page || !s->seed)
		return -1;
	pthread_mutex_init(&s->lock, NULL);
	for (i = 0; i < count; i++) {
		s->seed[i] = mix(i * MAX_THREADS + cpu);
		fill(s->page + i * WORDS, s->seed[i]);
	}
	return 0;
}

/** table_start() - fill the table, and begin to change it */
int table_start(unsigned int threads, uint64_t bytes, const struct pace *how)
{
	unsigned int i;

	pace = *how;
	nr_slices = threads < MAX_THREADS ? threads : MAX_THREADS;
	status = pages(1);
	if (!status || mlock(status, PAGE))
		return -1;
	status->magic = STATUS_MAGIC;
	for (i = 0; i < nr_slices; i++)
		if (slice_create(&slices[i], i, bytes / PAGE / nr_slices))
			return -1;
	for (i = 0; i < nr_slices; i++)
		if (pthread_create(&slices[i].thread, NULL, slice_thread,
				   &slices[i]))
			return -1;
	return 0;
}

/** table_diverge() - from now on, write something else than your twin */
void table_diverge(uint64_t value)
{
	__atomic_store_n(&salt, mix(value), __ATOMIC_RELAXED);
}

/** table_verify() - every page, now; Return: all errors so far */
uint64_t table_verify(void)
{
	unsigned int i;
	uint64_t at, sum;

	for (i = 0; i < nr_slices; i++) {
		struct slice *s = &slices[i];

		pthread_mutex_lock(&s->lock);
		for (at = 0; at < s->count; at++)
			if (!matches(s->page + at * WORDS, s->seed[at], &sum))
				__atomic_add_fetch(&status->errors, 1,
						   __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&s->lock);
	}
	return __atomic_load_n(&status->errors, __ATOMIC_SEQ_CST);
}

uint64_t table_pages(void)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < nr_slices; i++)
		count += slices[i].count;
	return count;
}
