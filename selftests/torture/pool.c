// SPDX-License-Identifier: GPL-2.0
/* The pool: snapshots on their way between processes. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shot.h"

static int pool[2] = { -1, -1 };

void pool_open(void)
{
	int size = 4 << 20;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pool)) {
		perror("socketpair");
		exit(1);
	}
	setsockopt(pool[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

void pool_close(void)
{
	close(pool[0]);
	close(pool[1]);
	pool[0] = pool[1] = -1;
}

bool pool_put(struct shot *shot)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = {
		.iov_base = shot,
		.iov_len = offsetof(struct shot, tag) +
			   shot->pages * sizeof(shot->tag[0]),
	};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	ssize_t sent;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &shot->fd, sizeof(int));
	sent = sendmsg(pool[0], &msg, 0);
	did("pool: put", sent < 0 ? -errno : 0);
	shot_drop(shot);
	return sent > 0;
}

bool pool_get(struct shot *shot)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = shot, .iov_len = sizeof(*shot) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(pool[1], &msg, MSG_CMSG_CLOEXEC) <= 0)
		return false;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return false;	/* no file descriptor was free */
	memcpy(&shot->fd, CMSG_DATA(cmsg), sizeof(int));
	return true;
}

void pool_drain(void)
{
	static struct shot shot;

	while (pool_get(&shot))
		shot_drop(&shot);
}
