/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An empty image on top of another: qcow2, as in QEMU's docs/interop/qcow2.txt.
 */
#ifndef VMFORK_QCOW2_H
#define VMFORK_QCOW2_H

#include <stdint.h>

/**
 * qcow2_overlay() - make one
 * @path: of a new file
 * @base: absolute path of what is below it
 * @format: of that: "raw", "qcow2"
 * @size: of the disk, in bytes
 *
 * Owner and permissions are those of @base.
 *
 * Return: an enum status; a failure has been told, and left no file.
 */
int qcow2_overlay(const char *path, const char *base, const char *format,
		  uint64_t size);

#endif /* VMFORK_QCOW2_H */
