// SPDX-License-Identifier: GPL-2.0
/* Just enough io_uring to pin memory and to have the kernel write to it. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "lib.h"
#include "uring.h"

int uring_open(struct uring *ring)
{
	struct io_uring_params p = {};

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, 4, &p);
	if (ring->fd < 0)
		return -errno;
	ring->rings_len = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	if (ring->rings_len < p.cq_off.cqes + p.cq_entries *
			      sizeof(struct io_uring_cqe))
		ring->rings_len = p.cq_off.cqes + p.cq_entries *
				  sizeof(struct io_uring_cqe);
	ring->sqes_len = p.sq_entries * sizeof(struct io_uring_sqe);
	ring->rings = mmap(NULL, ring->rings_len, PROT_READ | PROT_WRITE,
			   MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ring->sqes_len, PROT_READ | PROT_WRITE,
			  MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->rings == MAP_FAILED || ring->sqes == MAP_FAILED) {
		close(ring->fd);
		return -ENOMEM;
	}
	ring->sq_tail = (void *)(ring->rings + p.sq_off.tail);
	ring->sq_mask = (void *)(ring->rings + p.sq_off.ring_mask);
	ring->sq_array = (void *)(ring->rings + p.sq_off.array);
	ring->cq_head = (void *)(ring->rings + p.cq_off.head);
	ring->cq_tail = (void *)(ring->rings + p.cq_off.tail);
	ring->cq_mask = (void *)(ring->rings + p.cq_off.ring_mask);
	ring->cqes = ring->rings + p.cq_off.cqes;
	return 0;
}

void uring_close(struct uring *ring)
{
	munmap(ring->rings, ring->rings_len);
	munmap(ring->sqes, ring->sqes_len);
	close(ring->fd);
}

int uring_pin(struct uring *ring, void *addr, size_t len)
{
	struct iovec iov = { .iov_base = addr, .iov_len = len };

	return syscall(SYS_io_uring_register, ring->fd,
		       IORING_REGISTER_BUFFERS, &iov, 1) ? -errno : 0;
}

int uring_unpin(struct uring *ring)
{
	int try, ret;

	/* The pages are let go a moment after the call. */
	ret = syscall(SYS_io_uring_register, ring->fd,
		      IORING_UNREGISTER_BUFFERS, NULL, 0) ? -errno : 0;
	for (try = 0; try < 5; try++)
		usleep(20000);
	return ret;
}

int uring_read_pinned(struct uring *ring, int fd, void *addr, size_t len)
{
	unsigned int tail = *ring->sq_tail, head = *ring->cq_head;
	struct io_uring_sqe *sqe = ring->sqes;
	struct io_uring_cqe *cqe;

	sqe += tail & *ring->sq_mask;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)addr;
	sqe->len = len;
	sqe->off = -1ULL;
	ring->sq_array[tail & *ring->sq_mask] = tail & *ring->sq_mask;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1,
		    IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head)
		return -EIO;
	cqe = (struct io_uring_cqe *)ring->cqes + (head & *ring->cq_mask);
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}
