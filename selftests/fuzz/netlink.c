// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to the module's netlink family, of whatever shape.  What is sent
 * changes nothing, whatever it is; what comes back is thrown away.
 */
#include <string.h>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vmfork_netlink.h>

#include "calls.h"
#include "world.h"

#define BASE		(NLMSG_HDRLEN + GENL_HDRLEN)
#define JOIN		4	/* hear events, too */
#define LIE		8	/* about the length of the message */
#define SHORT_READ	16
#define KEEP		32	/* the socket, with what it has not read */

static int kept[4];

static char *message(char *data, uint16_t type, uint16_t flags, uint8_t cmd)
{
	struct nlmsghdr head = {
		.nlmsg_len = BASE, .nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1,
	};
	struct genlmsghdr genl = { .cmd = cmd, .version = 1 };

	memcpy(data, &head, sizeof(head));
	memcpy(data + NLMSG_HDRLEN, &genl, sizeof(genl));
	return data + BASE;
}

static char *attribute(char *at, uint16_t type, uint16_t len,
		       const void *value, size_t size)
{
	struct nlattr attr = { .nla_type = type, .nla_len = NLA_HDRLEN + len };

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + NLA_HDRLEN, value, size);
	return at + NLA_HDRLEN + NLA_ALIGN(size);
}

static void set_len(char *data, uint32_t len)
{
	memcpy(data, &len, sizeof(len));
}

/* The numbers of the family and its group; the group's is next to it. */
static uint16_t family_id(uint32_t *group)
{
	static uint16_t id;
	static uint32_t found;
	char data[4096] = "", *at;
	ssize_t len, i;
	int fd;

	*group = found;
	if (id)
		return id;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	at = message(data, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
	at = attribute(at, CTRL_ATTR_FAMILY_NAME, sizeof(VMFORK_FAMILY_NAME),
		       VMFORK_FAMILY_NAME, sizeof(VMFORK_FAMILY_NAME));
	set_len(data, at - data);
	send(fd, data, at - data, 0);
	len = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	close(fd);
	for (i = BASE; i + NLA_HDRLEN + 2 <= len;) {
		struct nlattr attr;

		memcpy(&attr, data + i, sizeof(attr));
		if (attr.nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&id, data + i + NLA_HDRLEN, sizeof(id));
		/* A list of one: its index, name and number */
		if (attr.nla_type == CTRL_ATTR_MCAST_GROUPS &&
		    i + NLA_HDRLEN * 3 + 4 <= len)
			memcpy(&found, data + i + NLA_HDRLEN * 3, sizeof(found));
		if (attr.nla_len < NLA_HDRLEN)
			break;
		i += NLA_ALIGN(attr.nla_len);
	}
	*group = found;
	return id;
}

/* An attribute made of a number: its type, length, and what is in it */
static char *any_attribute(char *at, uint64_t code)
{
	uint64_t value[8];
	uint16_t len = code >> 8 & 63;
	unsigned int i;

	if (!code)
		return at;
	for (i = 0; i < 8; i++)
		value[i] = code >> 16;
	/* Mostly a number of a snapshot, or one that could be */
	if (code & 1ULL << 63)
		value[0] = code >> 16 & 255;
	return attribute(at, code & 31 ?: code >> 4, len, value,
			 code >> 14 & 1 ? 8 : len);
}

/* netlink COMMAND ATTRIBUTE ATTRIBUTE HOW READS */
long call_netlink(const uint64_t *arg)
{
	static char answer[16384];
	char data[512] = "", *at;
	uint32_t group;
	uint16_t id = family_id(&group);
	int fd, *keep = &kept[arg[3] >> 6 & 3], i;
	long ret;

	fd = *keep;
	*keep = 0;
	if (!fd)
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			    NETLINK_GENERIC);
	if (fd < 0)
		return -errno;
	if (arg[3] & JOIN)
		setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			   sizeof(group));
	at = message(data, id, arg[0] & 16 ? NLM_F_DUMP : arg[0] >> 5 << 2,
		     arg[0] & 15);
	at = any_attribute(at, arg[1]);
	at = any_attribute(at, arg[2]);
	set_len(data, at - data + (arg[3] & LIE ? (int)(arg[4] % 64) - 32 : 0));
	ret = result(send(fd, data, at - data, MSG_DONTWAIT));
	for (i = 0; i < (int)(arg[3] & 3) + 1; i++)
		recv(fd, answer, arg[3] & SHORT_READ ? 20 : sizeof(answer),
		     MSG_DONTWAIT);
	if (arg[3] & KEEP)
		*keep = fd;
	else
		close(fd);
	return ret < 0 ? ret : 0;
}
