/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers as people read them, in few columns.
 */
#ifndef VMFORK_UNITS_H
#define VMFORK_UNITS_H

#include <stddef.h>
#include <stdint.h>

/** UNITS_SIZE - room that is enough for each of these */
#define UNITS_SIZE	32

/** units_bytes() - such as "512K", "1.5G": at most 5 columns below 1 PiB */
const char *units_bytes(uint64_t bytes, char *text);

/** units_age() - such as "5s", "3m", "2h", "40d" */
const char *units_age(uint64_t ns, char *text);

/** units_rate() - a number each second, such as "0", "12", "1.5k", "3.2M" */
const char *units_rate(double rate, char *text);

/**
 * units_plain() - text of somebody else's for a terminal, or a picture
 *
 * Control characters become '?'; what does not fit into @size is cut off.
 */
const char *units_plain(const char *from, char *text, size_t size);

#endif /* VMFORK_UNITS_H */
