// SPDX-License-Identifier: GPL-2.0
/*
 * The server: forks a process for each program, watches it, and cleans up.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "calls.h"
#include "run.h"
#include "world.h"

#define ADDRESS_SPACE	(192UL << 20)	/* of a program */
#define GRACE_MS	30000		/* to be gone after SIGKILL */

uint64_t server_runs;
struct run_options options = { .timeout_ms = 20000 };

static void set_limits(void)
{
	static const struct rlimit as = { ADDRESS_SPACE, RLIM_INFINITY };
	static const struct rlimit core = { 0, RLIM_INFINITY };

	setrlimit(RLIMIT_AS, &as);
	setrlimit(RLIMIT_CORE, &core);
}

static void run_in_child(const struct prog *p)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_limits();
	guard_setup();
	running = p;
	w.index = 1;
	w.poison = options.poison;
	cover_enable();
	run_calls(0, p->nr);
	processes_end();
	check_all();
	_exit(0);
}

static bool ended_in_time(int pidfd, unsigned int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int ret;

	do {
		ret = poll(&p, 1, ms);
	} while (ret < 0 && errno == EINTR);
	return ret > 0;
}

static void print_stacks(pid_t pid)
{
	char path[64], text[2048];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	close(fd);
	fprintf(stderr, "# process %d hangs:\n%s", pid, text);
}

/* Everything that the program left.  Return: if it is all gone */
static bool reap_all(pid_t group)
{
	unsigned int waited = 0;
	pid_t pid;

	for (;;) {
		kill(-group, SIGKILL);
		pid = waitpid(-1, NULL, __WALL | WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid)
			continue;
		if (waited++ > GRACE_MS)
			return false;
		usleep(waited < 50 ? 100 : 1000);
	}
}

static void describe_death(int status, char *why, size_t size)
{
	if (shared->violated)
		snprintf(why, size, "%s", shared->violation);
	else if (WIFSIGNALED(status))
		snprintf(why, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(why, size, "exit status %d", WEXITSTATUS(status));
}

static bool died_well(int status)
{
	if (shared->violated)
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	return WIFSIGNALED(status) && shared->may_die;
}

/** server_run() - run a program; @why says what was bad, if it was */
enum outcome server_run(const struct prog *p, char *why, size_t size)
{
	enum outcome outcome = RUN_OK;
	char complaint[256];
	int pidfd, status = 0;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	shared->next_index = 2;
	server_runs++;
	ring_begin(p);
	fflush(NULL);
	pid = fork();
	if (!pid)
		run_in_child(p);
	if (pid < 0) {
		snprintf(why, size, "fork: %s", strerror(errno));
		return RUN_TIMEOUT;
	}
	setpgid(pid, pid);
	pidfd = pidfd_open(pid, 0);
	if (!ended_in_time(pidfd, options.timeout_ms)) {
		kill(-pid, SIGKILL);
		outcome = RUN_TIMEOUT;
		snprintf(why, size, "timed out");
	}
	if (!ended_in_time(pidfd, GRACE_MS)) {
		print_stacks(pid);
		snprintf(why, size, "can not be killed");
		close(pidfd);
		return RUN_BAD;
	}
	close(pidfd);
	waitpid(pid, &status, 0);
	if (!reap_all(pid)) {
		snprintf(why, size, "processes can not be killed");
		return RUN_BAD;
	}
	if (shared->changed)
		settings_restore(shared->changed);
	ring_end();
	if (outcome == RUN_OK && !died_well(status)) {
		describe_death(status, why, size);
		outcome = RUN_BAD;
	}
	if (kmsg_complaint(complaint, sizeof(complaint))) {
		snprintf(why, size, "kernel: %s", complaint);
		outcome = RUN_BAD;
	}
	return outcome;
}

static long module_users(void)
{
	char text[32] = "";
	int fd = open("/sys/module/vmfork/refcnt", O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, 10);
}

/** server_idle() - what dies may take a moment to let go of its files */
int server_idle(void)
{
	unsigned int i;
	long users = 1;

	for (i = 0; i < 500 && users > 0; i++) {
		users = module_users();
		if (users > 0)
			usleep(10000);
	}
	return users;
}

int server_setup(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	/* Whatever a program leaves comes to us to be reaped. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	settings_save();
	return 0;
}
