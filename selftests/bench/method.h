/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways to fork memory, side by side: vmfork's and the others'.
 *
 * A method is prepared while the guest still runs, then the guest is paused
 * for what is measured, then it goes on.  Each is used for one memory at a
 * time.  Children of it attach to what the pause has made.
 */
#ifndef BENCH_METHOD_H
#define BENCH_METHOD_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

struct method {
	const char *name;
	/* 0, or -errno if it can not be had here */
	int (*prepare)(const struct memory *mem);
	/* What the guest is paused for */
	void (*pause)(const struct memory *mem);
	/* It goes on: whoever serves its faults is there from now on. */
	void (*resume)(const struct memory *mem);
	/*
	 * The end of it.  The memory is anonymous and resident as it was
	 * before, but for vmfork's, which is a mapping then.
	 */
	void (*finish)(const struct memory *mem);

	/* Children have the memory by inheritance, where it is. */
	bool inherits;
	/* What a child does to have the memory; NULL: there are no children */
	char *(*attach)(const struct memory *mem, char *room);
	/* Whoever serves the faults of a child's memory */
	void (*serve)(const struct memory *mem, char *map);
};

extern const struct method method_fork, method_fullcopy, method_uffd_wp,
	method_uffd_missing, method_park, method_capture, method_recapture,
	method_prearmed;

/*
 * Prepares it and has @pause measured, after @ready (or NULL) was called.
 * Returns the instructions, or 0 if the method can not be had.  The caller
 * resumes and finishes it.
 */
uint64_t method_pause(const struct method *method, const struct memory *mem,
		      void (*ready)(const struct memory *mem));
void method_resume(const struct method *method, const struct memory *mem);
void method_finish(const struct method *method, const struct memory *mem);

#endif
