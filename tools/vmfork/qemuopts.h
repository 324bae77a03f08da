/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The value of one option of QEMU's: "virtio-net-pci,mac=...,netdev=n0", or
 * the same as a JSON object.
 */
#ifndef VMFORK_QEMUOPTS_H
#define VMFORK_QEMUOPTS_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/**
 * struct opt - one property
 * @key: its name
 * @value: its value, or NULL if none was written: "on", but for "nowait"
 * @bare: it was written without its name, as the first may be
 */
struct opt {
	char *key;
	char *value;
	bool bare;
};

/**
 * struct opts - all of them
 * @items: as they were written
 * @nr: length of @items
 * @json: the object, if it was written as one; then there are no @items
 */
struct opts {
	struct opt *items;
	size_t nr;
	struct json_object *json;
};

/**
 * opts_parse() - take a value apart
 * @opts: out; opts_free() it, whatever is returned
 * @text: the value; one that begins with { is JSON
 * @first: what a first one without a name is, or NULL
 *
 * Return: false if there is no memory, or it is no JSON.
 */
bool opts_parse(struct opts *opts, const char *text, const char *first);

void opts_free(struct opts *opts);

/**
 * opts_get() - the value of a property, or NULL
 *
 * Of several with the same name it is the last, as it is for QEMU; "" is one
 * without a value.  It is good until the next call.
 */
const char *opts_get(const struct opts *opts, const char *key);

/** opts_is_on() - whether a switch is on: "key=on", "key" */
bool opts_is_on(const struct opts *opts, const char *key);

/** opts_set() - change a property, or add it; false if there is no memory */
bool opts_set(struct opts *opts, const char *key, const char *value);

/** opts_add() - add one, whatever has that name already */
bool opts_add(struct opts *opts, const char *key, const char *value);

/** opts_drop() - remove a property, and what is below it ("file." of "file") */
void opts_drop(struct opts *opts, const char *key);

/** opts_text() - as QEMU takes it, to be freed; NULL if there is no memory */
char *opts_text(const struct opts *opts);

#endif /* VMFORK_QEMUOPTS_H */
