// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/vmfork/qemuguard.c: who forks a QEMU is killed, by what can not be
 * caught, and nothing of it is left but what that QEMU writes to.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "fakeqemu.h"
#include "kselftest_harness.h"
#include "qemuguard.h"
#include "qmp.h"

#define TIMEOUT_NS	1000000000ULL
#define TRIES		5000

FIXTURE(guarded) {
	char child[64];
	char disk[64];
	char fifo[64];
	pid_t pid;
	struct qmp qmp;
	struct qemu_guard guard;
};

FIXTURE_SETUP(guarded)
{
	ASSERT_TRUE(fake_new());
	sprintf(self->child, "%s/child", fake->dir);
	sprintf(self->disk, "%s/disk", fake->dir);
	sprintf(self->fifo, "%s/fifo", fake->dir);
	self->pid = fake_begin("", OBEY);
	self->guard.pid = 0;
	self->qmp.fd = -1;
	ASSERT_LT(0, self->pid);
}

FIXTURE_TEARDOWN(guarded)
{
	fake_end(self->pid);
	unlink(self->child);
	unlink(self->disk);
	unlink(self->fifo);
	EXPECT_TRUE(fake_free());
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

/* As a fork begins; each step is told after it was done. */
static bool begin(FIXTURE_DATA(guarded) *self)
{
	const char *const files[] = { self->disk, self->child };
	size_t i;

	if (qmp_connect(&self->qmp, fake->socket, TIMEOUT_NS) ||
	    qemu_guard_start(&self->guard, &self->qmp, NULL))
		return false;
	for (i = 0; i < 2; i++) {
		close(open(files[i], O_WRONLY | O_CREAT, 0600));
		if (i)
			qemu_guard_file(&self->guard, files[i]);
		else
			qemu_guard_disk(&self->guard, files[i]);
	}
	qemu_guard_node(&self->guard, "n0");
	if (qmp_call(&self->qmp, "blockdev-add",
		     json_make("node-name", "n0", NULL), NULL))
		return false;
	if (mkfifo(self->fifo, 0600))
		return false;
	qemu_guard_file(&self->guard, self->fifo);
	return true;
}

/* A process that begins a fork, and whatever else; and is killed then */
#define KILLED(...)						\
	do {							\
		pid_t pid = fork();				\
								\
		if (!pid) {					\
			if (begin(self)) {			\
				__VA_ARGS__;			\
				raise(SIGKILL);			\
			}					\
			_exit(1);				\
		}						\
		ASSERT_EQ(pid, waitpid(pid, &how, 0));		\
		ASSERT_TRUE(WIFSIGNALED(how));			\
	} while (0)

#define SOON(what)						\
	do {							\
		int tries;					\
								\
		for (tries = 0; tries < TRIES && !(what); tries++) \
			usleep(1000);				\
		EXPECT_TRUE(what);				\
	} while (0)

TEST_F(guarded, nothing_is_left)
{
	int how;

	KILLED();
	SOON(!exists(self->child) && !exists(self->disk) &&
	     !exists(self->fifo));
	SOON(!fake->nr_nodes);
	/* The guest was not stopped: somebody else may have done that. */
	EXPECT_EQ(NULL, strchr(fake->log, 'c'));
}

TEST_F(guarded, guest_goes_on)
{
	int how;

	KILLED(qemu_guard_stop(&self->guard, true);
	       qmp_call(&self->qmp, "stop", NULL, NULL));
	SOON(fake->running);
	SOON(!exists(self->child) && !exists(self->disk) &&
	     !exists(self->fifo));
	SOON(!fake->nr_nodes);
}

/* A QEMU that is told to write where no FIFO is any more makes a file. */
TEST_F(guarded, no_state_is_left)
{
	int how;

	KILLED(qemu_guard_stop(&self->guard, true);
	       kill(self->pid, SIGSTOP);
	       qmp_add(&self->qmp, "stop", NULL);
	       qmp_add(&self->qmp, "xen-save-devices-state",
		       json_make("filename", self->fifo, NULL));
	       qmp_flush(&self->qmp));
	SOON(!exists(self->fifo));
	kill(self->pid, SIGCONT);
	SOON(!!strchr(fake->log, 'c'));
	SOON(!exists(self->fifo));
	EXPECT_TRUE(fake->running);
}

TEST_F(guarded, what_is_used_stays)
{
	int how;

	KILLED(qemu_guard_stop(&self->guard, true);
	       qemu_guard_used(&self->guard);
	       qemu_guard_stop(&self->guard, false));
	SOON(!exists(self->child) && !exists(self->fifo));
	usleep(50000);
	EXPECT_TRUE(exists(self->disk));
	EXPECT_EQ(1, fake->nr_nodes);
	EXPECT_EQ(NULL, strchr(fake->log, 'c'));
}

/* Ctrl-C is for all of a group: it is not yet the end. */
TEST_F(guarded, waits_for_the_end)
{
	ASSERT_TRUE(begin(self));
	usleep(50000);
	kill(self->guard.pid, SIGINT);
	kill(self->guard.pid, SIGTERM);
	kill(self->guard.pid, SIGHUP);
	usleep(50000);
	EXPECT_TRUE(exists(self->child) && exists(self->disk));
	qemu_guard_end(&self->guard);
	EXPECT_EQ(0, self->guard.pid);
	EXPECT_TRUE(exists(self->child) && exists(self->disk));
	EXPECT_EQ(1, fake->nr_nodes);
	/* Nobody is there to be told. */
	qemu_guard_file(&self->guard, "x");
	qemu_guard_end(&self->guard);
	qmp_close(&self->qmp);
}

TEST_F(guarded, goes_on_alone)
{
	ASSERT_TRUE(begin(self));
	qemu_guard_stop(&self->guard, true);
	ASSERT_EQ(0, qmp_call(&self->qmp, "stop", NULL, NULL));
	ASSERT_FALSE(fake->running);
	qemu_guard_leave(&self->guard);
	SOON(fake->running);
	SOON(!exists(self->child));
	qmp_close(&self->qmp);
}

TEST_HARNESS_MAIN
