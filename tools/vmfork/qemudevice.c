// SPDX-License-Identifier: GPL-2.0
/*
 * Devices of a QEMU: whether its command line has those that there are, so that
 * a child has them too.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "qemuaddress.h"
#include "qemucheck.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuopts.h"
#include "qmp.h"

#define MAX_ID	256

/* Of "child<DRIVER>"; NULL if it is no device; good until the next call */
static const char *driver_of(struct json_object *item)
{
	static const char child[] = "child<";
	static char driver[128];
	const char *type = json_text(item, "type");

	if (!type || strncmp(type, child, strlen(child)))
		return NULL;
	snprintf(driver, sizeof(driver), "%s", type + strlen(child));
	driver[strcspn(driver, ">")] = '\0';
	return driver;
}

static int fail_plugged(const char *device)
{
	return failure(FAILED, EOPNOTSUPP,
		       "The device %s was plugged in while QEMU ran: a child would not have it.",
		       device);
}

static int fail_unplugged(const char *device)
{
	return failure(FAILED, EOPNOTSUPP,
		       "The device %s was unplugged while QEMU ran: a child would have it again.",
		       device);
}

int qemu_check_types(struct json_object *list)
{
	size_t i;

	for (i = 0; i < json_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *name = json_text(item, "name");
		const char *driver = driver_of(item), *why;

		why = driver ? qemu_device_reason(driver) : NULL;
		if (why)
			return failure(FAILED, EOPNOTSUPP,
				       "The device %s (%s) can not be forked: %s.",
				       name ? name : "?", driver, why);
	}
	return DONE;
}

/* Of an option that makes a device: true if that has a name, false if none */
static bool take_id(const struct qemu_arg *arg, char id[MAX_ID])
{
	struct opts opts;
	const char *name = NULL;

	id[0] = '\0';
	if (!arg->value)
		return false;
	/* It is given one by QEMU. */
	if (!strcmp(arg->name, "debugcon"))
		name = arg->name;
	opts = (struct opts){ 0 };
	if (!strcmp(arg->name, "device") &&
	    opts_parse(&opts, arg->value, "driver"))
		name = opts_get(&opts, "id");
	if (name)
		snprintf(id, MAX_ID, "%s", name);
	opts_free(&opts);
	return name;
}

static bool on_command_line(const struct qemu_cmd *cmd, const char *name)
{
	char id[MAX_ID];
	size_t i;

	for (i = 0; i < cmd->nr; i++)
		if (take_id(&cmd->args[i], id) && !strcmp(id, name))
			return true;
	return false;
}

int qemu_check_named(struct json_object *list, const struct qemu_cmd *cmd)
{
	char id[MAX_ID];
	size_t i;

	for (i = 0; i < json_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *name = json_text(item, "name");

		if (name && driver_of(item) && !on_command_line(cmd, name))
			return fail_plugged(name);
	}
	for (i = 0; i < cmd->nr; i++)
		if (take_id(&cmd->args[i], id) && !json_named(list, id))
			return fail_unplugged(id);
	return DONE;
}

/* What makes a device without a name: its driver, or NULL; to be freed */
static char *unnamed(const struct qemu_arg *arg)
{
	struct opts opts = { 0 };
	const char *driver = NULL, *bus;
	char *name;

	if (!strcmp(arg->name, "virtfs")) {
		driver = "virtio-9p";
	} else if (!strcmp(arg->name, "device") && arg->value) {
		if (opts_parse(&opts, arg->value, "driver") &&
		    !opts_get(&opts, "id"))
			driver = opts_get(&opts, "driver");
	} else if (qemu_drive(arg, &opts) > 0) {
		bus = opts_get(&opts, "if");
		driver = bus && !strcmp(bus, "virtio") ? "virtio-blk" : NULL;
	}
	name = driver ? strdup(driver) : NULL;
	opts_free(&opts);
	return name;
}

/* Drivers have other names on the command line, too. */
static bool is_driver(const char *type, const char *written)
{
	static const char *const others[][2] = {
		{ "AC97", "ac97" }, { "ES1370", "es1370" },
		{ "e1000", "e1000-82540em" }, { "ich9-ahci", "ahci" },
		{ "lsi53c895a", "lsi" },
	};
	const size_t len = strlen(written);
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(type, others[i][0]) && !strcmp(written, others[i][1]))
			return true;
	if (strncmp(type, written, len))
		return false;
	return !type[len] || (!strncmp(type, "virtio-", 7) &&
			      (!strcmp(type + len, "-pci") ||
			       !strcmp(type + len, "-device")));
}

/* Each of them has an option, and each such option one of them. */
static int match_unnamed(struct json_object *list, char **drivers, size_t nr)
{
	size_t i, j;

	for (i = 0; i < json_length(list); i++) {
		const char *type = driver_of(json_nth(list, i));

		if (!type)
			continue;
		for (j = 0; j < nr; j++)
			if (drivers[j] && is_driver(type, drivers[j]))
				break;
		if (j == nr)
			return fail_plugged(type);
		free(drivers[j]);
		drivers[j] = NULL;
	}
	for (j = 0; j < nr; j++)
		if (drivers[j])
			return fail_unplugged(drivers[j]);
	return DONE;
}

int qemu_check_unnamed(struct json_object *list, const struct qemu_cmd *cmd)
{
	char **drivers = calloc(cmd->nr + 1, sizeof(*drivers));
	int status;
	size_t i;

	if (!drivers)
		return failure_memory();
	for (i = 0; i < cmd->nr; i++)
		drivers[i] = unnamed(&cmd->args[i]);
	status = match_unnamed(list, drivers, cmd->nr);
	for (i = 0; i < cmd->nr; i++)
		free(drivers[i]);
	free(drivers);
	return status;
}

static int list_of(struct qmp *qmp, const char *path,
		   struct json_object **list)
{
	return qmp_ask(qmp, "qom-list", json_make("path", path, NULL), list);
}

int qemu_check_devices(struct qmp *qmp, const struct qemu_cmd *cmd)
{
	struct json_object *named, *others = NULL;
	int status = list_of(qmp, "/machine/peripheral", &named);

	if (!status)
		status = list_of(qmp, "/machine/peripheral-anon", &others);
	if (!status)
		status = qemu_check_types(named);
	if (!status)
		status = qemu_check_types(others);
	if (!status)
		status = qemu_check_named(named, cmd);
	if (!status)
		status = qemu_check_unnamed(others, cmd);
	json_object_put(named);
	json_object_put(others);
	return status;
}

/* A word of the command line about networks is the end of the default one. */
static bool speaks_of_nets(const struct qemu_cmd *cmd)
{
	struct opts opts;
	bool speaks = qemu_cmd_has(cmd, "nic") || qemu_cmd_has(cmd, "net") ||
		      qemu_cmd_has(cmd, "netdev");
	size_t i;

	for (i = 0; !speaks && i < cmd->nr; i++) {
		const struct qemu_arg *arg = &cmd->args[i];
		const char *driver = NULL;

		if (strcmp(arg->name, "device") || !arg->value)
			continue;
		if (opts_parse(&opts, arg->value, "driver"))
			driver = opts_get(&opts, "driver");
		speaks = driver && qemu_is_nic(driver);
		opts_free(&opts);
	}
	return speaks;
}

int qemu_check_nic(struct qmp *qmp, const struct qemu_cmd *cmd,
		   bool *default_nic)
{
	char *text;
	int status;

	*default_nic = false;
	if (speaks_of_nets(cmd))
		return DONE;
	status = qmp_monitor(qmp, "info network", &text);
	if (!status)
		*default_nic = strstr(text, "type=nic");
	free(text);
	return status;
}
