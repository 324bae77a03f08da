// SPDX-License-Identifier: GPL-2.0
/*
 * Asking the module over netlink, and hearing of events, by libnl.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vmfork_netlink.h>

#include "ask.h"
#include "cli.h"
#include "out.h"
#include "screen.h"

#define EVENT_BUFFER	(4 << 20)

static int fail_no_family(void)
{
	if (access("/sys/module/vmfork", F_OK))
		return failure(NO_MODULE, ENOENT,
			       "The vmfork module is not loaded: load it by modprobe vmfork.");
	return failure(NO_MODULE, EPROTONOSUPPORT,
		       "The vmfork module that is loaded does not speak netlink: load the one that belongs to this vmfork.");
}

static int fail_netlink(const struct ask *ask, int err)
{
	return failure(FAILED, -err, "The module can not be asked: %s%s%s.",
		       strerror(-err), *ask->text ? ": " : "", ask->text);
}

/* Older C libraries' headers have it, older libnl does not: no libnl's name. */
static void want_texts(struct nl_sock *sock)
{
	int one = 1, fd = nl_socket_get_fd(sock);

	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
}

int ask_open(struct ask *ask)
{
	int err;

	memset(ask, 0, sizeof(*ask));
	ask->sock = nl_socket_alloc();
	if (!ask->sock)
		return failure(FAILED, ENOMEM, "There is no memory left.");
	err = genl_connect(ask->sock);
	if (err) {
		ask_close(ask);
		return failure(FAILED, 0,
			       "There is no netlink here: %s.", nl_geterror(err));
	}
	ask->family = genl_ctrl_resolve(ask->sock, VMFORK_FAMILY_NAME);
	if (ask->family < 0) {
		ask_close(ask);
		return fail_no_family();
	}
	want_texts(ask->sock);
	return DONE;
}

void ask_close(struct ask *ask)
{
	nl_socket_free(ask->sock);
	ask->sock = NULL;
}

/**
 * struct answers - of one request
 * @ask: whose
 * @world: where they go
 * @error: errno, negative
 * @ended: there are no more
 */
struct answers {
	struct ask *ask;
	struct world *world;
	int error;
	bool ended;
};

static uint64_t get_u64(struct nlattr **attrs, int attr)
{
	return attrs[attr] && nla_len(attrs[attr]) >= 8 ?
	       nla_get_u64(attrs[attr]) : 0;
}

static uint32_t get_u32(struct nlattr **attrs, int attr)
{
	return attrs[attr] && nla_len(attrs[attr]) >= 4 ?
	       nla_get_u32(attrs[attr]) : 0;
}

static void get_text(struct nlattr **attrs, int attr, char *text, size_t size)
{
	text[0] = '\0';
	if (attrs[attr])
		nla_strlcpy(text, attrs[attr], size);
}

static bool take_snapshot(struct nlattr **attrs, struct world *world)
{
	struct snapshot *s = world_add_snapshot(world);

	if (!s)
		return false;
	s->id = get_u64(attrs, VMFORK_A_SNAPSHOT_ID);
	s->size = get_u64(attrs, VMFORK_A_SNAPSHOT_SIZE);
	s->pages = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES);
	s->huge = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES_HUGE);
	s->hole = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES_HOLE);
	s->file = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES_FILE);
	s->stolen = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES_STOLEN);
	s->copied = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES_COPIED);
	s->shared = get_u64(attrs, VMFORK_A_SNAPSHOT_PAGES_SHARED);
	s->alone = get_u64(attrs, VMFORK_A_SNAPSHOT_MEMORY_ALONE);
	s->alone_file = get_u64(attrs, VMFORK_A_SNAPSHOT_MEMORY_FILE);
	s->counted = attrs[VMFORK_A_SNAPSHOT_MEMORY_ALONE];
	s->mappings = get_u32(attrs, VMFORK_A_SNAPSHOT_MAPPINGS);
	s->parent_id = get_u64(attrs, VMFORK_A_SNAPSHOT_PARENT);
	s->uid = get_u32(attrs, VMFORK_A_SNAPSHOT_UID);
	s->gid = get_u32(attrs, VMFORK_A_SNAPSHOT_GID);
	s->mode = get_u32(attrs, VMFORK_A_SNAPSHOT_MODE);
	s->creator = get_u32(attrs, VMFORK_A_SNAPSHOT_CREATOR);
	s->created_ns = get_u64(attrs, VMFORK_A_SNAPSHOT_CREATED_NS);
	s->age_ns = get_u64(attrs, VMFORK_A_SNAPSHOT_AGE_NS);
	get_text(attrs, VMFORK_A_SNAPSHOT_COMMAND, s->command,
		 sizeof(s->command));
	if (!attrs[VMFORK_A_SNAPSHOT_NAME])
		return true;
	s->name = nla_strdup(attrs[VMFORK_A_SNAPSHOT_NAME]);
	return s->name;
}

static bool take_mapping(struct nlattr **attrs, struct world *world)
{
	struct mapping *m = world_add_mapping(world);

	if (!m)
		return false;
	m->id = get_u64(attrs, VMFORK_A_MAPPING_ID);
	m->snapshot = get_u64(attrs, VMFORK_A_MAPPING_SNAPSHOT);
	m->start = get_u64(attrs, VMFORK_A_MAPPING_START);
	m->end = get_u64(attrs, VMFORK_A_MAPPING_END);
	m->offset = get_u64(attrs, VMFORK_A_MAPPING_OFFSET);
	m->private = get_u64(attrs, VMFORK_A_MAPPING_PAGES_PRIVATE);
	m->shared = get_u64(attrs, VMFORK_A_MAPPING_PAGES_SHARED);
	m->counted = attrs[VMFORK_A_MAPPING_PAGES_PRIVATE];
	m->reads = get_u64(attrs, VMFORK_A_MAPPING_FAULTS_READ);
	m->writes = get_u64(attrs, VMFORK_A_MAPPING_FAULTS_WRITE);
	m->pid = get_u32(attrs, VMFORK_A_MAPPING_PID);
	m->uid = get_u32(attrs, VMFORK_A_MAPPING_UID);
	get_text(attrs, VMFORK_A_MAPPING_COMMAND, m->command,
		 sizeof(m->command));
	return true;
}

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct answers *answers = arg;
	struct nlattr *attrs[VMFORK_A_SNAPSHOT_MAX + 1];
	struct nlmsghdr *head = nlmsg_hdr(msg);
	bool good = true;

	_Static_assert((int)VMFORK_A_MAPPING_MAX <= (int)VMFORK_A_SNAPSHOT_MAX,
		       "attrs is too small");
	if (genlmsg_parse(head, 0, attrs, VMFORK_A_SNAPSHOT_MAX, NULL))
		return NL_SKIP;
	switch (genlmsg_hdr(head)->cmd) {
	case VMFORK_CMD_SNAPSHOT_GET:
		good = take_snapshot(attrs, answers->world);
		break;
	case VMFORK_CMD_MAPPING_GET:
		good = take_mapping(attrs, answers->world);
		break;
	}
	if (!good)
		answers->error = -ENOMEM;
	return NL_OK;
}

static void take_text(struct ask *ask, const struct nlmsghdr *head,
		      const void *data, size_t skip)
{
	struct nlattr *text;
	int len = (const char *)head + head->nlmsg_len -
		  ((const char *)data + skip);

	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS) || len <= 0)
		return;
	text = nla_find((const struct nlattr *)((const char *)data + skip),
			len, NLMSGERR_ATTR_MSG);
	if (text)
		nla_strlcpy(ask->text, text, sizeof(ask->text));
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error,
		    void *arg)
{
	struct answers *answers = arg;
	const struct nlmsghdr *head = (struct nlmsghdr *)error - 1;

	(void)from;
	answers->error = error->error;
	answers->ended = true;
	take_text(answers->ask, head, error, sizeof(*error));
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct answers *answers = arg;

	(void)msg;
	answers->ended = true;
	return NL_STOP;
}

/* A dump ends with an errno, too. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct answers *answers = arg;
	struct nlmsghdr *head = nlmsg_hdr(msg);
	int error = 0;

	if (nlmsg_datalen(head) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(head), sizeof(error));
	if (error < 0) {
		answers->error = error;
		take_text(answers->ask, head, nlmsg_data(head), sizeof(error));
	}
	answers->ended = true;
	return NL_STOP;
}

static int receive(struct ask *ask, struct answers *answers)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, answers);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, answers);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answers);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answers);
	do {
		err = nl_recvmsgs(ask->sock, cb);
	} while (err >= 0 && !answers->ended);
	/* What libnl says of its own is none of ours to explain. */
	if (!answers->ended)
		answers->error = err == -NLE_NOMEM ? -ENOMEM : -EIO;
	nl_cb_put(cb);
	return answers->error;
}

/* 0 or a negative errno */
static int talk(struct ask *ask, struct nl_msg *msg, struct world *world)
{
	struct answers answers = { .ask = ask, .world = world };
	int err;

	ask->text[0] = '\0';
	err = nl_send_auto(ask->sock, msg);
	nlmsg_free(msg);
	return err < 0 ? -EIO : receive(ask, &answers);
}

static struct nl_msg *request(struct ask *ask, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, ask->family, 0,
				flags, cmd, VMFORK_FAMILY_VERSION)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int ask_snapshots(struct ask *ask, bool count, struct world *world)
{
	struct nl_msg *msg = request(ask, VMFORK_CMD_SNAPSHOT_GET, NLM_F_DUMP);
	int err = -ENOMEM;

	if (msg) {
		if (count)
			nla_put_flag(msg, VMFORK_A_SNAPSHOT_COUNT);
		err = talk(ask, msg, world);
	}
	return err ? fail_netlink(ask, err) : DONE;
}

int ask_mappings(struct ask *ask, uint32_t pid, bool count,
		 struct world *world)
{
	struct nl_msg *msg = request(ask, VMFORK_CMD_MAPPING_GET, NLM_F_DUMP);
	int err = -ENOMEM;

	if (msg) {
		if (pid)
			nla_put_u32(msg, VMFORK_A_MAPPING_PID, pid);
		if (count)
			nla_put_flag(msg, VMFORK_A_MAPPING_COUNT);
		err = talk(ask, msg, world);
	}
	return err ? fail_netlink(ask, err) : DONE;
}

int ask_world(struct ask *ask, bool count, struct world *world)
{
	int status = ask_snapshots(ask, count, world);

	if (!status)
		status = ask_mappings(ask, 0, count, world);
	if (!status)
		world_link(world);
	return status;
}

int ask_one(struct ask *ask, uint64_t id, struct world *world)
{
	struct nl_msg *msg = request(ask, VMFORK_CMD_SNAPSHOT_GET, NLM_F_ACK);
	int err = -ENOMEM;

	if (msg) {
		nla_put_u64(msg, VMFORK_A_SNAPSHOT_ID, id);
		nla_put_flag(msg, VMFORK_A_SNAPSHOT_COUNT);
		err = talk(ask, msg, world);
	}
	if (err == -ENOENT)
		return DONE;
	return err ? fail_netlink(ask, err) : DONE;
}

/* --- events ---------------------------------------------------------------- */

int ask_join(struct ask *ask)
{
	int group = genl_ctrl_resolve_grp(ask->sock, VMFORK_FAMILY_NAME,
					  VMFORK_MCGRP_EVENTS);
	int size = EVENT_BUFFER, fd = nl_socket_get_fd(ask->sock);

	if (group < 0)
		return fail_no_family();
	/* As large as we may have it */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			sizeof(group)))
		return DONE;
	if (errno == EPERM)
		return failure(FAILED, EPERM,
			       "Before Linux 6.6, only root may hear of events: run vmfork monitor as root.");
	return failure(FAILED, errno, "Events can not be heard: %s.",
		       strerror(errno));
}

static const char *const event_names[VMFORK_CMD_MAX + 1] = {
	[VMFORK_CMD_CAPTURED] = "captured",
	[VMFORK_CMD_IMPORTED] = "imported",
	[VMFORK_CMD_NAMED] = "named",
	[VMFORK_CMD_MAPPED] = "mapped",
	[VMFORK_CMD_UNMAPPED] = "unmapped",
	[VMFORK_CMD_RESET] = "reset",
	[VMFORK_CMD_DROPPED] = "dropped",
};

static void take_event(struct nlmsghdr *head, struct event *event)
{
	struct nlattr *attrs[VMFORK_A_EVENT_MAX + 1];
	unsigned int cmd = genlmsg_hdr(head)->cmd;

	if (cmd > VMFORK_CMD_MAX ||
	    genlmsg_parse(head, 0, attrs, VMFORK_A_EVENT_MAX, NULL))
		return;
	event->name = event_names[cmd];
	event->seq = get_u64(attrs, VMFORK_A_EVENT_SEQ);
	event->time_ns = get_u64(attrs, VMFORK_A_EVENT_TIME_NS);
	event->snapshot = get_u64(attrs, VMFORK_A_EVENT_SNAPSHOT);
	event->parent = get_u64(attrs, VMFORK_A_EVENT_PARENT);
	event->from = get_u64(attrs, VMFORK_A_EVENT_FROM);
	event->mapping = get_u64(attrs, VMFORK_A_EVENT_MAPPING);
	event->size = get_u64(attrs, VMFORK_A_EVENT_SIZE);
	event->offset = get_u64(attrs, VMFORK_A_EVENT_OFFSET);
	event->pages = get_u64(attrs, VMFORK_A_EVENT_PAGES);
	event->stolen = get_u64(attrs, VMFORK_A_EVENT_PAGES_STOLEN);
	event->copied = get_u64(attrs, VMFORK_A_EVENT_PAGES_COPIED);
	event->dropped = get_u64(attrs, VMFORK_A_EVENT_PAGES_DROPPED);
	event->file = get_u64(attrs, VMFORK_A_EVENT_PAGES_FILE);
	event->freed = get_u64(attrs, VMFORK_A_EVENT_PAGES_FREED);
	event->pid = get_u32(attrs, VMFORK_A_EVENT_PID);
	event->uid = get_u32(attrs, VMFORK_A_EVENT_UID);
	event->has_uid = attrs[VMFORK_A_EVENT_UID];
	event->ahead = attrs[VMFORK_A_EVENT_AHEAD];
	if (attrs[VMFORK_A_EVENT_NAME])
		event->path = nla_get_string(attrs[VMFORK_A_EVENT_NAME]);
}

bool ask_hear(struct ask *ask, uint64_t ns, struct event *event, bool *lost)
{
	/* Each event is a message of its own. */
	static char message[16384] __attribute__((aligned(8)));
	int fd = nl_socket_get_fd(ask->sock);
	struct nlmsghdr *head = (struct nlmsghdr *)message;
	ssize_t len;

	memset(event, 0, sizeof(*event));
	*lost = false;
	/* Signals come here only, however many events there are. */
	if (!screen_wait_fd(ns, fd))
		return false;
	len = recv(fd, message, sizeof(message), MSG_DONTWAIT);
	if (len < 0)
		*lost = errno == ENOBUFS;
	else if (nlmsg_ok(head, len) && head->nlmsg_type == ask->family)
		take_event(head, event);
	return true;
}
