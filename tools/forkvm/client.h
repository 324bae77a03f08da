/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A client of many forkvms: what the demo and the tests of guests share.
 */
#ifndef FORKVM_CLIENT_H
#define FORKVM_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#define REPLY_MAX	4096

/* A guest, and what it said of itself */
struct guest {
	char path[64];			/* "0" is the first, "3.1" a child's */
	char control[108];
	pid_t pid;
	int fd;				/* connection to its control socket */
	char reply[REPLY_MAX];		/* to the last command */

	uint64_t counter_then, hash_then;	/* at the fork */
	uint64_t counter, hash, errors;		/* afterwards */
	uint64_t first_run_ns, first_line_ns;
	uint64_t shared_kib, private_kib;
	char random[33];
	int renewed;
};

/* Whoever uses this says what failing means; it does not return. */
void client_fail(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

void guest_boot(struct guest *g, const char *dir, const char *const options[]);
unsigned int guest_fork(struct guest *g, const char *how, struct guest *child,
			unsigned int nr);
void guest_meet(struct guest *g);
void guest_connect(struct guest *g, unsigned int seconds);
void guest_ask(struct guest *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int guest_try(struct guest *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
uint64_t reply_number(const struct guest *g, const char *key);
uint64_t reply_hex(const struct guest *g, const char *key);
void reply_text(const struct guest *g, const char *key, char *text,
		size_t size);
void guest_memory(struct guest *g);

#endif /* FORKVM_CLIENT_H */
