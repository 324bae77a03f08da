/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of a QEMU can not be forked, found before anything is stopped.
 *
 * Each function returns an enum status, and has told of a failure, which says
 * what it is that stands in the way, by failure().
 */
#ifndef VMFORK_QEMUCHECK_H
#define VMFORK_QEMUCHECK_H

#include <stdbool.h>

struct json_object;
struct qemu_cmd;
struct qmp;

/** qemu_check_cmd() - by its command line */
int qemu_check_cmd(const struct qemu_cmd *cmd);

/** qemu_device_reason() - why a device can not be forked, or NULL */
const char *qemu_device_reason(const char *driver);

/** qemu_check_state() - by what it says of itself */
int qemu_check_state(struct qmp *qmp);

/** qemu_check_devices() - by what it has: all of it from its command line */
int qemu_check_devices(struct qmp *qmp, const struct qemu_cmd *cmd);

/**
 * qemu_check_named() - the same for devices that have names
 * @list: the answer to qom-list of /machine/peripheral
 */
int qemu_check_named(struct json_object *list, const struct qemu_cmd *cmd);

/**
 * qemu_check_unnamed() - the same for those that have none
 * @list: the answer to qom-list of /machine/peripheral-anon
 */
int qemu_check_unnamed(struct json_object *list, const struct qemu_cmd *cmd);

/** qemu_check_types() - by the types of devices in an answer to qom-list */
int qemu_check_types(struct json_object *list);

/** qemu_check_nic() - whether there is a card that nobody asked for */
int qemu_check_nic(struct qmp *qmp, const struct qemu_cmd *cmd,
		   bool *default_nic);

#endif /* VMFORK_QEMUCHECK_H */
