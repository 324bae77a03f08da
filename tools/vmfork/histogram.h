/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How often something took how long.
 *
 * Times are kept to four binary digits: a percentile is right to 3 %.
 */
#ifndef VMFORK_HISTOGRAM_H
#define VMFORK_HISTOGRAM_H

#include <stdint.h>

/* From 2^4 on, each power of two has 16; beyond 2^40 ns all are one. */
#define HISTOGRAM_BUCKETS	(37 * 16)

/**
 * struct histogram - all zero is an empty one
 * @count: how many
 * @sum: of all
 * @max: the largest
 * @bucket: how many of about the same length
 */
struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/** histogram_merge() - add all that is in @from to @into */
void histogram_merge(struct histogram *into, const struct histogram *from);

/** histogram_percentile() - what @percent % of them do not exceed; 0 of none */
uint64_t histogram_percentile(const struct histogram *histogram,
			      unsigned int percent);

/**
 * histogram_report() - p50, p99, max and the sum, for the record
 *
 * Nothing if it is empty.
 */
void histogram_report(const struct histogram *histogram);

/** histogram_report_buckets() - how many for each power of two, as a list */
void histogram_report_buckets(const struct histogram *histogram);

/** histogram_print() - the same as bars, in lines of text */
void histogram_print(const struct histogram *histogram);

#endif /* VMFORK_HISTOGRAM_H */
