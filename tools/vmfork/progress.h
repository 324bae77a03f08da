/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How far a long copy has come: a bar on the terminal that standard error is.
 */
#ifndef VMFORK_PROGRESS_H
#define VMFORK_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

/**
 * progress_begin() - begin
 * @mode: by itself, a bar is shown on a terminal, and not with --json
 * @what: a word: "Writing"
 * @total: bytes
 */
void progress_begin(enum progress_mode mode, const char *what, uint64_t total);

/** progress_step() - so many bytes more are done */
void progress_step(uint64_t bytes);

/** progress_end() - take it away; harmless if there is none */
void progress_end(void);

#endif /* VMFORK_PROGRESS_H */
