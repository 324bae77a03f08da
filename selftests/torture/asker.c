// SPDX-License-Identifier: GPL-2.0
/*
 * The asker asks over netlink what snapshots and mappings there are, as all of
 * them come and go; breaks off; listens, and lets its queue run over.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "../nl.h"
#include "actors.h"
#include "torture.h"

#define MOST	512

static struct nl_snapshot snapshots[MOST];
static struct nl_mapping mappings[MOST];

static void open_socket(struct nl *nl)
{
	int ret = nl_open(nl);

	if (ret)
		give_up("open a netlink socket", ret);
}

/* What is said must be possible, whatever is going on. */
static void ask_snapshots(struct self *self)
{
	bool counted = chance(self, 50);
	struct nl nl;
	long nr, i;

	open_socket(&nl);
	nr = nl_snapshots(&nl, counted, snapshots, MOST);
	nl_close(&nl);
	did("ask for snapshots", nr < 0 ? nr : 0);
	expect_errno("a dump of snapshots", nr < 0 ? nr : 0,
		     ALLOWED(ENOMEM, ENOBUFS), "no more is said");
	for (i = 0; i < nr && i < MOST; i++) {
		const struct nl_snapshot *s = &snapshots[i];

		if (i && s->id <= s[-1].id)
			fail("snapshot %llu is told of after %llu",
			     (unsigned long long)s->id,
			     (unsigned long long)s[-1].id);
		if (s->pages + s->hole + s->file != s->size / PAGE ||
		    s->huge > s->pages || s->shared > s->pages ||
		    s->stolen + s->copied > s->pages || s->parent == s->id)
			fail("snapshot %llu is said to be impossible",
			     (unsigned long long)s->id);
	}
	count("snapshots told of", nr > 0 ? nr : 0);
}

static void ask_mappings(struct self *self)
{
	bool counted = chance(self, 50);
	struct nl nl;
	long nr, i;

	open_socket(&nl);
	nr = nl_mappings(&nl, 0, 0, counted, mappings, MOST);
	nl_close(&nl);
	did("ask for mappings", nr < 0 ? nr : 0);
	expect_errno("a dump of mappings", nr < 0 ? nr : 0,
		     ALLOWED(ENOMEM, ENOBUFS), "no more is said");
	for (i = 0; i < nr && i < MOST; i++) {
		const struct nl_mapping *m = &mappings[i];

		if (m->start >= m->end || m->start % PAGE || m->end % PAGE ||
		    m->private + m->shared > (m->end - m->start) / PAGE)
			fail("mapping %llu is said to be impossible",
			     (unsigned long long)m->id);
	}
	count("mappings told of", nr > 0 ? nr : 0);
}

static void break_off(struct self *self)
{
	struct nl_ask ask;
	struct nl nl;

	open_socket(&nl);
	nl_begin(&ask, &nl, chance(self, 50) ? VMFORK_CMD_SNAPSHOT_GET :
					       VMFORK_CMD_MAPPING_GET,
		 NLM_F_DUMP);
	did("break a dump off", nl_send(&nl, &ask));
	doze(self, 1000);
	nl_close(&nl);
}

/* Each event has a higher number than the one before; what is lost is told. */
static void listen_a_while(struct self *self)
{
	int size = chance(self, 50) ? 4096 : 1 << 20, err;
	uint64_t last = 0, seq, heard = 0;
	struct nl_answer event;
	struct nl nl;

	open_socket(&nl);
	setsockopt(nl.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	err = nl_join(&nl);
	if (err)
		give_up("listen to events", err);
	doze(self, 300000);
	while (heard < 200 && (err = nl_event(&nl, &event, 10)) != -ETIMEDOUT) {
		if (err == -ENOBUFS) {
			count("times that events were lost", 1);
			continue;
		}
		if (err)
			give_up("hear events", err);
		seq = nl_u64(&event, VMFORK_A_EVENT_SEQ);
		if (seq <= last)
			fail("event %llu comes after %llu",
			     (unsigned long long)seq,
			     (unsigned long long)last);
		last = seq;
		heard++;
	}
	nl_close(&nl);
	count("events heard", heard);
}

void asker_run(struct self *self)
{
	while (!stopping()) {
		switch (draw(self, 6)) {
		case 0:
			listen_a_while(self);
			break;
		case 1:
			break_off(self);
			break;
		case 2:
		case 3:
			ask_mappings(self);
			break;
		default:
			ask_snapshots(self);
		}
		doze(self, 100000);
	}
}
