// SPDX-License-Identifier: GPL-2.0
/*
 * Where two snapshots differ, all of it at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "delta.h"
#include "open.h"
#include "out.h"
#include "signals.h"

static int add_range(const struct vmfork_range *range, void *arg)
{
	struct delta *delta = arg;
	struct vmfork_range *grown;

	if (signals_caught())
		return -EINTR;
	if (delta->nr == delta->room) {
		delta->room = delta->room ? 2 * delta->room : 64;
		grown = reallocarray(delta->ranges, delta->room,
				     sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		delta->ranges = grown;
	}
	delta->ranges[delta->nr++] = *range;
	delta->pages += range->len / 4096;
	return 0;
}

static int fail_diff(const struct delta *delta, int error)
{
	switch (error) {
	case EINTR:
		if (signals_caught())
			return FAILED;
		break;
	case ENOTTY:
	case E2BIG:
		return failure(FAILED, error,
			       "The vmfork module is too old for this program: update it.");
	case ENOMEM:
		return failure(FAILED, error, "Out of memory.");
	case EHWPOISON:
		return failure(FAILED, error,
			       "A page of %s or %s was lost to a memory error: leave out --contents.",
			       delta->a.path, delta->b.path);
	}
	return failure(FAILED, error, "%s and %s can not be compared: %s.",
		       delta->a.path, delta->b.path, strerror(error));
}

int delta_open(struct delta *delta, unsigned int flags)
{
	int status, err;

	status = open_snapshot(delta->a.path, &delta->a.fd, &delta->a.info);
	if (status)
		return status;
	status = open_snapshot(delta->b.path, &delta->b.fd, &delta->b.info);
	if (status) {
		close(delta->a.fd);
		return status;
	}
	err = vmfork_diff(delta->a.fd, delta->b.fd, flags, add_range, delta);
	if (!err)
		return DONE;
	status = fail_diff(delta, -err);
	delta_close(delta);
	return status;
}

void delta_close(struct delta *delta)
{
	free(delta->ranges);
	delta->ranges = NULL;
	close(delta->a.fd);
	close(delta->b.fd);
}
