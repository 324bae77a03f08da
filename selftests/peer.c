// SPDX-License-Identifier: GPL-2.0
/* Peers: other processes that do what a test asks of them. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "peer.h"

struct request {
	peer_fn fn;
	size_t size;
	char arg[PEER_ARG_MAX] __attribute__((aligned(16)));
};

static int send_request(int sock, const struct request *req, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = (void *)req, .iov_len = sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_request(int sock, struct request *req)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = req, .iov_len = sizeof(*req) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(*req))
		_exit(0);
	head = CMSG_FIRSTHDR(&msg);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

static int serving;	/* of a peer: the socket of its requests */

static void __attribute__((noreturn)) serve(int sock)
{
	struct request req;
	long ret;
	int fd;

	serving = sock;
	for (;;) {
		fd = receive_request(sock, &req);
		ret = req.fn(fd, req.arg);
		if (fd >= 0)
			close(fd);
		if (write(sock, &ret, sizeof(ret)) != sizeof(ret))
			_exit(0);
	}
}

struct peer *peer_start(void)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int socks[2];

	if (!peer || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				socks))
		goto err_free;
	fflush(NULL);
	peer->pid = fork();
	if (!peer->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socks[0]);
		serve(socks[1]);
	}
	close(socks[1]);
	peer->sock = socks[0];
	peer->pidfd = peer->pid < 0 ? -1 : pidfd_of(peer->pid);
	if (peer->pidfd >= 0)
		return peer;
	close(socks[0]);
err_free:
	note("a peer did not start: %s", strerror(errno));
	free(peer);
	return NULL;
}

/* A sibling, not a child: the test waits for it when it is dead. */
static long do_fork(int sock, const void *arg)
{
	pid_t pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	(void)arg;
	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Its peer's requests must end when that one does. */
	close(serving);
	serve(sock);
}

struct peer *peer_fork(struct peer *from)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int socks[2];

	if (!peer || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				socks))
		goto err_free;
	peer->pid = peer_call(from, do_fork, socks[1], NULL, 0);
	close(socks[1]);
	peer->sock = socks[0];
	peer->pidfd = peer->pid < 0 ? -1 : pidfd_of(peer->pid);
	if (peer->pidfd >= 0)
		return peer;
	close(socks[0]);
err_free:
	note("a peer did not fork");
	free(peer);
	return NULL;
}

int peer_send(struct peer *peer, peer_fn fn, int fd, const void *arg,
	      size_t size)
{
	struct request req = { .fn = fn, .size = size };

	if (size > sizeof(req.arg))
		return -E2BIG;
	if (size)
		memcpy(req.arg, arg, size);
	return send_request(peer->sock, &req, fd);
}

long peer_wait(struct peer *peer)
{
	long ret;

	if (read(peer->sock, &ret, sizeof(ret)) != sizeof(ret))
		return -EPIPE;
	return ret;
}

long peer_call(struct peer *peer, peer_fn fn, int fd, const void *arg,
	       size_t size)
{
	int ret;

	if (!peer)
		return fn(fd, arg);
	ret = peer_send(peer, fn, fd, arg, size);
	return ret ? ret : peer_wait(peer);
}

static int forget(struct peer *peer)
{
	int status = 0;

	close(peer->sock);
	close(peer->pidfd);
	waitpid(peer->pid, &status, 0);
	free(peer);
	return status;
}

void peer_kill(struct peer *peer)
{
	if (!peer)
		return;
	kill(peer->pid, SIGKILL);
	forget(peer);
}

int peer_exit(struct peer *peer)
{
	return forget(peer);	/* its recvmsg() ends when the socket does */
}

struct capture_arg {
	const void *addr;
	size_t len;
	uint64_t offset;
	struct vmfork_capture *out;	/* shared memory */
};

static long do_capture(int fd, const void *arg)
{
	const struct capture_arg *c = arg;

	return capture_range(fd, c->addr, c->len, c->offset, c->out);
}

static long do_close(int fd, const void *arg)
{
	(void)fd;
	return close(*(const int *)arg) ? -errno : 0;
}

int peer_take_fd(struct peer *peer, int theirs)
{
	int ours = syscall(SYS_pidfd_getfd, peer->pidfd, theirs, 0);

	if (ours < 0)
		ours = -errno;
	peer_call(peer, do_close, -1, &theirs, sizeof(theirs));
	return ours;
}

int peer_capture(struct peer *peer, int pidfd, const void *addr, size_t len,
		 uint64_t offset, struct vmfork_capture *out)
{
	static struct vmfork_capture *result;
	struct capture_arg arg = { addr, len, offset, NULL };
	int theirs;

	if (!peer)
		return capture_range(pidfd, addr, len, offset, out);
	if (!result)
		result = shared_alloc(sizeof(*result));
	arg.out = result;
	theirs = peer_call(peer, do_capture, pidfd, &arg, sizeof(arg));
	if (out)
		*out = *result;
	return theirs < 0 ? theirs : peer_take_fd(peer, theirs);
}

static char *arena, *arena_next;
#define ARENA_SIZE (64 * MIB)

/* Before main(), so that every process of a test has it. */
static void __attribute__((constructor)) arena_make(void)
{
	arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		abort();
	arena_next = arena;
}

void *shared_alloc(size_t size)
{
	char *p = arena_next;

	arena_next += (size + 63) & ~63UL;
	if (arena_next > arena + ARENA_SIZE) {
		note("no room left that peers share");
		abort();
	}
	memset(p, 0, size);	/* an earlier test of this program had it */
	return p;
}

void shared_reset(void *mark)
{
	arena_next = mark;
}
