/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest of a few instructions, for tests that want a fault through KVM: it
 * reads a word of its memory, or zeroes a page of it.  There is one.
 */
#ifndef SELFTESTS_TINY_GUEST_H
#define SELFTESTS_TINY_GUEST_H

#include <stddef.h>
#include <stdint.h>

/* Why it can not run here, or NULL. */
const char *tiny_guest_missing(void);
/* 0 or -errno; once is enough. */
int tiny_guest_start(size_t len);
/* Its memory is a mapping of a snapshot from now on; NULL on failure. */
void *tiny_guest_map(int fd);
void tiny_guest_unmap(void);
/* What it will do with its memory at @offset; 0 or -errno. */
int tiny_guest_will_read(size_t offset);
int tiny_guest_will_zero(size_t offset);
/* 0 or -errno of KVM_RUN, which can be tried again. */
int tiny_guest_run(void);
/* What it has read. */
uint32_t tiny_guest_value(void);

#endif
