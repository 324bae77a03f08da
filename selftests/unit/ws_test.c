// SPDX-License-Identifier: GPL-2.0
/*
 * Working sets in files: the order of reads and writes, and what makes a range
 * longer.  What is wrong with files is cli_ws.sh's and the fuzzer's.
 */
#include <stdlib.h>
#include <string.h>

#include <ws.h>

#include "kselftest_harness.h"

#define PAGE	4096
#define HEAD	"{\"version\":1,\"page_size\":4096,\"snapshot_size\":1048576,"

static struct ws_error error;

static int parse(struct ws *ws, const char *text)
{
	return ws_parse(ws, text, strlen(text), "text", &error);
}

static bool is(const struct ws *ws, size_t i, uint64_t page, uint64_t nr,
	       bool write)
{
	const struct vmfork_ws_range *range = &ws->ranges[i];

	return i < ws->nr && range->offset == page * PAGE &&
	       range->len == nr * PAGE && range->write == write;
}

/* Neighbours become one if nothing comes between them. */
TEST(what_is_added)
{
	struct ws ws = { .snapshot_size = 1 << 20 };

	ASSERT_EQ(0, ws_add(&ws, 3 * PAGE, PAGE, false));
	ASSERT_EQ(0, ws_add(&ws, 4 * PAGE, 2 * PAGE, false));
	ASSERT_EQ(0, ws_add(&ws, 6 * PAGE, PAGE, true));
	ASSERT_EQ(0, ws_add(&ws, 6 * PAGE, PAGE, false));
	ASSERT_EQ(0, ws_add(&ws, 7 * PAGE, PAGE, true));
	ASSERT_EQ(0, ws_add(&ws, 2 * PAGE, PAGE, true));
	EXPECT_EQ(5, ws.nr);
	EXPECT_TRUE(is(&ws, 0, 3, 3, false));
	EXPECT_TRUE(is(&ws, 1, 6, 1, true));
	EXPECT_TRUE(is(&ws, 2, 6, 1, false));
	EXPECT_TRUE(is(&ws, 3, 7, 1, true));
	EXPECT_TRUE(is(&ws, 4, 2, 1, true));
	EXPECT_EQ(0, ws_check(&ws, "ws", &error));
	/* A page is not written for the first time twice. */
	ASSERT_EQ(0, ws_add(&ws, 7 * PAGE, PAGE, true));
	EXPECT_EQ(-EINVAL, ws_check(&ws, "ws", &error));
	EXPECT_STREQ("ws has the page at 28672 twice in its \"writes\"",
		     error.text);
	ws_free(&ws);
}

/* What was written is read again as it was, in its order. */
TEST(there_and_back)
{
	struct ws ws = {
		.snapshot_size = 1 << 20, .snapshot = 7, .faults = 9,
		.dropped = 2, .seconds = 1.5,
	};
	struct ws back;
	char *text;
	size_t i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, ws_add(&ws, i * 37 % 128 * 2 * PAGE,
				    (1 + i % 2) * PAGE, i % 3));
	text = ws_text(&ws);
	ASSERT_NE(NULL, text);
	ASSERT_EQ(0, parse(&back, text)) TH_LOG("%s", error.text);
	EXPECT_EQ(7, back.snapshot);
	EXPECT_EQ(9, back.faults);
	EXPECT_EQ(2, back.dropped);
	EXPECT_EQ(1500, back.seconds * 1000);
	EXPECT_EQ(1 << 20, back.snapshot_size);
	ASSERT_EQ(ws.nr, back.nr);
	for (i = 0; i < ws.nr; i++) {
		EXPECT_EQ(ws.ranges[i].offset, back.ranges[i].offset);
		EXPECT_EQ(ws.ranges[i].len, back.ranges[i].len);
		EXPECT_EQ(ws.ranges[i].write, back.ranges[i].write);
	}
	free(text);
	ws_free(&back);
	ws_free(&ws);
}

TEST(without_positions)
{
	struct ws ws;

	ASSERT_EQ(0, parse(&ws, HEAD "\"reads\":[[8192,4096],[0,4096]],"
			   "\"writes\":[[40960,8192],[4096,4096]]}"));
	EXPECT_EQ(4, ws.nr);
	EXPECT_TRUE(is(&ws, 0, 10, 2, true));
	EXPECT_TRUE(is(&ws, 1, 1, 1, true));
	EXPECT_TRUE(is(&ws, 2, 2, 1, false));
	EXPECT_TRUE(is(&ws, 3, 0, 1, false));
	ws_free(&ws);
}

TEST(what_follows_is_not_before)
{
	struct ws ws;

	EXPECT_EQ(-EINVAL, parse(&ws, HEAD "\"reads\":[[0,4096,4],"
				 "[8192,4096,1]],\"writes\":[]}"));
	EXPECT_NE(NULL, strstr(error.text, "after one that follows it"));
	EXPECT_EQ(NULL, ws.ranges);
}

TEST_HARNESS_MAIN
