/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Command lines of a QEMU, with the files that they speak of; what was told of
 * the last failure.
 */
#ifndef VMFORK_QEMULINE_H
#define VMFORK_QEMULINE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fakeout.h"
#include "kselftest_harness.h"
#include "out.h"
#include "qemucmd.h"

/* Words with single spaces in between; a tilde stands for one in a word. */
static bool parse(struct qemu_cmd *cmd, const char *line)
{
	size_t i, len = strlen(line) + 1;
	char *copy = strdup(line);
	bool good;

	if (!copy)
		return false;
	for (i = 0; i < len; i++)
		copy[i] = copy[i] == ' ' ? '\0' : copy[i] == '~' ? ' ' :
			  copy[i];
	*cmd = (struct qemu_cmd){ 0 };
	good = qemu_cmd_parse(cmd, copy, len);
	cmd->exe = strdup("/usr/bin/qemu");
	cmd->cwd = getcwd(NULL, 0);
	free(copy);
	return good && cmd->cwd;
}

/* Images, in a directory of their own */
FIXTURE(child) {
	char dir[40];
};

FIXTURE_SETUP(child)
{
	static const char *const images[] = {
		"root.qcow2", "data.raw", "vars.fd", "over.qcow2", "a,b.qcow2",
	};
	size_t i;

	strcpy(self->dir, "/tmp/qemu_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	for (i = 0; i < sizeof(images) / sizeof(images[0]); i++)
		close(open(images[i], O_WRONLY | O_CREAT, 0640));
}

FIXTURE_TEARDOWN(child)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", self->dir);
	EXPECT_EQ(0, system(command));
}

/* As query-block has it */
#define ROOT	"{\"device\":\"virtio0\",\"inserted\":{\"node-name\":\"#b1\"," \
		"\"drv\":\"qcow2\",\"ro\":false,\"detect_zeroes\":\"off\"," \
		"\"cache\":{\"direct\":true,\"no-flush\":false}," \
		"\"image\":{\"filename\":\"root.qcow2\",\"virtual-size\":1048576}}}"
/* It was forked before: what is on the command line is below. */
#define FORKED	"{\"device\":\"virtio0\",\"inserted\":{\"node-name\":\"vmfork-1\"," \
		"\"drv\":\"qcow2\",\"ro\":false," \
		"\"image\":{\"filename\":\"json:{\\\"driver\\\":\\\"qcow2\\\"," \
		"\\\"file\\\":{\\\"driver\\\":\\\"file\\\"," \
		"\\\"filename\\\":\\\"over.qcow2\\\"}}\",\"virtual-size\":1," \
		"\"backing-image\":{\"filename\":\"root.qcow2\"}}}}"

#endif /* VMFORK_QEMULINE_H */
