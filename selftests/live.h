/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ioctls on memory that is a mapping of a snapshot already, or is to
 * become one while it is in use: pre-arm, reset, diff, prefault.  As those in
 * lib.h they return what the kernel answers, or -errno.
 */
#ifndef SELFTESTS_LIVE_H
#define SELFTESTS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vmfork.h>

/* As capture_range(); @slice_ns 0 is the kernel's own default. */
int prearm_range(int pidfd, const void *addr, size_t len, uint64_t offset,
		 uint64_t slice_ns, struct vmfork_capture *out);

/* @fd: the snapshot that the memory is to be like */
int reset_full(int fd, struct vmfork_reset *reset);
int reset_ranges(int fd, int pidfd, const struct vmfork_range *ranges,
		 unsigned int nr, struct vmfork_reset *out);
int reset_range(int fd, int pidfd, const void *addr, size_t len,
		struct vmfork_reset *out);

/* @file: the device, or a snapshot */
int prefault_full(int file, struct vmfork_prefault *prefault);
int prefault_ranges(int pidfd, const struct vmfork_range *ranges,
		    unsigned int nr, uint32_t flags,
		    struct vmfork_prefault *out);
int prefault_range(int pidfd, const void *addr, size_t len, uint32_t flags,
		   struct vmfork_prefault *out);

int diff_full(int fd, struct vmfork_diff *diff);
/*
 * All of a diff, @at_a_time ranges each: marks the pages that differ in
 * @differs, which has room for @pages.  Returns how many these are; -EILSEQ,
 * with a note, if ranges touch, go backward, lie outside of the snapshots or
 * are not what the counts say.
 */
long diff_pages(int fd, int other, uint32_t flags, unsigned int at_a_time,
		bool *differs, size_t pages);

/* For tests of nothing but what is said of a range. */
static inline struct vmfork_range range_of(const void *addr, size_t len)
{
	return (struct vmfork_range){ .start = (uintptr_t)addr, .len = len };
}

#endif
