/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a call does.  Each returns 0 or a number, or -errno.
 */
#ifndef FUZZ_CALLS_H
#define FUZZ_CALLS_H

#include <stdint.h>

/* How many of each there are, for those that name one by a number */
#define NR_MAP_KINDS	21
#define NR_ADVICES	27
#define NR_FILE_OPS	46
#define NR_MEMORY_OPS	20
#define NR_SETTINGS	28

/* memory.c: the arena */
long call_map(const uint64_t *arg);
long call_write(const uint64_t *arg);
long call_memwrite(const uint64_t *arg);
long call_unmap(const uint64_t *arg);
long call_protect(const uint64_t *arg);
long call_move(const uint64_t *arg);
long call_advise(const uint64_t *arg);
long call_memory(const uint64_t *arg);
long call_check(const uint64_t *arg);

/* uffd.c */
long call_uffd(const uint64_t *arg);
long call_uffd_op(const uint64_t *arg);

/* argument.c */
long call_flip(const uint64_t *arg);

/* capture.c */
long call_region(const uint64_t *arg);
long call_capture(const uint64_t *arg);
long call_into(const uint64_t *arg);
long call_name(const uint64_t *arg);
long call_prearm(const uint64_t *arg);
long call_info(const uint64_t *arg);
long call_ioctl(const uint64_t *arg);

/* live.c */
long call_reset(const uint64_t *arg);
long call_prefault(const uint64_t *arg);

/* diff.c */
long call_diff(const uint64_t *arg);

/* import.c */
long call_import(const uint64_t *arg);

/* netlink.c */
long call_netlink(const uint64_t *arg);

/* files.c: snapshots, and whatever else has a descriptor */
long call_open(const uint64_t *arg);
long call_close(const uint64_t *arg);
long call_dup(const uint64_t *arg);
long call_attach(const uint64_t *arg);
long call_read_into(const uint64_t *arg);
long call_file(const uint64_t *arg);

/* processes.c */
long call_fork(const uint64_t *arg);
long call_thread(const uint64_t *arg);
long call_kill(const uint64_t *arg);
long call_timer(const uint64_t *arg);
long call_ptrace(const uint64_t *arg);
long call_peer_memory(const uint64_t *arg);
long call_cred(const uint64_t *arg);
long call_limit(const uint64_t *arg);
long call_setting(const uint64_t *arg);
long call_sleep(const uint64_t *arg);
void settings_save(void);
void settings_restore(uint32_t changed);
/* Lets processes that wait go, and waits for them, a while. */
void processes_end(void);

#endif
