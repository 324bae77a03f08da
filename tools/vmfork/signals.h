/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ctrl-C and its like end a command in order: it cleans up, then dies of the
 * signal.
 */
#ifndef VMFORK_SIGNALS_H
#define VMFORK_SIGNALS_H

#include <stdbool.h>

/**
 * signals_catch() - from here on SIGINT, SIGTERM and SIGHUP only interrupt
 *
 * What was ignored at start (nohup) stays so.  SIGPIPE and SIGXFSZ become
 * errors of the write.
 */
void signals_catch(void);

/** signals_caught() - whether one of them has come */
bool signals_caught(void);

/** signals_wait() - sleep until one of them comes */
void signals_wait(void);

/** signals_forget() - what has come was obeyed; the next one is another */
void signals_forget(void);

/** signals_die() - end the process by the signal that came; after clean-up */
void signals_die(void) __attribute__((noreturn));

#endif /* VMFORK_SIGNALS_H */
