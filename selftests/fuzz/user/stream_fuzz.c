// SPDX-License-Identifier: GPL-2.0
/*
 * What vmfork qemu writes for a child: the stream of its state, and the images
 * of its disks, from whatever the parent says of itself.
 *
 * They are read again as QEMU reads them.
 */
#include <endian.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "fakeout.h"
#include "qcow2.h"
#include "qemuram.h"
#include "qemustream.h"

#define PAGE		4096
#define MAX_BLOCKS	4
#define NAME_LEN	255
#define SNAPSHOT_LEN	(6 << 20)

static uint64_t get(struct input *in, unsigned int bytes)
{
	uint64_t value = 0;

	must(in->size >= bytes);
	while (bytes--)
		value = value << 8 | take_byte(in);
	return value;
}

static void get_text(struct input *in, size_t len, char *text)
{
	must(in->size >= len);
	take(in, text, len);
	text[len] = '\0';
}

static void get_footer(struct input *in)
{
	must(get(in, 1) == 0x7e && get(in, 4) == 0xfffffff0);
}

static const struct qemu_block *get_block(struct input *in,
					  const struct qemu_ram *ram)
{
	char name[256];
	size_t i;

	get_text(in, get(in, 1), name);
	for (i = 1; i < ram->nr; i++)
		if (!strcmp(ram->blocks[i].name, name))
			return &ram->blocks[i];
	abort();
}

/* Pages, as ram_load() takes them */
static void get_pages(struct input *in, const struct qemu_ram *ram,
		      const char *snapshot)
{
	const struct qemu_block *block = NULL;
	uint64_t word, at;
	char page[PAGE];

	must(get(in, 1) == 3 && get(in, 4) == 0xfffffff0);
	while (!((word = get(in, 8)) & 0x10)) {
		if (!(word & 0x20))
			block = get_block(in, ram);
		at = word & -(uint64_t)PAGE;
		must(block && at < block->len);
		memset(page, 0, PAGE);
		if (word & 8)
			take(in, page, PAGE);
		else
			must(word & 2 && !get(in, 1));
		must(!memcmp(page, snapshot + block->offset + at, PAGE));
	}
	must(word == 0x10);
	get_footer(in);
}

static void get_lengths(struct input *in, const struct qemu_ram *ram)
{
	uint64_t sum;
	char name[256];
	size_t i;

	must(get(in, 1) == 1 && get(in, 4) == 0xfffffff0);
	get_text(in, get(in, 1), name);
	must(!strcmp(name, "ram") && get(in, 8) == 4);
	sum = get(in, 8);
	must(sum & 4);
	sum &= -(uint64_t)PAGE;
	for (i = 1; i < ram->nr; i++) {
		get_text(in, get(in, 1), name);
		must(!strcmp(name, ram->blocks[i].name));
		must(get(in, 8) == ram->blocks[i].len);
		sum -= ram->blocks[i].len;
	}
	must(!sum && get(in, 8) == 0x10);
	get_footer(in);
}

static void read_again(struct input stream, const struct qemu_ram *ram,
		       const char *snapshot, const char *machine,
		       const struct input *devices)
{
	char name[256];

	must(get(&stream, 8) == 0x5145564d00000003);
	must(get(&stream, 1) == 7);
	must(get(&stream, 4) == strlen(machine));
	get_text(&stream, strlen(machine), name);
	must(!strcmp(name, machine));
	if (ram->nr > 1) {
		get_lengths(&stream, ram);
		get_pages(&stream, ram, snapshot);
	}
	must(stream.size == devices->size - 8 + 7);
	must(!memcmp(stream.data, devices->data + 8, devices->size - 8));
	must(!memcmp(stream.data + devices->size - 8, "\6\0\0\0\2{}", 7));
}

/* A memory of which some pages are not zero */
static char *make_snapshot(struct input *in, int *fd)
{
	unsigned int nr = take_byte(in) % 8;
	char *memory;

	*fd = memfd_create("snapshot", 0);
	must(!ftruncate(*fd, SNAPSHOT_LEN));
	memory = mmap(NULL, SNAPSHOT_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
		      *fd, 0);
	must(memory != MAP_FAILED);
	while (nr--) {
		uint16_t page;
		uint16_t at;

		take(in, &page, sizeof(page));
		take(in, &at, sizeof(at));
		memory[page % (SNAPSHOT_LEN / PAGE) * PAGE + at % PAGE] = 1;
	}
	return memory;
}

static void make_blocks(struct input *in, struct qemu_ram *ram,
			struct qemu_block *blocks, char names[][NAME_LEN + 1])
{
	size_t i;

	ram->nr = 1 + take_byte(in) % MAX_BLOCKS;
	for (i = 0; i < ram->nr; i++) {
		size_t len = take_byte(in);
		uint16_t pages, offset;

		take(in, names[i], len);
		/* Names differ: QEMU sees to that. */
		names[i][0] = 'a' + i;
		names[i][len ? len : 1] = '\0';
		take(in, &pages, sizeof(pages));
		take(in, &offset, sizeof(offset));
		blocks[i] = (struct qemu_block){
			.name = names[i],
			.offset = offset % 64 * PAGE,
			.len = (1 + pages % 1200) * PAGE,
		};
	}
	ram->blocks = blocks;
}

static void try_stream(struct input *in)
{
	static char names[MAX_BLOCKS][NAME_LEN + 1];
	struct qemu_block blocks[MAX_BLOCKS];
	struct qemu_ram ram = { 0 };
	char machine[256], *text = NULL, *snapshot;
	struct input stream;
	FILE *to;
	int fd;

	snapshot = make_snapshot(in, &fd);
	make_blocks(in, &ram, blocks, names);
	take(in, machine, 32);
	machine[31] = '\0';
	to = open_memstream(&text, &stream.size);
	must(to);
	if (!qemu_stream_write(to, machine, &ram, fd, (const char *)in->data,
			       in->size)) {
		must(!fclose(to));
		stream.data = (const uint8_t *)text;
		read_again(stream, &ram, snapshot, machine, in);
	} else {
		must(in->size < 9 || memcmp(in->data, "QEVM\0\0\0\3", 8) ||
		     in->data[in->size - 1]);
		fclose(to);
	}
	free(text);
	munmap(snapshot, SNAPSHOT_LEN);
	close(fd);
}

/* As qcow2.txt has it; what is not written is zero. */
static void read_image(const char *path, const char *base, const char *format,
		       uint64_t size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	const char *image;
	uint32_t word[26];
	uint64_t l1 = (size + (1ULL << 29) - 1) >> 29, at;
	const uint16_t *counts;

	must(fd >= 0 && !fstat(fd, &st) && st.st_size % 65536 == 0);
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	must(image != MAP_FAILED);
	memcpy(word, image, sizeof(word));
	must(be32toh(word[0]) == 0x514649fb && be32toh(word[1]) == 3);
	must(be32toh(word[4]) == strlen(base));
	must(be32toh(word[3]) + strlen(base) < 65536);
	must(!memcmp(image + be32toh(word[3]), base, strlen(base)));
	must(be32toh(word[6]) == size >> 32 && be32toh(word[7]) == (uint32_t)size);
	must(be32toh(word[9]) == l1);
	must(be32toh(word[11]) + 8 * l1 <= (uint64_t)st.st_size);
	/* The extension that names the format, then the one that ends */
	memcpy(&at, image + be32toh(word[25]), sizeof(at));
	at = be64toh(at);
	must(at >> 32 == 0xe2792aca && (uint32_t)at == strlen(format));
	must(!memcmp(image + be32toh(word[25]) + 8, format, strlen(format)));
	memcpy(&at, image + be32toh(word[25]) + 8 + (strlen(format) + 7) / 8 * 8,
	       sizeof(at));
	must(!at);
	memcpy(&at, image + be32toh(word[13]), sizeof(at));
	counts = (const uint16_t *)(image + be64toh(at));
	for (at = 0; at < (uint64_t)st.st_size / 65536; at++)
		must(be16toh(counts[at]) == 1);
	munmap((void *)image, st.st_size);
	close(fd);
}

static void try_image(struct input *in)
{
	static char path[64], base[1200];
	char format[10];
	uint64_t size;
	uint16_t len;

	snprintf(path, sizeof(path), "/dev/shm/stream_fuzz.%d", getpid());
	take(in, &size, sizeof(size));
	take(in, &len, sizeof(len));
	take(in, format, sizeof(format) - 1);
	format[sizeof(format) - 1] = '\0';
	/* A file that is there, by a name of any length */
	memset(base, '/', sizeof(base));
	strcpy(base + len % 1100, "/dev/null");
	if (!qcow2_overlay(path, base, format, size)) {
		read_image(path, base, format, size);
		must(!unlink(path));
	} else {
		must(strlen(base) > 1023 || strlen(format) > 8 ||
		     size > 1ULL << 51);
	}
	must(access(path, F_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (take_byte(&in) == 'i')
		try_image(&in);
	else
		try_stream(&in);
	return 0;
}
