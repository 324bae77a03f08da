// SPDX-License-Identifier: GPL-2.0
/*
 * What a child is known by outside of it, and its parent is already: addresses
 * and ports, files that are written, numbers of its own.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "qemuaddress.h"
#include "qemuchild.h"
#include "qemucmd.h"
#include "qemumaker.h"
#include "qemuopts.h"
#include "qmp.h"

static void random_uuid(char uuid[37])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(uuid, 37,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

bool qemu_is_nic(const char *driver)
{
	static const char *const nics[] = {
		"virtio-net", "e1000", "rtl8139", "pcnet", "ne2k", "vmxnet3",
		"igb", "usb-net", "i825", "tulip", "xen-net",
	};
	size_t i;

	for (i = 0; i < sizeof(nics) / sizeof(nics[0]); i++)
		if (!strncmp(driver, nics[i], strlen(nics[i])))
			return true;
	return false;
}

static bool is_server(const struct opts *opts)
{
	return opts_is_on(opts, "server") ||
	       (opts_get(opts, "fd") && opts_get(opts, "server"));
}

bool qemu_listens(const char *chardev)
{
	static const char *const kinds[] = {
		"unix:", "tcp:", "telnet:", "websocket:", "tn3270:",
	};
	struct opts opts;
	bool server = false;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strncmp(chardev, kinds[i], strlen(kinds[i])))
			continue;
		if (opts_parse(&opts, chardev, "address"))
			server = is_server(&opts);
		opts_free(&opts);
	}
	return server;
}

/* What -serial and the like take; to be freed */
static char *make_chars(struct maker *maker, const char *chars,
			const char *what)
{
	const bool file = !strncmp(chars, "file:", 5);
	char *path, *made, *inner;
	int len;

	if (!strncmp(chars, "mon:", 4)) {
		inner = make_chars(maker, chars + 4, what);
		len = inner ? asprintf(&made, "mon:%s", inner) : -1;
		free(inner);
		return len < 0 ? NULL : made;
	}
	if (!file && !qemu_listens(chars))
		return strdup(chars);
	if (!file)
		return maker_server(maker_socket(maker, what, ".sock"));
	path = maker_file(maker, what, ".log");
	if (!path)
		return NULL;
	/* This is no list: all of it is the path. */
	len = asprintf(&made, "file:%s", path);
	free(path);
	return len < 0 ? NULL : made;
}

/* They are numbered together: two -serial have files of their own. */
bool make_char_option(struct maker *maker, const struct qemu_arg *arg)
{
	char what[64];

	snprintf(what, sizeof(what), "%s%u", arg->name, maker->nr_chars++);
	return maker_put(maker, arg->name,
			 make_chars(maker, arg->value, what));
}

bool make_chardev(struct maker *maker, const struct qemu_arg *arg)
{
	static const char *const addresses[] = {
		"host", "port", "to", "ipv4", "ipv6", "fd", "abstract",
		"tight", "nowait", "nodelay", "delay",
		/* These are not for sockets of this host alone. */
		"tls-creds", "tls-authz",
	};
	const char *backend, *id;
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, "backend");
	size_t i;

	backend = opts_get(&opts, "backend");
	id = opts_get(&opts, "id");
	if (!good || opts.json || !backend || !id) {
		opts_free(&opts);
		return good && maker_copy(maker, arg);
	}
	if (!strcmp(backend, "socket") && is_server(&opts)) {
		for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
			opts_drop(&opts, addresses[i]);
		good = maker_set(&opts, "path",
				 maker_socket(maker, id, ".sock")) &&
		       opts_set(&opts, "wait", "off");
	} else if (!strcmp(backend, "file")) {
		good = maker_set(&opts, "path", maker_file(maker, id, ".log"));
	}
	if (good && opts_get(&opts, "logfile"))
		good = maker_set(&opts, "logfile",
				 maker_file(maker, id, ".copy"));
	good = good && maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

/* A file that QEMU begins anew; @first is what may have no name. */
static bool put_file(struct maker *maker, const struct qemu_arg *arg,
		     const char *first, const char *key)
{
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, first);
	const char *id = opts_get(&opts, "id");

	if (good && opts_get(&opts, key))
		good = maker_set(&opts, key,
				 maker_file(maker, id ? id : arg->name,
					    ".out"));
	good = good && maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

bool make_trace(struct maker *maker, const struct qemu_arg *arg)
{
	return put_file(maker, arg, "enable", "file");
}

bool make_dump(struct maker *maker, const struct qemu_arg *arg)
{
	return put_file(maker, arg, "qom-type", "file");
}

/* Without a path it is one in the directory that both are in. */
bool make_audiodev(struct maker *maker, const struct qemu_arg *arg)
{
	struct opts opts;
	const char *driver = NULL, *id = NULL;
	bool good = true;

	if (opts_parse(&opts, arg->value, "driver")) {
		driver = opts_get(&opts, "driver");
		id = opts_get(&opts, "id");
	}
	if (driver && id && !strcmp(driver, "wav"))
		good = maker_set(&opts, "path", maker_file(maker, id, ".wav")) &&
		       maker_put_opts(maker, arg->name, &opts);
	else
		good = maker_copy(maker, arg);
	opts_free(&opts);
	return good;
}

static char *vnc_address(struct maker *maker)
{
	char *path = maker_socket(maker, "", ".vnc");
	char *address;

	if (!path || asprintf(&address, "unix:%s", path) < 0)
		address = NULL;
	free(path);
	return address;
}

static bool put_vnc(struct maker *maker, const struct qemu_arg *arg,
		    const char *first)
{
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, first);
	const char *address = opts_get(&opts, "vnc");

	if (good && address && strcmp(address, "none")) {
		opts_drop(&opts, "to");
		opts_drop(&opts, "reverse");
		opts_drop(&opts, "websocket");
		good = maker_set(&opts, "vnc", vnc_address(maker));
	}
	good = good && maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

bool make_vnc(struct maker *maker, const struct qemu_arg *arg)
{
	return put_vnc(maker, arg, "vnc");
}

bool make_display(struct maker *maker, const struct qemu_arg *arg)
{
	if (strncmp(arg->value, "vnc=", 4))
		return maker_copy(maker, arg);
	return put_vnc(maker, arg, NULL);
}

bool make_spice(struct maker *maker, const struct qemu_arg *arg)
{
	static const char *const addresses[] = {
		"port", "tls-port", "tls-channel", "ipv4", "ipv6",
	};
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, NULL);
	size_t i;

	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		opts_drop(&opts, addresses[i]);
	good = good && opts_set(&opts, "unix", "on") &&
	       maker_set(&opts, "addr",
			 maker_socket(maker, "", ".spice")) &&
	       maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

/* "tcp:ADDRESS:PORT-GUEST:PORT": any port that is free; to be freed */
static char *any_port(const char *forward)
{
	const char *end = strchr(forward, '-'), *colon = end;
	char *made;

	while (colon && colon > forward && *colon != ':')
		colon--;
	if (!colon || *colon != ':' || !strncmp(forward, "unix:", 5))
		return strdup(forward);
	if (asprintf(&made, "%.*s:0%s", (int)(colon - forward), forward, end) <
	    0)
		return NULL;
	return made;
}

static bool free_ports(struct opts *opts)
{
	struct json_object *list = json_at(opts->json, "hostfwd");
	size_t i;

	for (i = 0; i < opts->nr; i++) {
		struct opt *opt = &opts->items[i];
		char *made;

		if (strcmp(opt->key, "hostfwd") || !opt->value)
			continue;
		made = any_port(opt->value);
		if (!made)
			return false;
		free(opt->value);
		opt->value = made;
	}
	if (!json_object_is_type(list, json_type_array))
		return true;
	for (i = 0; i < json_object_array_length(list); i++) {
		struct json_object *rule = json_object_array_get_idx(list, i);
		const char *forward = json_text(rule, "str");
		char *made = forward ? any_port(forward) : NULL;

		if (made)
			json_object_object_add(rule, "str",
					       json_object_new_string(made));
		free(made);
	}
	return true;
}

bool make_net(struct maker *maker, const struct qemu_arg *arg)
{
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, "type");
	const char *type = opts_get(&opts, "type");
	const bool nic = !strcmp(arg->name, "nic");

	if (good && type && strcmp(type, "none")) {
		/* It has one name, which its parent has taken. */
		if (!strcmp(type, "tap"))
			opts_drop(&opts, "ifname");
		good = free_ports(&opts);
		if (nic)
			good = good && maker_set_mac(&opts, "mac");
		else if (!strcmp(arg->name, "net") && !strcmp(type, "nic"))
			good = good && maker_set_mac(&opts, "macaddr");
	}
	good = good && maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}

static bool set_cid(struct opts *opts)
{
	uint32_t random;
	char cid[16];

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		abort();
	snprintf(cid, sizeof(cid), "%u", 0x10000 + (random >> 2));
	return opts_set(opts, "guest-cid", cid);
}

static bool set_generation(struct opts *opts)
{
	const char *guid = opts_get(opts, "guid");
	char uuid[37];

	if (guid && !strcmp(guid, "auto"))
		return true;
	random_uuid(uuid);
	return opts_set(opts, "guid", uuid);
}

bool make_device(struct maker *maker, const struct qemu_arg *arg)
{
	struct opts opts;
	bool good = opts_parse(&opts, arg->value, "driver");
	const char *driver = opts_get(&opts, "driver");

	if (good && driver) {
		if (!strcmp(driver, "vmgenid"))
			good = set_generation(&opts);
		else if (!strncmp(driver, "vhost-vsock", 11))
			good = set_cid(&opts);
		else if (qemu_is_nic(driver))
			good = maker_set_mac(&opts, "mac");
	}
	good = good && maker_put_opts(maker, arg->name, &opts);
	opts_free(&opts);
	return good;
}
