// SPDX-License-Identifier: GPL-2.0
/*
 * How far a long copy has come.
 *
 * The bar is drawn ten times a second at most, over itself.  What is shown is
 * the average speed, and the time that is left at that.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "out.h"
#include "progress.h"

#define WIDTH		30
#define EVERY_NS	100000000ULL

/**
 * struct progress - the one that is under way
 * @what: is done
 * @total: bytes
 * @done: of these
 * @begin: when it began
 * @drawn: when it was drawn last, 0 if never
 */
static struct progress {
	const char *what;
	uint64_t total;
	uint64_t done;
	uint64_t begin;
	uint64_t drawn;
} bar;

static void draw(uint64_t now)
{
	double seconds = (now - bar.begin) / 1e9;
	double part = bar.total ? (double)bar.done / bar.total : 1;
	double speed = seconds > 0 ? bar.done / seconds : 0;
	int full = part * WIDTH;
	char text[WIDTH + 1];

	memset(text, '.', WIDTH);
	memset(text, '#', full > WIDTH ? WIDTH : full);
	text[WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %3.0f %%, %.0f of %.0f MiB", bar.what, text,
		part * 100, bar.done / 1048576.0, bar.total / 1048576.0);
	if (speed > 0 && seconds > 0.5)
		fprintf(stderr, ", %.0f MiB/s, %.0f s left\033[K",
			speed / 1048576, (bar.total - bar.done) / speed);
	fflush(stderr);
	bar.drawn = now;
}

void progress_begin(enum progress_mode mode, const char *what, uint64_t total)
{
	bar = (struct progress){ 0 };
	if (mode == PROGRESS_NEVER ||
	    (mode == PROGRESS_AUTO &&
	     (out_is_json() || !isatty(STDERR_FILENO))))
		return;
	bar.what = what;
	bar.total = total;
	bar.begin = now_ns();
	draw(bar.begin);
}

void progress_step(uint64_t bytes)
{
	uint64_t now;

	if (!bar.what)
		return;
	bar.done += bytes;
	now = now_ns();
	if (now - bar.drawn >= EVERY_NS)
		draw(now);
}

void progress_end(void)
{
	if (!bar.what)
		return;
	draw(now_ns());
	fputc('\n', stderr);
	bar.what = NULL;
}
