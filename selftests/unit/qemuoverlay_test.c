// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/vmfork/qemuoverlay.c: overlays of a QEMU's disks, made and undone, with
 * a QEMU that fails wherever it can.
 *
 * Whatever fails, what is left is what QEMU writes to, and nothing else.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "fakeqemu.h"
#include "kselftest_harness.h"
#include "qemuchild.h"
#include "qemudisk.h"
#include "qemuguard.h"
#include "qemuoverlay.h"
#include "qmp.h"
#include "signals.h"

#define TIMEOUT_NS	100000000ULL
#define CHILDREN	2

FIXTURE(overlays) {
	pid_t pid;
	struct qmp qmp;
	char base[FAKE_DISKS][64];
	struct qemu_disk disk[FAKE_DISKS];
	struct qemu_disks disks;
	struct qemu_plan plan;
	struct qemu_guard guard;
	struct qemu_overlays overlays;
};

FIXTURE_SETUP(overlays)
{
	static char *const names[][3] = {
		{ "d0", "disk0", "base0" }, { "d1", "disk1", "base1" },
	};
	int i;

	ASSERT_TRUE(fake_new());
	for (i = 0; i < FAKE_DISKS; i++) {
		sprintf(self->base[i], "%s/base%d", fake->dir, i);
		close(open(self->base[i], O_WRONLY | O_CREAT, 0600));
		self->disk[i] = (struct qemu_disk){
			.label = names[i][0], .device = names[i][1],
			.node = names[i][2], .base = self->base[i],
			.format = "qcow2", .size = 1 << 20,
		};
	}
	self->disks = (struct qemu_disks){
		.disks = self->disk, .nr = FAKE_DISKS,
	};
	self->plan = (struct qemu_plan){
		.disks = &self->disks, .dir = fake->dir, .name = "n",
	};
	self->overlays = (struct qemu_overlays){
		.plan = &self->plan, .disks = &self->disks,
		.guard = &self->guard,
		.children = CHILDREN,
	};
	self->guard.pid = 0;
	self->qmp.fd = -1;
	self->pid = 0;
}

FIXTURE_TEARDOWN(overlays)
{
	int i;

	qemu_overlays_free(&self->overlays);
	qmp_close(&self->qmp);
	if (self->pid)
		fake_end(self->pid);
	for (i = 0; i < FAKE_DISKS; i++)
		unlink(self->base[i]);
	EXPECT_TRUE(fake_free());
}

static int begin(FIXTURE_DATA(overlays) *self, const char *at, enum deed deed)
{
	self->pid = fake_begin(at, deed);
	return qmp_connect(&self->qmp, fake->socket, TIMEOUT_NS);
}

/* Of the parent's (number 0) and its children's, which are there: bits */
static unsigned int there(FIXTURE_DATA(overlays) *self)
{
	unsigned int found = 0, number;
	struct stat st;
	int i;

	for (number = 0; number <= CHILDREN; number++)
		for (i = 0; i < FAKE_DISKS; i++) {
			char *path = qemu_image_file(&self->plan, number,
						       &self->disk[i]);

			if (!lstat(path, &st))
				found |= 1 << (number * FAKE_DISKS + i);
			free(path);
		}
	return found;
}

#define PARENTS		0x03
#define ALL		0x3f

static int transact(FIXTURE_DATA(overlays) *self)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "actions",
			       qemu_overlays_actions(&self->overlays));
	return qmp_call(&self->qmp, "transaction", arguments, NULL);
}

/* For a test that goes on with what QEMU writes to */
static void remove_kept(FIXTURE_DATA(overlays) *self)
{
	int i;

	for (i = 0; i < FAKE_DISKS; i++) {
		char *path = qemu_image_file(&self->plan, QEMU_PARENT,
					       &self->disk[i]);

		unlink(path);
		free(path);
	}
}

TEST_F(overlays, are_undone_before_they_are_used)
{
	ASSERT_EQ(0, begin(self, "", OBEY));
	ASSERT_EQ(DONE, qemu_overlays_make(&self->overlays, &self->qmp)) {
		TH_LOG("%s", told);
	}
	EXPECT_EQ(ALL, there(self));
	EXPECT_EQ(FAKE_DISKS, fake->nr_nodes);
	qemu_overlays_undo(&self->overlays, &self->qmp, false);
	EXPECT_EQ(0, there(self));
	EXPECT_EQ(0, fake->nr_nodes);
	EXPECT_EQ(0, fake->written_back);
	/* Once is enough. */
	qemu_overlays_undo(&self->overlays, &self->qmp, false);
}

TEST_F(overlays, are_written_back_if_they_are_used)
{
	ASSERT_EQ(0, begin(self, "", OBEY));
	ASSERT_EQ(DONE, qemu_overlays_make(&self->overlays, &self->qmp));
	ASSERT_EQ(0, transact(self));
	EXPECT_STREQ(fake->node[0], fake->top[0]);
	EXPECT_STREQ(fake->node[1], fake->top[1]);
	qemu_overlays_undo(&self->overlays, &self->qmp, true);
	EXPECT_EQ(2, fake->written_back);
	EXPECT_STREQ("base0", fake->top[0]);
	EXPECT_STREQ("base1", fake->top[1]);
	EXPECT_EQ(0, fake->nr_nodes);
	EXPECT_EQ(0, there(self));
}

TEST_F(overlays, without_disks_there_are_none)
{
	self->disks.nr = 0;
	ASSERT_EQ(0, begin(self, "", OBEY));
	ASSERT_EQ(DONE, qemu_overlays_make(&self->overlays, &self->qmp));
	EXPECT_EQ(NULL, qemu_overlays_actions(&self->overlays));
	qemu_overlays_sync(&self->overlays);
	qemu_overlays_undo(&self->overlays, &self->qmp, false);
	EXPECT_STREQ("q", fake->log);
}

TEST_F(overlays, are_undone_from_the_middle)
{
	static const enum deed deeds[] = { REFUSE, CLOSE, DIE, HANG };
	unsigned int i, skip;

	for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		for (skip = 0; skip < FAKE_DISKS; skip++) {
			fake->skip = skip;
			fake->nr_nodes = 0;
			told[0] = '\0';
			ASSERT_EQ(0, begin(self, "blockdev-add", deeds[i]));
			EXPECT_EQ(FAILED, qemu_overlays_make(&self->overlays,
							     &self->qmp));
			EXPECT_NE('\0', told[0]);
			EXPECT_EQ(skip, fake->nr_nodes);
			qemu_overlays_undo(&self->overlays, &self->qmp, false);
			EXPECT_EQ(0, there(self)) {
				TH_LOG("deed %d after %u", deeds[i], skip);
			}
			if (deeds[i] == REFUSE || deeds[i] == CLOSE)
				EXPECT_EQ(0, fake->nr_nodes);
			qemu_overlays_free(&self->overlays);
			qmp_close(&self->qmp);
			fake_end(self->pid);
		}
	self->pid = 0;
}

/* A file that somebody has there stays, as it is. */
TEST_F(overlays, only_our_own_are_removed)
{
	char path[100], text[8] = "";
	int fd;

	sprintf(path, "%s/n.2-d0.qcow2", fake->dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ASSERT_EQ(6, write(fd, "theirs", 6));
	ASSERT_EQ(0, begin(self, "", OBEY));
	EXPECT_EQ(FAILED, qemu_overlays_make(&self->overlays, &self->qmp));
	EXPECT_NE(NULL, strstr(told, path));
	EXPECT_EQ(0, fake->nr_nodes);
	qemu_overlays_undo(&self->overlays, &self->qmp, false);
	EXPECT_EQ(1 << 4, there(self));
	EXPECT_EQ(6, pread(fd, text, sizeof(text), 0));
	EXPECT_STREQ("theirs", text);
	close(fd);
	unlink(path);
}

TEST_F(overlays, are_undone_after_a_signal)
{
	ASSERT_EQ(0, begin(self, "", OBEY));
	signals_catch();
	raise(SIGTERM);
	EXPECT_EQ(FAILED, qemu_overlays_make(&self->overlays, &self->qmp));
	qemu_overlays_undo(&self->overlays, &self->qmp, false);
	EXPECT_EQ(0, there(self));
	signals_forget();
}

/* What QEMU writes to, or may, is not removed. */
TEST_F(overlays, stay_where_they_are_used)
{
	static const struct {
		const char *at;
		enum deed deed;
		unsigned int left;
		unsigned int skip;
	} cases[] = {
		/* The last one is still written back. */
		{ "block-commit", REFUSE, 0x01, 0 },
		/* They are asked for once more. */
		{ "block-job-complete", REFUSE, 0, 0 },
		{ "query-block-jobs", REFUSE, 0, 0 },
		{ "blockdev-del", REFUSE, 0, 0 },
		{ "block-commit", DIE, PARENTS, 0 },
		{ "query-block", REFUSE, 0x01, 0 },
		{ "query-block", HANG, PARENTS, 0 },
		{ "query-block-jobs", HANG, PARENTS, 0 },
		/* It may have ended, or not. */
		{ "query-block-jobs", HANG, PARENTS, 1 },
		{ "query-block", HANG, PARENTS, 1 },
		{ "query-name", HANG, PARENTS, 0 },
		{ "query-name", DIE, PARENTS, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcpy(fake->top[0], "base0");
		strcpy(fake->top[1], "base1");
		fake->nr_nodes = 0;
		fake->job[0] = '\0';
		ASSERT_EQ(0, begin(self, "", OBEY));
		ASSERT_EQ(DONE, qemu_overlays_make(&self->overlays,
						   &self->qmp));
		ASSERT_EQ(0, transact(self));
		strcpy(fake->at, cases[i].at);
		fake->deed = cases[i].deed;
		fake->skip = cases[i].skip;
		fake->once = true;
		qemu_overlays_undo(&self->overlays, &self->qmp, true);
		EXPECT_EQ(cases[i].left, there(self)) {
			TH_LOG("case %zu", i);
		}
		if (!cases[i].left)
			EXPECT_EQ(0, fake->nr_nodes);
		remove_kept(self);
		qemu_overlays_free(&self->overlays);
		qmp_close(&self->qmp);
		fake_end(self->pid);
	}
	self->pid = 0;
}

/* A connection that is lost is made again. */
TEST_F(overlays, are_undone_by_another_connection)
{
	ASSERT_EQ(0, begin(self, "", OBEY));
	ASSERT_EQ(DONE, qemu_overlays_make(&self->overlays, &self->qmp));
	ASSERT_EQ(0, transact(self));
	strcpy(fake->at, "query-name");
	fake->deed = CLOSE;
	qemu_overlays_undo(&self->overlays, &self->qmp, true);
	EXPECT_EQ(2, fake->written_back);
	EXPECT_EQ(0, there(self));
}

TEST_HARNESS_MAIN
