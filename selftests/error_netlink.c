// SPDX-License-Identifier: GPL-2.0
/*
 * Each failure that netlink meets: of who asks, of a capture that is to be
 * told of, of who tells.
 *
 * An answer is right or an error.  A capture is told of, or its listener is
 * told that something is missing; it never fails for that.
 */
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl.h"
#include "sweep_harness.h"

#define PAGES	40

static struct nl nl, heard;
static uint64_t id;

static int setup(struct sweep *s)
{
	int ret = area_make(&s->area, KIND_BASE, s->sc->pages * PAGE, 0);
	struct vmfork_info info = { 0 };
	size_t i;

	if (ret)
		return ret;
	s->base = capture_range(-1, s->area.view.addr, s->area.len, 0, NULL);
	if (s->base < 0)
		return s->base;
	ret = snapshot_info(s->base, &info);
	if (ret)
		return ret;
	id = info.id;
	/* Many ranges, which need memory to be sorted */
	for (i = 1; i < s->sc->pages; i += 2)
		madvise(s->area.view.addr + i * PAGE, PAGE, MADV_DONTDUMP);
	return nl_open(&nl);
}

static void undo(struct sweep *s)
{
	nl_close(&nl);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	close(s->base);
	s->base = -1;
	area_free(&s->area);
}

static const char *check(struct sweep *s, int ret)
{
	struct nl_snapshot snapshot;
	struct nl other;

	(void)ret;
	/* A dump that failed is not half a dump of the next one. */
	if (nl_open(&other) || nl_get_snapshot(&other, id, true, &snapshot))
		return "it is not told of any more";
	nl_close(&other);
	if (snapshot.alone != s->sc->pages * PAGE || snapshot.mappings != 1)
		return "something wrong is told of it";
	return NULL;
}

/* As the kernel says of a socket, or a message, that there is no memory for it */
static int no_memory(int ret)
{
	return ret == -ENFILE || ret == -ENOBUFS ? -ENOMEM : ret;
}

static int act_get(struct sweep *s)
{
	struct nl_snapshot snapshot = { 0 };
	int ret = no_memory(nl_get_snapshot(&nl, id, true, &snapshot));

	if (!ret && snapshot.alone != s->sc->pages * PAGE)
		return -EBADMSG;
	return ret;
}

SCENARIO(get, .setup = setup, .act = act_get, .check = check, .undo = undo,
	 .pages = 8, .least = 3);

/* The socket may be left in the midst of a dump: a new one for each. */
static int act_dump(struct sweep *s)
{
	struct nl_snapshot all[4];
	long ret;

	(void)s;
	nl_close(&nl);
	ret = no_memory(nl_open(&nl));
	if (ret)
		return ret;
	ret = no_memory(nl_snapshots(&nl, true, all, 4));
	if (ret >= 0 && (ret != 1 || all[0].id != id))
		return -EBADMSG;
	return ret < 0 ? ret : 0;
}

SCENARIO(dump, .setup = setup, .act = act_dump, .check = check, .undo = undo,
	 .pages = 8, .least = 3);

static int act_mappings(struct sweep *s)
{
	struct nl_mapping all[4];
	long ret;

	nl_close(&nl);
	ret = no_memory(nl_open(&nl));
	if (ret)
		return ret;
	ret = no_memory(nl_mappings(&nl, 0, 0, true, all, 4));
	if (ret >= 0 && (ret != 1 || all[0].end - all[0].start !=
				     s->sc->pages * PAGE))
		return -EBADMSG;
	return ret < 0 ? ret : 0;
}

SCENARIO(mappings, .setup = setup, .act = act_mappings, .check = check,
	 .undo = undo, .pages = PAGES, .least = 4);

/* --- events --- */

static int setup_listener(struct sweep *s)
{
	int ret = setup(s), size = 1 << 20;

	if (ret)
		return ret;
	ret = nl_open(&heard);
	if (ret)
		return ret;
	setsockopt(heard.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return nl_join(&heard);
}

static void undo_listener(struct sweep *s)
{
	nl_close(&heard);
	undo(s);
}

static int act_mapped(struct sweep *s)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, s->base, 0);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, PAGE);
	return 0;
}

/* Both, or the word that there were some */
static const char *check_mapped(struct sweep *s, int ret)
{
	int err, mapped = 0, unmapped = 0, lost = 0;
	struct nl_answer e;

	while ((err = nl_event(&heard, &e, 200)) != -ETIMEDOUT) {
		lost += err == -ENOBUFS;
		if (err)
			continue;
		mapped += e.cmd == VMFORK_CMD_MAPPED;
		unmapped += e.cmd == VMFORK_CMD_UNMAPPED;
	}
	if (ret >= 0 && !lost && (mapped != 1 || unmapped != 1))
		return "an event was lost, and nobody was told";
	return check(s, ret);
}

SCENARIO(mapped, .setup = setup_listener, .act = act_mapped,
	 .check = check_mapped, .undo = undo_listener, .pages = 8, .least = 3);

/* The work item is to have come to its end, while it can fail. */
static int act_told(struct sweep *s)
{
	struct pollfd pollfd = { .fd = heard.fd, .events = POLLIN };
	int ret = act_mapped(s);

	if (poll(&pollfd, 1, 1000 * (int)slowness()) < 0)
		return -errno;
	usleep(20000 * slowness());
	return ret;
}

/* What the work item allocates */
SCENARIO(told, .setup = setup_listener, .act = act_told,
	 .check = check_mapped, .undo = undo_listener, .pages = 8,
	 .where = SWEEP_WORKER, .robust = true, .least = 4);

TEST_HARNESS_MAIN
