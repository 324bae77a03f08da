// SPDX-License-Identifier: GPL-2.0
/*
 * The journal: memory and disk of one instant, or it shows.
 *
 * Records go to the disk past the guest's cache, round and round in a file; none
 * waits for a flush, so that many of them fall into a short time.  Memory
 * keeps an account of which record each slot has.  Before a slot is written
 * it is read, so a disk that is younger than the memory, or older, or somebody
 * else's, is found even by a guest that does not know that it was forked.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define NAME	DISK "/journal"
#define SLOTS	128
#define RECORD	4096

struct account {
	uint64_t number;	/* 0: it was never written */
	uint64_t tag;		/* of the guest that wrote it */
};

static struct account slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t next_number = 1, tag_now, errors;
static unsigned int pause_us;
static unsigned char *buffer;		/* RECORD bytes, aligned */
static int fd;

static uint64_t seed_of(const struct account *a)
{
	return a->number * 0x9e3779b97f4a7c15ULL ^ a->tag;
}

static void complain(unsigned int slot, const char *what)
{
	uint64_t number;

	memcpy(&number, buffer + RECORD - sizeof(number), sizeof(number));
	if (++errors < 4)
		fprintf(stderr, "\njournal: slot %u %s: has record %llu, not %llu\n",
			slot, what, (unsigned long long)number,
			(unsigned long long)slots[slot].number);
}

/* The last word of a record is its number, for complaints. */
static void compare(unsigned int slot)
{
	const struct account *a = &slots[slot];
	static const unsigned char zeroes[RECORD];
	bool right;

	if (pread(fd, buffer, RECORD, (off_t)slot * RECORD) != RECORD) {
		memset(buffer, 0xff, RECORD);
		complain(slot, strerror(errno));
		return;
	}
	if (a->number)
		right = filled(buffer, RECORD - 8, seed_of(a)) &&
			!memcmp(buffer + RECORD - 8, &a->number, 8);
	else
		right = !memcmp(buffer, zeroes, RECORD);
	if (!right)
		complain(slot, "differs");
}

static void write_next(void)
{
	unsigned int slot = next_number % SLOTS;
	struct account a = { next_number, tag_now };

	compare(slot);
	fill(buffer, RECORD - 8, seed_of(&a));
	memcpy(buffer + RECORD - 8, &a.number, 8);
	if (pwrite(fd, buffer, RECORD, (off_t)slot * RECORD) != RECORD)
		complain(slot, strerror(errno));
	slots[slot] = a;
	next_number++;
}

static void *writer(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_mutex_lock(&lock);
		write_next();
		pthread_mutex_unlock(&lock);
		usleep(__atomic_load_n(&pause_us, __ATOMIC_RELAXED));
	}
	return NULL;
}

int journal_start(unsigned int sleep_us)
{
	pthread_t thread;
	unsigned int i;

	pause_us = sleep_us;
	fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (fd < 0 || posix_memalign((void **)&buffer, RECORD, RECORD))
		return -1;
	memset(buffer, 0, RECORD);
	for (i = 0; i < SLOTS; i++)
		if (pwrite(fd, buffer, RECORD, (off_t)i * RECORD) != RECORD)
			return -1;
	return pthread_create(&thread, NULL, writer, NULL);
}

void journal_diverge(uint64_t tag)
{
	pthread_mutex_lock(&lock);
	tag_now = tag;
	pthread_mutex_unlock(&lock);
}

void journal_pace(unsigned int sleep_us)
{
	__atomic_store_n(&pause_us, sleep_us, __ATOMIC_RELAXED);
}

uint64_t journal_written(void)
{
	return __atomic_load_n(&next_number, __ATOMIC_RELAXED) - 1;
}

/* Nothing is written any more, for good. */
void journal_stop(void)
{
	pthread_mutex_lock(&lock);
	close(fd);
}

/* Return: all errors so far. */
uint64_t journal_verify(void)
{
	unsigned int i;
	uint64_t found;

	pthread_mutex_lock(&lock);
	for (i = 0; i < SLOTS; i++)
		compare(i);
	found = errors;
	pthread_mutex_unlock(&lock);
	return found;
}
