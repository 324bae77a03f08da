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

/** out_use_json() - from here on, all output is JSON */
void out_use_json(void);

/** out_is_json() - whether out_use_json() was called */
bool out_is_json(void);

/** out_open() - begin a group of values, or an element of a list (NULL) */
void out_open(const char *name);

/** out_open_list() - begin a list of groups */
void out_open_list(const char *name);

/** out_open_table() - the same, of groups with like members: in text a table */
void out_open_table(const char *name);

/** out_close() - end what was opened last */
void out_close(void);

void out_string(const char *name, const char *value);
void out_bool(const char *name, bool value);
void out_number(const char *name, uint64_t value);
void out_bytes(const char *name, uint64_t value);
void out_nanoseconds(const char *name, uint64_t value);

/**
 * out_flush() - after the last of what is printed without a record
 *
 * Return: enum status, and has told that it could not be printed.
 */
int out_flush(void);

/** out_none() - there is no such value: null, in text "-" */
void out_none(const char *name);

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

/** failure_memory() - failure() for lack of memory; return: FAILED */
int failure_memory(void);

/**
 * struct refused - which memory the kernel refused, and why
 * @refusal: enum vmfork_refusal
 * @range: which of the ranges on the command line, or of a working set, from 0
 * @start: of that range
 * @len: of that range
 * @addr: the first address that was refused
 * @pages_pinned: how many are pinned, if that is why
 */
struct refused {
	unsigned int refusal;
	unsigned int range;
	uint64_t start;
	uint64_t len;
	uint64_t addr;
	uint64_t pages_pinned;
};

/** failure_refused() - failure() for a refusal, with REFUSED as status */
int failure_refused(int error, const struct refused *refused);

#endif /* VMFORK_OUT_H */
