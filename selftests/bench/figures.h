/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The figures: one flat object of numbers, which is printed as JSON at the end,
 * and a line for people about each of them as it comes in.
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdint.h>

/* A number with so many digits after the point */
void figure(int digits, double value, const char *key, ...)
	__attribute__((format(printf, 3, 4)));
/* A count of instructions, or bytes */
void figure_count(uint64_t value, const char *key, ...)
	__attribute__((format(printf, 2, 3)));
/* One that was set before, or 0 */
double figure_get(const char *key, ...) __attribute__((format(printf, 1, 2)));
/* What a figure is not there for; goes to the people only. */
void remark(const char *text, ...) __attribute__((format(printf, 1, 2)));
void figures_print(void);

#endif
