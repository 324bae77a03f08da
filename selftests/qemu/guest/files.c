// SPDX-License-Identifier: GPL-2.0
/*
 * Files: written through the page cache, renamed over each other, removed.
 *
 * Memory knows what each has to hold.  Much of it is in no state that the disk
 * knows of when the guest is forked: that is the memory's part of the file
 * system.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

#define DIRECTORY	DISK "/files"
#define FILES		8
#define MAX_BYTES	(64 << 10)

struct content {
	uint64_t seed;
	size_t len;		/* 0: there is no such file */
};

static struct content files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t number, tag_now, errors;
static unsigned int pause_us;
static unsigned char buffer[MAX_BYTES + 1];

static void complain(unsigned int i, const char *what)
{
	if (++errors < 4)
		fprintf(stderr, "\nfiles: %u of %zu bytes: %s\n", i,
			files[i].len, what);
}

static void name_of(unsigned int i, char *name, size_t size)
{
	snprintf(name, size, DIRECTORY "/%u", i);
}

static void compare(unsigned int i)
{
	char name[64];
	ssize_t len;
	int fd;

	name_of(i, name, sizeof(name));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (files[i].len || errno != ENOENT)
			complain(i, strerror(errno));
		return;
	}
	len = read(fd, buffer, sizeof(buffer));
	close(fd);
	if (len < 0)
		complain(i, strerror(errno));
	else if ((size_t)len != files[i].len)
		complain(i, "another length");
	else if (!filled(buffer, len, files[i].seed))
		complain(i, "other bytes");
}

static bool write_file(const char *name, size_t len, uint64_t seed, bool sync)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool done;

	if (fd < 0)
		return false;
	fill(buffer, len, seed);
	done = write(fd, buffer, len) == (ssize_t)len && !(sync && fsync(fd));
	close(fd);
	return done;
}

/* One of three things, to one of the files, each in its turn */
static void change(void)
{
	unsigned int i = number % FILES, how = number / FILES % 3;
	struct content new = {
		.seed = number * 0x2545f4914f6cdd1dULL ^ tag_now,
		.len = (number * 4808 % (MAX_BYTES / 8) + 1) * 8,
	};
	char name[64];
	bool done;

	number++;
	compare(i);
	name_of(i, name, sizeof(name));
	switch (how) {
	case 0:		/* in place */
		done = write_file(name, new.len, new.seed, false);
		break;
	case 1:		/* by another one, which is safe before it is there */
		done = write_file(DIRECTORY "/new", new.len, new.seed, true) &&
		       !rename(DIRECTORY "/new", name);
		break;
	default:
		new.len = 0;
		done = !unlink(name) || errno == ENOENT;
	}
	if (!done)
		complain(i, strerror(errno));
	files[i] = new;
}

static void *writer(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_mutex_lock(&lock);
		change();
		pthread_mutex_unlock(&lock);
		usleep(pause_us);
	}
	return NULL;
}

int files_start(unsigned int sleep_us)
{
	pthread_t thread;

	pause_us = sleep_us;
	if (mkdir(DIRECTORY, 0700) && errno != EEXIST)
		return -1;
	return pthread_create(&thread, NULL, writer, NULL);
}

void files_diverge(uint64_t tag)
{
	pthread_mutex_lock(&lock);
	tag_now = tag;
	pthread_mutex_unlock(&lock);
}

uint64_t files_written(void)
{
	return __atomic_load_n(&number, __ATOMIC_RELAXED);
}

/* Nothing is written any more, for good. */
void files_stop(void)
{
	pthread_mutex_lock(&lock);
}

/* As the disk has them.  Return: all errors so far. */
uint64_t files_verify(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	unsigned int i;
	uint64_t found;

	pthread_mutex_lock(&lock);
	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		complain(0, "drop_caches");
	close(fd);
	for (i = 0; i < FILES; i++)
		compare(i);
	found = errors;
	pthread_mutex_unlock(&lock);
	return found;
}
