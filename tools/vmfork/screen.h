/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The terminal that a picture is shown on, and what ends it.
 */
#ifndef VMFORK_SCREEN_H
#define VMFORK_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "heatmap.h"

/** screen_is_utf8() - whether what is written is to be UTF-8 */
bool screen_is_utf8(void);

/** screen_is_terminal() - whether standard output is one that can go back */
bool screen_is_terminal(void);

/**
 * screen_look() - how large it is by now, and what it can do
 * @view: out; in_place is false
 *
 * NO_COLOR in the environment takes the colours away; so does a terminal that
 * is none, or dumb.  Where there is none, it is 80 wide and 40 high.
 */
void screen_look(struct heat_view *view);

/**
 * screen_catch() - from here on signals end only screen_wait()
 *
 * Those that want the program to end (SIGINT, SIGTERM, SIGHUP) do so by
 * themselves the second time.
 */
void screen_catch(void);

/** screen_begin() - leave what the terminal shows now for later */
void screen_begin(void);

/** screen_end() - show that again */
void screen_end(void);

/**
 * screen_wait() - sleep
 * @ns: so long, or until the terminal changes its size
 * @pidfd: or this process ends; -1 for none
 *
 * Return: false if it is time to end: for the process, or a signal.
 */
bool screen_wait(uint64_t ns, int pidfd);

/**
 * screen_wait_fd() - sleep until something can be read
 * @ns: so long at most, or until the terminal changes its size
 * @fd: from this
 *
 * Return: false if it is time to end, for a signal.
 */
bool screen_wait_fd(uint64_t ns, int fd);

#endif /* VMFORK_SCREEN_H */
