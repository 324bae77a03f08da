// SPDX-License-Identifier: GPL-2.0
/*
 * A file system with one file, for tests: FUSE as the kernel speaks it.
 *
 * Attributes are asked for each time, as they would be of a server that does
 * not trust its clients' caches; and nothing is read ahead, so that what is
 * read can be counted.  Who waits for a read can be killed (FUSE_ASYNC_READ).
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs.h"
#include "lib.h"
#include "peer.h"

#define FILE_NODE	2
#define MAX_READ	(64 * PAGE)
#define MAX_HANGING	16

static const char file_name[] = "file";

const char *fusefs_missing(void)
{
	if (!access("/dev/fuse", F_OK) ||
	    (!system("modprobe fuse 2>/dev/null") &&
	     !access("/dev/fuse", F_OK)))
		return NULL;
	return "this kernel has no FUSE";
}

static void reply(int dev, uint64_t unique, int error, const void *data,
		  size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (error ? 0 : len),
		.error = -error, .unique = unique,
	};
	struct iovec iov[] = {
		{ &header, sizeof(header) },
		{ (void *)data, error ? 0 : len },
	};

	/* Whoever asked may be gone. */
	if (writev(dev, iov, error || !len ? 1 : 2) < 0)
		return;
}

static struct fuse_attr attr_of(const struct fusefs *fs, uint64_t node)
{
	struct fuse_attr attr = {
		.ino = node, .nlink = 1, .mode = S_IFDIR | 0755,
		.blksize = PAGE,
	};

	if (node == FILE_NODE) {
		attr.mode = S_IFREG | 0644;
		attr.size = fs->size;
		attr.blocks = fs->size / 512;
		attr.mtime = fs->mtime;
		attr.ctime = fs->ctime;
	}
	return attr;
}

static void do_init(int dev, uint64_t unique, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 0,
		.flags = in->flags & (FUSE_AUTO_INVAL_DATA |
				      FUSE_ASYNC_READ | FUSE_MAX_PAGES),
		.max_write = MAX_READ,
		.max_pages = MAX_READ / PAGE,
		.time_gran = 1,
	};

	reply(dev, unique, 0, &out, sizeof(out));
}

static void do_lookup(struct fusefs *fs, int dev, uint64_t unique,
		      const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_NODE, .attr = attr_of(fs, FILE_NODE),
	};

	reply(dev, unique, strcmp(name, file_name) ? ENOENT : 0, &out,
	      sizeof(out));
}

static void do_read(struct fusefs *fs, int dev, uint64_t unique,
		    const struct fuse_read_in *in)
{
	size_t len = in->size, size = fs->size;

	if (in->offset >= size)
		len = 0;
	else if (len > size - in->offset)
		len = size - in->offset;
	__sync_fetch_and_add(&fs->remote.reads, 1);
	__sync_fetch_and_add(&fs->remote.bytes, len);
	reply(dev, unique, fs->remote.error, fs->data + in->offset, len);
}

static void serve(struct fusefs *fs, int dev, const char *buf)
{
	const struct fuse_in_header *in = (const void *)buf;
	const void *arg = buf + sizeof(*in);
	struct fuse_attr_out attr = { .attr = attr_of(fs, in->nodeid) };
	struct fuse_open_out open = { .open_flags = 0 };
	struct fuse_statfs_out statfs = { .st = { .bsize = PAGE } };

	switch (in->opcode) {
	case FUSE_INIT:
		do_init(dev, in->unique, arg);
		break;
	case FUSE_LOOKUP:
		do_lookup(fs, dev, in->unique, arg);
		break;
	case FUSE_GETATTR:
		reply(dev, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		reply(dev, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		do_read(fs, dev, in->unique, arg);
		break;
	case FUSE_STATFS:
		reply(dev, in->unique, 0, &statfs, sizeof(statfs));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
		reply(dev, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(dev, in->unique, ENOSYS, NULL, 0);
	}
}

static bool hangs(const struct fusefs *fs, uint32_t opcode)
{
	return (fs->remote.hang && opcode == FUSE_READ) ||
	       (fs->hang_opens && opcode == FUSE_OPEN);
}

/* Until it is unmounted.  What hangs is answered when it does no more. */
static void serve_all(struct fusefs *fs, int dev)
{
	static char bufs[MAX_HANGING + 1][MAX_READ + PAGE]
		__attribute__((aligned(8)));
	struct pollfd pollfd = { .fd = dev, .events = POLLIN };
	int nr = 0;

	for (;;) {
		const struct fuse_in_header *in;
		ssize_t n;

		fs->remote.hanging = nr;
		while (nr && !fs->remote.hang && !fs->hang_opens) {
			nr--;
			serve(fs, dev, bufs[nr]);
			fs->remote.hanging = nr;
		}
		in = (void *)bufs[nr];
		if (poll(&pollfd, 1, nr ? 10 : 100) <= 0)
			continue;
		n = read(dev, bufs[nr], sizeof(bufs[nr]));
		if (n < 0 && (errno == EINTR || errno == ENOENT ||
			      errno == EAGAIN))
			continue;
		if (n < 0)
			return;
		if (hangs(fs, in->opcode) && nr < MAX_HANGING)
			nr++;
		else
			serve(fs, dev, bufs[nr]);
	}
}

static int mount_it(struct fusefs *fs, int dev)
{
	char options[96];

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", dev);
	return mount("vmfork-test", fs->dir, "fuse", MS_NOSUID | MS_NODEV,
		     options) ? -errno : 0;
}

struct fusefs *fusefs_start(size_t size)
{
	struct fusefs *fs = shared_alloc(sizeof(*fs));
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC), ret;
	pid_t pid;

	if (dev < 0) {
		note("/dev/fuse: %s", strerror(errno));
		goto err_close;
	}
	memset(fs, 0, sizeof(*fs));
	fs->room = 2 * size;
	fs->data = shared_alloc(fs->room);
	fs->size = size;
	fs->mtime = 1000000;
	fs->ctime = 1000000;
	strcpy(fs->dir, "/tmp/fuse.XXXXXX");
	if (!mkdtemp(fs->dir))
		goto err_close;
	snprintf(fs->path, sizeof(fs->path), "%s/%s", fs->dir, file_name);
	ret = mount_it(fs, dev);
	if (ret) {
		note("mount -t fuse: %s", strerror(-ret));
		goto err_close;
	}
	/* Both see what the other writes to it. */
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_all(fs, dev);
		_exit(0);
	}
	fs->server = pid;
	close(dev);
	return fs;

err_close:
	if (dev >= 0)
		close(dev);
	return NULL;
}

void fusefs_stop(struct fusefs *fs)
{
	if (!fs)
		return;
	fs->remote.hang = false;
	fs->hang_opens = false;
	umount2(fs->dir, MNT_DETACH);
	kill(fs->server, SIGKILL);
	waitpid(fs->server, NULL, 0);
	rmdir(fs->dir);
}
