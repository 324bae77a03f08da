/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module's tracepoints say, by tracefs, and what they should.
 *
 * A *script* is a list of lines, each an event as tracefs shows it without the
 * times it took ("vmfork_cow: snapshot=1 mapping=7 addr=..."), in the order in
 * which they have to come.  The events of a test go to a buffer of its own.
 */
#ifndef SELFTESTS_TRACING_H
#define SELFTESTS_TRACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct trace_event {
	pid_t tid;
	char text[256];
	uint64_t ns;		/* or ns_longest; 0 if it says none */
};

struct script {
	char (*lines)[256];
	size_t nr;
};

/* Why there is nothing to be seen here, or NULL. */
const char *tracing_missing(void);
/* Listens to these events ("vmfork_cow"), or to all if NULL; 0 or -errno. */
int tracing_start(const char *event);
void tracing_stop(void);
/* All events since the last time, in order; -EOVERFLOW if some were lost. */
long tracing_take(struct trace_event **events);

#define FAULT_AROUND	"/sys/module/vmfork/parameters/fault_around"
/* The module's parameter; 0 is the default.  0 or -errno. */
int set_fault_around(unsigned int pages);
/* The number of the mapping at an address of this process, 0 for none. */
uint64_t mapping_at(const void *addr);
uint64_t snapshot_id(int fd);

void script_add(struct script *script, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * How many of these events, of the thread @tid if that is not 0, are not what
 * the script says; notes the first.  The script is empty afterwards.
 */
long script_differs(struct script *script, const struct trace_event *events,
		    long nr, pid_t tid);
/* Takes the events and compares them all. */
long trace_differs(struct script *script);

#endif
