// SPDX-License-Identifier: GPL-2.0
/*
 * An empty image on top of another: qcow2.
 *
 * Written here because qemu-img may not be installed where QEMU is, and to
 * start it takes longer than all the rest.  Clusters, in their order:
 *
 *	header, extensions, name of the base
 *	table of reference counts: one entry
 *	reference counts: 1 for each cluster of these
 *	L1 table: all zero, nothing is allocated
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "imagefile.h"
#include "out.h"
#include "qcow2.h"

#define CLUSTER_BITS	16
#define CLUSTER		(1ULL << CLUSTER_BITS)
/* What one entry of the L1 table stands for: a cluster of L2 entries. */
#define L1_REACH	(CLUSTER / 8 * CLUSTER)
/* QEMU takes no larger L1 table. */
#define MAX_L1_BITS	22
#define MAX_NAME	1023
#define BACKING_FORMAT	0xe2792acaU

struct header {
	uint32_t magic;
	uint32_t version;
	uint64_t backing_offset;
	uint32_t backing_len;
	uint32_t cluster_bits;
	uint64_t size;
	uint32_t encryption;
	uint32_t l1_size;
	uint64_t l1_offset;
	uint64_t counts_offset;
	uint32_t counts_clusters;
	uint32_t nr_snapshots;
	uint64_t snapshots_offset;
	uint64_t incompatible;
	uint64_t compatible;
	uint64_t autoclear;
	uint32_t count_order;
	uint32_t header_len;
} __attribute__((packed));

struct extension {
	uint32_t type;
	uint32_t len;
	char data[8];
} __attribute__((packed));

/* All that is not zero, in front of the L1 table */
struct image {
	union {
		struct {
			struct header header;
			struct extension format;
			uint64_t no_more;
			char base[MAX_NAME];
		} __attribute__((packed));
		char first[CLUSTER];
	};
	uint64_t table[CLUSTER / 8];
	uint16_t counts[CLUSTER / 2];
};

static uint64_t describe(struct image *image, const char *base,
			 const char *format, uint64_t size)
{
	const uint64_t l1_size = (size + L1_REACH - 1) / L1_REACH;
	const uint64_t l1_clusters = (8 * l1_size + CLUSTER - 1) / CLUSTER;
	const uint64_t clusters = 3 + (l1_clusters ? l1_clusters : 1);
	uint64_t i;

	image->header = (struct header){
		.magic = htobe32(0x514649fb),
		.version = htobe32(3),
		.backing_offset = htobe64(offsetof(struct image, base)),
		.backing_len = htobe32(strlen(base)),
		.cluster_bits = htobe32(CLUSTER_BITS),
		.size = htobe64(size),
		.l1_size = htobe32(l1_size),
		.l1_offset = htobe64(3 * CLUSTER),
		.counts_offset = htobe64(CLUSTER),
		.counts_clusters = htobe32(1),
		.count_order = htobe32(4),
		.header_len = htobe32(sizeof(struct header)),
	};
	image->format.type = htobe32(BACKING_FORMAT);
	image->format.len = htobe32(strlen(format));
	memcpy(image->format.data, format, strlen(format));
	memcpy(image->base, base, strlen(base));
	image->table[0] = htobe64(2 * CLUSTER);
	for (i = 0; i < clusters; i++)
		image->counts[i] = htobe16(1);
	return clusters * CLUSTER;
}

static int write_image(int fd, const char *base, const char *format,
		       uint64_t size)
{
	struct image *image = calloc(1, sizeof(*image));
	const char *from = (const char *)image;
	size_t done = 0;
	int error = image ? 0 : ENOMEM;

	if (!error && ftruncate(fd, describe(image, base, format, size)))
		error = errno;
	while (!error && done < sizeof(*image)) {
		ssize_t n = pwrite(fd, from + done, sizeof(*image) - done,
				   done);

		if (n < 0 && errno != EINTR)
			error = errno;
		else if (n > 0)
			done += n;
	}
	free(image);
	return error;
}

int qcow2_overlay(const char *path, const char *base, const char *format,
		  uint64_t size)
{
	int fd, error, status;

	if (strlen(base) > MAX_NAME)
		return failure(FAILED, ENAMETOOLONG,
			       "The path of %s is too long for an overlay: it may have %d characters.",
			       base, MAX_NAME);
	if (strlen(format) > sizeof(((struct extension *)0)->data) ||
	    size > L1_REACH << MAX_L1_BITS)
		return failure(FAILED, EFBIG,
			       "%s is of a format or size of which no overlay can be made.",
			       base);
	status = image_create(path, base, &fd);
	if (status)
		return status;
	error = write_image(fd, base, format, size);
	close(fd);
	return error ? image_failed(path, error) : DONE;
}
