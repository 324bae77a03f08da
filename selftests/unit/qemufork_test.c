// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/vmfork/qemufork.c: names and places, and a whole fork of a QEMU of this
 * test's, whose memory is this test's own; the module is played.
 *
 * Whatever QEMU refuses, and wherever it goes away, no file is left.
 */
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fakeqemu.h"
#include "kselftest_harness.h"

#include "../../tools/vmfork/qemufork.c"
#include "../../tools/vmfork/qemuplace.c"

#define TIMEOUT_NS	200000000ULL
#define RAM_LEN		(4UL << 20)

static bool mounted;

bool find_mount(char *path)
{
	snprintf(path, PATH_MAX, "%s/mount", fake->dir);
	return mounted;
}

int open_device(int *dev)
{
	*dev = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return DONE;
}

int open_process(int pid, int *pidfd)
{
	(void)pid;
	*pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return DONE;
}

int vmfork_prearm(int dev, int pidfd, const struct vmfork_region *regions,
		  size_t nr, uint64_t slice_ns, struct vmfork_capture *result)
{
	(void)dev;
	(void)pidfd;
	(void)regions;
	(void)nr;
	(void)slice_ns;
	*result = (struct vmfork_capture){ 0 };
	return 0;
}

/* Whose the FIFO was that the state came by */
static uid_t fifo_owner;

int vmfork_capture(int dev, int pidfd, const struct vmfork_region *regions,
		   size_t nr, struct vmfork_capture *result)
{
	char path[64];
	struct stat st;

	(void)dev;
	(void)pidfd;
	snprintf(path, sizeof(path), "%s/web.fifo", fake->dir);
	fifo_owner = lstat(path, &st) ? (uid_t)-1 : st.st_uid;
	*result = (struct vmfork_capture){ 0 };
	if (nr != 1 || regions->addr != (uintptr_t)fake->ram ||
	    regions->len != RAM_LEN || regions->offset)
		return -EFAULT;
	return memfd_create("snapshot", MFD_CLOEXEC);
}

static int name_error;

int vmfork_name(int snapshot, const char *path, mode_t mode)
{
	(void)snapshot;
	if (!name_error)
		close(open(path, O_WRONLY | O_CREAT | O_EXCL, mode));
	return name_error;
}

FIXTURE(forked) {
	char mount[64];
	pid_t pid;
	struct qemu_fork fork;
};

FIXTURE_SETUP(forked)
{
	ASSERT_TRUE(fake_new());
	sprintf(self->mount, "%s/mount", fake->dir);
	ASSERT_EQ(0, mkdir(self->mount, 0700));
	fake->ram_len = RAM_LEN;
	fake->ram = mmap(NULL, RAM_LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fake->diskless = true;
	mounted = true;
	name_error = 0;
	self->pid = 0;
	memset(&self->fork, 0, sizeof(self->fork));
	self->fork.qmp.fd = -1;
	self->fork.stop.dev = -1;
	self->fork.stop.snapshot = -1;
	self->fork.children = 2;
	self->fork.timeout_ns = TIMEOUT_NS;
	self->fork.user.uid = geteuid();
	self->fork.socket = fake->socket;
	self->fork.wanted_dir = fake->dir;
}

FIXTURE_TEARDOWN(forked)
{
	qemu_fork_free(&self->fork);
	if (self->pid)
		fake_end(self->pid);
	munmap(fake->ram, RAM_LEN);
	EXPECT_EQ(0, rmdir(self->mount));
	EXPECT_TRUE(fake_free());
}

static void touch(const char *dir, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	close(open(path, O_WRONLY | O_CREAT, 0600));
}

static void away(const char *dir, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

/* Files there, but for the socket and the mount */
static unsigned int nr_files(const char *path)
{
	struct dirent *entry;
	unsigned int nr = 0;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.' && strcmp(entry->d_name, "qmp") &&
		      strcmp(entry->d_name, "mount");
	if (dir)
		closedir(dir);
	return nr;
}

TEST_F(forked, places)
{
	struct qemu_disk disk = { .label = "d", .base = "/etc/passwd" };
	struct qemu_fork *fork = &self->fork;

	ASSERT_EQ(DONE, choose_dir(fork));
	EXPECT_STREQ(fake->dir, fork->dir);
	free(fork->dir);
	fork->wanted_dir = "/no/such";
	EXPECT_EQ(FAILED, choose_dir(fork));
	EXPECT_NE(NULL, strstr(told, "/no/such"));
	fork->wanted_dir = NULL;
	setenv("XDG_RUNTIME_DIR", fake->dir, 1);
	ASSERT_EQ(DONE, choose_dir(fork));
	EXPECT_STREQ(fake->dir, fork->dir);
	free(fork->dir);
	setenv("XDG_RUNTIME_DIR", "", 1);
	ASSERT_EQ(DONE, choose_dir(fork));
	EXPECT_STREQ("/tmp", fork->dir);
	free(fork->dir);
	/* Beside the first disk */
	fork->disks = (struct qemu_disks){ .disks = &disk, .nr = 1 };
	ASSERT_EQ(DONE, choose_dir(fork));
	EXPECT_STREQ("/etc", fork->dir);
	free(fork->dir);
	disk.base = "/proc";
	ASSERT_EQ(DONE, choose_dir(fork));
	EXPECT_STREQ("/", fork->dir);
	free(fork->dir);
	disk.base = "/no/such";
	EXPECT_EQ(FAILED, choose_dir(fork));
	fork->dir = NULL;
	fork->disks = (struct qemu_disks){ 0 };
}

TEST_F(forked, names_that_are_given)
{
	static const char *const bad[] = {
		"", ".a", "-a", "a/b", "a b", "a,b", "\u00e9",
	};
	static const char *const taken[] = {
		"n.state", "n.1.qmp", "n.parent.qcow2", "n.1.qcow2",
	};
	struct qemu_disk disk = { .label = "d" };
	struct qemu_fork *fork = &self->fork;
	char long_one[101];
	size_t i;

	fork->dir = strdup(fake->dir);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fork->wanted_name = bad[i];
		EXPECT_EQ(BAD_USAGE, choose_name(fork)) {
			TH_LOG("'%s'", bad[i]);
		}
	}
	memset(long_one, 'x', sizeof(long_one));
	long_one[100] = '\0';
	fork->wanted_name = long_one;
	EXPECT_EQ(BAD_USAGE, choose_name(fork));
	fork->wanted_name = "n";
	fork->disks = (struct qemu_disks){ .disks = &disk, .nr = 1 };
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		touch(fake->dir, taken[i]);
		EXPECT_EQ(FAILED, choose_name(fork)) {
			TH_LOG("%s", taken[i]);
		}
		EXPECT_NE(NULL, strstr(told, "n is taken"));
		away(fake->dir, taken[i]);
	}
	touch(self->mount, "n");
	EXPECT_EQ(FAILED, choose_name(fork));
	away(self->mount, "n");
	EXPECT_EQ(DONE, choose_name(fork));
	mounted = false;
	EXPECT_EQ(FAILED, choose_name(fork));
	EXPECT_NE(NULL, strstr(told, "vmfork mount"));
	fork->disks = (struct qemu_disks){ 0 };
}

TEST_F(forked, names_that_are_found)
{
	struct qemu_fork *fork = &self->fork;
	char name[32];

	fork->dir = strdup(fake->dir);
	fork->guest = strdup("web");
	ASSERT_EQ(DONE, choose_name(fork));
	EXPECT_STREQ("web", fork->name);
	touch(fake->dir, "web.state");
	touch(self->mount, "web-2");
	touch(fake->dir, "web-3.1.qmp");
	ASSERT_EQ(DONE, choose_name(fork));
	EXPECT_STREQ("web-4", fork->name);
	away(fake->dir, "web.state");
	away(self->mount, "web-2");
	away(fake->dir, "web-3.1.qmp");
	/* A guest may be called anything. */
	strcpy(fork->guest, "a/b");
	fork->pid = 77;
	ASSERT_EQ(DONE, choose_name(fork));
	EXPECT_STREQ("qemu-77", fork->name);
	snprintf(name, sizeof(name), "/qemu-77.state");
	EXPECT_NE(NULL, strstr(fork->state, name));
}

TEST_F(forked, what_children_read)
{
	struct qemu_fork *fork = &self->fork;

	fork->state = strdup("/it's here/n.state");
	fork->version = 802;
	ASSERT_EQ(DONE, choose_incoming(fork));
	EXPECT_STREQ("file:/it's here/n.state", fork->incoming);
	free(fork->incoming);
	fork->version = 702;
	ASSERT_EQ(DONE, choose_incoming(fork));
	EXPECT_STREQ("exec:cat '/it'\\''s here/n.state'", fork->incoming);
	free(fork->incoming);
	ASSERT_TRUE(qemu_cmd_add(&fork->cmd, "sandbox", "on,spawn=deny"));
	ASSERT_EQ(DONE, choose_incoming(fork));
	EXPECT_STREQ("fd:3", fork->incoming);
	free(fork->incoming);
	qemu_cmd_free(&fork->cmd);
	fork->start = true;
	ASSERT_EQ(DONE, choose_incoming(fork));
	EXPECT_STREQ("fd:3", fork->incoming);
}

static int do_fork(FIXTURE_DATA(forked) *self, const char *at, enum deed deed)
{
	self->pid = fake_begin(at, deed);
	fake->once = true;
	return qemu_fork(&self->fork);
}

TEST_F(forked, a_socket_has_a_short_path)
{
	char name[100];

	/* Its children's ".1.qmp" fits nowhere. */
	memset(name, 'x', sizeof(name));
	name[99] = '\0';
	self->fork.wanted_name = name;
	EXPECT_EQ(FAILED, do_fork(self, "", OBEY));
	EXPECT_NE(NULL, strstr(told, ".1.qmp is too long"));
	EXPECT_EQ(NULL, strchr(fake->log, 's'));
	EXPECT_EQ(0, nr_files(fake->dir));
}

TEST_F(forked, leaves_what_children_need)
{
	struct qemu_fork *fork = &self->fork;

	ASSERT_EQ(DONE, do_fork(self, "", OBEY)) {
		TH_LOG("%s", told);
	}
	EXPECT_TRUE(fake->running);
	EXPECT_STREQ("web", fork->name);
	EXPECT_STREQ("pc-q35-7.2", fork->machine);
	EXPECT_EQ(1, nr_files(fake->dir));
	EXPECT_EQ(1, nr_files(self->mount));
	EXPECT_EQ(0, access(fork->state, R_OK));
	EXPECT_EQ(0, access(fork->snapshot, R_OK));
	/* Nobody guards it any more. */
	EXPECT_EQ(0, fork->guard.pid);
	qemu_fork_undo(fork);
	EXPECT_EQ(0, nr_files(fake->dir));
	EXPECT_EQ(0, nr_files(self->mount));
	/* What others have there under that name is not ours any more. */
	touch(fake->dir, "web.state");
	qemu_fork_undo(fork);
	EXPECT_EQ(1, nr_files(fake->dir));
	away(fake->dir, "web.state");
}

TEST_F(forked, leaves_nothing_if_it_fails)
{
	static const char *const commands[] = {
		"qmp_capabilities", "query-commands", "query-status",
		"query-migrate", "query-block-jobs", "qom-list",
		"human-monitor-command", "query-version", "qom-get",
		"query-name", "query-block", "query-memdev", "stop",
		"xen-save-devices-state",
	};
	static const enum deed deeds[] = { REFUSE, CLOSE, DIE, HANG };
	const struct qemu_fork fresh = self->fork;
	size_t i, j;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (j = 0; j < sizeof(deeds) / sizeof(deeds[0]); j++) {
			fake->running = true;
			told[0] = '\0';
			EXPECT_EQ(FAILED, do_fork(self, commands[i], deeds[j]));
			EXPECT_NE('\0', told[0]);
			EXPECT_EQ(0, nr_files(fake->dir)) {
				TH_LOG("%s %d", commands[i], deeds[j]);
			}
			EXPECT_EQ(0, nr_files(self->mount));
			if (deeds[j] == REFUSE || deeds[j] == CLOSE)
				EXPECT_TRUE(fake->running);
			qemu_fork_free(&self->fork);
			self->fork = fresh;
			fake_end(self->pid);
			/* A guard that was left alone ends with its QEMU. */
			while (waitpid(-1, NULL, 0) > 0)
				;
		}
	self->pid = 0;
}

TEST_F(forked, leaves_nothing_without_a_name)
{
	name_error = -ENOSPC;
	EXPECT_EQ(FAILED, do_fork(self, "", OBEY));
	EXPECT_NE(NULL, strstr(told, "can not be called"));
	EXPECT_EQ(0, nr_files(fake->dir));
	EXPECT_EQ(0, nr_files(self->mount));
	EXPECT_TRUE(fake->running);
}

static uid_t owner(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? (uid_t)-1 : st.st_uid;
}

#define OTHER	64055

/* A process of another user's, with this one's program and memory */
static pid_t begin_other(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (setgroups(0, NULL) || setresgid(OTHER, OTHER, OTHER) ||
	    setresuid(OTHER, OTHER, OTHER))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fake_note('U');
	for (;;)
		pause();
}

static void end_other(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* In place of the program; "ended at its start" has what it said last. */
static void say_who(struct qemu_cmd *cmd)
{
	qemu_cmd_free(cmd);
	cmd->exe = strdup("/bin/sh");
	cmd->cwd = strdup("/");
	if (!qemu_cmd_add(cmd, "c", "echo uid $(id -u)"))
		abort();
}

/* It may have options that have to do with users; who it is, is what counts. */
TEST_F(forked, is_of_its_own_user)
{
	static const char *const options[][2] = {
		{ "run-with", "async-teardown=on" }, { "runas", "root" },
	};
	struct qemu_fork *fork = &self->fork;
	size_t i;

	if (geteuid())
		SKIP(return, "only root is able to be others");
	ASSERT_EQ(0, chown(fake->dir, OTHER, OTHER));
	fork->pid = begin_other();
	while (!strchr(fake->log, 'U'))
		usleep(1000);
	ASSERT_EQ(DONE, do_fork(self, "", OBEY)) {
		TH_LOG("%s", told);
	}
	EXPECT_EQ(OTHER, fork->user.uid);
	EXPECT_EQ(OTHER, fifo_owner);
	EXPECT_EQ(OTHER, owner(fork->state));
	EXPECT_EQ(OTHER, owner(fork->snapshot));
	EXPECT_EQ(1, nr_files(fake->dir));
	for (i = 0; i < 2; i++) {
		say_who(&fork->child[i].cmd);
		ASSERT_TRUE(qemu_cmd_add(&fork->cmd, options[i][0],
					 options[i][1]));
		EXPECT_EQ(FAILED, start_children(fork));
		EXPECT_NE(NULL, strstr(told, "uid 64055")) {
			TH_LOG("%s", told);
		}
		qemu_start_undo(&fork->child[0]);
		qemu_start_undo(&fork->child[1]);
	}
	qemu_fork_undo(fork);
	EXPECT_EQ(0, nr_files(fake->dir));
	EXPECT_EQ(0, nr_files(self->mount));
	end_other(fork->pid);
}

/* Where it can not have files, that is said before anything is done. */
TEST_F(forked, has_files_where_its_user_may)
{
	struct qemu_fork *fork = &self->fork;

	if (geteuid())
		SKIP(return, "only root is able to be others");
	fork->pid = begin_other();
	while (!strchr(fake->log, 'U'))
		usleep(1000);
	EXPECT_EQ(FAILED, do_fork(self, "", OBEY));
	EXPECT_NE(NULL, strstr(told, "(64055) can not write to"));
	EXPECT_EQ(NULL, strchr(fake->log, 's'));
	EXPECT_EQ(0, nr_files(fake->dir));
	end_other(fork->pid);
	/* A session of root's is none of its. */
	setenv("XDG_RUNTIME_DIR", fake->dir, 1);
	free(fork->dir);
	fork->wanted_dir = NULL;
	ASSERT_EQ(DONE, choose_dir(fork));
	EXPECT_STREQ("/tmp", fork->dir);
	unsetenv("XDG_RUNTIME_DIR");
}

TEST_HARNESS_MAIN
