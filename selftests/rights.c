// SPDX-License-Identifier: GPL-2.0
/*
 * Rights: whose memory a process may capture, reset or prefault, by pidfd or its
 * own, and who may open the device.
 */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "abi.h"
#include "live.h"
#include "peer.h"

TEST_F(abi, bad_pidfd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	self->cap.pidfd = null;
	refused_outright(EBADF);
	self->cap.pidfd = self->dev;
	refused_outright(EBADF);
	self->cap.pidfd = 9999;
	refused_outright(EBADF);
	self->cap.pidfd = -2;
	refused_outright(EBADF);
	close(null);
	self->cap.pidfd = -1;
	works();
}

TEST_F(abi, own_pidfd)
{
	self->cap.pidfd = pidfd_of(getpid());
	ASSERT_LE(0, self->cap.pidfd);
	works();
	close(self->cap.pidfd);
}

TEST_F(abi, dead_process)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	self->cap.pidfd = pidfd_of(pid);
	ASSERT_LE(0, self->cap.pidfd);
	/* It has exited, but nobody has waited for it. */
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	check_refused(_metadata, self, ESRCH, VMFORK_OK, 0, 0, true);
	EXPECT_EQ(VMFORK_DYING, self->cap.refusal);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	check_refused(_metadata, self, ESRCH, VMFORK_OK, 0, 0, true);
	EXPECT_EQ(VMFORK_DYING, self->cap.refusal);
	close(self->cap.pidfd);
}

/* What may be asked of another process's memory. */
enum { CAPTURE, PREARM, PREFAULT, RESET, NR_CALLS };

/* In a peer: gives up all privileges but @keep, and does one of them. */
struct drop_arg {
	int dev, snapshot, call;
	uint32_t keep;
	bool itself;
	struct vmfork_capture *cap;	/* shared memory */
};

static long do_call(const struct drop_arg *drop,
		    const struct vmfork_region *region)
{
	void *addr = (void *)(uintptr_t)region->addr;
	struct vmfork_range range = range_of(addr, region->len);
	struct vmfork_prefault prefault = {
		.size = sizeof(prefault), .pidfd = drop->cap->pidfd,
		.nr_ranges = 1, .ranges = (uintptr_t)&range,
	};

	switch (drop->call) {
	case PREFAULT:
		return prefault_full(drop->snapshot, &prefault);
	case RESET:
		return reset_range(drop->snapshot, drop->cap->pidfd, addr,
				   region->len, NULL);
	case PREARM:
		drop->cap->flags = VMFORK_CAPTURE_PREARM;
		break;
	}
	return capture_full(drop->dev, drop->cap);
}

static long do_call_without_rights(int pidfd, const void *arg)
{
	const struct drop_arg *drop = arg;
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = drop->keep, .permitted = drop->keep },
	};
	struct vmfork_region region;
	long ret;

	prctl(PR_SET_KEEPCAPS, 1);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
	    syscall(SYS_capset, &head, data))
		return -ENOTRECOVERABLE;
	memcpy(&region, (void *)(uintptr_t)drop->cap->regions, sizeof(region));
	drop->cap->regions = (uintptr_t)&region;
	drop->cap->pidfd = drop->itself ? -1 : pidfd;
	ret = do_call(drop, &region);
	if (ret > 0)
		close(ret);
	return ret < 0 ? ret : 0;
}

static long call_without_rights(FIXTURE_DATA(abi) *self, int snapshot,
				int call, uint32_t keep, bool itself)
{
	struct drop_arg drop = {
		.dev = self->dev, .snapshot = snapshot, .call = call,
		.keep = keep, .itself = itself,
		.cap = shared_alloc(sizeof(self->cap)),
	};
	struct peer *peer = peer_start();
	int pidfd = pidfd_of(getpid());
	long ret;

	*drop.cap = self->cap;
	ret = peer_call(peer, do_call_without_rights, pidfd, &drop,
			sizeof(drop));
	close(pidfd);
	peer_kill(peer);
	return ret;
}

/* A descriptor, of whatever it is, gives rights to one's own memory alone. */
TEST_F(abi, no_right_to_another_process)
{
	int call, snapshot;

	/* What is reset or prefaulted is a mapping of it, then. */
	snapshot = capture_full(self->dev, &self->cap);
	ASSERT_LE(0, snapshot);
	self->cap.snapshot_size = 0;
	for (call = 0; call < NR_CALLS; call++) {
		EXPECT_EQ(-EPERM, call_without_rights(self, snapshot, call, 0,
						      false))
			TH_LOG("call %d", call);
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
		EXPECT_EQ(0, call_without_rights(self, snapshot, call, 0,
						 true))
			TH_LOG("call %d", call);
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
		EXPECT_EQ(0, call_without_rights(self, snapshot, call,
						 1 << CAP_SYS_PTRACE, false))
			TH_LOG("call %d", call);
		EXPECT_EQ(0, view_check(&self->area.view, "the memory"));
	}
	close(snapshot);
}

static long do_open_device(int fd, const void *arg)
{
	(void)fd;
	(void)arg;
	if (setresuid(65534, 65534, 65534))
		return -ENOTRECOVERABLE;
	fd = open(VMFORK_DEVICE, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

TEST_F(abi, device_is_for_root)
{
	struct peer *peer = peer_start();

	ASSERT_NE(NULL, peer);
	EXPECT_EQ(-EACCES, peer_call(peer, do_open_device, -1, NULL, 0));
	peer_kill(peer);
}

struct steal_arg {
	pid_t pid;
	int fd;			/* its descriptor of a snapshot */
	uintptr_t addr;		/* its mapping of it */
	uid_t uid;
};

#define STOLE_FD	1
#define STOLE_MAP	2
#define STOLE_PIDFD	4

/* In a peer: all ways to a snapshot of which one has no descriptor. */
static long do_steal(int pidfd, const void *arg)
{
	const struct steal_arg *steal = arg;
	char path[80];
	long got = 0;
	int fd;

	if (steal->uid && (setresgid(steal->uid, steal->uid, steal->uid) ||
			   setresuid(steal->uid, steal->uid, steal->uid)))
		return -ENOTRECOVERABLE;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", steal->pid, steal->fd);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		got |= STOLE_FD;
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", steal->pid,
		 steal->addr, steal->addr + LEN);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		got |= STOLE_MAP;
	close(fd);
	fd = syscall(SYS_pidfd_getfd, pidfd, steal->fd, 0);
	if (fd >= 0)
		got |= STOLE_PIDFD;
	close(fd);
	return got;
}

/* Root may by all of these ways, so that they are ways; others by none. */
TEST_F(abi, strangers_open_no_snapshot)
{
	struct steal_arg steal = { .pid = getpid() };
	struct peer *root = peer_start(), *stranger = peer_start();
	int pidfd = pidfd_of(getpid());

	steal.addr = (uintptr_t)self->area.view.addr;
	steal.fd = capture_full(self->dev, &self->cap);
	ASSERT_LE(0, steal.fd);
	EXPECT_EQ(STOLE_FD | STOLE_MAP | STOLE_PIDFD,
		  peer_call(root, do_steal, pidfd, &steal, sizeof(steal)));
	steal.uid = 65534;
	EXPECT_EQ(0, peer_call(stranger, do_steal, pidfd, &steal,
			       sizeof(steal)));
	close(steal.fd);
	close(pidfd);
	peer_kill(root);
	peer_kill(stranger);
}

TEST_HARNESS_MAIN
