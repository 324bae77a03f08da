// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that a mapping meets because somebody listens to vmfork_cow.
 * Nobody but the listener notices: he misses what is of that process, or gets
 * an event that says that it is not sure.
 */
#include <string.h>
#include <unistd.h>

#include "sweep_harness.h"
#include "tracing.h"

#define POKE	0x77777
#define AT	9	/* the page that is written to */

static int setup_snapshot(struct sweep *s)
{
	int ret = area_make(&s->area, KIND_BASE, s->sc->pages * PAGE, 0);

	if (ret)
		return ret;
	s->base = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	area_free(&s->area);
	return s->base < 0 ? s->base : 0;
}

static int setup_listener(struct sweep *s)
{
	return setup_snapshot(s) ?: tracing_start("vmfork_cow");
}

static int setup_mapping(struct sweep *s)
{
	return setup_snapshot(s) ?:
	       view_map(&s->view, NULL, s->base, 0, s->sc->pages,
			s->area.view.model);
}

/* The page is there, to be written to. */
static int setup_read(struct sweep *s)
{
	int ret = setup_mapping(s) ?: tracing_start("vmfork_cow");

	return ret ? ret : view_check(&s->view, "read") ? -EIO : 0;
}

static int act_write(struct sweep *s)
{
	page_poke(s->view.addr + AT * PAGE, &s->view.model[AT], POKE);
	return 0;
}

/* The kernel thread's part of it fails; ours may be done already. */
static int act_listen(struct sweep *s)
{
	(void)s;
	return tracing_start("vmfork_cow");
}

/* One event, which may not be sure; or none, if that is all right */
static const char *check_events(bool may_miss)
{
	struct trace_event *events;
	long nr = tracing_take(&events);
	const char *wrong = NULL;

	if (nr < 0 || nr > 1 || (!nr && !may_miss))
		wrong = "there are other events than there should be";
	else if (nr && !strstr(events[0].text, " flags="))
		wrong = "it is another event";
	free(events);
	return wrong;
}

static const char *check_written(struct sweep *s, int ret)
{
	(void)ret;
	s->view.model[AT].poke = POKE;
	return sweep_check_mapping(s) ?: check_events(false);
}

/* Only what has failed may be missed. */
static const char *write_and_check(struct sweep *s)
{
	const char *wrong = sweep_check_mapping(s);

	if (wrong)
		return wrong;
	view_poke(&s->view, AT, POKE);
	return sweep_check_mapping(s) ?: check_events(s->hit);
}

static const char *check_mmap(struct sweep *s, int ret)
{
	if (ret < 0)
		return NULL;
	s->view.pages = s->sc->pages;
	s->view.model = model_copy(s->area.view.model, s->view.pages);
	return write_and_check(s);
}

static const char *check_listen(struct sweep *s, int ret)
{
	return ret < 0 ? "it can not be listened to" : write_and_check(s);
}

static void undo(struct sweep *s)
{
	tracing_stop();
	sweep_undo_mapping(s);
}

#pragma GCC diagnostic ignored "-Woverride-init"

#define TRACED(name, ...) \
	SCENARIO(name, .undo = undo, .pages = 48, .least = 1, \
		 .missing = tracing_missing, ##__VA_ARGS__)

TRACED(mmap, .setup = setup_listener, .act = sweep_mmap, .check = check_mmap,
	.least = 4);
TRACED(write, .setup = setup_read, .act = act_write, .check = check_written,
	.robust = true, .least = 2);
TRACED(listen, .setup = setup_mapping, .act = act_listen,
	.check = check_listen, .where = SWEEP_WORKER, .robust = true);

TEST_HARNESS_MAIN
