// SPDX-License-Identifier: GPL-2.0
/*
 * What a child of a QEMU reads at its start.
 *
 * The form is that of QEMU's migration (its migration/savevm.c and ram.c), in
 * which all numbers are big-endian:
 *
 *	header		magic, version
 *	configuration	name of the machine: another one is refused
 *	"ram"		names and lengths of blocks; then their pages
 *	devices		as QEMU has written them, less a header of their own
 *	description	of devices: empty, but one is expected
 *
 * Blocks that are not named stay as the child has made them: its RAM, which is
 * the snapshot already.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "qemuram.h"
#include "qemustream.h"

#define PAGE			4096
#define LARGE			(4ULL << 20)

#define MAGIC			0x5145564dU
#define VERSION			3U

/* Sections */
#define END_OF_STREAM		0x00
#define SECTION_START		0x01
#define SECTION_END		0x03
#define CONFIGURATION		0x07
#define DESCRIPTION		0x06
#define FOOTER			0x7e

/* In offsets of pages */
#define RAM_ZERO		0x02ULL
#define RAM_LENGTHS		0x04ULL
#define RAM_PAGE		0x08ULL
#define RAM_END			0x10ULL
#define RAM_SAME_BLOCK		0x20ULL
#define RAM_VERSION		4U

/* Devices are numbered from 0. */
#define RAM_SECTION		0xfffffff0U

static void put_byte(FILE *to, unsigned char byte)
{
	fputc(byte, to);
}

static void put32(FILE *to, uint32_t number)
{
	number = htonl(number);
	fwrite(&number, sizeof(number), 1, to);
}

static void put64(FILE *to, uint64_t number)
{
	number = htobe64(number);
	fwrite(&number, sizeof(number), 1, to);
}

static void put_name(FILE *to, const char *name)
{
	put_byte(to, strlen(name));
	fputs(name, to);
}

static void put_footer(FILE *to)
{
	put64(to, RAM_END);
	put_byte(to, FOOTER);
	put32(to, RAM_SECTION);
}

static void put_lengths(FILE *to, const struct qemu_ram *ram)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 1; i < ram->nr; i++)
		sum += ram->blocks[i].len;
	put_byte(to, SECTION_START);
	put32(to, RAM_SECTION);
	put_name(to, "ram");
	put32(to, 0);
	put32(to, RAM_VERSION);
	put64(to, sum | RAM_LENGTHS);
	for (i = 1; i < ram->nr; i++) {
		put_name(to, ram->blocks[i].name);
		put64(to, ram->blocks[i].len);
	}
	put_footer(to);
}

static bool is_zero(const char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/*
 * Video memory that is zero is so in a QEMU that has just begun, too, and is not
 * to be touched there.  Firmware and its like is smaller, and may not be.
 */
static int put_pages(FILE *to, const struct qemu_block *block, int snapshot)
{
	char page[PAGE];
	bool named = false, zero;
	uint64_t at;

	for (at = 0; at < block->len; at += PAGE) {
		ssize_t n = pread(snapshot, page, PAGE, block->offset + at);

		if (n != PAGE)
			return n < 0 ? -errno : -EIO;
		zero = is_zero(page);
		if (zero && block->len > LARGE)
			continue;
		put64(to, at | (zero ? RAM_ZERO : RAM_PAGE) |
		      (named ? RAM_SAME_BLOCK : 0));
		if (!named)
			put_name(to, block->name);
		named = true;
		fwrite(page, zero ? 1 : PAGE, 1, to);
	}
	return 0;
}

static int put_ram(FILE *to, const struct qemu_ram *ram, int snapshot)
{
	size_t i;
	int err = 0;

	put_lengths(to, ram);
	put_byte(to, SECTION_END);
	put32(to, RAM_SECTION);
	for (i = 1; !err && i < ram->nr; i++)
		err = put_pages(to, &ram->blocks[i], snapshot);
	put_footer(to);
	return err;
}

int qemu_stream_write(FILE *to, const char *machine,
		      const struct qemu_ram *ram, int snapshot,
		      const char *devices, size_t len)
{
	static const char nothing[] = "{}";
	uint32_t header[2];
	int err = 0;

	if (len < sizeof(header) + 1 || devices[len - 1] != END_OF_STREAM)
		return -EPROTO;
	memcpy(header, devices, sizeof(header));
	if (ntohl(header[0]) != MAGIC || ntohl(header[1]) != VERSION)
		return -EPROTO;

	put32(to, MAGIC);
	put32(to, VERSION);
	put_byte(to, CONFIGURATION);
	put32(to, strlen(machine));
	fputs(machine, to);
	if (ram->nr > 1)
		err = put_ram(to, ram, snapshot);
	if (err)
		return err;
	fwrite(devices + sizeof(header), len - sizeof(header), 1, to);
	put_byte(to, DESCRIPTION);
	put32(to, strlen(nothing));
	fputs(nothing, to);
	return ferror(to) ? -EIO : 0;
}
