// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: plain anonymous memory, or a private mapping of a file, or of a
 * snapshot.
 *
 * RAM lies at guest-physical 0 up to 3 GiB, and what is over that from 4 GiB
 * on.  Offsets in a snapshot are guest-physical addresses.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "forkvm.h"

#define LOW_MAX		(3 * GiB)
#define HIGH_GPA	(4 * GiB)

static void ram_layout(struct ram *ram, uint64_t size)
{
	memset(ram, 0, sizeof(*ram));
	ram->nr = 1;
	ram->region[0].size = size < LOW_MAX ? size : LOW_MAX;
	if (size <= LOW_MAX)
		return;
	ram->nr = 2;
	ram->region[1].gpa = HIGH_GPA;
	ram->region[1].size = size - LOW_MAX;
}

/* Huge pages want address and guest-physical address alike modulo 2 MiB */
static void *map_aligned(uint64_t size)
{
	uint8_t *p, *start;
	size_t head;

	p = mmap(NULL, size + HUGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	start = (uint8_t *)(((uintptr_t)p + HUGE_SIZE - 1) & -HUGE_SIZE);
	head = start - p;
	if (head)
		munmap(p, head);
	if (HUGE_SIZE - head)
		munmap(start + size, HUGE_SIZE - head);
	return start;
}

static int advise_thp(struct ram_region *r, bool thp)
{
	if (madvise(r->hva, r->size, thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) &&
	    thp)
		return fail_errno("no huge pages for guest memory; start "
				  "without --thp on this kernel");
	return 0;
}

/* What is past its end would be SIGBUS. */
static bool holds_ram(int fd, const struct ram *ram)
{
	const struct ram_region *last = &ram->region[ram->nr - 1];
	struct stat st;

	return !fstat(fd, &st) && st.st_size >= 0 &&
	       (uint64_t)st.st_size >= last->gpa + last->size;
}

static int map_file(struct ram_region *r, int file)
{
	if (mmap(r->hva, r->size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file,
		 r->gpa) == MAP_FAILED)
		return fail_errno("can not map the memory file");
	return 0;
}

/**
 * ram_create() - memory for a guest that boots
 * @file: that it maps privately; -1: fresh memory
 */
int ram_create(struct ram *ram, uint64_t size, bool thp, int file)
{
	unsigned int i;

	ram_layout(ram, size);
	if (file >= 0 && !holds_ram(file, ram))
		return fail("the memory file is smaller than the guest's "
			    "memory; see --mem");
	for (i = 0; i < ram->nr; i++) {
		struct ram_region *r = &ram->region[i];

		r->hva = map_aligned(r->size);
		if (!r->hva)
			return fail_errno("no memory for the guest; use a "
					  "smaller --mem");
		if (file >= 0 && map_file(r, file))
			return -1;
		if (advise_thp(r, thp))
			return -1;
	}
	return 0;
}

/** ram_from_snapshot() - memory of a child, shared until it writes */
int ram_from_snapshot(struct ram *ram, uint64_t size, bool thp, int snapshot)
{
	unsigned int i;

	ram_layout(ram, size);
	if (!holds_ram(snapshot, ram))
		return fail("the snapshot is smaller than the guest's memory");
	for (i = 0; i < ram->nr; i++) {
		struct ram_region *r = &ram->region[i];
		uint8_t *hva = map_aligned(r->size);
		void *mapped;
		int err;

		if (!hva)
			return fail_errno("no address space for the guest");
		err = vmfork_map(snapshot, hva, r->size, r->gpa, &mapped);
		if (err)
			return fail("can not map the snapshot: %s",
				    strerror(-err));
		r->hva = mapped;
		if (advise_thp(r, thp))
			return -1;
	}
	return 0;
}

/** ram_at() - where guest-physical memory is mapped, NULL if it is not RAM */
void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < ram->nr; i++) {
		const struct ram_region *r = &ram->region[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size &&
		    len <= r->size - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}

uint64_t ram_size(const struct ram *ram)
{
	uint64_t size = 0;
	unsigned int i;

	for (i = 0; i < ram->nr; i++)
		size += ram->region[i].size;
	return size;
}

/** ram_hash() - a hash of every byte; the guest must not run */
uint64_t ram_hash(const struct ram *ram)
{
	uint64_t lane[4] = { 1, 2, 3, 4 };
	unsigned int i, l;
	uint64_t at;

	for (i = 0; i < ram->nr; i++) {
		const struct ram_region *r = &ram->region[i];

		for (at = 0; at < r->size; at += sizeof(lane)) {
			const uint64_t *word = (void *)(r->hva + at);

			for (l = 0; l < 4; l++) {
				lane[l] = (lane[l] ^ word[l]) *
					  0x9e3779b97f4a7c15ULL;
				lane[l] ^= lane[l] >> 29;
			}
		}
	}
	return lane[0] ^ (lane[1] * 3) ^ (lane[2] * 5) ^ (lane[3] * 7);
}
