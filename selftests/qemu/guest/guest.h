/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of a guest that tests of forked QEMUs run.
 */
#ifndef QEMU_GUEST_H
#define QEMU_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DISK	"/disk"

/* Ends the guest, with errno's text */
void die(const char *what) __attribute__((noreturn));

/* bytes that follow from a seed, and whether they are these */
void fill(void *bytes, size_t len, uint64_t seed);
bool filled(const void *bytes, size_t len, uint64_t seed);

/* modules.c: loads those that /modules names, in that order */
void modules_load(void);

/* journal.c: what is written to the disk, with an account of it in memory */
int journal_start(unsigned int sleep_us);
void journal_diverge(uint64_t tag);
void journal_pace(unsigned int sleep_us);
uint64_t journal_written(void);
uint64_t journal_verify(void);
void journal_stop(void);

/* files.c: files that come, change and go */
int files_start(unsigned int sleep_us);
void files_diverge(uint64_t tag);
uint64_t files_written(void);
uint64_t files_verify(void);
void files_stop(void);

/**
 * struct gap - the longest time in which a thread that reads the clock did not
 * @tsc_ns: by the CPU's counter, which knows nothing of a guest that is stopped
 * @clock_ns: by the kernel's clock, which may leave that out
 * @back_ns: how far that clock went back at once, which it never should
 * @turns: how often it was read
 */
struct gap {
	uint64_t tsc_ns;
	int64_t clock_ns, back_ns;
	uint64_t turns;
};

/* spin.c */
int spin_start(void);
void spin_stop(struct gap *gap);

/* net.c */
int net_up(void);
bool net_ping(void);
int net_address(char *text);
int net_set_address(const char *text);
int net_rebind(void);

#endif /* QEMU_GUEST_H */
