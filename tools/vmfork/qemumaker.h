/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A child's command line in the making: what all of its options need.
 */
#ifndef VMFORK_QEMUMAKER_H
#define VMFORK_QEMUMAKER_H

#include <stdbool.h>
#include <stddef.h>

#include "qemuchild.h"

struct opts;
struct qemu_arg;
struct qemu_cmd;

/**
 * struct maker - a command line in the making
 * @plan: how
 * @number: of the child
 * @child: what is made
 * @at: index of the option that is looked at
 * @named: there was a -name
 * @ram: there was an -object that is the RAM
 * @too_long: the path of a socket that is too long to be one, or NULL
 * @nr_chars: how many options with a character device had no name for it
 */
struct maker {
	const struct qemu_plan *plan;
	unsigned int number;
	struct qemu_cmd *child;
	size_t at;
	bool named;
	bool ram;
	char *too_long;
	unsigned int nr_chars;
};

/* Those that return a bool return false if there is no memory. */

/**
 * maker_put() - add an option
 * @value: consumed; NULL for lack of memory
 */
bool maker_put(struct maker *maker, const char *name, char *value);

bool maker_put_opts(struct maker *maker, const char *name,
		    const struct opts *opts);

/** maker_copy() - add an option as the parent has it */
bool maker_copy(struct maker *maker, const struct qemu_arg *arg);

/**
 * maker_file() - path of a file of the child's
 * @what: is what it is for, or "" if the suffix says that
 * @suffix: how it ends: ".sock"
 *
 * Return: to be freed; NULL if there is no memory.
 */
char *maker_file(const struct maker *maker, const char *what,
		 const char *suffix);

/** maker_socket() - the same of a socket, for which there is less room */
char *maker_socket(struct maker *maker, const char *what, const char *suffix);

/**
 * maker_server() - "unix:PATH,server=on,wait=off"
 * @path: consumed; NULL for lack of memory
 *
 * Return: to be freed, or NULL.
 */
char *maker_server(char *path);

/**
 * maker_set() - opts_set()
 * @value: consumed; NULL for lack of memory
 */
bool maker_set(struct opts *opts, const char *key, char *value);

/** maker_set_mac() - a new one at random */
bool maker_set_mac(struct opts *opts, const char *key);

#endif /* VMFORK_QEMUMAKER_H */
