// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs (bpf/): load and attach one, read its ring buffer.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "cli.h"
#include "clock.h"
#include "out.h"
#include "signals.h"

#define MODULE		"/sys/module/vmfork"
#define MODULE_BTF	"/sys/kernel/btf/vmfork"
#define KERNEL_BTF	"/sys/kernel/btf/vmlinux"

/* Nobody is woken for an event (bpf/ring.h): look that often, in ms. */
#define LOOK_EVERY	100
#define LOOK_SELDOM	1000

struct bpf_ring {
	struct ring_buffer *buffer;
	const struct bpf_map *drops;
	bpf_event_fn event;
	void *context;
	bool stopped;
};

/* What went wrong is told in one sentence; the rest is for who asks for it. */
static int print(enum libbpf_print_level level, const char *format,
		 va_list args)
{
	const char *wanted = getenv("VMFORK_BPF_LOG");

	if (!wanted || (level == LIBBPF_DEBUG && strcmp(wanted, "debug")))
		return 0;
	return vfprintf(stderr, format, args);
}

int bpf_failed(int error)
{
	error = -error;
	if ((error == EPERM || error == EACCES) && geteuid())
		return failure(FAILED, error,
			       "Tracing needs the capabilities BPF and PERFMON: run as root.");
	if (error == EPERM)
		return failure(FAILED, error,
			       "The kernel allows no tracing, even to this root: run it outside of containers, and see /sys/kernel/security/lockdown.");
	if (access(KERNEL_BTF, F_OK))
		return failure(FAILED, error,
			       "This kernel does not describe its types (%s is missing): it needs CONFIG_DEBUG_INFO_BTF.",
			       KERNEL_BTF);
	if (error == ENOMEM)
		return failure(FAILED, error,
			       "The kernel is out of memory: free some, then try again.");
	return failure(FAILED, error,
		       "The tracing programs do not work with this kernel or module: %s; VMFORK_BPF_LOG=1 in the environment shows why.",
		       strerror(error));
}

int bpf_module(void)
{
	if (!access(MODULE, F_OK))
		return DONE;
	return failure(NO_MODULE, ENOENT,
		       "The vmfork module is not loaded: load it by modprobe vmfork.");
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Of two programs for the same tracepoint, one is for this module. */
static void choose(struct bpf_object *object)
{
	bool btf = !access(MODULE_BTF, F_OK);
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		const char *section = bpf_program__section_name(program);

		if (begins(section, "tp_btf/vmfork_"))
			bpf_program__set_autoload(program, btf);
		else if (begins(section, "raw_tp/vmfork_"))
			bpf_program__set_autoload(program, !btf);
	}
}

int bpf_start(struct bpf_object_skeleton *skeleton)
{
	int err;

	libbpf_set_print(print);
	choose(*skeleton->obj);
	err = bpf_object__load_skeleton(skeleton);
	if (!err)
		err = bpf_object__attach_skeleton(skeleton);
	return err ? bpf_failed(err) : DONE;
}

int bpf_ring_size(struct bpf_map *ring, __u64 *wake, uint64_t bytes)
{
	uint64_t size = sysconf(_SC_PAGESIZE);

	/* The kernel takes no more than 2 GiB in any case. */
	while (size < bytes && size < 1ULL << 31)
		size <<= 1;
	*wake = size / 4;
	if (size < bytes || bpf_map__set_max_entries(ring, size))
		return failure(BAD_USAGE, 0,
			       "A buffer of %llu bytes is too large: give at most 2G.",
			       (unsigned long long)bytes);
	return DONE;
}

static int take(void *context, void *event, size_t size)
{
	struct bpf_ring *ring = context;

	(void)size;
	if (!ring->stopped && !ring->event(ring->context, event))
		ring->stopped = true;
	return 0;
}

int bpf_ring_open(struct bpf_ring **opened, const struct bpf_map *map,
		  const struct bpf_map *drops, bpf_event_fn event,
		  void *context)
{
	struct bpf_ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return bpf_failed(-ENOMEM);
	ring->drops = drops;
	ring->event = event;
	ring->context = context;
	ring->buffer = ring_buffer__new(bpf_map__fd(map), take, ring, NULL);
	if (!ring->buffer) {
		int err = -errno;

		free(ring);
		return bpf_failed(err);
	}
	*opened = ring;
	return DONE;
}

void bpf_ring_close(struct bpf_ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->buffer);
	free(ring);
}

int bpf_ring_read(struct bpf_ring *ring)
{
	int nr = ring_buffer__consume(ring->buffer);

	return nr < 0 ? bpf_failed(nr) : DONE;
}

int bpf_ring_drops(const struct bpf_ring *ring, uint64_t *drops)
{
	int nr = libbpf_num_possible_cpus(), err;
	uint64_t *counts;
	__u32 zero = 0;

	if (nr < 0)
		return bpf_failed(nr);
	counts = calloc(nr, sizeof(*counts));
	if (!counts)
		return bpf_failed(-ENOMEM);
	err = bpf_map_lookup_elem(bpf_map__fd(ring->drops), &zero, counts);
	for (*drops = 0; !err && nr; nr--)
		*drops += counts[nr - 1];
	free(counts);
	return err ? bpf_failed(err) : DONE;
}

/* Milliseconds until there is something to look at, or it is over */
static int next_look(const struct bpf_until *until, uint64_t passed)
{
	uint64_t look = until->live ? LOOK_EVERY : LOOK_SELDOM;
	uint64_t left = until->duration - passed;

	if (!until->duration || left > look * 1000000)
		return look;
	return (left + 999999) / 1000000;
}

int bpf_ring_follow(struct bpf_ring *ring, const struct bpf_until *until,
		    uint64_t *ns)
{
	struct pollfd polled[] = {
		{ .fd = ring_buffer__epoll_fd(ring->buffer), .events = POLLIN },
		{ .fd = until->pidfd, .events = POLLIN },
	};
	uint64_t start = now_ns();

	for (;;) {
		bool over;
		int status;

		/* Whether it is over is asked first, so that no event is left. */
		*ns = now_ns() - start;
		over = signals_caught() || polled[1].revents ||
		       (until->duration && *ns >= until->duration);
		status = bpf_ring_read(ring);
		if (status || over || ring->stopped)
			return status;
		polled[1].revents = 0;
		if (poll(polled, 2, next_look(until, *ns)) < 0 &&
		    errno != EINTR)
			return failure(FAILED, errno,
				       "Waiting for events failed: %s.",
				       strerror(errno));
	}
}
