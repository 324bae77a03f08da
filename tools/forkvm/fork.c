// SPDX-License-Identifier: GPL-2.0
/*
 * Fork: a running guest becomes several, in processes of their own.
 *
 * Most of the guest's memory is captured while it runs.  Then it is paused; its
 * state is saved, and what it wrote meanwhile is captured, and that is all the
 * parent pays for.  Children are spawned, not forked from
 * this process, so its memory is not copied a second time.  They build their
 * VMs side by side and wait; only when all are there are they let go.  If one
 * can not be built, all of this fork end, and the parent has only lost time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forkvm.h"

#define BUILD_TIMEOUT_MS	120000

/* What is done at the instant of a fork */
struct instant {
	struct vm *vm;
	struct blob *state;
	struct fork_result *result;
	uint64_t stopped_ns, saved_ns;
};

static int instant_begin(void *arg)
{
	struct instant *in = arg;

	in->stopped_ns = now_ns();
	vcpus_pause(in->vm);
	if (state_save(in->vm, in->state)) {
		vcpus_resume(in->vm);
		return -ECANCELED;
	}
	in->saved_ns = now_ns();
	in->result->save_ns = in->saved_ns - in->stopped_ns;
	return 0;
}

static void instant_end(void *arg)
{
	struct instant *in = arg;

	in->result->capture_ns = now_ns() - in->saved_ns;
	watch_read(in->vm, &in->result->watch);
	vcpus_were_paused(in->vm);
	vcpus_resume(in->vm);
	in->result->pause_ns = now_ns() - in->stopped_ns;
}

/* Return: the snapshot's fd; the guest runs again, or still is paused */
static int take(struct vm *vm, struct blob *state, struct fork_result *result)
{
	struct instant in = { .vm = vm, .state = state, .result = result };
	const struct vmfork_live_options options = {
		.pause = instant_begin,
		.resume = instant_end,
		.arg = &in,
	};

	return capture(vm, &options, &result->live);
}

/* Above the child's own numbers, so that they can not collide */
static int move_up(int fd)
{
	int up;

	if (fd < 0)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	return up < 0 ? fail_errno("no file descriptor is free") : up;
}

static int set_birth(const struct vm *vm, struct birth *birth, uint32_t index,
		     uint64_t asked_ns)
{
	int len;

	memset(birth, 0, sizeof(*birth));
	birth->index = index;
	birth->asked_ns = asked_ns;
	len = snprintf(birth->path, sizeof(birth->path), "%s%s%u",
		       vm->birth.path, vm->birth.path[0] ? "." : "", index);
	if (len >= (int)sizeof(birth->path))
		return fail("forks of forks are too deep for their name");
	if (getrandom(birth->genid, GENID_LEN, 0) != GENID_LEN)
		return fail_errno("no random generation ID");
	return 0;
}

/* What all children of a fork inherit */
struct legacy {
	int snapshot, state;
	int working_set;		/* -1: none */
};

static int spawn(struct fork_child *child, const char *path,
		 const struct legacy *legacy, int report)
{
	char name[] = "forkvm", verb[] = "child";
	char *argv[] = { name, verb, (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, legacy->snapshot,
					 CHILD_SNAPSHOT_FD);
	posix_spawn_file_actions_adddup2(&actions, legacy->state,
					 CHILD_STATE_FD);
	posix_spawn_file_actions_adddup2(&actions, report, CHILD_REPORT_FD);
	if (legacy->working_set >= 0)
		posix_spawn_file_actions_adddup2(&actions, legacy->working_set,
						 CHILD_WORKING_SET_FD);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSID);
	err = posix_spawn(&child->pid, "/proc/self/exe", &actions, &attr, argv,
			  environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (err) {
		child->pid = 0;
		return fail("can not start a child: %s", strerror(err));
	}
	return 0;
}

static int start_child(struct vm *vm, struct fork_child *child, uint32_t index,
		       uint64_t asked_ns, const struct legacy *legacy)
{
	struct birth birth;
	int pair[2], theirs, err = -1;

	if (set_birth(vm, &birth, index, asked_ns))
		return -1;
	birth.has_working_set = legacy->working_set >= 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fail_errno("can not talk to a child");
	child->report = pair[0];
	theirs = move_up(pair[1]);
	if (theirs < 0)
		return -1;
	if (send(child->report, &birth, sizeof(birth), MSG_NOSIGNAL) < 0)
		fail_errno("can not talk to a child");
	else
		err = spawn(child, birth.path, legacy, theirs);
	close(theirs);
	return err;
}

/* A child says "ok" and its control socket, or what went wrong */
static int wait_built(struct fork_child *child)
{
	struct pollfd fd = { .fd = child->report, .events = POLLIN };
	char message[512];
	ssize_t len;

	if (poll(&fd, 1, BUILD_TIMEOUT_MS) != 1)
		return fail("child %d did not come up in time", child->pid);
	len = recv(child->report, message, sizeof(message) - 1, 0);
	if (len <= 0)
		return fail("child %d died before it ran", child->pid);
	message[len] = 0;
	if (strncmp(message, "ok ", 3))
		return fail("child %d: %s", child->pid, message);
	snprintf(child->control, sizeof(child->control), "%.*s",
		 FILE_LEN - 1, message + 3);
	return 0;
}

static void end_children(struct fork_result *result)
{
	unsigned int i;

	for (i = 0; i < result->nr; i++) {
		if (result->child[i].pid > 0)
			kill(result->child[i].pid, SIGKILL);
		if (result->child[i].control[0])
			unlink(result->child[i].control);
	}
}

static int start_children(struct vm *vm, struct fork_result *result,
			  uint64_t asked_ns, const struct legacy *legacy)
{
	uint32_t first = vm->nr_children + 1;
	unsigned int i;

	for (i = 0; i < result->nr; i++)
		if (start_child(vm, &result->child[i], first + i, asked_ns,
				legacy))
			return -1;
	for (i = 0; i < result->nr; i++)
		if (wait_built(&result->child[i]))
			return -1;
	return 0;
}

static void let_go(struct fork_result *result, bool paused)
{
	char go = paused ? 'p' : 'r';
	unsigned int i;

	for (i = 0; i < result->nr; i++)
		send(result->child[i].report, &go, 1, MSG_NOSIGNAL);
}

static void close_reports(struct fork_result *result)
{
	unsigned int i;

	for (i = 0; i < result->nr; i++)
		if (result->child[i].report >= 0)
			close(result->child[i].report);
}

static void close_legacy(const struct legacy *legacy)
{
	if (legacy->snapshot >= 0)
		close(legacy->snapshot);
	if (legacy->state >= 0)
		close(legacy->state);
	if (legacy->working_set >= 0)
		close(legacy->working_set);
}

static int fork_locked(struct vm *vm, bool paused, const struct ws *ws,
		       struct fork_result *result)
{
	struct legacy legacy = { .snapshot = -1, .state = -1, .working_set = -1 };
	uint64_t asked_ns = now_ns();
	struct blob state = { 0 };
	int err = -1;

	/* First, so that the guest has not even paused if that fails */
	if (ws) {
		legacy.working_set = move_up(working_set_to_fd(ws));
		if (legacy.working_set < 0)
			return -1;
	}
	legacy.snapshot = move_up(take(vm, &state, result));
	if (legacy.snapshot >= 0)
		legacy.state = move_up(blob_to_fd(&state));
	if (legacy.state >= 0)
		err = start_children(vm, result, asked_ns, &legacy);
	if (err) {
		end_children(result);
	} else {
		vm->nr_children += result->nr;
		let_go(result, paused);
		checkpoint_keep(vm, legacy.snapshot, &state, false);
	}
	result->total_ns = now_ns() - asked_ns;
	close_reports(result);
	close_legacy(&legacy);
	blob_free(&state);
	return err;
}

/**
 * vm_fork() - fork the guest into @nr more
 * @paused: the children wait for "resume" before their first instruction
 * @ws: what each of them has mapped and copied before that, or NULL
 * @result: what it took; the caller frees result->child
 *
 * Return: 0; or -1, then there is no child, and the guest goes on as before.
 */
int vm_fork(struct vm *vm, unsigned int nr, bool paused,
	    const struct ws *ws, struct fork_result *result)
{
	unsigned int i;
	int err;

	memset(result, 0, sizeof(*result));
	result->child = calloc(nr, sizeof(*result->child));
	if (!result->child)
		return fail("out of memory for %u children", nr);
	result->nr = nr;
	for (i = 0; i < nr; i++)
		result->child[i].report = -1;
	pthread_mutex_lock(&vm->command);
	if (vm->ended)
		err = fail("the guest has ended");
	else if (vm->newborn)
		err = fail("this child never ran; resume it first");
	else
		err = fork_locked(vm, paused, ws, result);
	pthread_mutex_unlock(&vm->command);
	return err;
}
