// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork heat's pictures: each range is where it belongs, whatever the size of
 * the terminal; SVG is XML with the right cells.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heatmap.h"
#include "kselftest_harness.h"

#define PAGE	4096ULL

static struct heat_map make_map(uint64_t size, size_t most)
{
	struct heat_map map = {
		.title = "a <title> & \"more\" \001\377",
		.size = size,
		.shift = heat_shift(size, most),
	};
	size_t i;

	map.nr = (size + (1ULL << map.shift) - 1) >> map.shift;
	map.ranges = calloc(map.nr, sizeof(*map.ranges));
	if (!map.ranges)
		abort();
	for (i = 0; i < map.nr; i++)
		map.ranges[i].pages = (1ULL << map.shift) / PAGE;
	return map;
}

static char *print(const struct heat_map *map, struct heat_view view)
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	heat_print(to, map, &view);
	fclose(to);
	return text;
}

/* Nothing of the map is missing, and nothing is too wide or too high. */
static int fits(const char *text, const struct heat_view *view)
{
	unsigned int lines = 0, widest = 0;
	const char *end;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		lines++;
		if (!strncmp(text, "0x", 2) && end - text > widest)
			widest = end - text;
	}
	if (lines < view->lines && widest < view->columns)
		return 1;
	fprintf(stderr, "# %u lines of %u in %u x %u\n", lines, widest,
		view->columns, view->lines);
	return 0;
}

TEST(every_size_of_terminal)
{
	struct heat_map map = make_map(8 << 20, 32768);
	struct heat_view view = { 0 };
	char *text;

	for (view.columns = 1; view.columns < 300; view.columns += 7) {
		for (view.lines = 1; view.lines < 120; view.lines += 5) {
			text = print(&map, view);
			if (view.columns >= 20 && view.lines >= 9)
				ASSERT_TRUE(fits(text, &view));
			free(text);
		}
	}
	free(map.ranges);
}

TEST(every_size_of_snapshot)
{
	static const uint64_t sizes[] = { PAGE, 3 * PAGE, 5 << 20, 1ULL << 30,
		(1ULL << 40) + PAGE, 1ULL << 47 };
	struct heat_view view = { .columns = 80, .lines = 24 };
	unsigned int i;
	char *text;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct heat_map map = make_map(sizes[i], 32768);

		EXPECT_GE(32768, map.nr);
		EXPECT_GE(map.nr << map.shift, map.size);
		text = print(&map, view);
		EXPECT_TRUE(fits(text, &view));
		free(text);
		free(map.ranges);
	}
}

/* Each page alone is in the cell of its address, and in no other. */
TEST(one_page_one_cell)
{
	struct heat_map map = make_map(8 << 20, 32768);
	struct heat_view view = { .columns = 80, .lines = 24 };
	size_t page, per_line = 64, per_cell = 2;

	/* 16 lines of 64 cells, so 2 pages in each. */
	for (page = 0; page < map.nr; page += 13) {
		char *text, *line, address[32];

		map.ranges[page].private = 1;
		text = print(&map, view);
		snprintf(address, sizeof(address), "\n0x%08zx ",
			 page / per_cell / per_line * per_line * per_cell *
			 (size_t)PAGE);
		line = strstr(text, address);
		ASSERT_NE(NULL, line);
		line += strlen(address);
		/* One of two pages is not yet more than half of them. */
		EXPECT_EQ('W', line[page / per_cell % per_line]);
		line[page / per_cell % per_line] = '.';
		EXPECT_EQ(NULL, strpbrk(strstr(text, "\n0x") + 1, "rRW") <
				strstr(text, ". untouched") ?
				strpbrk(strstr(text, "\n0x") + 1, "rRW") :
				NULL);
		free(text);
		map.ranges[page].private = 0;
	}
	free(map.ranges);
}

TEST(kinds_and_quarters)
{
	static const struct {
		struct heat_range range;
		enum heat_kind kind;
		unsigned int quarters;
	} cases[] = {
		{ { .pages = 0 }, HEAT_UNMAPPED, 0 },
		{ { .pages = 8 }, HEAT_UNTOUCHED, 0 },
		{ { .pages = 8, .shared = 1 }, HEAT_READ, 1 },
		{ { .pages = 8, .shared = 2 }, HEAT_READ, 2 },
		{ { .pages = 8, .shared = 8 }, HEAT_READ, 4 },
		{ { .pages = 8, .reads = 5 }, HEAT_READ, 3 },
		{ { .pages = 8, .shared = 8, .private = 1 }, HEAT_WRITTEN, 1 },
		{ { .pages = 8, .writes = 3, .breaks = 3 }, HEAT_WRITTEN, 4 },
		{ { .pages = 0, .reads = 1 }, HEAT_READ, 4 },
		{ { .pages = 1, .private = 3 }, HEAT_WRITTEN, 4 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_EQ(cases[i].kind, heat_kind(&cases[i].range));
		if (cases[i].quarters)
			EXPECT_EQ(cases[i].quarters,
				  heat_quarters(&cases[i].range));
	}
}

TEST(colours_come_in_place_only)
{
	struct heat_map map = make_map(1 << 20, 32768);
	struct heat_view view = { .columns = 80, .lines = 24 };
	char *text;

	map.ranges[3].reads = 1;
	map.ranges[3].recent = 1;
	text = print(&map, view);
	EXPECT_EQ(NULL, strchr(text, '\033'));
	free(text);
	view.colours = true;
	text = print(&map, view);
	EXPECT_NE(NULL, strstr(text, "\033[0;36mR"));
	EXPECT_EQ(NULL, strstr(text, "\033[H"));
	free(text);
	view.in_place = true;
	view.blocks = true;
	text = print(&map, view);
	EXPECT_NE(NULL, strstr(text, "\033[0;36;7m█"));
	EXPECT_EQ(0, strncmp(text, "\033[H", 3));
	free(text);
	free(map.ranges);
}

/* svg_check.py parses it and knows what ought to be there. */
TEST(svg)
{
	struct heat_map map = make_map((64 << 20) + 3 * PAGE, 32768);
	char path[] = "/tmp/heat_test.XXXXXX", command[256];
	FILE *to = fdopen(mkstemp(path), "w");
	size_t i;

	for (i = 0; i < map.nr; i++) {
		if (i % 97 == 5)
			map.ranges[i].shared = 1;
		if (i % 1031 == 7)
			map.ranges[i].private = 1;
	}
	heat_svg(to, &map);
	fclose(to);
	snprintf(command, sizeof(command), "python3 %s %s", SVG_CHECK, path);
	EXPECT_EQ(0, system(command));
	unlink(path);
	free(map.ranges);
}

TEST_HARNESS_MAIN
