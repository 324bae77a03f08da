// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmfork qemu without a QEMU: what is read of one, its memory, ports and user,
 * and what is made for children, images and the stream.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmfork.h>

#include "cli.h"
#include "fakeout.h"
#include "kselftest_harness.h"
#include "out.h"
#include "qcow2.h"
#include "qemuram.h"
#include "qemustart.h"
#include "qemustream.h"
#include "qemuuser.h"

/* One with an image that others are based on */
FIXTURE(directory) {
	char dir[40];
};

FIXTURE_SETUP(directory)
{
	strcpy(self->dir, "/tmp/qemustate_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	close(open("root.qcow2", O_WRONLY | O_CREAT, 0640));
}

FIXTURE_TEARDOWN(directory)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", self->dir);
	EXPECT_EQ(0, system(command));
}

/* An image as its specification has it: each cluster is there and counted. */
TEST_F(directory, overlays_are_images)
{
	static const uint64_t sizes[] = {
		0, 512, 1ULL << 20, 512ULL << 20, (512ULL << 20) + 512,
		5ULL << 40, 63ULL << 40,
	};
	uint32_t header[26];
	uint64_t table;
	uint16_t count;
	struct stat st;
	char base[1100];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t at, l1 = (sizes[i] + (512ULL << 20) - 1) >> 29;
		int fd;

		ASSERT_EQ(DONE, qcow2_overlay("o", "root.qcow2", "qcow2",
					      sizes[i]));
		/* Not again over it */
		EXPECT_EQ(FAILED, qcow2_overlay("o", "root.qcow2", "qcow2",
						512));
		fd = open("o", O_RDONLY);
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(0640, st.st_mode & 0777);
		ASSERT_EQ(sizeof(header), pread(fd, header, sizeof(header), 0));
		EXPECT_EQ(0x514649fb, be32toh(header[0]));
		EXPECT_EQ(3, be32toh(header[1]));
		EXPECT_EQ(10, be32toh(header[4]));
		EXPECT_EQ(sizes[i], (uint64_t)be32toh(header[6]) << 32 |
				    be32toh(header[7]));
		EXPECT_EQ(l1, be32toh(header[9]));
		EXPECT_EQ(104, be32toh(header[25]));
		ASSERT_EQ(10, pread(fd, base, 10, be32toh(header[3])));
		EXPECT_EQ(0, memcmp(base, "root.qcow2", 10));
		EXPECT_EQ(3 * 65536, be32toh(header[11]));
		EXPECT_LE(3 * 65536 + 8 * l1, (uint64_t)st.st_size);
		EXPECT_EQ(0, st.st_size % 65536);
		ASSERT_EQ(8, pread(fd, &table, 8, be32toh(header[13])));
		for (at = 0; at <= (uint64_t)st.st_size; at += 65536) {
			ASSERT_EQ(2, pread(fd, &count, 2,
					   be64toh(table) + at / 32768));
			ASSERT_EQ(at < (uint64_t)st.st_size, be16toh(count));
		}
		close(fd);
		ASSERT_EQ(0, unlink("o"));
	}
	memset(base, 'x', sizeof(base));
	base[1050] = '\0';
	EXPECT_EQ(FAILED, qcow2_overlay("o", base, "raw", 512));
	EXPECT_EQ(FAILED, qcow2_overlay("o", "no/such", "raw", 512));
	EXPECT_EQ(FAILED, qcow2_overlay("o", "root.qcow2", "raw", ~0ULL));
	EXPECT_EQ(-1, access("o", F_OK));
}

/* What QEMU 7.2 and 10.0 say of the same machine */
static const char blocks_72[] =
	"              Block Name    PSize              Offset               Used              Total\r\n"
	"                  pc.ram    4 KiB  0x0000000000000000 0x0000000010000000 0x0000000010000000\r\n"
	"   0000:00:02.0/vga.vram    4 KiB  0x0000000010080000 0x0000000001000000 0x0000000001000000\r\n"
	"    /rom@etc/acpi/tables    4 KiB  0x0000000011100000 0x0000000000020000 0x0000000000200000\r\n"
	"                 pc.bios    4 KiB  0x0000000010000000 0x0000000000040000 0x0000000000040000\r\n";
static const char blocks_100[] =
	"              Block Name    PSize              Offset               Used              Total                HVA  RO\r\n"
	"                  pc.ram    4 KiB  0x0000000000000000 0x0000000010000000 0x0000000010000000 0x00007ff203e00000  rw\r\n"
	"   0000:00:02.0/vga.vram    4 KiB  0x0000000010080000 0x0000000001000000 0x0000000001000000 0x00007ff270812000  rw\r\n"
	"                 pc.bios    4 KiB  0x0000000010000000 0x0000000000040000 0x0000000000040000 0x00007ff271e00000  ro\r\n";
static const char views[] =
	"FlatView #0\r\n AS \"I/O\", root: io\r\n Root memory region: io\r\n"
	"  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan\r\n\r\n"
	"FlatView #1\r\n AS \"memory\", root: system\r\n AS \"cpu-memory-0\", root: system\r\n"
	"  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM\r\n"
	"  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\r\n"
	"  00000000000c0000-00000000000cafff (prio 0, rom): pc.ram @00000000000c0000 KVM\r\n"
	"  00000000fd010000-00000000fdffffff (prio 1, ram): vga.vram @0000000000010000 KVM\r\n"
	"  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios KVM\r\n\r\n"
	"FlatView #2\r\n AS \"other\", root: other\r\n"
	"  0000000000000000-000000000009ffff (prio 0, ram): /rom@etc/acpi/tables\r\n";

static const char memdevs[] =
	"[{\"share\":false,\"size\":268435456,\"id\":\"pc.ram\"}]";

TEST(memory_of_both_versions)
{
	struct json_object *list = json_tokener_parse(memdevs);
	struct vmfork_region regions[4];
	struct qemu_sight sights[4];
	struct qemu_ram ram = { 0 };

	ASSERT_EQ(DONE, qemu_ram_backend(list, &ram));
	ASSERT_EQ(DONE, qemu_ram_blocks(blocks_72, &ram));
	ASSERT_EQ(4, ram.nr);
	EXPECT_EQ(0, ram.blocks[0].hva);
	EXPECT_EQ(0x20000, ram.blocks[2].len);
	ASSERT_EQ(3, qemu_ram_sights(views, &ram, sights));
	EXPECT_EQ(0, sights[0].block);
	EXPECT_EQ(0, sights[0].gpa);
	EXPECT_EQ(1, sights[1].block);
	EXPECT_EQ(0xfd010000, sights[1].gpa);
	EXPECT_EQ(0x10000, sights[1].within);
	EXPECT_EQ(3, sights[2].block);
	EXPECT_EQ(0, qemu_ram_sights("", &ram, sights));
	qemu_ram_free(&ram);

	ASSERT_EQ(DONE, qemu_ram_backend(list, &ram));
	ASSERT_EQ(DONE, qemu_ram_blocks(blocks_100, &ram));
	ASSERT_EQ(3, ram.nr);
	EXPECT_EQ(0x7ff203e00000, ram.blocks[0].hva);
	/* One that has no address is left out. */
	ram.blocks[2].hva = 0;
	qemu_ram_place(&ram);
	ASSERT_EQ(2, ram.nr);
	EXPECT_EQ(0, ram.blocks[0].offset);
	EXPECT_LE(0x10000000, ram.blocks[1].offset);
	EXPECT_EQ(0x12000, ram.blocks[1].offset % (2 << 20));
	qemu_ram_regions(&ram, regions);
	EXPECT_EQ(0x7ff270812000, regions[1].addr);
	EXPECT_EQ(0x1000000, regions[1].len);
	EXPECT_EQ(ram.blocks[1].offset, regions[1].offset);
	qemu_ram_free(&ram);
	json_object_put(list);
}

TEST(memory_that_can_not_be_forked)
{
	static const struct {
		const char *list;
		const char *why;
	} refused[] = {
		{ "[]", "no memory backend" },
		{ "[{\"id\":\"a\",\"size\":1},{\"id\":\"b\",\"size\":1}]",
		  "in 2 backends" },
		{ "[{\"id\":\"a\",\"size\":1,\"share\":true}]", "shared" },
		{ "[{\"size\":1}]", "no id" },
		{ "[{\"id\":\"a\",\"size\":0}]", "how large" },
	};
	struct json_object *list;
	struct qemu_ram ram = { 0 };
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		list = json_tokener_parse(refused[i].list);
		EXPECT_EQ(FAILED, qemu_ram_backend(list, &ram));
		EXPECT_NE(NULL, strstr(told, refused[i].why));
		qemu_ram_free(&ram);
		json_object_put(list);
	}
	list = json_tokener_parse(memdevs);
	ASSERT_EQ(DONE, qemu_ram_backend(list, &ram));
	EXPECT_EQ(FAILED, qemu_ram_blocks("unknown command", &ram));
	qemu_ram_free(&ram);
	json_object_put(list);
}

/**
 * struct reader - of a stream, which it takes apart as QEMU does
 */
struct reader {
	const unsigned char *at;
	const unsigned char *end;
};

static uint64_t get(struct reader *reader, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | (reader->at < reader->end ?
				      *reader->at++ : 0xee);
	return value;
}

static void get_text(struct reader *reader, size_t len, char *text)
{
	while (len--)
		*text++ = get(reader, 1);
	*text = '\0';
}

#define NAMED	"vga.vram"

TEST(stream_is_what_qemu_reads)
{
	static char devices[] = "QEVM\0\0\0\3devices";
	struct qemu_block blocks[] = {
		{ .name = "pc.ram", .len = 1 << 20 },
		{ .name = NAMED, .len = 8 << 20, .offset = 1 << 20 },
		{ .name = "pc.bios", .len = 8192, .offset = 9 << 20 },
	};
	struct qemu_ram ram = { .blocks = blocks, .nr = 3 };
	char *stream = NULL, name[300], page[4096];
	size_t len, zero = 0, pages = 0;
	struct reader reader;
	FILE *memory = tmpfile(), *to = open_memstream(&stream, &len);
	uint64_t word;

	ASSERT_EQ(0, ftruncate(fileno(memory), (9 << 20) + 8192));
	/* Of video memory, the third page and the fourth */
	memset(page, 'v', sizeof(page));
	pwrite(fileno(memory), page, 4096, (1 << 20) + 2 * 4096);
	pwrite(fileno(memory), page, 4096, (1 << 20) + 3 * 4096);
	memset(page, 'b', sizeof(page));
	pwrite(fileno(memory), page, 4096, (9 << 20) + 4096);

	ASSERT_EQ(0, qemu_stream_write(to, "pc-7.2", &ram, fileno(memory),
				       devices, sizeof(devices)));
	fclose(to);
	reader.at = (unsigned char *)stream;
	reader.end = reader.at + len;
	EXPECT_EQ(0x5145564d00000003, get(&reader, 8));
	EXPECT_EQ(7, get(&reader, 1));
	EXPECT_EQ(6, get(&reader, 4));
	get_text(&reader, 6, name);
	EXPECT_STREQ("pc-7.2", name);

	EXPECT_EQ(1, get(&reader, 1));
	EXPECT_EQ(0xfffffff0, get(&reader, 4));
	get_text(&reader, get(&reader, 1), name);
	EXPECT_STREQ("ram", name);
	EXPECT_EQ(4, get(&reader, 8));
	EXPECT_EQ(((8 << 20) + 8192) | 4, get(&reader, 8));
	get_text(&reader, get(&reader, 1), name);
	EXPECT_STREQ(NAMED, name);
	EXPECT_EQ(8 << 20, get(&reader, 8));
	get_text(&reader, get(&reader, 1), name);
	EXPECT_STREQ("pc.bios", name);
	EXPECT_EQ(8192, get(&reader, 8));
	EXPECT_EQ(0x10, get(&reader, 8));
	EXPECT_EQ(0x7e, get(&reader, 1));
	EXPECT_EQ(0xfffffff0, get(&reader, 4));

	EXPECT_EQ(3, get(&reader, 1));
	EXPECT_EQ(0xfffffff0, get(&reader, 4));
	while (!((word = get(&reader, 8)) & 0x10) && reader.at < reader.end) {
		if (!(word & 0x20))
			get_text(&reader, get(&reader, 1), name);
		if (word & 8) {
			EXPECT_EQ(strcmp(name, NAMED) ? 4096 :
				  4096 * (2 + pages), word & ~4095ULL);
			EXPECT_EQ(strcmp(name, NAMED) ? 'b' : 'v',
				  get(&reader, 1));
			reader.at += 4095;
			pages++;
		} else {
			EXPECT_EQ(2, word & 0xfdf);
			EXPECT_EQ(0, get(&reader, 1));
			EXPECT_STREQ("pc.bios", name);
			zero++;
		}
	}
	EXPECT_EQ(3, pages);
	EXPECT_EQ(1, zero);
	EXPECT_EQ(0x10, word);
	EXPECT_EQ(0x7efffffff0, get(&reader, 5));
	get_text(&reader, 7, name);
	EXPECT_STREQ("devices", name);
	EXPECT_EQ(0, get(&reader, 1));
	EXPECT_EQ(0x0600000002, get(&reader, 5));
	get_text(&reader, 2, name);
	EXPECT_STREQ("{}", name);
	EXPECT_EQ(reader.end, reader.at);
	free(stream);

	/* What is none of it */
	to = open_memstream(&stream, &len);
	EXPECT_EQ(-EPROTO, qemu_stream_write(to, "x", &ram, fileno(memory),
					     devices, 7));
	EXPECT_EQ(-EPROTO, qemu_stream_write(to, "x", &ram, fileno(memory),
					     devices, 12));
	devices[7] = 4;
	EXPECT_EQ(-EPROTO, qemu_stream_write(to, "x", &ram, fileno(memory),
					     devices, sizeof(devices)));
	devices[7] = 3;
	/* Memory that ends too early */
	ASSERT_EQ(0, ftruncate(fileno(memory), 2 << 20));
	EXPECT_EQ(-EIO, qemu_stream_write(to, "x", &ram, fileno(memory),
					  devices, sizeof(devices)));
	fclose(to);
	free(stream);
	fclose(memory);
}

TEST(ports_that_were_found)
{
	static const char text[] =
		"Hub -1 (#net027):\r\n"
		"  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
		"  TCP[HOST_FORWARD]  12               * 45341       10.0.2.15    22     0     0\r\n"
		"  TCP[ESTABLISHED]   13       10.0.2.15 45342       10.0.2.2    80     0     0\r\n"
		"  UDP[HOST_FORWARD]  14       127.0.0.1 45343       10.0.2.15    53     0     0\r\n";
	struct qemu_child child = { 0 };

	ASSERT_TRUE(qemu_forwards(text, &child));
	ASSERT_EQ(2, child.nr_forwards);
	EXPECT_EQ(45341, child.forwards[0].port);
	EXPECT_EQ(22, child.forwards[0].guest);
	EXPECT_FALSE(child.forwards[0].udp);
	EXPECT_EQ(45343, child.forwards[1].port);
	EXPECT_EQ(53, child.forwards[1].guest);
	EXPECT_TRUE(child.forwards[1].udp);
	free(child.forwards);
}

TEST(users_by_what_the_kernel_says)
{
	static const char text[] =
		"Name:\tqemu\nUmask:\t0022\nUid:\t1\t64055\t3\t4\n"
		"Gid:\t5\t108\t7\t8\nFDSize:\t64\nGroups:\t44 108 993 \nNStgid:\t1\n";
	struct qemu_user user;

	ASSERT_TRUE(qemu_user_parse(text, &user));
	EXPECT_EQ(64055, user.uid);
	EXPECT_EQ(108, user.gid);
	ASSERT_EQ(3, user.nr);
	EXPECT_EQ(44, user.groups[0]);
	EXPECT_EQ(993, user.groups[2]);
	ASSERT_TRUE(qemu_user_parse("x\nUid:\t0\t0\nGid:\t0\t0\nGroups:\t\nY:\t3\n",
				    &user));
	EXPECT_EQ(0, user.nr);
	EXPECT_FALSE(qemu_user_parse("", &user));
	EXPECT_FALSE(qemu_user_parse("x\nUid:\t0\t0\nGroups:\t1\n", &user));
}

/* What has the name meanwhile is nobody's to give away. */
TEST_F(directory, files_are_given_by_descriptor)
{
	const struct qemu_user other = { .uid = 64055, .gid = 108 };
	const struct qemu_user same = { .uid = geteuid(), .gid = 108 };
	int fd = open("state", O_WRONLY | O_CREAT | O_EXCL, 0600);
	struct stat given, kept;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, qemu_user_own(&same, fd));
	ASSERT_EQ(0, fstat(fd, &given));
	EXPECT_EQ(getegid(), given.st_gid);
	if (geteuid()) {
		EXPECT_EQ(EPERM, qemu_user_own(&other, fd));
	} else {
		ASSERT_EQ(0, unlink("state"));
		ASSERT_EQ(0, symlink("root.qcow2", "state"));
		EXPECT_EQ(0, qemu_user_own(&other, fd));
		ASSERT_EQ(0, fstat(fd, &given));
		ASSERT_EQ(0, stat("root.qcow2", &kept));
		EXPECT_EQ(64055, given.st_uid);
		EXPECT_EQ(108, given.st_gid);
		EXPECT_EQ(0, kept.st_uid);
	}
	close(fd);
}

TEST_HARNESS_MAIN
