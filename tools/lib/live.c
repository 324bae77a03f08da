// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only
/*
 * A capture of memory in use: most of it ahead, the rest in a short pause.
 *
 * What one pass takes was written while the pass before it went on.  So passes
 * get shorter, and take less, until the writers keep up with them: then another
 * one brings nothing but more copies for the writers to pay.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "prearm.h"
#include "vmfork.h"

#define ENOUGH_PAGES	256
#define MAX_PASSES	4

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* What the memory being in use may be the cause of */
static int cured_by_pause(int err)
{
	return err == -EAGAIN || err == -EBUSY;
}

/* Return: 0 if it is time to pause, -errno if that makes no sense */
static int prearm(int dev, int pidfd, const struct vmfork_region *regions,
		  size_t nr, const struct vmfork_live_options *options,
		  struct vmfork_live_result *result)
{
	uint64_t enough = options->enough_pages ? options->enough_pages :
						  ENOUGH_PAGES;
	unsigned int max = options->max_passes ? options->max_passes :
						 MAX_PASSES;
	uint64_t taken = UINT64_MAX, before;
	int err;

	do {
		err = prearm_sized(dev, pidfd, regions, nr, options->size,
				   options->slice_ns, &result->capture);
		if (err == -E2BIG || cured_by_pause(err))
			return 0;
		if (err)
			return err;
		before = taken;
		taken = result->capture.pages_stolen +
			result->capture.pages_copied;
		result->prearmed_pages += taken;
		result->passes++;
	} while (taken > enough && taken < before && result->passes < max);
	return 0;
}

static int pause_writers(const struct vmfork_live_options *options)
{
	int err = options->pause ? options->pause(options->arg) : 0;

	/* A positive number would pass for a file descriptor. */
	return err > 0 ? -ECANCELED : err;
}

static int capture_paused(int dev, int pidfd,
			  const struct vmfork_region *regions, size_t nr,
			  const struct vmfork_live_options *options,
			  struct vmfork_live_result *result)
{
	uint64_t start = now_ns();
	int fd, err;

	err = pause_writers(options);
	if (err)
		return err;
	fd = vmfork_capture_sized(dev, pidfd, regions, nr, options->size,
				  &result->capture);
	if (options->resume)
		options->resume(options->arg);
	result->ns_paused = now_ns() - start;
	return fd;
}

int vmfork_capture_live(int dev, int pidfd,
			const struct vmfork_region *regions, size_t nr,
			const struct vmfork_live_options *options,
			struct vmfork_live_result *result)
{
	struct vmfork_live_result unwanted;
	uint64_t start = now_ns();
	int ret;

	if (!result)
		result = &unwanted;
	memset(result, 0, sizeof(*result));
	ret = prearm(dev, pidfd, regions, nr, options, result);
	result->ns_prearm = now_ns() - start;
	if (ret)
		return ret;
	return capture_paused(dev, pidfd, regions, nr, options, result);
}
