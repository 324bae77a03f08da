// SPDX-License-Identifier: GPL-2.0
/*
 * A disk that a process serves: NBD over a pair of sockets.
 */
#include <endian.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "nbd.h"
#include "peer.h"

#define BLOCK		4096
#define MAX_HANGING	64

const char *nbd_missing(void)
{
	if (!access(NBD_DISK, F_OK) ||
	    (!system("modprobe nbd nbds_max=1 2>/dev/null") &&
	     !access(NBD_DISK, F_OK)))
		return NULL;
	return "this kernel has no NBD";
}

static bool move_all(int sock, void *buf, size_t len, bool out)
{
	char *at = buf;
	ssize_t n;

	while (len) {
		n = out ? write(sock, at, len) : read(sock, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

static bool reply(int sock, const struct nbd_request *request, int error,
		  char *data, size_t len)
{
	struct nbd_reply reply = {
		.magic = htobe32(NBD_REPLY_MAGIC), .error = htobe32(error),
	};

	memcpy(&reply.handle, &request->handle, sizeof(reply.handle));
	return move_all(sock, &reply, sizeof(reply), true) &&
	       (error || move_all(sock, data, len, true));
}

static bool answer_read(struct nbd *nbd, int sock, char *disk,
			const struct nbd_request *request)
{
	return reply(sock, request, nbd->remote.error,
		     disk + be64toh(request->from), be32toh(request->len));
}

/* Data that is written follows its request at once. */
static bool answer(struct nbd *nbd, int sock, char *disk,
		   const struct nbd_request *request)
{
	switch (be32toh(request->type) & 0xffff) {
	case NBD_CMD_READ:
		__sync_fetch_and_add(&nbd->remote.reads, 1);
		__sync_fetch_and_add(&nbd->remote.bytes,
				     be32toh(request->len));
		return answer_read(nbd, sock, disk, request);
	case NBD_CMD_WRITE:
		return move_all(sock, disk + be64toh(request->from),
				be32toh(request->len), false) &&
		       reply(sock, request, 0, NULL, 0);
	case NBD_CMD_DISC:
		return false;
	default:
		return reply(sock, request, 0, NULL, 0);
	}
}

/* Until it is disconnected.  What hangs is answered when it does no more. */
static void serve(struct nbd *nbd, int sock, char *disk)
{
	struct nbd_request hanging[MAX_HANGING], request;
	struct pollfd pollfd = { .fd = sock, .events = POLLIN };
	int nr = 0;

	for (;;) {
		nbd->remote.hanging = nr;
		while (nr && !nbd->remote.hang) {
			if (!answer(nbd, sock, disk, &hanging[--nr]))
				return;
			nbd->remote.hanging = nr;
		}
		if (poll(&pollfd, 1, nr ? 10 : 100) <= 0)
			continue;
		if (!move_all(sock, &request, sizeof(request), false) ||
		    request.magic != htobe32(NBD_REQUEST_MAGIC))
			return;
		if (nbd->remote.hang && nr < MAX_HANGING &&
		    be32toh(request.type) == NBD_CMD_READ)
			hanging[nr++] = request;
		else if (!answer(nbd, sock, disk, &request))
			return;
	}
}

static pid_t start_server(struct nbd *nbd, const int pair[2], size_t size)
{
	pid_t pid = fork();
	char *disk;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(pair[0]);
	close(nbd->dev);
	disk = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (disk != MAP_FAILED)
		serve(nbd, pair[1], disk);
	_exit(0);
}

static pid_t start_client(struct nbd *nbd, const int pair[2])
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(pair[0]);
	close(pair[1]);
	ioctl(nbd->dev, NBD_DO_IT);
	_exit(0);
}

static int set_up(struct nbd *nbd, int sock, size_t size)
{
	if (ioctl(nbd->dev, NBD_SET_BLKSIZE, (unsigned long)BLOCK) ||
	    ioctl(nbd->dev, NBD_SET_SIZE_BLOCKS, size / BLOCK) ||
	    ioctl(nbd->dev, NBD_SET_FLAGS,
		  (unsigned long)(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH)) ||
	    ioctl(nbd->dev, NBD_SET_SOCK, (unsigned long)sock))
		return -errno;
	return 0;
}

/* It has a size as soon as it is connected. */
static bool is_connected(void)
{
	int i;

	for (i = 0; i < 200; i++) {
		if (read_number("/sys/block/nbd0/size") > 0 &&
		    !access("/sys/block/nbd0/pid", F_OK))
			return true;
		usleep(20000);
	}
	return false;
}

struct nbd *nbd_start(size_t size)
{
	struct nbd *nbd = shared_alloc(sizeof(*nbd));
	int pair[2], ret;

	nbd->dev = open(NBD_DISK, O_RDWR | O_CLOEXEC);
	if (nbd->dev < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				       pair)) {
		note(NBD_DISK ": %s", strerror(errno));
		return NULL;
	}
	ret = set_up(nbd, pair[0], size);
	if (ret) {
		note(NBD_DISK ": %s", strerror(-ret));
		close(nbd->dev);
		return NULL;
	}
	nbd->server = start_server(nbd, pair, size);
	nbd->client = start_client(nbd, pair);
	close(pair[0]);
	close(pair[1]);
	if (is_connected())
		return nbd;
	note(NBD_DISK " is not connected");
	nbd_stop(nbd);
	return NULL;
}

void nbd_stop(struct nbd *nbd)
{
	if (!nbd)
		return;
	nbd->remote.hang = false;
	ioctl(nbd->dev, NBD_DISCONNECT);
	waitpid(nbd->client, NULL, 0);
	kill(nbd->server, SIGKILL);
	waitpid(nbd->server, NULL, 0);
	ioctl(nbd->dev, NBD_CLEAR_SOCK);
	close(nbd->dev);
}
