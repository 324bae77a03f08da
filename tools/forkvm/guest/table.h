/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workload of a guest: a table that it keeps verifying and changing.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdint.h>

#define STATUS_MAGIC	0x6b726f66766d6b76ULL

/**
 * struct status - how far the workload is; the host may watch it
 * @magic: STATUS_MAGIC
 * @counter: pages verified and rewritten, by all threads
 * @hash: of all that they read, in any order
 * @errors: pages that did not read what was written to them
 */
struct status {
	uint64_t magic, counter, hash, errors;
};

extern struct status *status;

struct pace {
	unsigned int batch;	/* pages a thread does in a row */
	unsigned int sleep_us;	/* before the next batch */
};

int table_start(unsigned int threads, uint64_t bytes, const struct pace *how);
void table_diverge(uint64_t value);
uint64_t table_verify(void);
uint64_t table_pages(void);

#endif /* TABLE_H */
