// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of a QEMU that runs, as the kernel has it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "grow.h"
#include "out.h"
#include "qemucmd.h"

/* All that take no value, of any version; what follows another is its value. */
static const char *const flags[] = {
	"S", "alt-grab", "async-teardown", "audio-help", "ctrl-grab",
	"curses", "daemonize", "enable-fips", "enable-hax", "enable-kvm",
	"enable-sync-profile", "full-screen", "h", "help", "jitdump",
	"localtime", "mem-prealloc", "no-acpi", "no-fd-bootchk", "no-frame",
	"no-hpet", "no-kvm", "no-kvm-irqchip", "no-kvm-pit",
	"no-kvm-pit-reinjection", "no-quit", "no-reboot", "no-shutdown",
	"no-user-config", "nodefaults", "nodefconfig", "nographic",
	"old-param", "only-migratable", "perfmap", "portrait", "preconfig",
	"rtc-td-hack", "s", "sdl", "semihosting", "show-cursor", "singlestep",
	"snapshot", "usb", "version", "win2k-hack", "xen-attach",
	"xen-domid-restrict",
};

static bool is_flag(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(name, flags[i]))
			return true;
	return false;
}

bool qemu_cmd_add(struct qemu_cmd *cmd, const char *name, const char *value)
{
	struct qemu_arg *grown = grow(cmd->args, cmd->nr, sizeof(*grown));
	struct qemu_arg arg = { .name = strdup(name) };

	if (value)
		arg.value = strdup(value);
	if (grown)
		cmd->args = grown;
	if (!grown || !arg.name || (value && !arg.value)) {
		free(arg.name);
		free(arg.value);
		return false;
	}
	cmd->args[cmd->nr++] = arg;
	return true;
}

bool qemu_cmd_has(const struct qemu_cmd *cmd, const char *name)
{
	size_t i;

	for (i = 0; i < cmd->nr; i++)
		if (!strcmp(cmd->args[i].name, name))
			return true;
	return false;
}

bool qemu_cmd_parse(struct qemu_cmd *cmd, const char *text, size_t len)
{
	const char *end = text + len, *word;
	bool good = true;

	text += strnlen(text, len) + 1;
	while (good && text < end) {
		const char *value = NULL;

		word = text;
		text += strnlen(text, end - text) + 1;
		/* Without a dash it is the first disk's image. */
		if (*word != '-') {
			good = qemu_cmd_add(cmd, "hda", word);
			continue;
		}
		word += word[1] == '-' ? 2 : 1;
		if (!is_flag(word) && text < end) {
			value = text;
			text += strnlen(text, end - text) + 1;
		}
		good = qemu_cmd_add(cmd, word, value);
	}
	return good;
}

void qemu_cmd_free(struct qemu_cmd *cmd)
{
	size_t i;

	for (i = 0; i < cmd->nr; i++) {
		free(cmd->args[i].name);
		free(cmd->args[i].value);
	}
	free(cmd->args);
	free(cmd->exe);
	free(cmd->cwd);
	qemu_cmd_free_words(cmd->env);
	*cmd = (struct qemu_cmd){ 0 };
}

void qemu_cmd_free_words(char **words)
{
	size_t i;

	for (i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

static bool put_word(char **words, size_t *nr, const char *dash,
		     const char *word)
{
	if (asprintf(&words[*nr], "%s%s", dash, word) < 0) {
		words[*nr] = NULL;
		return false;
	}
	(*nr)++;
	return true;
}

char **qemu_cmd_words(const struct qemu_cmd *cmd)
{
	char **words = calloc(2 * cmd->nr + 2, sizeof(*words));
	size_t i, nr = 0;
	bool good = words && put_word(words, &nr, "", cmd->exe);

	for (i = 0; good && i < cmd->nr; i++) {
		const struct qemu_arg *arg = &cmd->args[i];

		good = put_word(words, &nr, "-", arg->name) &&
		       (!arg->value || put_word(words, &nr, "", arg->value));
	}
	if (good)
		return words;
	qemu_cmd_free_words(words);
	return NULL;
}

char *qemu_cmd_path(const struct qemu_cmd *cmd, const char *path)
{
	char *absolute;

	if (*path == '/')
		return strdup(path);
	if (asprintf(&absolute, "%s/%s", cmd->cwd, path) < 0)
		return NULL;
	return absolute;
}

static int fail_reading(int pid, int error)
{
	if (error == ENOENT || error == ESRCH)
		return failure(FAILED, ESRCH,
			       "Process %d has exited: give a QEMU that runs.",
			       pid);
	return failure(FAILED, error,
		       "Process %d can not be looked at: %s; run as root.", pid,
		       strerror(error));
}

/* All of a file of /proc; a zero byte follows it. */
static int read_file(int pid, const char *name, char **text, size_t *len)
{
	char path[64], part[4096];
	FILE *file, *to;
	size_t n;

	*text = NULL;
	*len = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	if (!file)
		return fail_reading(pid, errno);
	to = open_memstream(text, len);
	while (to && (n = fread(part, 1, sizeof(part), file)) > 0)
		fwrite(part, 1, n, to);
	fclose(file);
	if (!to || fclose(to) || !*text)
		return failure(FAILED, ENOMEM, "Out of memory.");
	return DONE;
}

static int read_link(int pid, const char *name, char **target)
{
	char path[64], text[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	len = readlink(path, text, sizeof(text) - 1);
	if (len < 0)
		return fail_reading(pid, errno);
	text[len] = '\0';
	*target = strdup(text);
	return *target ? DONE : failure(FAILED, ENOMEM, "Out of memory.");
}

/* A program that was updated meanwhile has the same name, mostly. */
static int read_exe(int pid, struct qemu_cmd *cmd)
{
	static const char gone[] = " (deleted)";
	int status = read_link(pid, "exe", &cmd->exe);
	size_t len;

	if (status)
		return status;
	len = strlen(cmd->exe);
	if (len < sizeof(gone) ||
	    strcmp(cmd->exe + len - (sizeof(gone) - 1), gone))
		return DONE;
	return failure(FAILED, ENOENT,
		       "The program of process %d was replaced or removed while it runs: what is at %.*s now may be of another version.",
		       pid, (int)(len - (sizeof(gone) - 1)), cmd->exe);
}

/* Words that each end with a zero byte; NULL if there is no memory */
static char **split(const char *text, size_t len)
{
	const char *end = text + len, *word;
	char **words;
	size_t nr = 0;

	for (word = text; word < end; word += strlen(word) + 1)
		nr++;
	words = calloc(nr + 1, sizeof(*words));
	if (!words)
		return NULL;
	for (word = text, nr = 0; word < end; word += strlen(word) + 1) {
		words[nr] = strdup(word);
		if (!words[nr++]) {
			qemu_cmd_free_words(words);
			return NULL;
		}
	}
	return words;
}

/* Libraries and much else may be found by it. */
static int read_env(int pid, struct qemu_cmd *cmd)
{
	char *text;
	size_t len;
	int status = read_file(pid, "environ", &text, &len);

	if (!status)
		cmd->env = split(text, len);
	if (!status && !cmd->env)
		status = failure(FAILED, ENOMEM, "Out of memory.");
	free(text);
	return status;
}

/*
 * A daemon has gone to / after it opened its files; where it was started, its
 * environment says.
 */
static int read_cwd(int pid, struct qemu_cmd *cmd)
{
	int status = read_link(pid, "cwd", &cmd->cwd);
	char **word;

	if (status || strcmp(cmd->cwd, "/") || !qemu_cmd_has(cmd, "daemonize"))
		return status;
	for (word = cmd->env; *word; word++) {
		if (strncmp(*word, "PWD=/", 5))
			continue;
		free(cmd->cwd);
		cmd->cwd = strdup(*word + 4);
		if (!cmd->cwd)
			status = failure(FAILED, ENOMEM, "Out of memory.");
		break;
	}
	return status;
}

static int check_root(int pid)
{
	char path[64];
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "/proc/%d/root/", pid);
	if (stat(path, &theirs) || stat("/", &ours))
		return fail_reading(pid, errno);
	if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return DONE;
	return failure(FAILED, EXDEV,
		       "Process %d has a root directory of its own: run vmfork there, by chroot /proc/%d/root.",
		       pid, pid);
}

int qemu_cmd_read(int pid, struct qemu_cmd *cmd)
{
	const char *name;
	char *text = NULL;
	size_t len;
	int status;

	*cmd = (struct qemu_cmd){ 0 };
	status = check_root(pid);
	if (!status)
		status = read_exe(pid, cmd);
	if (status)
		return status;
	name = strrchr(cmd->exe, '/');
	if (!strstr(name ? name : cmd->exe, "qemu") &&
	    !strstr(name ? name : cmd->exe, "kvm"))
		return failure(FAILED, EINVAL,
			       "Process %d runs %s, which is no QEMU: if the socket was made by another process, give QEMU's with --pid.",
			       pid, cmd->exe);
	status = read_file(pid, "cmdline", &text, &len);
	if (!status && (!text || !qemu_cmd_parse(cmd, text, len)))
		status = failure(FAILED, ENOMEM, "Out of memory.");
	free(text);
	if (!status)
		status = read_env(pid, cmd);
	return status ? status : read_cwd(pid, cmd);
}

void qemu_cmd_quote(FILE *to, const char *word)
{
	const bool plain = *word &&
		strspn(word, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "0123456789_@%+=:,./-") == strlen(word);

	if (plain) {
		fputs(word, to);
		return;
	}
	fputc('\'', to);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\'", to);
		fputc(*word, to);
	}
	fputc('\'', to);
}
