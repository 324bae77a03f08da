// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork tree's and top's pictures show all that there is, once, where it
 * belongs, whatever the kernel has said.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "topview.h"
#include "treedraw.h"
#include "treetext.h"
#include "units.h"

static uint64_t state = 1;

static unsigned int rnd(unsigned int below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

static struct snapshot *add(struct world *world, uint64_t id, uint64_t parent)
{
	struct snapshot *s = world_add_snapshot(world);

	s->id = id;
	s->parent_id = parent;
	s->pages = id;
	s->age_ns = id * 1000000000;
	return s;
}

static struct mapping *map(struct world *world, uint64_t snapshot, uint32_t pid)
{
	struct mapping *m = world_add_mapping(world);

	m->snapshot = snapshot;
	m->pid = pid;
	m->start = 0x1000 * pid;
	m->end = m->start + 0x1000;
	m->id = 1000 + pid;
	strcpy(m->command, "qemu");
	return m;
}

typedef bool (*draw_fn)(FILE *to, const struct world *world);

static char *draw(const struct world *world, const struct tree_view *view,
		  draw_fn fn)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (fn)
		fn(to, world);
	else
		tree_print(to, world, view);
	fclose(to);
	return text;
}

TEST(known_picture)
{
	static const char unicode[] =
		"● 1 /base  4K, 1s old\n"
		"├─▶ 10 qemu  maps 4K\n"
		"├─▶ 11 qemu  maps 8K\n"
		"├─● 3  12K, 3s old\n"
		"│ └─▶ 12 qemu  maps 4K\n"
		"● 2  8K, 2s old\n"
		"├─● 4  16K, 4s old\n"
		"● 5  20K, 5s old\n"
		"\n"
		"● 7  28K, 7s old\n"
		"└─▶ 13 qemu  maps 4K\n";
	static const char ascii[] =
		"* 1 /base  4K, 1s old\n"
		"|-> 10 qemu  maps 4K\n"
		"|-> 11 qemu  maps 8K\n"
		"|-* 3  12K, 3s old\n"
		"| `-> 12 qemu  maps 4K\n"
		"* 2  8K, 2s old\n"
		"|-* 4  16K, 4s old\n"
		"* 5  20K, 5s old\n"
		"\n"
		"* 7  28K, 7s old\n"
		"`-> 13 qemu  maps 4K\n";
	struct tree_view view = { .unicode = true };
	struct world world = { 0 };
	char *text;

	add(&world, 7, 99);	/* whose parent may not be seen */
	add(&world, 5, 2);
	add(&world, 4, 2);
	add(&world, 3, 1);
	add(&world, 2, 1);
	add(&world, 1, 0)->name = strdup("/base");
	map(&world, 1, 11);
	map(&world, 1, 10);
	map(&world, 1, 11)->start = 0x20000;
	world.mappings[2].end = 0x21000;
	map(&world, 3, 12);
	map(&world, 7, 13);
	map(&world, 77, 14);	/* of one that is gone */
	world_link(&world);
	text = draw(&world, &view, NULL);
	EXPECT_STREQ(unicode, text);
	free(text);
	view.unicode = false;
	text = draw(&world, &view, NULL);
	EXPECT_STREQ(ascii, text);
	free(text);
	world_free(&world);
}

static void make_world(struct world *world, size_t nr, unsigned int shape)
{
	size_t i;

	memset(world, 0, sizeof(*world));
	for (i = 1; i <= nr; i++) {
		uint64_t parent = 0;

		switch (shape) {
		case 0:	/* a history without branches */
			parent = i - 1;
			break;
		case 1:	/* children of one */
			parent = i > 1;
			break;
		case 2:	/* any */
			parent = rnd(i);
			break;
		case 3:	/* two each */
			parent = i / 2;
			break;
		default: /* nonsense: circles, and what is not there */
			parent = rnd(nr + 5);
		}
		add(world, i, parent);
		while (!rnd(3))
			map(world, i, rnd(50))->counted = true;
	}
	world_link(world);
}

static unsigned int digits(size_t nr)
{
	unsigned int n = 0;

	for (; nr; nr /= 2)
		n++;
	return n;
}

/* Every line is below what it says it is below. */
static int rows_are_right(const struct world *world)
{
	size_t nr, i, snapshots = 0, mappings = 0, *last;
	struct tree_row *rows = tree_rows(world, &nr);
	bool *seen = calloc(world->nr_snapshots, sizeof(*seen));
	size_t known = 0;
	int right = 1;

	last = calloc(digits(world->nr_snapshots) + 2, sizeof(*last));
	for (i = 0; i < nr; i++) {
		const struct tree_row *row = &rows[i];
		long parent = world->snapshots[row->snapshot].parent;

		if (row->mapping >= 0) {
			mappings += row->end - row->mapping;
			right &= row->snapshot == last[row->branches];
			continue;
		}
		snapshots++;
		right &= !seen[row->snapshot];
		seen[row->snapshot] = true;
		right &= row->branches < digits(world->nr_snapshots);
		if (row->is_branch)
			right &= parent == (long)last[row->branches - 1];
		else if (parent >= 0)
			right &= parent == (long)last[row->branches];
		else
			right &= !row->branches;
		last[row->branches] = row->snapshot;
	}
	for (i = 0; i < world->nr_mappings; i++)
		known += world_find(world, world->mappings[i].snapshot) >= 0;
	right &= snapshots == world->nr_snapshots && mappings == known;
	free(rows);
	free(seen);
	free(last);
	return right;
}

static int lines_fit(const char *text, unsigned int columns)
{
	unsigned int width = 0;

	for (; *text; text++) {
		if (*text == '\n')
			width = 0;
		else if ((*text & 0xc0) != 0x80 && ++width > columns)
			return 0;
	}
	return 1;
}

TEST(any_world)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64, 200, 1000 };
	struct world world;
	unsigned int shape, i;

	for (shape = 0; shape < 5; shape++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct tree_view view = { .unicode = i & 1,
						  .columns = 1 + 13 * i };
			char *text;

			make_world(&world, sizes[i], shape);
			ASSERT_TRUE(rows_are_right(&world))
				TH_LOG("shape %u, size %zu", shape, sizes[i]);
			text = draw(&world, &view, NULL);
			ASSERT_TRUE(lines_fit(text, view.columns));
			free(text);
			world_free(&world);
		}
	}
}

TEST(nothing)
{
	struct tree_view view = { 0 };
	struct world world = { 0 };
	struct top top;
	char *text;

	world_link(&world);
	text = draw(&world, &view, NULL);
	EXPECT_STREQ("", text);
	free(text);
	text = draw(&world, NULL, tree_dot);
	EXPECT_NE(NULL, strstr(text, "digraph"));
	free(text);
	text = draw(&world, NULL, tree_svg);
	EXPECT_NE(NULL, strstr(text, "</svg>"));
	free(text);
	EXPECT_TRUE(top_take(&world, NULL, 0, &top));
	EXPECT_EQ(0, top.nr);
	world_free(&world);
}

/* A name is any bytes: it is no command to a terminal, and no markup. */
TEST(hostile_names)
{
	static const char name[] = "/\033[2J<b>&\"\\\n\377'";
	struct tree_view view = { .unicode = true };
	struct world world = { 0 };
	struct mapping *m;
	char *text, *end;

	add(&world, 1, 0)->name = strdup(name);
	m = map(&world, 1, 1);
	memcpy(m->command, name + 1, sizeof(name) - 1);
	world_link(&world);
	text = draw(&world, &view, NULL);
	EXPECT_EQ(NULL, strchr(text, '\033'));
	end = strchr(text, '\n');
	ASSERT_NE(NULL, end);
	end = strchr(end + 1, '\n');
	ASSERT_NE(NULL, end);
	EXPECT_EQ('\0', end[1]);
	free(text);
	text = draw(&world, NULL, tree_dot);
	EXPECT_NE(NULL, strstr(text, "1 /?[2J<b>&\\\"\\\\?"));
	free(text);
	text = draw(&world, NULL, tree_svg);
	EXPECT_NE(NULL, strstr(text, "?[2J&lt;b&gt;&amp;&quot;\\?\?'"));
	free(text);
	world_free(&world);
}

TEST(svg_is_xml)
{
	struct world world;
	char command[512], path[] = "/tmp/world_test.XXXXXX";
	FILE *to = fdopen(mkstemp(path), "w");
	size_t nr;

	make_world(&world, 300, 2);
	free(tree_rows(&world, &nr));
	tree_svg(to, &world);
	fclose(to);
	snprintf(command, sizeof(command), "python3 %s %s %zu %zu", TREE_CHECK,
		 path, world.nr_snapshots, nr);
	EXPECT_EQ(0, system(command));
	unlink(path);
	world_free(&world);
}

TEST(units)
{
	static const struct { uint64_t bytes; const char *text; } bytes[] = {
		{ 0, "0" }, { 1, "1" }, { 1023, "1023" }, { 1024, "1K" },
		{ 1536, "1.5K" }, { 10240, "10K" }, { 10250, "10K" },
		{ (1 << 20) - 1, "1M" }, { 1 << 20, "1M" },
		{ 1ULL << 30, "1G" }, { 3ULL << 29, "1.5G" },
		{ ~0ULL, "16E" },
	};
	static const struct { uint64_t s; const char *text; } ages[] = {
		{ 0, "0s" }, { 59, "59s" }, { 60, "1m" }, { 3599, "59m" },
		{ 3600, "1h" }, { 47 * 3600, "47h" }, { 48 * 3600, "2d" },
		{ 400 * 86400, "400d" },
	};
	char text[UNITS_SIZE], small[4];
	size_t i;

	for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		EXPECT_STREQ(bytes[i].text, units_bytes(bytes[i].bytes, text));
	for (i = 0; i < sizeof(ages) / sizeof(ages[0]); i++)
		EXPECT_STREQ(ages[i].text,
			     units_age(ages[i].s * 1000000000, text));
	EXPECT_STREQ("0", units_rate(0, text));
	EXPECT_STREQ("0", units_rate(-5, text));
	EXPECT_STREQ("999", units_rate(999.4, text));
	EXPECT_STREQ("1k", units_rate(999.9, text));
	EXPECT_STREQ("1.5k", units_rate(1500, text));
	EXPECT_STREQ("2M", units_rate(2e6, text));
	EXPECT_STREQ("a?c", units_plain("a\tcd", small, sizeof(small)));
}

/* --- top --- */

static void make_vms(struct world *world, uint64_t step)
{
	struct mapping *m;
	unsigned int i;

	memset(world, 0, sizeof(*world));
	for (i = 1; i <= 3; i++) {
		m = map(world, 1, i);
		m->counted = true;
		m->private = 10 * i + step * i;
		m->shared = 100;
		m->reads = step * 5;
		m->writes = 1000 - step;
		m->uid = i;
	}
	/* Two ranges of one mapping, and a smaller one of another snapshot */
	*map(world, 1, 3) = world->mappings[2];
	world->mappings[3].start += 0x10000;
	world->mappings[3].end += 0x10000;
	m = map(world, 9, 3);
	m->counted = true;
	m->id = 5;
	m->reads = 7;
	world_link(world);
}

TEST(top_sums_and_rates)
{
	struct world before, now;
	struct top first, second;
	const struct top_row *row;

	make_vms(&before, 0);
	make_vms(&now, 4);
	ASSERT_TRUE(top_take(&before, NULL, 1000000000, &first));
	ASSERT_TRUE(top_take(&now, &first, 3000000000, &second));
	ASSERT_EQ(3, second.nr);
	row = &second.rows[0];	/* most private memory first */
	EXPECT_EQ(3, row->pid);
	EXPECT_EQ(3, row->uid);
	EXPECT_EQ(2, row->snapshots);
	EXPECT_EQ(1, row->snapshot);
	EXPECT_EQ(0x3000, row->size);
	EXPECT_EQ(2 * (30 + 12) * 4096, row->private);
	EXPECT_EQ(2 * 100 * 4096, row->shared);
	EXPECT_EQ(20 + 7, row->reads);
	EXPECT_EQ(10.0, row->read_rate);
	EXPECT_EQ(0.0, row->write_rate);	/* there are less */
	EXPECT_EQ(2 * 12 * 4096 / 2.0, row->private_rate);
	EXPECT_EQ(1, second.rows[2].pid);
	EXPECT_EQ(0.0, first.rows[0].read_rate);
	top_free(&first);
	top_free(&second);
	world_free(&before);
	world_free(&now);
}

TEST(top_fits)
{
	struct top_screen screen = { 0 };
	struct world world;
	struct top top;
	unsigned int lines;
	char *text, *at;
	size_t len;
	FILE *to;

	make_world(&world, 300, 1);
	ASSERT_TRUE(top_take(&world, NULL, 1, &top));
	for (screen.columns = 1; screen.columns < 200; screen.columns += 9) {
		for (screen.lines = 1; screen.lines < 80; screen.lines += 7) {
			text = NULL;
			to = open_memstream(&text, &len);
			top_print(to, &top, &screen);
			fclose(to);
			EXPECT_TRUE(lines_fit(text, screen.columns));
			for (lines = 0, at = text; (at = strchr(at, '\n'));
			     at++)
				lines++;
			if (screen.lines >= 3)
				EXPECT_LT(lines, screen.lines);
			free(text);
		}
	}
	top_free(&top);
	world_free(&world);
}

TEST_HARNESS_MAIN
