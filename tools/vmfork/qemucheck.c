// SPDX-License-Identifier: GPL-2.0
/*
 * What of a QEMU can not be forked, found before anything is stopped.
 *
 * What a device is to its guest must all be in QEMU's memory and in its
 * devices' state: not in hardware, nor in another process that has no second
 * one for the child.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "qemucheck.h"
#include "qemucmd.h"
#include "qemuopts.h"
#include "qmp.h"

/* How the name of something begins, and why it can not be forked */
struct reason {
	const char *begins;
	const char *why;
};

static const struct reason devices[] = {
	{ "vfio-", "it is hardware, and there is one of it" },
	{ "vhost-user-", "its state is in another process" },
	{ "vhost-vdpa-", "its state is in hardware" },
	{ "vhost-scsi", "its state is in the kernel" },
	{ "ivshmem", "its memory is shared with other processes" },
	{ "usb-host", "it is hardware, and there is one of it" },
	{ "usb-redir", "it is hardware elsewhere, and there is one of it" },
	{ "u2f-passthru", "it is hardware, and there is one of it" },
	{ "virtio-input-host", "it is hardware, and there is one of it" },
	{ "scsi-generic", "it is hardware, and there is one of it" },
	{ "scsi-block", "it is hardware, and there is one of it" },
	{ "nvme", "QEMU can not save its state" },
	{ "nvdimm", "it is memory beside the guest's RAM" },
	{ "pc-dimm", "it is memory beside the guest's RAM" },
	{ "virtio-mem", "it is memory beside the guest's RAM" },
	{ "virtio-pmem", "it is memory beside the guest's RAM" },
	{ "virtio-gpu-gl", "its state is in the host's graphics" },
	{ "virtio-vga-gl", "its state is in the host's graphics" },
	{ "tpm-", "its state is in another process" },
	{ NULL, NULL }
};

static const struct reason objects[] = {
	{ "sev-", "the guest's memory is encrypted" },
	{ "tdx-guest", "the guest's memory is encrypted" },
	{ "input-linux", "it is hardware, and there is one of it" },
	{ "cryptodev-vhost-user", "its state is in another process" },
	{ "x-remote-object", "its state is in another process" },
	{ "x-vfio-user-server", "its state is in another process" },
	{ NULL, NULL }
};

static const struct reason nets[] = {
	{ "vhost-user", "its state is in another process" },
	{ "vhost-vdpa", "its state is in hardware" },
	{ "af-xdp", "it is hardware, and there is one of it" },
	{ NULL, NULL }
};

static const struct reason chars[] = {
	{ "pipe", "there is one pair of pipes of that name" },
	{ "/dev/", "it is hardware, and there is one of it" },
	{ "serial", "it is hardware, and there is one of it" },
	{ "tty", "it is hardware, and there is one of it" },
	{ "parallel", "it is hardware, and there is one of it" },
	{ "parport", "it is hardware, and there is one of it" },
	{ NULL, NULL }
};

static const struct reason options[] = {
	{ "readconfig", "what is in its file is not looked at" },
	{ "snapshot", "what is written is in files without names" },
	{ "tpmdev", "its state is in another process" },
	{ "add-fd", "a child can not have the same open file" },
	{ "chroot", "paths have another meaning there" },
	{ "initrd-fd", "a child can not have the same open file" },
	{ NULL, NULL }
};

static const struct reason *find_reason(const struct reason *reasons,
					const char *name)
{
	for (; reasons->begins; reasons++)
		if (!strncmp(name, reasons->begins, strlen(reasons->begins)))
			return reasons;
	return NULL;
}

const char *qemu_device_reason(const char *driver)
{
	const struct reason *reason = find_reason(devices, driver);

	return reason ? reason->why : NULL;
}

static int refuse(const struct qemu_arg *arg, const char *why)
{
	return failure(FAILED, EOPNOTSUPP,
		       "-%s%s%s can not be forked: %s.", arg->name,
		       arg->value ? " " : "", arg->value ? arg->value : "",
		       why);
}

static int check_first(const struct qemu_arg *arg, const struct opts *opts,
		       const char *first, const struct reason *reasons)
{
	const char *name = opts_get(opts, first);
	const struct reason *reason = name ? find_reason(reasons, name) : NULL;

	return reason ? refuse(arg, reason->why) : DONE;
}

static bool has_descriptor(const struct opts *opts)
{
	static const char *const fds[] = {
		"fd", "fds", "vhostfd", "vhostfds",
	};
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (opts_get(opts, fds[i]))
			return true;
	return false;
}

static int check_device(const struct qemu_arg *arg, const struct opts *opts)
{
	if (opts_is_on(opts, "share-rw"))
		return refuse(arg, "its disk is shared with other guests");
	if (has_descriptor(opts))
		return refuse(arg, "a child can not have the same open file");
	return check_first(arg, opts, "driver", devices);
}

static int check_object(const struct qemu_arg *arg, const struct opts *opts)
{
	return check_first(arg, opts, "qom-type", objects);
}

static int check_machine(const struct qemu_arg *arg, const struct opts *opts)
{
	if (opts_get(opts, "memory-encryption") ||
	    opts_get(opts, "confidential-guest-support"))
		return refuse(arg, "the guest's memory is encrypted");
	return DONE;
}

/* The address that a network is to be found at, and not one of a group */
static bool has_address(const struct opts *opts, const char *type)
{
	if (!strcmp(type, "socket"))
		return opts_get(opts, "listen") ||
		       (opts_get(opts, "udp") && opts_get(opts, "localaddr"));
	if (!strcmp(type, "dgram"))
		return opts_get(opts, "local.type") &&
		       opts_get(opts, "remote.type");
	return opts_is_on(opts, "server");
}

static int check_net(const struct qemu_arg *arg, const struct opts *opts)
{
	const char *type = opts_get(opts, "type");

	if (has_descriptor(opts))
		return refuse(arg, "a child can not have the same open file");
	if (type && has_address(opts, type))
		return refuse(arg,
			      "a child can not listen at the same address");
	return check_first(arg, opts, "type", nets);
}

static int check_chardev(const struct qemu_arg *arg, const struct opts *opts)
{
	const char *backend = opts_get(opts, "backend");

	if (backend && !strcmp(backend, "socket") && opts_get(opts, "fd") &&
	    !opts_get(opts, "server"))
		return refuse(arg, "a child can not have the same open file");
	return check_first(arg, opts, "backend", chars);
}

static int check_chars(const struct qemu_arg *arg, const struct opts *opts)
{
	const char *value = arg->value;
	const struct reason *reason;

	(void)opts;
	if (!strncmp(value, "mon:", 4))
		value += 4;
	reason = find_reason(chars, value);
	return reason ? refuse(arg, reason->why) : DONE;
}

static int check_run_with(const struct qemu_arg *arg, const struct opts *opts)
{
	if (opts_get(opts, "chroot"))
		return refuse(arg, "paths have another meaning there");
	return DONE;
}

/* Only whether it is understood */
static int check_nothing(const struct qemu_arg *arg, const struct opts *opts)
{
	(void)arg;
	(void)opts;
	return DONE;
}

static const struct {
	const char *name;
	const char *first;
	int (*check)(const struct qemu_arg *arg, const struct opts *opts);
} checks[] = {
	{ "device", "driver", check_device },
	{ "object", "qom-type", check_object },
	{ "machine", "type", check_machine },
	{ "M", "type", check_machine },
	{ "netdev", "type", check_net },
	{ "nic", "type", check_net },
	{ "net", "type", check_net },
	{ "chardev", "backend", check_chardev },
	{ "serial", "", check_chars },
	{ "parallel", "", check_chars },
	{ "monitor", "", check_chars },
	{ "debugcon", "", check_chars },
	{ "run-with", NULL, check_run_with },
	{ "name", "guest", check_nothing },
	{ "drive", NULL, check_nothing },
	{ "blockdev", "driver", check_nothing },
	{ "vnc", "vnc", check_nothing },
	{ "spice", NULL, check_nothing },
};

static int check_option(const struct qemu_arg *arg)
{
	const struct reason *reason = find_reason(options, arg->name);
	struct opts opts;
	int status = DONE;
	size_t i;

	if (reason && !strcmp(reason->begins, arg->name))
		return refuse(arg, reason->why);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (strcmp(checks[i].name, arg->name) || !arg->value)
			continue;
		if (opts_parse(&opts, arg->value, checks[i].first))
			status = checks[i].check(arg, &opts);
		else
			status = refuse(arg, "it is not understood");
		opts_free(&opts);
	}
	return status;
}

int qemu_check_cmd(const struct qemu_cmd *cmd)
{
	int status = DONE;
	size_t i;

	for (i = 0; !status && i < cmd->nr; i++)
		status = check_option(&cmd->args[i]);
	return status;
}

static int check_running(struct qmp *qmp)
{
	struct json_object *answer;
	int status = qmp_ask(qmp, "query-status", NULL, &answer);
	const char *is = json_text(answer, "status");

	if (!status && !json_true(answer, "running"))
		status = failure(FAILED, EBUSY,
				 "The guest does not run (%s): let it go on by the QMP command cont.",
				 is ? is : "?");
	json_object_put(answer);
	return status;
}

static int check_migration(struct qmp *qmp)
{
	static const char *const over[] = {
		"none", "completed", "failed", "cancelled",
	};
	struct json_object *answer, *reasons;
	int status = qmp_ask(qmp, "query-migrate", NULL, &answer);
	const char *is = json_text(answer, "status");
	bool busy = is;
	size_t i;

	for (i = 0; is && i < sizeof(over) / sizeof(over[0]); i++)
		if (!strcmp(is, over[i]))
			busy = false;
	reasons = json_at(answer, "blocked-reasons");
	if (status)
		;
	else if (busy)
		status = failure(FAILED, EBUSY,
				 "The guest is being migrated (%s): wait until that is over.",
				 is);
	else if (json_length(reasons))
		status = failure(FAILED, EOPNOTSUPP,
				 "QEMU can not save this guest: %s",
				 json_object_get_string(json_nth(reasons, 0)));
	json_object_put(answer);
	return status;
}

static int check_jobs(struct qmp *qmp)
{
	struct json_object *answer;
	int status = qmp_ask(qmp, "query-block-jobs", NULL, &answer);

	if (!status && json_length(answer))
		status = failure(FAILED, EBUSY,
				 "A job works on a disk (see query-block-jobs): wait until that is over.");
	json_object_put(answer);
	return status;
}

static int check_commands(struct qmp *qmp)
{
	static const char *const wanted[] = {
		"xen-save-devices-state", "transaction", "blockdev-add",
		"human-monitor-command", "qom-list",
	};
	struct json_object *answer;
	int status = qmp_ask(qmp, "query-commands", NULL, &answer);
	size_t i;

	for (i = 0; !status && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!json_named(answer, wanted[i]))
			status = failure(FAILED, EOPNOTSUPP,
					 "This QEMU has no QMP command %s: it can not be forked.",
					 wanted[i]);
	json_object_put(answer);
	return status;
}

int qemu_check_state(struct qmp *qmp)
{
	int status = check_commands(qmp);

	if (!status)
		status = check_running(qmp);
	if (!status)
		status = check_migration(qmp);
	return status ? status : check_jobs(qmp);
}
