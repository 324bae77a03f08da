/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The netlink family "vmfork", by plain sockets: a test sees exactly what the
 * kernel answers, and can ask what no library would.
 */
#ifndef SELFTESTS_NL_H
#define SELFTESTS_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vmfork_netlink.h>

#define NL_MAX_ATTR	32

/**
 * struct nl - a socket
 * @fd: the socket
 * @family: number of the family
 * @group: number of its group of events
 * @seq: of the last request
 * @text: what the kernel said besides the errno of the last request, or ""
 */
struct nl {
	int fd;
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	char text[256];
};

/* A request. */
struct nl_ask {
	union {
		struct nlmsghdr head;
		char data[512];
	};
};

/* An answer, or an event; attributes that are not there are NULL. */
struct nl_answer {
	uint8_t cmd;
	const struct nlattr *attrs[NL_MAX_ATTR];
};

/* 0 or -errno; -ENOENT if there is no such family here. */
int nl_open(struct nl *nl);
void nl_close(struct nl *nl);
int nl_join(struct nl *nl);

void nl_begin(struct nl_ask *ask, const struct nl *nl, uint8_t cmd,
	      uint16_t flags);
void nl_put(struct nl_ask *ask, uint16_t attr, const void *data, size_t len);
void nl_put_u32(struct nl_ask *ask, uint16_t attr, uint32_t value);
void nl_put_u64(struct nl_ask *ask, uint16_t attr, uint64_t value);
void nl_put_flag(struct nl_ask *ask, uint16_t attr);

/* Sends it and has @each see every answer.  0, or -errno of the kernel's. */
int nl_talk(struct nl *nl, struct nl_ask *ask,
	    void (*each)(const struct nl_answer *answer, void *arg), void *arg);
int nl_send(struct nl *nl, struct nl_ask *ask);
/*
 * The next event; it is good until the next call.  0; -ENOBUFS, some were lost;
 * -ETIMEDOUT.
 */
int nl_event(struct nl *nl, struct nl_answer *event, int timeout_ms);

bool nl_has(const struct nl_answer *answer, int attr);
uint64_t nl_u64(const struct nl_answer *answer, int attr);
uint32_t nl_u32(const struct nl_answer *answer, int attr);
const char *nl_string(const struct nl_answer *answer, int attr);

/* What a snapshot is said to be. */
struct nl_snapshot {
	uint64_t id, size, pages, huge, hole, file, stolen, copied, shared;
	uint64_t alone, alone_file, parent, created, age;
	uint32_t mappings, uid, gid, mode;
	pid_t creator;
	bool counted;
	char name[256], command[32];
};

/* And a mapping; pid is 0 if it is not said. */
struct nl_mapping {
	uint64_t id, snapshot, start, end, offset, private, shared;
	uint64_t faults_read, faults_write;
	pid_t pid;
	uint32_t uid;
	bool counted;
	char command[32];
};

int nl_get_snapshot(struct nl *nl, uint64_t id, bool count,
		    struct nl_snapshot *snapshot);
/* How many there are, of which up to @max are written; or -errno. */
long nl_snapshots(struct nl *nl, bool count, struct nl_snapshot *all,
		  size_t max);
long nl_mappings(struct nl *nl, uint64_t snapshot, uint32_t pid, bool count,
		 struct nl_mapping *all, size_t max);

#endif
