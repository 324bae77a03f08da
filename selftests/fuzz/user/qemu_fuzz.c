// SPDX-License-Identifier: GPL-2.0
/*
 * Command lines of QEMU: as the kernel has them, to those of children.
 *
 * First the bytes of /proc/PID/cmdline; after a byte that is in no text, an
 * answer to query-block.
 */
#include <json-c/json.h>

#include "fuzz.h"
#include "fakeout.h"
#include "fuzzstat.h"
#include "qemuaddress.h"
#include "qemucheck.h"
#include "qemuchild.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuopts.h"
#include "qemuram.h"
#include "qmp.h"

#define BETWEEN		0xff
#define CHILD		"/run/c=d/n.7"

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What is printed is taken as what it was. */
static void check_value(const char *value, const char *first)
{
	struct opts opts, again;
	char *text, *other;
	size_t i;

	if (!opts_parse(&opts, value, first)) {
		must(*value == '{');
		opts_free(&opts);
		return;
	}
	text = opts_text(&opts);
	must(text && opts_parse(&again, text, first));
	/* One that is nothing is as good as none. */
	must((again.nr == opts.nr || (!*text && opts.nr == 1)) && !again.json == !opts.json);
	for (i = 0; i < again.nr; i++) {
		must(same(opts.items[i].key, again.items[i].key));
		must(same(opts.items[i].value, again.items[i].value));
		must(opts.items[i].bare == again.items[i].bare);
	}
	other = opts_text(&again);
	must(same(text, other));
	opts_free(&again);
	free(other);
	free(text);

	/* The same of what was changed */
	for (i = 0; first && i < 2; i++) {
		const char *key = i ? "file.x" : first;

		opts_drop(&opts, i ? "file" : "");
		must(opts_set(&opts, key, "a=,b,"));
		must(same(opts_get(&opts, key), "a=,b,") || opts.json);
		text = opts_text(&opts);
		/* No property of QEMU's begins like JSON. */
		if (*text == '{' && !opts.json) {
			free(text);
			break;
		}
		must(opts_parse(&again, text, first));
		must(same(opts_get(&again, key), opts_get(&opts, key)));
		opts_free(&again);
		free(text);
	}
	opts_free(&opts);
}

static void check_words(const struct qemu_cmd *cmd)
{
	char **words = qemu_cmd_words(cmd), *text = NULL;
	struct qemu_cmd again = { 0 };
	size_t i, len;
	FILE *to = open_memstream(&text, &len);

	must(words && to);
	for (i = 0; words[i]; i++)
		fwrite(words[i], strlen(words[i]) + 1, 1, to);
	must(!fclose(to));
	must(qemu_cmd_parse(&again, text, len));
	must(again.nr == cmd->nr);
	for (i = 0; i < cmd->nr; i++) {
		/* Three dashes are none of QEMU's options. */
		must(cmd->args[i].name[0] == '-' ||
		     same(cmd->args[i].name, again.args[i].name));
		must(same(cmd->args[i].value, again.args[i].value));
	}
	qemu_cmd_free(&again);
	qemu_cmd_free_words(words);
	free(text);
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

/* Whatever listens, or is written to, is the child's own. */
static void check_chars(const struct qemu_arg *arg)
{
	static const char *const plain[] = {
		"serial", "parallel", "monitor", "debugcon", NULL,
	};
	const char *path, *backend, *value = arg->value;
	struct opts opts;

	if (is_one_of(arg->name, plain)) {
		while (!strncmp(value, "mon:", 4))
			value += 4;
		if (qemu_listens(value))
			must(!strncmp(value, "unix:" CHILD "-",
				      strlen("unix:" CHILD "-")));
		if (!strncmp(value, "file:", 5))
			must(!strncmp(value + 5, CHILD "-",
				      strlen(CHILD "-")));
	}
	if (strcmp(arg->name, "chardev"))
		return;
	if (opts_parse(&opts, value, "backend") && !opts.json &&
	    opts_get(&opts, "id") && opts_get(&opts, "backend")) {
		backend = opts_get(&opts, "backend");
		path = opts_get(&opts, "path");
		if ((!strcmp(backend, "socket") &&
		     opts_is_on(&opts, "server")) || !strcmp(backend, "file"))
			must(path && !strncmp(path, CHILD "-",
					      strlen(CHILD "-")));
		path = opts_get(&opts, "logfile");
		must(!path || !strncmp(path, CHILD "-", strlen(CHILD "-")));
	}
	opts_free(&opts);
}

/* What the parent wrote to is below an overlay, not written to by two. */
static bool is_writable(const struct qemu_cmd *cmd, const struct qemu_arg *arg,
			const struct qemu_disk *disk)
{
	struct opts opts;
	const char *file = NULL;
	char *path = NULL;
	bool writable = false;

	if (arg->value && opts_parse(&opts, arg->value, NULL)) {
		file = opts_get(&opts, "file");
		if (file && *file)
			path = qemu_cmd_path(cmd, file);
		writable = path && !strcmp(path, disk->base) &&
			   !opts_is_on(&opts, "readonly") &&
			   !opts_is_on(&opts, "read-only") &&
			   !opts_get(&opts, "media");
		free(path);
	}
	opts_free(&opts);
	return writable;
}

static void check_child(const struct qemu_plan *plan,
			const struct qemu_cmd *child)
{
	static const char *const gone[] = {
		"S", "s", "gdb", "loadvm", "mem-path", "mem-prealloc",
		"preconfig", "qmp-pretty", NULL,
	};
	size_t i, j, nr_ram = 0, nr_qmp = 0, nr_incoming = 0;

	for (i = 0; i < child->nr; i++) {
		const struct qemu_arg *arg = &child->args[i];
		struct opts opts = { 0 };
		const char *id;

		must(!is_one_of(arg->name, gone));
		nr_incoming += !strcmp(arg->name, "incoming");
		if (!strcmp(arg->name, "qmp")) {
			nr_qmp++;
			must(same(arg->value, "unix:" CHILD
				  ".qmp,server=on,wait=off"));
		}
		if (!arg->value)
			continue;
		if (!strcmp(arg->name, "object") &&
		    opts_parse(&opts, arg->value, "qom-type")) {
			id = opts_get(&opts, "id");
			if (same(id, plan->ram->backend)) {
				nr_ram++;
				must(same(opts_get(&opts, "mem-path"),
					  plan->snapshot));
				must(same(opts_get(&opts, "share"), "off"));
			}
		}
		opts_free(&opts);
		check_chars(arg);
		for (j = 0; !strcmp(arg->name, "drive") &&
			    j < plan->disks->nr; j++)
			must(!is_writable(plan->cmd, arg,
					  &plan->disks->disks[j]));
	}
	/* Twice the same id is refused by QEMU, of the parent already. */
	must(nr_ram >= 1);
	must(nr_qmp == 1 && nr_incoming == 1);
}

static void make_child(const struct qemu_cmd *cmd, struct json_object *blocks)
{
	struct qemu_block block = { .name = "pc.ram", .len = 1 << 30 };
	struct qemu_ram ram = {
		.backend = "pc.ram", .blocks = &block, .nr = 1,
	};
	struct qemu_disks disks;
	struct qemu_cmd child;
	struct qemu_plan plan = {
		.cmd = cmd, .disks = &disks, .ram = &ram, .dir = "/run/c=d",
		.name = "n", .snapshot = "/run/vmfork/n", .incoming = "file:x",
		.default_nic = cmd->nr % 2, .start = cmd->nr % 3,
	};

	if (!qemu_disks_take(blocks, cmd, &disks)) {
		/*
		 * There is memory: all that was checked can be made, but
		 * sockets with names as long as somebody likes.
		 */
		told[0] = '\0';
		must(!qemu_child_cmd(&plan, 7, &child) ||
		     strstr(told, "too long for a socket"));
		check_child(&plan, &child);
		qemu_cmd_free(&child);
	}
	qemu_disks_free(&disks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, BETWEEN, size) : NULL;
	const size_t len = end ? (size_t)(end - data) : size;
	struct json_object *blocks = NULL;
	struct qemu_cmd cmd = { 0 };
	char *text = malloc(len + 1), *answer;
	size_t i;

	must(text);
	memcpy(text, data, len);
	/* The last word may have no end of its own: a process can write there. */
	text[len] = '\0';
	must(qemu_cmd_parse(&cmd, text, len));
	cmd.exe = strdup("/usr/bin/qemu");
	cmd.cwd = strdup("/home/x");
	check_words(&cmd);
	for (i = 0; i < cmd.nr; i++) {
		if (!cmd.args[i].value)
			continue;
		check_value(cmd.args[i].value, NULL);
		check_value(cmd.args[i].value, "first");
	}
	if (end) {
		answer = strndup((const char *)end + 1, size - len - 1);
		blocks = json_tokener_parse(answer);
		free(answer);
	}
	if (!json_object_is_type(blocks, json_type_array)) {
		json_object_put(blocks);
		blocks = json_object_new_array();
	}
	if (!qemu_check_cmd(&cmd))
		make_child(&cmd, blocks);
	json_object_put(blocks);
	qemu_cmd_free(&cmd);
	free(text);
	return 0;
}
