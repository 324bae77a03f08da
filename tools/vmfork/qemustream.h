/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a child of a QEMU reads at its start: a migration stream that has all
 * devices and CPUs, and of memory what is not its RAM.
 */
#ifndef VMFORK_QEMUSTREAM_H
#define VMFORK_QEMUSTREAM_H

#include <stddef.h>
#include <stdio.h>

struct qemu_ram;

/**
 * qemu_stream_write() - put it together
 * @to: where
 * @machine: "pc-i440fx-7.2", as QEMU calls it
 * @ram: what was captured
 * @snapshot: file descriptor of the snapshot that has it
 * @devices: what xen-save-devices-state wrote
 * @len: of that
 *
 * Return: 0 or -errno: -EPROTO if @devices is not what it was understood to
 * be.
 */
int qemu_stream_write(FILE *to, const char *machine,
		      const struct qemu_ram *ram, int snapshot,
		      const char *devices, size_t len);

#endif /* VMFORK_QEMUSTREAM_H */
