// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks of a QEMU, by its command line and by what it says of them: which can
 * not be forked, and what the images of those are that can.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kselftest_harness.h"
#include "qemuchain.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuline.h"
#include "qmp.h"

#define MEDIUM	"[{\"device\":\"ide1-cd0\",\"inserted\":{\"ro\":true," \
		"\"node-name\":\"#b3\",\"drv\":\"raw\"," \
		"\"image\":{\"filename\":\"data.raw\"}}}]"

TEST_F(child, media_that_were_changed)
{
	static const char *const same[] = {
		"qemu -cdrom data.raw", "qemu -drive file=data.raw,media=cdrom",
		"qemu -blockdev driver=file,node-name=c,filename=data.raw",
	};
	struct json_object *blocks = json_tokener_parse(MEDIUM);
	struct qemu_disks disks;
	struct qemu_cmd cmd;
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		ASSERT_TRUE(parse(&cmd, same[i]));
		EXPECT_EQ(DONE, qemu_disks_take(blocks, &cmd, &disks));
		EXPECT_EQ(0, disks.nr);
		qemu_disks_free(&disks);
		qemu_cmd_free(&cmd);
	}
	ASSERT_TRUE(parse(&cmd, "qemu -cdrom root.qcow2"));
	EXPECT_EQ(FAILED, qemu_disks_take(blocks, &cmd, &disks));
	EXPECT_NE(NULL, strstr(told, "data.raw was put into"));
	qemu_disks_free(&disks);
	qemu_cmd_free(&cmd);
	json_object_put(blocks);
}

TEST_F(child, disks_that_can_not_be_forked)
{
	static const struct {
		const char *line;
		const char *blocks;
		const char *why;
	} refused[] = {
		{ "qemu -m 1G", "[" ROOT "]", "not on the command line" },
		{ "qemu -drive file=root.qcow2,snapshot=on", "[" ROOT "]",
		  "snapshot=on" },
		{ "qemu -hda x", "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"n\",\"drv\":\"raw\",\"image\":{\"filename\":\"nbd://x/y\"}}}]",
		  "no file of that name" },
		{ "qemu -hda /dev/null", "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"n\",\"drv\":\"raw\",\"image\":{\"filename\":\"/dev/null\"}}}]",
		  "a device" },
		{ "qemu -hda root.qcow2", "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"n\",\"drv\":\"vmdk\",\"image\":{\"filename\":\"root.qcow2\"}}}]",
		  "neither qcow2 nor raw" },
		{ "qemu -hda root.qcow2", "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"n\",\"drv\":\"qcow2\",\"encrypted\":true,\"image\":{\"filename\":\"root.qcow2\"}}}]",
		  "encrypted" },
		{ "qemu -drive file=data.raw,format=raw,offset=512", "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"n\",\"drv\":\"raw\",\"image\":{\"filename\":\"json:{\\\"driver\\\":\\\"raw\\\",\\\"offset\\\":512,\\\"file\\\":{\\\"driver\\\":\\\"file\\\",\\\"filename\\\":\\\"data.raw\\\"}}\"}}}]",
		  "all of it" },
		{ "qemu -blockdev driver=file,node-name=f,filename=root.qcow2 -blockdev driver=qcow2,node-name=q,file=f -blockdev driver=throttle,node-name=t,file=q,throttle-group=g -device virtio-blk-pci,drive=t",
		  "[" ROOT "]", "below a driver" },
		{ "qemu -drive file=root.qcow2 -hdb root.qcow2", "[" ROOT "]",
		  "several options" },
		{ "qemu -hda root.qcow2", "[" ROOT "," FORKED "]",
		  "another disk" },
		{ "qemu -blockdev driver=qcow2,file.filename=root.qcow2",
		  "[" ROOT "]", "no node-name" },
	};
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct json_object *blocks =
			json_tokener_parse(refused[i].blocks);
		struct qemu_disks disks;
		struct qemu_cmd cmd;

		ASSERT_NE(NULL, blocks);
		ASSERT_TRUE(parse(&cmd, refused[i].line));
		EXPECT_EQ(FAILED, qemu_disks_take(blocks, &cmd, &disks));
		EXPECT_NE(NULL, strstr(told, refused[i].why)) {
			TH_LOG("case %zu: %s", i, told);
		}
		qemu_disks_free(&disks);
		qemu_cmd_free(&cmd);
		json_object_put(blocks);
	}
}

/* What a -drive may say of it, QMP may not. */
TEST_F(child, disks_as_qmp_wants_them)
{
	static const struct {
		const char *line;
		const char *drv;
		const char *format;
		const char *discard;
	} cases[] = {
		{ "qemu -hda data.raw", "raw", "raw", NULL },
		{ "qemu -drive file=data.raw,discard=on", "raw", "raw", "unmap" },
		{ "qemu -drive file=data.raw,discard=off", "raw", "raw", "ignore" },
		{ "qemu -drive file=data.raw,discard=ignore", "raw", "raw",
		  "ignore" },
		/* Nothing is on top of the file. */
		{ "qemu -blockdev driver=file,node-name=d,filename=data.raw,discard=unmap",
		  "file", "raw", "unmap" },
		{ "qemu -drive file=data.raw,format=file", "file", "raw", NULL },
	};
	struct json_object *blocks, *node;
	struct qemu_disks disks;
	const char *discard;
	struct qemu_cmd cmd;
	char text[300];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			 "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"d\",\"drv\":\"%s\",\"image\":{\"filename\":\"data.raw\"}}}]",
			 cases[i].drv);
		blocks = json_tokener_parse(text);
		ASSERT_TRUE(parse(&cmd, cases[i].line));
		ASSERT_EQ(DONE, qemu_disks_take(blocks, &cmd, &disks)) {
			TH_LOG("case %zu: %s", i, told);
		}
		EXPECT_STREQ(cases[i].format, disks.disks[0].format);
		node = qemu_disk_node(&disks.disks[0], "n", "qcow2", "x");
		discard = json_text(node, "discard");
		EXPECT_STREQ(cases[i].discard ?: "", discard ?: "");
		json_object_put(node);
		qemu_disks_free(&disks);
		qemu_cmd_free(&cmd);
		json_object_put(blocks);
	}
}

/* json: {"backing": IT, "driver": "qcow2", "file": ...}, so many times */
static void put_described(FILE *to, unsigned int depth)
{
	if (depth) {
		fprintf(to, "{\"backing\":");
		put_described(to, depth - 1);
		fprintf(to, ",\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"over.qcow2\"}}");
	} else {
		fprintf(to, "{\"driver\":\"file\",\"filename\":\"root.qcow2\"}");
	}
}

/* An image that was forked so often, with names as long as QEMU has them */
static void put_image(FILE *to, unsigned int depth)
{
	char *text = NULL;
	size_t len;
	FILE *name = open_memstream(&text, &len);

	if (!name)
		return;
	put_described(name, depth);
	fclose(name);
	if (len >= 4096)
		strcpy(text + 4092, "...");
	for (len = 0, fprintf(to, "{\"virtual-size\":1,\"filename\":\"json:");
	     text[len]; len++)
		fprintf(to, "%s%c", text[len] == '"' ? "\\" : "", text[len]);
	fprintf(to, "\",\"backing-image\":");
	free(text);
	if (depth > 1)
		put_image(to, depth - 1);
	else
		fprintf(to, "{\"filename\":\"root.qcow2\"}");
	fprintf(to, "}");
}

TEST_F(child, chains_that_are_long)
{
	static const unsigned int depths[] = { 1, 20, 40, 100 };
	static const char others[] =
		"[{\"node-name\":\"x\",\"file\":\"x\"},{\"node-name\":\"vmfork-1-0-file\",\"file\":\"over.qcow2\"}]";
	struct json_object *nodes = json_tokener_parse(others);
	struct json_object *blocks;
	struct qemu_disks disks;
	struct qemu_cmd cmd;
	char *text;
	size_t i, len;
	FILE *to;

	ASSERT_TRUE(parse(&cmd, "qemu -hda root.qcow2"));
	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		to = open_memstream(&text, &len);
		ASSERT_NE(NULL, to);
		fprintf(to, "[{\"device\":\"d\",\"inserted\":{\"node-name\":\"vmfork-1-0\",\"drv\":\"qcow2\",\"image\":");
		put_image(to, depths[i]);
		fprintf(to, "}}]");
		fclose(to);
		blocks = json_parse(text);
		ASSERT_NE(NULL, blocks);
		qemu_chain_resolve(blocks, nodes);
		ASSERT_EQ(DONE, qemu_disks_take(blocks, &cmd, &disks)) {
			TH_LOG("%u: %s", depths[i], told);
		}
		EXPECT_STREQ("over.qcow2", basename(disks.disks[0].base));
		EXPECT_EQ(0, disks.disks[0].arg);
		qemu_disks_free(&disks);
		json_object_put(blocks);
		free(text);
	}
	qemu_cmd_free(&cmd);
	json_object_put(nodes);
	EXPECT_EQ(NULL, json_parse("{\"a\":"));
}

TEST_HARNESS_MAIN
