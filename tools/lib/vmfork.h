/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * libvmfork: what the author of a VMM calls to fork guest memory.
 *
 * Functions return -errno on failure unless they say otherwise, never print,
 * keep no global state, and may be called from any thread.
 */
#ifndef LIBVMFORK_H
#define LIBVMFORK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmfork.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * vmfork_open() - open the capture device
 *
 * Return: a file descriptor (O_CLOEXEC) that the caller closes; -ENOENT if
 * the module is not loaded; -EACCES without the right to use it.
 */
int vmfork_open(void);

/**
 * vmfork_capture() - capture memory into a new snapshot
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: what to capture
 * @nr: how many
 * @result: counts, times and, on failure, what was refused; may be NULL
 *
 * Return: the snapshot's file descriptor (O_CLOEXEC), owned by the caller.
 */
int vmfork_capture(int dev, int pidfd, const struct vmfork_region *regions,
		   size_t nr, struct vmfork_capture *result);

/**
 * vmfork_capture_sized() - vmfork_capture() into a snapshot of a given size
 * @dev: what vmfork_open() returned
 * @pidfd: the process whose memory it is, -1 for the calling process
 * @regions: what to capture
 * @nr: how many
 * @size: of the snapshot in bytes, or 0 for the end of its last region
 * @result: counts, times and, on failure, what was refused; may be NULL
 *
 * Return: the snapshot's file descriptor (O_CLOEXEC), owned by the caller.
 */
int vmfork_capture_sized(int dev, int pidfd,
			 const struct vmfork_region *regions, size_t nr,
			 uint64_t size, struct vmfork_capture *result);

/**
 * vmfork_map() - map part of a snapshot, private and writable
 * @snapshot: a snapshot's file descriptor
 * @addr: where (MAP_FIXED), or NULL for anywhere suited to huge pages
 * @len: in bytes, a multiple of 4096
 * @offset: in the snapshot, a multiple of 4096
 * @mapped: out: the address; munmap(2) it when done
 *
 * Return: 0 or -errno of mmap(2).
 */
int vmfork_map(int snapshot, void *addr, size_t len, uint64_t offset,
	       void **mapped);

/**
 * vmfork_info() - describe a snapshot
 * @snapshot: a file descriptor
 * @info: out: what is known of it
 *
 * Return: 0; -ENOTTY if @snapshot is not one.
 */
int vmfork_info(int snapshot, struct vmfork_info *info);

/**
 * vmfork_refusal_name() - short name of a refusal ("pinned")
 * @refusal: enum vmfork_refusal
 *
 * Return: a constant string, never NULL.
 */
const char *vmfork_refusal_name(unsigned int refusal);

/**
 * vmfork_refusal_advice() - one sentence on what the user can do about it
 * @refusal: enum vmfork_refusal
 *
 * Return: a constant string, never NULL.
 */
const char *vmfork_refusal_advice(unsigned int refusal);

#ifdef __cplusplus
}
#endif

#endif /* LIBVMFORK_H */
