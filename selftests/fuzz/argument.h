/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The arguments of ioctls: structures that are changed a little, at places
 * where the kernel may not be able to read them, about memory of somebody.
 */
#ifndef FUZZ_ARGUMENT_H
#define FUZZ_ARGUMENT_H

#include "world.h"

/* The most that the kernel may take for one of the structures */
union argument {
	struct vmfork_capture cap;
	struct vmfork_info info;
	struct vmfork_reset reset;
	struct vmfork_diff diff;
	struct vmfork_prefault prefault;
	struct vmfork_import import;
	uint32_t word[PAGE / 4];
	char bytes[PAGE];
};

/* Where a structure is put: what it is, and if the kernel can read it there */
enum place {
	PLACE_NORMAL, PLACE_STRADDLE, PLACE_READ_ONLY, PLACE_UNMAPPED,
	PLACE_ARENA, PLACE_KERNEL, PLACE_NONCANONICAL, PLACE_ODD, NR_PLACES
};

/**
 * struct whose - whose memory an ioctl is about
 * @fd: the pidfd, as the kernel sees it
 * @proc: a process of this program that it is, or NULL
 * @self: it is the caller's own memory
 */
struct whose {
	int fd;
	struct proc_slot *proc;
	bool self;
};

#define TARGETS		20
#define TARGET_OWN	12

/* Changes a structure, and the regions, as "flip" calls before have said. */
void argument_flip(union argument *arg);
/*
 * Puts @len bytes to where @place says.  Where memory of the arena is used,
 * its model knows nothing of it any more.
 */
void *argument_put(uint64_t place, uint64_t page, void *bytes, size_t len);

/* -1, a child's, or something that is no child's pidfd; *@opened to close */
int target_of(uint64_t code, int *opened);
/* @own: it is this process's own pidfd */
void look_whose(struct whose *whose, int fd, bool own);
/* The model says of all pages of whoever else it is that they may be others. */
void warn_others(const struct whose *whose, bool written);

/* The descriptor of an open device, or -1 */
int device_fd(void);
void note_refusal(uint32_t why);
/* What an ioctl fails with, and the refusal if it could be read, go together. */
void check_failure(const char *what, uint32_t why, int err);

#endif
