// SPDX-License-Identifier: GPL-2.0
/*
 * Lines: what the guest wrote to its second UART, kept until it is asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "forkvm.h"

#define LINES_MAX	1024

int lines_init(struct lines *l)
{
	pthread_condattr_t attr;

	memset(l, 0, sizeof(*l));
	l->line = calloc(LINES_MAX, sizeof(*l->line));
	if (!l->line)
		return fail("out of memory for the guest's lines");
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->more, &attr);
	return 0;
}

static struct line take_oldest(struct lines *l)
{
	struct line line = l->line[l->head];

	l->head = (l->head + 1) % LINES_MAX;
	l->count--;
	return line;
}

static void append(struct lines *l)
{
	struct line line = {
		.text = strndup(l->partial, l->partial_len),
		.ns = now_ns(),
	};

	l->partial_len = 0;
	if (!line.text)
		return;
	if (!l->first_ns)
		l->first_ns = line.ns;
	if (l->count == LINES_MAX)
		free(take_oldest(l).text);
	l->line[(l->head + l->count++) % LINES_MAX] = line;
	pthread_cond_broadcast(&l->more);
}

/** lines_byte() - a byte from the guest */
void lines_byte(struct lines *l, uint8_t byte)
{
	pthread_mutex_lock(&l->lock);
	if (byte == '\n' || l->partial_len == sizeof(l->partial))
		append(l);
	if (byte != '\n' && byte != '\r')
		l->partial[l->partial_len++] = byte;
	pthread_mutex_unlock(&l->lock);
}

/**
 * lines_wait() - the first line that begins with @prefix
 *
 * Lines before it are dropped.  Return: the line, whose text the caller frees;
 * no text if none came within @seconds, or the guest has ended.
 */
struct line lines_wait(struct lines *l, const char *prefix,
		       unsigned int seconds)
{
	struct line line = { 0 };
	size_t len = strlen(prefix);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&l->lock);
	for (;;) {
		while (l->count && !line.text) {
			line = take_oldest(l);
			if (strncmp(line.text, prefix, len)) {
				free(line.text);
				line.text = NULL;
			}
		}
		if (line.text || l->closed ||
		    pthread_cond_timedwait(&l->more, &l->lock, &until) ==
		    ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&l->lock);
	return line;
}

/** lines_close() - no more will come: nobody waits any longer */
void lines_close(struct lines *l)
{
	pthread_mutex_lock(&l->lock);
	l->closed = true;
	pthread_cond_broadcast(&l->more);
	pthread_mutex_unlock(&l->lock);
}
