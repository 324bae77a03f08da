// SPDX-License-Identifier: GPL-2.0
/*
 * Rights across user namespaces: to capture another process asks for
 * CAP_SYS_PTRACE in the user namespace that its memory belongs to, and to have
 * all rights in another one is worth nothing.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "abi.h"
#include "peer.h"

#define NOBODY		65534
#define TARGET		"VMFORK_TEST_TARGET"
#define TARGET_PAGES	16

/*
 * Memory belongs to the user namespace in which its program was started: so a
 * process that is to be captured starts this very program again, and ends up
 * here.  It says where its memory is, and waits to be killed.
 */
static void __attribute__((constructor)) be_target(void)
{
	const char *fd = getenv(TARGET);
	char *memory;
	size_t i;

	if (!fd)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memory = mmap(NULL, TARGET_PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < TARGET_PAGES; i++)
		page_fill(memory + i * PAGE, i + 1);
	if (write(atoi(fd), &memory, sizeof(memory)) == sizeof(memory))
		pause();
	_exit(1);
}

/* A process whose memory belongs to the user namespace that we are in. */
struct target {
	pid_t pid;
	int pidfd;
	char *memory;
};

static int target_start(struct target *t)
{
	char name[] = "target", *argv[] = { name, NULL };
	char env[32], *envp[] = { env, NULL };
	int pipes[2], n;

	if (pipe(pipes))
		return -errno;
	snprintf(env, sizeof(env), TARGET "=%d", pipes[1]);
	t->pid = fork();
	if (!t->pid) {
		execve("/proc/self/exe", argv, envp);
		_exit(1);
	}
	close(pipes[1]);
	n = read(pipes[0], &t->memory, sizeof(t->memory));
	close(pipes[0]);
	if (n != sizeof(t->memory))
		return -ECHILD;
	t->pidfd = pidfd_of(t->pid);
	return t->pidfd < 0 ? t->pidfd : 0;
}

static void target_kill(struct target *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	close(t->pidfd);
}

/* 0 if the capture is right, or -errno. */
static int capture_target(int dev, int pidfd, const char *memory)
{
	struct vmfork_region region = {
		.addr = (uintptr_t)memory, .len = TARGET_PAGES * PAGE,
	};
	struct vmfork_capture cap = {
		.size = sizeof(cap), .pidfd = pidfd, .nr_regions = 1,
		.regions = (uintptr_t)&region,
	};
	struct stamp model[TARGET_PAGES] = { 0 };
	int fd, i, wrong;

	fd = capture_full(dev, &cap);
	if (fd < 0)
		return fd;
	for (i = 0; i < TARGET_PAGES; i++)
		model[i].fill = i + 1;
	wrong = snapshot_check(fd, 0, TARGET_PAGES, model, "the target");
	close(fd);
	return wrong ? -EILSEQ : 0;
}

static int set_caps(uint32_t caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
	};

	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

/* Nobody, who has what rights are left to it here. */
static int become_nobody(uint32_t caps)
{
	prctl(PR_SET_KEEPCAPS, 1);
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return set_caps(caps);
}

/* Nobody, who has all rights in a user namespace of its own. */
static int become_lord(void)
{
	int ret = become_nobody(0);

	return ret ? ret : unshare(CLONE_NEWUSER) ? -errno : 0;
}

struct who_arg {
	int dev;
	bool lord;		/* of a user namespace of its own */
	uint32_t caps;
	const char *memory;	/* of the process to capture */
};

/* In a peer: captures the process that @pidfd stands for. */
static long do_capture_as(int pidfd, const void *arg)
{
	const struct who_arg *who = arg;
	int ret = who->lord ? become_lord() : become_nobody(who->caps);

	return ret ? -ENOTRECOVERABLE :
	       capture_target(who->dev, pidfd, who->memory);
}

static long capture_as(struct who_arg who, int pidfd)
{
	struct peer *peer = peer_start();
	long ret = peer_call(peer, do_capture_as, pidfd, &who, sizeof(who));

	peer_kill(peer);
	return ret;
}

/* In a peer: is lord of a user namespace, in which it starts a process. */
static struct target of_lord;

static long do_reign(int fd, const void *arg)
{
	char **memory = *(char ***)arg;
	int ret = become_lord() ?: target_start(&of_lord);

	(void)fd;
	if (ret)
		return ret;
	*memory = of_lord.memory;
	return of_lord.pid;
}

/* In that peer: captures its process, or another. */
static long do_capture(int pidfd, const void *arg)
{
	const struct who_arg *who = arg;

	return capture_target(who->dev, pidfd, who->memory);
}

FIXTURE(ns) {
	int dev;
	struct target target;	/* in the initial user namespace */
	struct peer *lord;
	int pidfd;		/* of the process in the lord's namespace */
	char *memory;		/* its memory */
};

FIXTURE_SETUP(ns)
{
	char **memory = shared_alloc(sizeof(*memory));
	pid_t pid;

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "this kernel has no user namespaces");
	self->dev = device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, target_start(&self->target));
	self->lord = peer_start();
	ASSERT_NE(NULL, self->lord);
	pid = peer_call(self->lord, do_reign, -1, &memory, sizeof(memory));
	ASSERT_LT(0, pid) TH_LOG("%s", strerror(-pid));
	self->memory = *memory;
	self->pidfd = pidfd_of(pid);
	ASSERT_LE(0, self->pidfd);
}

FIXTURE_TEARDOWN(ns)
{
	peer_kill(self->lord);
	if (self->target.pid)
		target_kill(&self->target);
	close(self->pidfd);
	close(self->dev);
}

/* Who has the capability in the initial namespace has it in all others. */
TEST_F(ns, the_right_reaches_down)
{
	struct who_arg who = {
		.dev = self->dev, .caps = 1 << CAP_SYS_PTRACE,
	};

	who.memory = self->memory;
	EXPECT_EQ(0, capture_as(who, self->pidfd));
	who.memory = self->target.memory;
	EXPECT_EQ(0, capture_as(who, self->target.pidfd));
	EXPECT_EQ(0, capture_target(self->dev, self->pidfd, self->memory));
}

/* All rights in a namespace are good for what belongs to it. */
TEST_F(ns, a_lord_may_at_home)
{
	struct who_arg who = { .dev = self->dev, .memory = self->memory };

	EXPECT_EQ(0, peer_call(self->lord, do_capture, self->pidfd, &who,
			       sizeof(who)));
}

/* They are good for nothing outside. */
TEST_F(ns, a_lord_may_not_abroad)
{
	struct who_arg who = {
		.dev = self->dev, .memory = self->target.memory,
	};

	EXPECT_EQ(-EPERM, peer_call(self->lord, do_capture,
				    self->target.pidfd, &who, sizeof(who)));
	/* And not in a namespace of somebody else who is nobody too. */
	who.memory = self->memory;
	who.lord = true;
	EXPECT_EQ(-EPERM, capture_as(who, self->pidfd));
}

/* Every other capability is not this one. */
TEST_F(ns, another_right_is_not_enough)
{
	struct who_arg who = {
		.dev = self->dev, .memory = self->target.memory,
		.caps = ~(1U << CAP_SYS_PTRACE),
	};

	EXPECT_EQ(-EPERM, capture_as(who, self->target.pidfd));
}

TEST_HARNESS_MAIN
