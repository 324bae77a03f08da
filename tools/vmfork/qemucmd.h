/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The command line of a QEMU that runs, as the kernel has it.
 */
#ifndef VMFORK_QEMUCMD_H
#define VMFORK_QEMUCMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/**
 * struct qemu_arg - one option
 * @name: without dashes
 * @value: or NULL if it takes none
 */
struct qemu_arg {
	char *name;
	char *value;
};

/**
 * struct qemu_cmd - all of it
 * @exe: path of the program
 * @cwd: what relative paths in it are relative to
 * @env: its environment, as execve(2) takes it, or NULL
 * @args: its options, in their order
 * @nr: length of @args
 */
struct qemu_cmd {
	char *exe;
	char *cwd;
	char **env;
	struct qemu_arg *args;
	size_t nr;
};

/**
 * qemu_cmd_read() - of a process
 * @pid: it
 * @cmd: out; qemu_cmd_free() it, whatever the status is
 *
 * Return: an enum status; a failure has been told, one of them that this is no
 * QEMU.
 */
int qemu_cmd_read(int pid, struct qemu_cmd *cmd);

/**
 * qemu_cmd_parse() - take a command line apart
 * @cmd: @args is added to
 * @text: words, each ended by a zero byte, the program's name first; a zero
 *	byte follows
 * @len: of all of them
 *
 * Return: false if there is no memory.
 */
bool qemu_cmd_parse(struct qemu_cmd *cmd, const char *text, size_t len);

/** qemu_cmd_add() - one more option; false if there is no memory */
bool qemu_cmd_add(struct qemu_cmd *cmd, const char *name, const char *value);

/** qemu_cmd_has() - whether there is an option of that name */
bool qemu_cmd_has(const struct qemu_cmd *cmd, const char *name);

void qemu_cmd_free(struct qemu_cmd *cmd);

/**
 * qemu_cmd_words() - as execv(2) takes it
 *
 * Return: ended by NULL, for qemu_cmd_free_words(); NULL if there is no memory.
 */
char **qemu_cmd_words(const struct qemu_cmd *cmd);

void qemu_cmd_free_words(char **words);

/** qemu_cmd_quote() - print a word as a shell reads it */
void qemu_cmd_quote(FILE *to, const char *word);

/** qemu_cmd_path() - a path in it, made absolute; to be freed, or NULL */
char *qemu_cmd_path(const struct qemu_cmd *cmd, const char *path);

#endif /* VMFORK_QEMUCMD_H */
