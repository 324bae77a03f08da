// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and children of a QEMU that is another user's: whatever that user has
 * its names lead to meanwhile, nothing is done that it could not do itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "fakeout.h"
#include "imagefile.h"
#include "kselftest_harness.h"
#include "qemureflink.h"
#include "qemustart.h"
#include "qemuuser.h"

#define OTHER	64055
#define GROUP	108
/* Whose a file is that is not there */
#define NOBODY	((uid_t)-1)

/* The current directory is the other user's; "secret" is root's. */
FIXTURE(other) {
	char dir[40];
	struct qemu_user user;
};

FIXTURE_SETUP(other)
{
	if (geteuid())
		SKIP(return, "only root is able to be others");
	self->user = (struct qemu_user){
		.uid = OTHER, .gid = GROUP, .groups = { 993 }, .nr = 1,
	};
	strcpy(self->dir, "/tmp/qemuuser_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	close(open("secret", O_WRONLY | O_CREAT, 0600));
	ASSERT_EQ(0, chown(self->dir, OTHER, GROUP));
	told[0] = '\0';
}

FIXTURE_TEARDOWN(other)
{
	char command[64];

	if (geteuid())
		return;
	snprintf(command, sizeof(command), "rm -r %s", self->dir);
	EXPECT_EQ(0, system(command));
}

static uid_t owner(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? NOBODY : st.st_uid;
}

TEST_F(other, can_do_what_it_could)
{
	const struct qemu_user same = { .uid = geteuid() };
	gid_t before[64], after[64];
	int nr = getgroups(64, before), fd;

	fd = qemu_user_open(&self->user, "new", O_WRONLY | O_CREAT | O_EXCL,
			    0600);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(OTHER, owner("new"));
	EXPECT_EQ(-1, qemu_user_open(&self->user, "secret", O_RDONLY, 0));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, symlink("new", "link"));
	EXPECT_EQ(-1, qemu_user_open(&self->user, "link", O_RDONLY, 0));
	EXPECT_EQ(ELOOP, errno);
	EXPECT_EQ(-1, qemu_user_open(&self->user, "/etc/new", O_CREAT, 0600));
	/* It is ours again, with all that we are in. */
	EXPECT_EQ(nr, getgroups(64, after));
	EXPECT_EQ(0, memcmp(before, after, nr * sizeof(before[0])));
	fd = qemu_user_open(NULL, "secret", O_RDONLY, 0);
	EXPECT_LE(0, fd);
	close(fd);
	fd = qemu_user_open(&same, "secret", O_RDONLY, 0);
	EXPECT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, chmod(".", 0555));
	qemu_user_unlink(&self->user, "new");
	EXPECT_EQ(OTHER, owner("new"));
	ASSERT_EQ(0, chmod(".", 0755));
	qemu_user_unlink(&self->user, "new");
	EXPECT_EQ(NOBODY, owner("new"));
}

/* The image is root's, to be read: so is not what is made beside it. */
TEST_F(other, images_are_its_own)
{
	struct stat st;
	int fd;

	ASSERT_EQ(0, chmod("secret", 0644));
	ASSERT_EQ(0, qemu_user_begin(&self->user));
	ASSERT_EQ(DONE, image_create("image", "secret", &fd));
	qemu_user_end(&self->user);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(OTHER, st.st_uid);
	EXPECT_EQ(0600, st.st_mode & 0777);
	close(fd);
}

TEST_F(other, copies_are_of_what_it_can_read)
{
	int fd = qemu_user_open(&self->user, "copy", O_WRONLY | O_CREAT, 0600);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(FAILED, qemu_reflink_copy("secret", "copy", &self->user));
	EXPECT_NE(NULL, strstr(told, "Permission denied")) {
		TH_LOG("%s", told);
	}
	ASSERT_EQ(0, unlink("copy"));
	ASSERT_EQ(0, symlink("secret", "copy"));
	EXPECT_EQ(FAILED, qemu_reflink_copy("copy", "copy", &self->user));
	EXPECT_NE(NULL, strstr(told, "symbolic links"));
}

static char *const environment[] = { "WHO=me", NULL };

/* One that says who it is */
static void make_child(struct qemu_child *child, const char *dir)
{
	*child = (struct qemu_child){ .env = environment };
	child->cmd.exe = strdup("/bin/sh");
	child->cmd.cwd = strdup(dir);
	if (asprintf(&child->log, "%s/n.1.log", dir) < 0 ||
	    asprintf(&child->qmp, "%s/n.1.qmp", dir) < 0 ||
	    !qemu_cmd_add(&child->cmd, "c",
			  "umask 0; >n.1.qmp; echo $(id -u) $(id -g) $(id -G) $WHO $HOME."))
		abort();
}

static void free_child(struct qemu_child *child)
{
	qemu_cmd_free(&child->cmd);
	free(child->log);
	free(child->qmp);
}

TEST_F(other, children_are_it)
{
	struct qemu_child child;
	char text[64] = "";
	int fd, how;

	make_child(&child, self->dir);
	fd = qemu_user_open(&self->user, "state", O_WRONLY | O_CREAT, 0600);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(DONE, qemu_start(&child, "state", &self->user)) {
		TH_LOG("%s", told);
	}
	ASSERT_EQ(child.pid, waitpid(child.pid, &how, 0));
	child.pid = 0;
	fd = open("n.1.log", O_RDONLY);
	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	EXPECT_STREQ("64055 108 108 993 me .\n", text);
	EXPECT_EQ(OTHER, owner("n.1.log"));
	EXPECT_EQ(OTHER, owner("n.1.qmp"));
	/* Where files have no dates, or wrong ones, its own are known. */
	child.since_ns = UINT64_MAX;
	qemu_start_undo(&child);
	EXPECT_EQ(NOBODY, owner("n.1.log"));
	EXPECT_EQ(NOBODY, owner("n.1.qmp"));
	EXPECT_EQ(OTHER, owner("state"));
	free_child(&child);
}

TEST_F(other, children_read_what_it_can_read)
{
	struct qemu_child child;

	make_child(&child, self->dir);
	EXPECT_EQ(FAILED, qemu_start(&child, "secret", &self->user));
	EXPECT_NE(NULL, strstr(told, "secret can not be read: Permission"));
	EXPECT_EQ(0, child.pid);
	ASSERT_EQ(0, symlink("/dev/null", "state"));
	EXPECT_EQ(FAILED, qemu_start(&child, "state", &self->user));
	EXPECT_NE(NULL, strstr(told, "state can not be read"));
	/* What it says is not what others have written. */
	ASSERT_EQ(0, symlink("secret", "n.1.log"));
	EXPECT_EQ(FAILED, qemu_start(&child, "/dev/null", &self->user));
	EXPECT_NE(NULL, strstr(told, "n.1.log can not be made"));
	qemu_start_undo(&child);
	EXPECT_EQ(0, owner("n.1.log"));
	free_child(&child);
}

/* It can not go where it could not have gone. */
TEST_F(other, children_begin_where_it_can_be)
{
	struct qemu_child child;
	char text[128] = "";
	int fd, how;

	make_child(&child, self->dir);
	free(child.cmd.cwd);
	if (asprintf(&child.cmd.cwd, "%s/closed", self->dir) < 0)
		abort();
	ASSERT_EQ(0, mkdir("closed", 0700));
	ASSERT_EQ(DONE, qemu_start(&child, "/dev/null", &self->user));
	ASSERT_EQ(child.pid, waitpid(child.pid, &how, 0));
	child.pid = 0;
	fd = open("n.1.log", O_RDONLY);
	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	EXPECT_NE(NULL, strstr(text, "closed can not be entered"));
	qemu_start_undo(&child);
	EXPECT_EQ(NOBODY, owner("n.1.log"));
	free_child(&child);
}

TEST_HARNESS_MAIN
