/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TORTURE_SUPERVISOR_H
#define TORTURE_SUPERVISOR_H

/* A round: all actors for so many seconds.  0, or the number of failures. */
int supervise(unsigned int round, unsigned int seconds);

#endif
