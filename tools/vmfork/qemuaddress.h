/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a child is known by outside of it, and its parent is already.
 */
#ifndef VMFORK_QEMUADDRESS_H
#define VMFORK_QEMUADDRESS_H

#include <stdbool.h>

struct maker;
struct qemu_arg;

/** qemu_is_nic() - whether a device of that name is a network card */
bool qemu_is_nic(const char *driver);

/** qemu_listens() - whether "unix:PATH,server" and its like is a server */
bool qemu_listens(const char *chardev);

/*
 * Each adds one option to a child's command line, in place of its parent's;
 * false if there is no memory.
 */
bool make_char_option(struct maker *maker, const struct qemu_arg *arg);
bool make_chardev(struct maker *maker, const struct qemu_arg *arg);
bool make_trace(struct maker *maker, const struct qemu_arg *arg);
bool make_dump(struct maker *maker, const struct qemu_arg *arg);
bool make_audiodev(struct maker *maker, const struct qemu_arg *arg);
bool make_vnc(struct maker *maker, const struct qemu_arg *arg);
bool make_display(struct maker *maker, const struct qemu_arg *arg);
bool make_spice(struct maker *maker, const struct qemu_arg *arg);
bool make_net(struct maker *maker, const struct qemu_arg *arg);
bool make_device(struct maker *maker, const struct qemu_arg *arg);

#endif /* VMFORK_QEMUADDRESS_H */
