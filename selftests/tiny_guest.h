/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest of a few instructions, for tests that want a fault through KVM: it
 * reads a word of its memory, zeroes a page of it, or touches one page after
 * the other.  There is one in a process.
 */
#ifndef SELFTESTS_TINY_GUEST_H
#define SELFTESTS_TINY_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why it can not run here, or NULL. */
const char *tiny_guest_missing(void);
/* 0 or -errno; once is enough. */
int tiny_guest_start(size_t len);
/* Its memory is a mapping of a snapshot from now on; NULL on failure. */
void *tiny_guest_map(int fd);
void tiny_guest_unmap(void);
/* Or its memory is what is at this address; NULL: it has none.  0 or -errno. */
int tiny_guest_give(void *addr, size_t len);
/* The descriptor of its vCPU */
int tiny_guest_cpu(void);
/* Has KVM map all of that, without a touch; -ENOTTY before Linux 6.11. */
int tiny_guest_prefault(void);
/* For a forked process, which has no use for its parent's. */
void tiny_guest_forget(void);
/* What it will do with its memory at @offset; 0 or -errno. */
int tiny_guest_will_read(size_t offset);
int tiny_guest_will_zero(size_t offset);
/* Reads, or writes, the first word of each of @pages pages. */
int tiny_guest_will_touch(size_t offset, size_t pages, bool write);
/* 0 or -errno of KVM_RUN, which can be tried again. */
int tiny_guest_run(void);
/* What it has read. */
uint32_t tiny_guest_value(void);

#endif
