// SPDX-License-Identifier: GPL-2.0
/*
 * A child's command line in the making: what all of its options need.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>

#include "qemucmd.h"
#include "qemudisk.h"
#include "qemumaker.h"
#include "qemuopts.h"

char *qemu_file(const struct qemu_plan *plan, unsigned int number,
		const char *suffix)
{
	char *path;
	int len;

	if (number == QEMU_PARENT)
		len = asprintf(&path, "%s/%s.parent%s", plan->dir, plan->name,
			       suffix);
	else
		len = asprintf(&path, "%s/%s.%u%s", plan->dir, plan->name,
			       number, suffix);
	return len < 0 ? NULL : path;
}

char *qemu_image_file(const struct qemu_plan *plan, unsigned int number,
		      const struct qemu_disk *disk)
{
	const char *format = number == QEMU_PARENT ? "qcow2" :
						     qemu_disk_format(disk);
	const bool only = plan->disks->nr == 1;
	char *path, *suffix;

	if (asprintf(&suffix, "%s%s.%s", only ? "" : "-",
		     only ? "" : disk->label, format) < 0)
		return NULL;
	path = qemu_file(plan, number, suffix);
	free(suffix);
	return path;
}

bool maker_put(struct maker *maker, const char *name, char *value)
{
	const bool good = value && qemu_cmd_add(maker->child, name, value);

	free(value);
	return good;
}

bool maker_put_opts(struct maker *maker, const char *name,
		    const struct opts *opts)
{
	return maker_put(maker, name, opts_text(opts));
}

char *maker_file(const struct maker *maker, const char *what,
		 const char *suffix)
{
	char *end, *path;

	if (asprintf(&end, "%s%s%s", *what ? "-" : "", what, suffix) < 0)
		return NULL;
	path = qemu_file(maker->plan, maker->number, end);
	free(end);
	return path;
}

char *maker_socket(struct maker *maker, const char *what, const char *suffix)
{
	struct sockaddr_un address;
	char *path = maker_file(maker, what, suffix);

	if (path && strlen(path) >= sizeof(address.sun_path) &&
	    !maker->too_long)
		maker->too_long = strdup(path);
	return path;
}

char *maker_server(char *path)
{
	struct opts opts = { 0 };
	char *list = NULL, *server = NULL;

	/* In a list of properties, a comma of the path's is written twice. */
	if (path && opts_add(&opts, path, NULL))
		list = opts_text(&opts);
	if (list && asprintf(&server, "unix:%s,server=on,wait=off", list) < 0)
		server = NULL;
	opts_free(&opts);
	free(list);
	free(path);
	return server;
}

bool maker_set(struct opts *opts, const char *key, char *value)
{
	const bool good = value && opts_set(opts, key, value);

	free(value);
	return good;
}

bool maker_copy(struct maker *maker, const struct qemu_arg *arg)
{
	return qemu_cmd_add(maker->child, arg->name, arg->value);
}

bool maker_set_mac(struct opts *opts, const char *key)
{
	unsigned char bytes[3];
	char mac[18];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort();
	snprintf(mac, sizeof(mac), "52:54:00:%02x:%02x:%02x", bytes[0],
		 bytes[1], bytes[2]);
	return opts_set(opts, key, mac);
}
