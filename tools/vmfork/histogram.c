// SPDX-License-Identifier: GPL-2.0
/*
 * How often something took how long.
 */
#include <stdbool.h>
#include <stdio.h>

#include "histogram.h"
#include "out.h"

#define BAR	40

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power, at;

	if (ns < 16)
		return ns;
	power = 63 - __builtin_clzll(ns);
	at = (power - 3) * 16 + (ns >> (power - 4)) % 16;
	return at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
}

/* Where a bucket begins; it ends where the next one does. */
static uint64_t start_of(unsigned int bucket)
{
	if (bucket < 16)
		return bucket;
	return (16ULL + bucket % 16) << (bucket / 16 - 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->count++;
	histogram->sum += ns;
	if (ns > histogram->max)
		histogram->max = ns;
	histogram->bucket[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	unsigned int i;

	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

uint64_t histogram_percentile(const struct histogram *histogram,
			      unsigned int percent)
{
	uint64_t wanted = (histogram->count * percent + 99) / 100;
	uint64_t seen = 0, middle;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->bucket[i];
		if (!seen || seen < wanted)
			continue;
		middle = (start_of(i) + start_of(i + 1)) / 2;
		return middle < histogram->max ? middle : histogram->max;
	}
	return 0;
}

void histogram_report(const struct histogram *histogram)
{
	if (!histogram->count)
		return;
	out_nanoseconds("p50_ns", histogram_percentile(histogram, 50));
	out_nanoseconds("p99_ns", histogram_percentile(histogram, 99));
	out_nanoseconds("max_ns", histogram->max);
	out_nanoseconds("total_ns", histogram->sum);
}

/* The next power of two, or below 16 all at once, that has any. */
static bool next_octave(const struct histogram *histogram, unsigned int *at,
			uint64_t *from, uint64_t *to, uint64_t *count)
{
	unsigned int i;

	for (; *at < HISTOGRAM_BUCKETS; *at += 16) {
		*count = 0;
		for (i = *at; i < *at + 16; i++)
			*count += histogram->bucket[i];
		if (!*count)
			continue;
		*from = start_of(*at);
		*to = start_of(*at + 16);
		*at += 16;
		return true;
	}
	return false;
}

void histogram_report_buckets(const struct histogram *histogram)
{
	uint64_t from, to, count;
	unsigned int at = 0;

	out_open_list("histogram");
	while (next_octave(histogram, &at, &from, &to, &count)) {
		out_open(NULL);
		out_number("from_ns", from);
		out_number("to_ns", to);
		out_number("count", count);
		out_close();
	}
	out_close();
}

static uint64_t largest(const struct histogram *histogram)
{
	uint64_t from, to, count, max = 1;
	unsigned int at = 0;

	while (next_octave(histogram, &at, &from, &to, &count)) {
		if (count > max)
			max = count;
	}
	return max;
}

void histogram_print(const struct histogram *histogram)
{
	static const char bar[] = "########################################";
	uint64_t from, to, count, max = largest(histogram);
	unsigned int at = 0;

	while (next_octave(histogram, &at, &from, &to, &count))
		printf("  %10.1f us - %8.1f us %8llu %.*s\n", from / 1e3,
		       to / 1e3, (unsigned long long)count,
		       (int)((count * BAR + max - 1) / max), bar);
}
