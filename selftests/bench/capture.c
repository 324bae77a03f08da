// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork's three captures: of memory that never was captured, of memory that
 * was, and of memory that was captured ahead, by VMFORK_CAPTURE_PREARM, before
 * the pause.  In the latter two something was written before the pause.
 */
#include <err.h>
#include <unistd.h>

#include "capture.h"
#include "figures.h"

struct dirt dirt = { USUAL_PERMILLE, SINGLE };

static struct vmfork_capture last;
static size_t written;
static int snapshot = -1;

static void take(const struct memory *mem)
{
	snapshot = vmfork_capture(mem, &last);
}

static void capture_pause(const struct memory *mem)
{
	take(mem);
	check_capture(&last, mem->size / PAGE, mem->kind);
}

static void capture_finish(const struct memory *mem)
{
	(void)mem;
	close(snapshot);
	snapshot = -1;
}

int captured_snapshot(void)
{
	return snapshot;
}

static char *capture_attach(const struct memory *mem, char *room)
{
	return memory_map(snapshot, room, mem->size);
}

static int write_some(const struct memory *mem)
{
	static unsigned int round;

	written = memory_dirty(mem, dirt.permille, dirt.pattern, round++);
	return 0;
}

static int prearm(const struct memory *mem)
{
	struct vmfork_capture cap;
	int ret = vmfork_prearm(mem, &cap);

	return ret ?: write_some(mem);
}

/* A capture that finds another number of pages measures something else. */
static void recapture_pause(const struct memory *mem)
{
	take(mem);
	if (last.pages_stolen + last.pages_copied != written)
		errx(1, "captured %llu of %zu written pages",
		     last.pages_stolen + last.pages_copied, written);
}

void capture_phases(const char *key)
{
	figure_count(last.ns_prepare, "%s_prepare", key);
	figure_count(last.ns_collect, "%s_collect", key);
	figure_count(last.ns_unmap, "%s_unmap", key);
	figure_count(last.ns_steal, "%s_steal", key);
}

const struct method method_capture = {
	.name = "capture",
	.pause = capture_pause,
	.finish = capture_finish,
	.attach = capture_attach,
};

const struct method method_recapture = {
	.name = "recapture",
	.prepare = write_some,
	.pause = recapture_pause,
	.finish = capture_finish,
	.attach = capture_attach,
};

const struct method method_prearmed = {
	.name = "prearmed",
	.prepare = prearm,
	.pause = recapture_pause,
	.finish = capture_finish,
	.attach = capture_attach,
};
