// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of a child: its parent's, with what two can not have at the
 * same time replaced.
 *
 * Each option that needs a change has a function in a table; all others are
 * copied.  Devices stay what and where they are: their state says so, too.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "qemuaddress.h"
#include "qemuchild.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemumaker.h"
#include "qemuopts.h"
#include "qemuram.h"
#include "qmp.h"

static bool drop(struct maker *maker, const struct qemu_arg *arg)
{
	(void)maker;
	(void)arg;
	return true;
}

static bool make_daemonize(struct maker *maker, const struct qemu_arg *arg)
{
	return maker->plan->start || maker_copy(maker, arg);
}

/* It is that user's from the start; one can not become what one is. */
static bool make_runas(struct maker *maker, const struct qemu_arg *arg)
{
	return maker->plan->start || maker_copy(maker, arg);
}

/* Its parent would be this program, which ends. */
static bool make_run_with(struct maker *maker, const struct qemu_arg *arg)
{
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, NULL);

	if (good && maker->plan->start) {
		opts_drop(&opts, "user");
		opts_drop(&opts, "exit-with-parent");
	}
	if (good && (opts.nr || opts.json))
		good = maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

static char *child_name(const struct maker *maker)
{
	char *name;

	if (asprintf(&name, "%s.%u", maker->plan->name, maker->number) < 0)
		return NULL;
	return name;
}

static bool make_name(struct maker *maker, const struct qemu_arg *arg)
{
	struct opts opts;
	bool good;

	maker->named = true;
	good = opts_parse(&opts, arg->value, "guest") &&
	       maker_set(&opts, "guest", child_name(maker)) &&
	       maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

static bool make_pidfile(struct maker *maker, const struct qemu_arg *arg)
{
	return maker_put(maker, arg->name,
			 qemu_file(maker->plan, maker->number, ".pid"));
}

static bool make_log(struct maker *maker, const struct qemu_arg *arg)
{
	return maker_put(maker, arg->name,
			 qemu_file(maker->plan, maker->number, ".qemu.log"));
}

static const char *const kept_of_ram[] = {
	"merge", "dump", "policy", "host-nodes",
};

#define NR_KEPT	(sizeof(kept_of_ram) / sizeof(kept_of_ram[0]))

static bool put_ram_json(struct maker *maker, struct json_object *old)
{
	const struct qemu_ram *ram = maker->plan->ram;
	struct json_object *new =
		json_make("qom-type", "memory-backend-file", "id",
			  ram->backend, "mem-path", maker->plan->snapshot,
			  NULL);
	struct opts opts = { .json = new };
	bool good;
	size_t i;

	json_object_object_add(new, "size",
			       json_object_new_uint64(ram->blocks[0].len));
	json_object_object_add(new, "share", json_object_new_boolean(false));
	for (i = 0; i < NR_KEPT; i++) {
		struct json_object *value = json_at(old, kept_of_ram[i]);

		if (value)
			json_object_object_add(new, kept_of_ram[i],
					       json_object_get(value));
	}
	good = maker_put_opts(maker, "object", &opts);
	opts_free(&opts);
	return good;
}

static bool is_kept(const char *key)
{
	size_t i;

	for (i = 0; i < NR_KEPT; i++)
		if (!strcmp(key, kept_of_ram[i]))
			return true;
	return false;
}

/* The whole of RAM is a file now; what else was said of it still holds. */
static bool put_ram(struct maker *maker, const struct opts *old)
{
	const struct qemu_ram *ram = maker->plan->ram;
	struct opts opts;
	char size[24];
	bool good;
	size_t i;

	if (old && old->json)
		return put_ram_json(maker, old->json);
	snprintf(size, sizeof(size), "%" PRIu64, ram->blocks[0].len);
	good = opts_parse(&opts, "memory-backend-file", "qom-type") &&
	       opts_set(&opts, "id", ram->backend) &&
	       opts_set(&opts, "size", size) &&
	       opts_set(&opts, "mem-path", maker->plan->snapshot) &&
	       opts_set(&opts, "share", "off");
	/* Nodes of the host may be given one after the other. */
	for (i = 0; old && good && i < old->nr; i++)
		if (is_kept(old->items[i].key))
			good = opts_add(&opts, old->items[i].key,
					old->items[i].value);
	good = good && maker_put_opts(maker, "object", &opts);
	opts_free(&opts);
	return good;
}

static bool make_object(struct maker *maker, const struct qemu_arg *arg)
{
	struct opts opts;
	const char *id = NULL, *type = NULL;
	bool good;

	if (opts_parse(&opts, arg->value, "qom-type")) {
		id = opts_get(&opts, "id");
		type = opts_get(&opts, "qom-type");
	}
	if (id && !strcmp(id, maker->plan->ram->backend)) {
		maker->ram = true;
		good = put_ram(maker, &opts);
	} else if (type && !strcmp(type, "filter-dump")) {
		good = make_dump(maker, arg);
	} else {
		good = maker_copy(maker, arg);
	}
	opts_free(&opts);
	return good;
}

static const struct qemu_disk *disk_at(const struct maker *maker)
{
	const struct qemu_disks *disks = maker->plan->disks;
	size_t i;

	for (i = 0; i < disks->nr; i++)
		if (disks->disks[i].arg == maker->at)
			return &disks->disks[i];
	return NULL;
}

static bool make_drive(struct maker *maker, const struct qemu_arg *arg)
{
	const struct qemu_disk *disk = disk_at(maker);
	struct opts opts;
	bool good;

	if (!disk)
		return maker_copy(maker, arg);
	good = qemu_drive(arg, &opts) > 0;
	opts_drop(&opts, "driver");
	opts_drop(&opts, "backing");
	opts_drop(&opts, "file");
	good = good && opts_set(&opts, "format", qemu_disk_format(disk)) &&
	       maker_set(&opts, "file",
			 qemu_image_file(maker->plan, maker->number, disk)) &&
	       maker_put_opts(maker, "drive", &opts);
	opts_free(&opts);
	return good;
}

static bool make_blockdev(struct maker *maker, const struct qemu_arg *arg)
{
	static const int as_option = JSON_C_TO_STRING_PLAIN |
				     JSON_C_TO_STRING_NOSLASHESCAPE;
	const struct qemu_disk *disk = disk_at(maker);
	struct json_object *node;
	struct opts opts;
	char *image;
	const char *name = NULL, *text;
	bool good = false;

	if (maker->plan->disks->dropped[maker->at])
		return true;
	if (!disk)
		return maker_copy(maker, arg);
	image = qemu_image_file(maker->plan, maker->number, disk);
	if (opts_parse(&opts, arg->value, "driver"))
		name = opts_get(&opts, "node-name");
	if (image && name) {
		node = qemu_disk_node(disk, name, qemu_disk_format(disk),
				      image);
		text = json_object_to_json_string_ext(node, as_option);
		good = qemu_cmd_add(maker->child, "blockdev", text);
		json_object_put(node);
	}
	free(image);
	opts_free(&opts);
	return good;
}

static const struct {
	const char *name;
	bool (*make)(struct maker *maker, const struct qemu_arg *arg);
} rules[] = {
	{ "S", drop },
	{ "s", drop },
	{ "gdb", drop },
	{ "incoming", drop },
	{ "loadvm", drop },
	{ "mem-path", drop },
	{ "mem-prealloc", drop },
	{ "preconfig", drop },
	{ "writeconfig", drop },
	{ "qmp", drop },
	{ "qmp-pretty", drop },
	{ "daemonize", make_daemonize },
	{ "runas", make_runas },
	{ "run-with", make_run_with },
	{ "name", make_name },
	{ "pidfile", make_pidfile },
	{ "D", make_log },
	{ "trace", make_trace },
	{ "audiodev", make_audiodev },
	{ "object", make_object },
	{ "drive", make_drive },
	{ "hda", make_drive },
	{ "hdb", make_drive },
	{ "hdc", make_drive },
	{ "hdd", make_drive },
	{ "fda", make_drive },
	{ "fdb", make_drive },
	{ "sd", make_drive },
	{ "mtdblock", make_drive },
	{ "pflash", make_drive },
	{ "blockdev", make_blockdev },
	{ "serial", make_char_option },
	{ "parallel", make_char_option },
	{ "monitor", make_char_option },
	{ "debugcon", make_char_option },
	{ "chardev", make_chardev },
	{ "vnc", make_vnc },
	{ "display", make_display },
	{ "spice", make_spice },
	{ "nic", make_net },
	{ "net", make_net },
	{ "netdev", make_net },
	{ "device", make_device },
};

static bool make_option(struct maker *maker)
{
	const struct qemu_arg *arg = &maker->plan->cmd->args[maker->at];
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (strcmp(rules[i].name, arg->name))
			continue;
		/* A word that ends the line where its value should be */
		if (!arg->value && rules[i].make != drop &&
		    rules[i].make != make_daemonize)
			break;
		return rules[i].make(maker, arg);
	}
	return maker_copy(maker, arg);
}

/* Repeated options of a machine are taken together. */
static bool add_ram(struct maker *maker)
{
	char *backend;

	if (asprintf(&backend, "memory-backend=%s",
		     maker->plan->ram->backend) < 0)
		return false;
	return put_ram(maker, NULL) && maker_put(maker, "machine", backend);
}

static bool add_nic(struct maker *maker)
{
	struct opts opts;
	const bool good = opts_parse(&opts, "user", "type") &&
			  maker_set_mac(&opts, "mac") &&
			  maker_put_opts(maker, "nic", &opts);

	opts_free(&opts);
	return good;
}

static bool add_control(struct maker *maker)
{
	return maker_put(maker, "qmp",
			 maker_server(maker_socket(maker, "", ".qmp")));
}

static bool add_name(struct maker *maker)
{
	return maker_put(maker, "name", child_name(maker));
}

static int fail_long(const char *path)
{
	return failure(FAILED, ENAMETOOLONG,
		       "%s is too long for a socket's path: give a shorter --dir or --name.",
		       path);
}

int qemu_child_cmd(const struct qemu_plan *plan, unsigned int number,
		   struct qemu_cmd *child)
{
	struct maker maker = {
		.plan = plan,
		.number = number,
		.child = child,
	};
	bool good;
	int status = DONE;

	*child = (struct qemu_cmd){
		.exe = strdup(plan->cmd->exe),
		.cwd = strdup(plan->cmd->cwd),
	};
	good = child->exe && child->cwd;
	for (; good && maker.at < plan->cmd->nr; maker.at++)
		good = make_option(&maker);
	if (good && !maker.named)
		good = add_name(&maker);
	if (good && !maker.ram)
		good = add_ram(&maker);
	if (good && plan->default_nic)
		good = add_nic(&maker);
	if (!good || !add_control(&maker) ||
	    !qemu_cmd_add(child, "incoming", plan->incoming))
		status = failure_memory();
	else if (maker.too_long)
		status = fail_long(maker.too_long);
	free(maker.too_long);
	return status;
}
