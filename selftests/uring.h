/* SPDX-License-Identifier: GPL-2.0 */
/* Just enough io_uring to pin memory and to have the kernel write to it. */
#ifndef SELFTESTS_URING_H
#define SELFTESTS_URING_H

#include <stddef.h>

struct uring {
	int fd;
	char *rings;		/* both, IORING_FEAT_SINGLE_MMAP */
	size_t rings_len;
	void *sqes;
	size_t sqes_len;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	void *cqes;
};

/* 0 or -errno; -ENOSYS and -EPERM where io_uring is turned off. */
int uring_open(struct uring *ring);
void uring_close(struct uring *ring);
/* Pins the memory, for as long as it stays registered. */
int uring_pin(struct uring *ring, void *addr, size_t len);
int uring_unpin(struct uring *ring);
/* Reads from @fd into pinned memory; bytes or -errno. */
int uring_read_pinned(struct uring *ring, int fd, void *addr, size_t len);

#endif
