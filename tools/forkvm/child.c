// SPDX-License-Identifier: GPL-2.0
/*
 * Child: the other side of fork.c, in its own process.
 *
 * It gets three file descriptors: the snapshot, its parent's state, and a
 * socket on which it is told who it is, says that it is built, and is let go.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forkvm.h"

/* The parent's file name, with the child's own number behind it */
static int append_index(char *file, uint32_t index)
{
	size_t len = strlen(file);
	int n;

	if (!file[0])
		return 0;
	n = snprintf(file + len, FILE_LEN - len, ".%u", index);
	if (n >= (int)(FILE_LEN - len))
		return fail("the file name of a child is too long; use a "
			    "shorter --control or --console");
	return 0;
}

static int build(struct vm *vm)
{
	struct blob state = { 0 };
	struct birth birth;
	int err;

	fcntl(CHILD_SNAPSHOT_FD, F_SETFD, FD_CLOEXEC);
	fcntl(CHILD_STATE_FD, F_SETFD, FD_CLOEXEC);
	fcntl(CHILD_REPORT_FD, F_SETFD, FD_CLOEXEC);
	if (recv(CHILD_REPORT_FD, &birth, sizeof(birth), 0) != sizeof(birth))
		return fail("\"forkvm child\" is for forkvm's own use");
	birth.path[sizeof(birth.path) - 1] = 0;
	vm->snapshot_fd = CHILD_SNAPSHOT_FD;
	err = blob_from_fd(&state, CHILD_STATE_FD);
	close(CHILD_STATE_FD);
	if (!err)
		err = state_restore(vm, &state);
	if (!err)
		checkpoint_keep(vm, CHILD_SNAPSHOT_FD, &state, true);
	blob_free(&state);
	if (err)
		return -1;
	vm->birth = birth;
	if (birth.has_working_set) {
		err = working_set_from_fd(vm, CHILD_WORKING_SET_FD);
		close(CHILD_WORKING_SET_FD);
		if (err)
			return -1;
	}
	if (append_index(vm->config.control, birth.index) ||
	    append_index(vm->config.console, birth.index) ||
	    vm_console_open(vm))
		return -1;
	vm->newborn = true;
	vm->paused = true;
	vm->built_ns = now_ns();
	if (vcpus_start(vm))
		return -1;
	return control_start(vm);
}

static void report(const char *word, const char *rest)
{
	char message[512];
	int len = snprintf(message, sizeof(message), "%s%s", word, rest);

	send(CHILD_REPORT_FD, message, len, MSG_NOSIGNAL);
}

/** child_main() - Return: exit status */
int child_main(void)
{
	static struct vm vm;
	char go;

	if (build(&vm)) {
		report("", fail_text());
		return 1;
	}
	report("ok ", vm.config.control);
	/* No word from the parent means that this fork did not succeed */
	if (recv(CHILD_REPORT_FD, &go, 1, 0) != 1) {
		unlink(vm.config.control);
		return 1;
	}
	close(CHILD_REPORT_FD);
	if (go == 'r' && vm_resume(&vm)) {
		fprintf(stderr, "forkvm child: %s\n", fail_text());
		return 1;
	}
	return vm_run(&vm, false);
}
