/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output: one record for each command, as text to read or as a JSON object.
 *
 * A command says once what it found; names are the same in text and in JSON.
 * JSON has plain numbers (bytes, nanoseconds, pages), text has them readable.
 */
#ifndef VMFORK_OUT_H
#define VMFORK_OUT_H

#include <stdbool.h>
#include <stdint.h>

struct vmfork_capture;
struct vmfork_region;

/** out_use_json() - from here on, all output is JSON */
void out_use_json(void);

/** out_is_json() - whether out_use_json() was called */
bool out_is_json(void);

/** out_open() - begin a group of values, or an element of a list (NULL) */
void out_open(const char *name);

/** out_open_list() - begin a list of groups */
void out_open_list(const char *name);

/** out_close() - end what was opened last */
void out_close(void);

void out_string(const char *name, const char *value);
void out_bool(const char *name, bool value);
void out_number(const char *name, uint64_t value);
void out_bytes(const char *name, uint64_t value);
void out_nanoseconds(const char *name, uint64_t value);

/** out_address() - hexadecimal, in JSON a string: doubles would round it */
void out_address(const char *name, uint64_t value);

/**
 * out_finish() - write the record to standard output
 *
 * Return: DONE, or FAILED if it could not be written.
 */
int out_finish(void);

/**
 * failure() - say in one sentence what went wrong and what to do
 * @status: enum status to exit with
 * @error: errno, or 0 if there is none to speak of
 * @format: the sentence
 *
 * Text goes to standard error, JSON to standard output in place of the
 * record.
 *
 * Return: @status.
 */
int failure(int status, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** failure_refused() - failure() of a capture for its result's refusal */
int failure_refused(int error, const struct vmfork_capture *result,
		    const struct vmfork_region *regions);

#endif /* VMFORK_OUT_H */
