/* SPDX-License-Identifier: GPL-2.0 */
/*
 * userfaultfd(2), and a thread that serves its faults.
 */
#ifndef BENCH_UFFD_H
#define BENCH_UFFD_H

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct uffd {
	int fd;
	int stop;		/* eventfd */
	bool served;		/* there is a thread */
	pthread_t thread;
	/* Makes the page usable again, whose fault it was. */
	void (*fault)(struct uffd *uffd, uint64_t address);
};

/* One with these features, or -errno */
int uffd_open(uint64_t features);
void uffd_register(int fd, const void *start, uint64_t len, uint64_t mode);
void uffd_unregister(int fd, const void *start, uint64_t len);
void uffd_serve(struct uffd *uffd);
void uffd_end(struct uffd *uffd);

#endif
