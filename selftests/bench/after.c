// SPDX-License-Identifier: GPL-2.0
/*
 * What the parent pays for each page after its pause, and a child for each
 * page of what it has attached to: first reads and first writes, by the
 * process itself and by its guest.
 */
#include <err.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "capture.h"
#include "figures.h"
#include "method.h"
#include "tiny_guest.h"
#include "touch.h"

static const struct method *const of_parents[] = {
	&method_fork, &method_fullcopy, &method_uffd_wp, &method_capture, NULL
};

static const struct method *const of_children[] = {
	&method_fork, &method_fullcopy, &method_uffd_missing,
	&method_capture, NULL
};

static void note_touched(const char *who, const struct method *method,
			 enum kind kind, const struct touched *touched)
{
	enum touch touch;

	for (touch = 0; touch < NR_TOUCHES; touch++)
		figure(1, touched->per_page[touch], "%s_%s_%s_%s", who,
		       kind_names[kind], method->name, touch_names[touch]);
}

static void parent(const struct method *method, const struct memory *mem)
{
	struct touched touched;

	if (!method_pause(method, mem, touch_guest_knows))
		return;
	method_resume(method, mem);
	touched = touch_all(mem, plan.slice);
	method_finish(method, mem);
	note_touched("after", method, mem->kind, &touched);
}

/* In a process of its own, with a guest of its own */
static void child_touches(const struct method *method,
			  const struct memory *mem, int result)
{
	struct memory own = *mem;
	struct touched touched;

	tiny_guest_forget();
	own.start = method->attach(mem, method->inherits ? NULL :
				   memory_room(mem->size));
	if (method->serve)
		method->serve(mem, own.start);
	touch_begin(&own);
	touched = touch_all(&own, plan.slice);
	_exit(write(result, &touched, sizeof(touched)) != sizeof(touched));
}

/* Most VMMs have it so, and their children only have what they attach to. */
static void inherit(const struct memory *mem, bool on)
{
	if (madvise(mem->start, mem->size, on ? MADV_DOFORK : MADV_DONTFORK))
		err(1, "madvise");
}

static void child(const struct method *method, const struct memory *mem)
{
	struct touched touched;
	int result[2];
	pid_t pid;

	if (!method->inherits && !method_pause(method, mem, NULL))
		return;
	if (pipe(result))
		err(1, "pipe");
	inherit(mem, method->inherits);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		child_touches(method, mem, result[1]);
	close(result[1]);
	if (read(result[0], &touched, sizeof(touched)) != sizeof(touched))
		errx(1, "a child died");
	close(result[0]);
	waitpid(pid, NULL, 0);
	inherit(mem, true);
	if (!method->inherits)
		method_finish(method, mem);
	note_touched("child", method, mem->kind, &touched);
}

/* Memory that was written to after a fork(2) is not what it was: it is new. */
static void parents(enum kind kind)
{
	const struct method *const *method;
	struct vmfork_capture cap;

	for (method = of_parents; *method; method++) {
		struct memory mem = memory_get(plan.slice * NR_TOUCHES, kind);

		touch_begin(&mem);
		parent(*method, &mem);
		if (*method == &method_capture) {
			/* Nothing is written since, and all of it is mapped. */
			close(vmfork_capture(&mem, &cap));
			memory_touch(mem.start, mem.size, false);
			parent(&method_recapture, &mem);
		}
		touch_end();
		memory_put(&mem);
	}
}

static void children(enum kind kind)
{
	const struct method *const *method;

	for (method = of_children; *method; method++) {
		struct memory mem = memory_get(plan.slice * NR_TOUCHES, kind);

		child(*method, &mem);
		memory_put(&mem);
	}
}

void chapter_after(enum kind kind)
{
	parents(kind);
	children(kind);
	if (kind == KIND_4K)
		figure(1, figure_get("after_4k_capture_process_read"),
		       "seq_read_after_capture_4k");
}
