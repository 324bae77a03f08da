// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib.h"
#include "nl.h"

#define ROOM	65536

static __thread char room[ROOM] __attribute__((aligned(8)));

static void *tail(struct nl_ask *ask)
{
	return ask->data + NLMSG_ALIGN(ask->head.nlmsg_len);
}

void nl_begin(struct nl_ask *ask, const struct nl *nl, uint8_t cmd,
	      uint16_t flags)
{
	struct genlmsghdr *genl = (void *)(ask->data + NLMSG_HDRLEN);

	memset(ask, 0, sizeof(*ask));
	ask->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	ask->head.nlmsg_type = nl->family;
	ask->head.nlmsg_flags = NLM_F_REQUEST | flags;
	genl->cmd = cmd;
	genl->version = VMFORK_FAMILY_VERSION;
}

void nl_put(struct nl_ask *ask, uint16_t attr, const void *data, size_t len)
{
	struct nlattr *nla = tail(ask);

	nla->nla_type = attr;
	nla->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)nla + NLA_HDRLEN, data, len);
	ask->head.nlmsg_len = NLMSG_ALIGN(ask->head.nlmsg_len) +
			      NLA_ALIGN(nla->nla_len);
}

void nl_put_u32(struct nl_ask *ask, uint16_t attr, uint32_t value)
{
	nl_put(ask, attr, &value, sizeof(value));
}

void nl_put_u64(struct nl_ask *ask, uint16_t attr, uint64_t value)
{
	nl_put(ask, attr, &value, sizeof(value));
}

void nl_put_flag(struct nl_ask *ask, uint16_t attr)
{
	nl_put(ask, attr, NULL, 0);
}

static void parse(const struct nlattr **attrs, const void *data, size_t len)
{
	const struct nlattr *nla = data;
	unsigned int i;

	for (i = 0; i < NL_MAX_ATTR; i++)
		attrs[i] = NULL;
	while (len >= NLA_HDRLEN && nla->nla_len >= NLA_HDRLEN &&
	       nla->nla_len <= len) {
		size_t step = NLA_ALIGN(nla->nla_len);
		unsigned int type = nla->nla_type & NLA_TYPE_MASK;

		if (type < NL_MAX_ATTR)
			attrs[type] = nla;
		if (step >= len)
			break;
		len -= step;
		nla = (const void *)((const char *)nla + step);
	}
}

static const void *content(const struct nlattr *nla)
{
	return (const char *)nla + NLA_HDRLEN;
}

bool nl_has(const struct nl_answer *answer, int attr)
{
	return answer->attrs[attr];
}

uint64_t nl_u64(const struct nl_answer *answer, int attr)
{
	uint64_t value = 0;

	if (answer->attrs[attr])
		memcpy(&value, content(answer->attrs[attr]), sizeof(value));
	return value;
}

uint32_t nl_u32(const struct nl_answer *answer, int attr)
{
	uint32_t value = 0;

	if (answer->attrs[attr])
		memcpy(&value, content(answer->attrs[attr]), sizeof(value));
	return value;
}

const char *nl_string(const struct nl_answer *answer, int attr)
{
	return answer->attrs[attr] ? content(answer->attrs[attr]) : "";
}

int nl_send(struct nl *nl, struct nl_ask *ask)
{
	ask->head.nlmsg_seq = ++nl->seq;
	nl->text[0] = '\0';
	return send(nl->fd, ask->data, ask->head.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* The text that goes with an error, or with the end of a dump. */
static void take_text(struct nl *nl, const struct nlmsghdr *head, size_t skip)
{
	const struct nlattr *attrs[NL_MAX_ATTR];

	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    head->nlmsg_len < NLMSG_LENGTH(skip))
		return;
	parse(attrs, (const char *)NLMSG_DATA(head) + skip,
	      head->nlmsg_len - NLMSG_LENGTH(skip));
	if (attrs[NLMSGERR_ATTR_MSG])
		snprintf(nl->text, sizeof(nl->text), "%s",
			 (const char *)content(attrs[NLMSGERR_ATTR_MSG]));
	else if (attrs[NLMSGERR_ATTR_MISS_TYPE])
		snprintf(nl->text, sizeof(nl->text), "missing");
}

static void split(const struct nlmsghdr *head, struct nl_answer *answer)
{
	const struct genlmsghdr *genl = NLMSG_DATA(head);

	answer->cmd = genl->cmd;
	parse(answer->attrs, (const char *)genl + GENL_HDRLEN,
	      head->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
}

/* 1 if there is more to come */
static int one_answer(struct nl *nl, const struct nlmsghdr *head,
		      void (*each)(const struct nl_answer *answer, void *arg),
		      void *arg)
{
	const struct nlmsgerr *error = NLMSG_DATA(head);
	struct nl_answer answer;
	int err;

	if (head->nlmsg_seq != nl->seq)
		return 1;
	switch (head->nlmsg_type) {
	case NLMSG_ERROR:
		/* NETLINK_CAP_ACK: of the request only the header comes back. */
		take_text(nl, head, sizeof(*error));
		return error->error;
	case NLMSG_DONE:
		memcpy(&err, NLMSG_DATA(head), sizeof(err));
		take_text(nl, head, sizeof(err));
		return err;
	default:
		split(head, &answer);
		if (each)
			each(&answer, arg);
		return 1;
	}
}

int nl_talk(struct nl *nl, struct nl_ask *ask,
	    void (*each)(const struct nl_answer *answer, void *arg), void *arg)
{
	int err;

	if (!(ask->head.nlmsg_flags & NLM_F_DUMP))
		ask->head.nlmsg_flags |= NLM_F_ACK;
	err = nl_send(nl, ask);
	while (!err) {
		const struct nlmsghdr *head = (void *)room;
		ssize_t len = recv(nl->fd, room, sizeof(room), 0);

		if (len < 0)
			return -errno;
		for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
			err = one_answer(nl, head, each, arg);
			if (err <= 0)
				return err;
		}
		err = 0;
	}
	return err;
}

int nl_event(struct nl *nl, struct nl_answer *event, int timeout_ms)
{
	static __thread char one[8192] __attribute__((aligned(8)));
	struct pollfd pollfd = { .fd = nl->fd, .events = POLLIN };
	ssize_t len;

	if (poll(&pollfd, 1, timeout_ms * (int)slowness()) != 1)
		return -ETIMEDOUT;
	/* Each event is a message of its own. */
	len = recv(nl->fd, one, sizeof(one), 0);
	if (len < 0)
		return -errno;
	split((void *)one, event);
	return 0;
}

static void find_group(struct nl *nl, const struct nlattr *groups)
{
	const struct nlattr *group = content(groups);
	int left = groups->nla_len - NLA_HDRLEN;

	while (left >= NLA_HDRLEN) {
		const struct nlattr *attrs[NL_MAX_ATTR];
		struct nl_answer as = { 0 };

		parse(attrs, content(group), group->nla_len - NLA_HDRLEN);
		memcpy(as.attrs, attrs, sizeof(attrs));
		if (!strcmp(nl_string(&as, CTRL_ATTR_MCAST_GRP_NAME),
			    VMFORK_MCGRP_EVENTS))
			nl->group = nl_u32(&as, CTRL_ATTR_MCAST_GRP_ID);
		left -= NLA_ALIGN(group->nla_len);
		group = (const void *)((const char *)group +
				       NLA_ALIGN(group->nla_len));
	}
}

static void resolved(const struct nl_answer *answer, void *arg)
{
	struct nl *nl = arg;

	if (nl_has(answer, CTRL_ATTR_MCAST_GROUPS))
		find_group(nl, answer->attrs[CTRL_ATTR_MCAST_GROUPS]);
	nl->family = nl_u32(answer, CTRL_ATTR_FAMILY_ID);
}

static int resolve(struct nl *nl)
{
	struct nl_ask ask;
	int err;

	nl->family = GENL_ID_CTRL;
	nl_begin(&ask, nl, CTRL_CMD_GETFAMILY, 0);
	nl_put(&ask, CTRL_ATTR_FAMILY_NAME, VMFORK_FAMILY_NAME,
	       sizeof(VMFORK_FAMILY_NAME));
	err = nl_talk(nl, &ask, resolved, nl);
	/* A u16, of which the kernel gives four bytes. */
	nl->family &= 0xffff;
	return err;
}

int nl_open(struct nl *nl)
{
	int one = 1, err;

	memset(nl, 0, sizeof(*nl));
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0)
		return -errno;
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	err = resolve(nl);
	if (err)
		nl_close(nl);
	return err;
}

void nl_close(struct nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

int nl_join(struct nl *nl)
{
	return setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			  &nl->group, sizeof(nl->group)) ? -errno : 0;
}

static void take_snapshot(const struct nl_answer *a, struct nl_snapshot *s)
{
	memset(s, 0, sizeof(*s));
	s->id = nl_u64(a, VMFORK_A_SNAPSHOT_ID);
	s->size = nl_u64(a, VMFORK_A_SNAPSHOT_SIZE);
	s->pages = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES);
	s->huge = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES_HUGE);
	s->hole = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES_HOLE);
	s->file = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES_FILE);
	s->stolen = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES_STOLEN);
	s->copied = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES_COPIED);
	s->shared = nl_u64(a, VMFORK_A_SNAPSHOT_PAGES_SHARED);
	s->alone = nl_u64(a, VMFORK_A_SNAPSHOT_MEMORY_ALONE);
	s->alone_file = nl_u64(a, VMFORK_A_SNAPSHOT_MEMORY_FILE);
	s->counted = nl_has(a, VMFORK_A_SNAPSHOT_MEMORY_ALONE);
	s->parent = nl_u64(a, VMFORK_A_SNAPSHOT_PARENT);
	s->created = nl_u64(a, VMFORK_A_SNAPSHOT_CREATED_NS);
	s->age = nl_u64(a, VMFORK_A_SNAPSHOT_AGE_NS);
	s->mappings = nl_u32(a, VMFORK_A_SNAPSHOT_MAPPINGS);
	s->uid = nl_u32(a, VMFORK_A_SNAPSHOT_UID);
	s->gid = nl_u32(a, VMFORK_A_SNAPSHOT_GID);
	s->mode = nl_u32(a, VMFORK_A_SNAPSHOT_MODE);
	s->creator = nl_u32(a, VMFORK_A_SNAPSHOT_CREATOR);
	snprintf(s->name, sizeof(s->name), "%s",
		 nl_string(a, VMFORK_A_SNAPSHOT_NAME));
	snprintf(s->command, sizeof(s->command), "%s",
		 nl_string(a, VMFORK_A_SNAPSHOT_COMMAND));
}

static void take_mapping(const struct nl_answer *a, struct nl_mapping *m)
{
	memset(m, 0, sizeof(*m));
	m->id = nl_u64(a, VMFORK_A_MAPPING_ID);
	m->snapshot = nl_u64(a, VMFORK_A_MAPPING_SNAPSHOT);
	m->start = nl_u64(a, VMFORK_A_MAPPING_START);
	m->end = nl_u64(a, VMFORK_A_MAPPING_END);
	m->offset = nl_u64(a, VMFORK_A_MAPPING_OFFSET);
	m->private = nl_u64(a, VMFORK_A_MAPPING_PAGES_PRIVATE);
	m->shared = nl_u64(a, VMFORK_A_MAPPING_PAGES_SHARED);
	m->counted = nl_has(a, VMFORK_A_MAPPING_PAGES_PRIVATE);
	m->faults_read = nl_u64(a, VMFORK_A_MAPPING_FAULTS_READ);
	m->faults_write = nl_u64(a, VMFORK_A_MAPPING_FAULTS_WRITE);
	m->pid = nl_u32(a, VMFORK_A_MAPPING_PID);
	m->uid = nl_u32(a, VMFORK_A_MAPPING_UID);
	snprintf(m->command, sizeof(m->command), "%s",
		 nl_string(a, VMFORK_A_MAPPING_COMMAND));
}

struct list {
	void *all;
	size_t nr;
	size_t max;
};

static void add_snapshot(const struct nl_answer *answer, void *arg)
{
	struct list *list = arg;

	if (list->nr < list->max)
		take_snapshot(answer, (struct nl_snapshot *)list->all +
				      list->nr);
	list->nr++;
}

static void add_mapping(const struct nl_answer *answer, void *arg)
{
	struct list *list = arg;

	if (list->nr < list->max)
		take_mapping(answer, (struct nl_mapping *)list->all + list->nr);
	list->nr++;
}

int nl_get_snapshot(struct nl *nl, uint64_t id, bool count,
		    struct nl_snapshot *snapshot)
{
	struct list list = { .all = snapshot, .max = 1 };
	struct nl_ask ask;
	int err;

	nl_begin(&ask, nl, VMFORK_CMD_SNAPSHOT_GET, 0);
	nl_put_u64(&ask, VMFORK_A_SNAPSHOT_ID, id);
	if (count)
		nl_put_flag(&ask, VMFORK_A_SNAPSHOT_COUNT);
	err = nl_talk(nl, &ask, add_snapshot, &list);
	return err ?: (list.nr == 1 ? 0 : -EBADMSG);
}

long nl_snapshots(struct nl *nl, bool count, struct nl_snapshot *all,
		  size_t max)
{
	struct list list = { .all = all, .max = max };
	struct nl_ask ask;
	int err;

	nl_begin(&ask, nl, VMFORK_CMD_SNAPSHOT_GET, NLM_F_DUMP);
	if (count)
		nl_put_flag(&ask, VMFORK_A_SNAPSHOT_COUNT);
	err = nl_talk(nl, &ask, add_snapshot, &list);
	return err ?: (long)list.nr;
}

long nl_mappings(struct nl *nl, uint64_t snapshot, uint32_t pid, bool count,
		 struct nl_mapping *all, size_t max)
{
	struct list list = { .all = all, .max = max };
	struct nl_ask ask;
	int err;

	nl_begin(&ask, nl, VMFORK_CMD_MAPPING_GET, NLM_F_DUMP);
	if (snapshot)
		nl_put_u64(&ask, VMFORK_A_MAPPING_SNAPSHOT, snapshot);
	if (pid)
		nl_put_u32(&ask, VMFORK_A_MAPPING_PID, pid);
	if (count)
		nl_put_flag(&ask, VMFORK_A_MAPPING_COUNT);
	err = nl_talk(nl, &ask, add_mapping, &list);
	return err ?: (long)list.nr;
}
