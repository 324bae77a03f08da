// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork slow: attach to what the kernel has, follow a process, and take what
 * the program has summed up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf.h"
#include "cli.h"
#include "clock.h"
#include "out.h"
#include "parse.h"
#include "signals.h"
#include "slow.h"
#include "slow.skel.h"

/* Nobody tells us that a clone was found: look that often, in ms. */
#define LOOK_EVERY	20

static pid_t command_pid;

/* --- the hooks ------------------------------------------------------------- */

static void add_note(struct slow_result *result, const char *note)
{
	if (result->nr_notes < SLOW_MAX_NOTES)
		result->notes[result->nr_notes++] = note;
}

/**
 * struct span - a function of the kernel that takes time
 * @name: its name
 * @module: which module has it; NULL: the kernel
 * @begin: called at its begin, by a trampoline
 * @end: at its end
 * @begin_probe: the same, by a probe
 * @end_probe: the same, by a probe
 * @missed: what it means if there is no way
 */
struct span {
	const char *name;
	const char *module;
	struct bpf_program *begin, *end;
	struct bpf_program *begin_probe, *end_probe;
	const char *missed;
};

static bool has_function(const char *name, const char *module)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *btf = vmlinux;
	bool found;

	if (!vmlinux)
		return false;
	if (module)
		btf = btf__load_module_btf(module, vmlinux);
	found = btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
	if (module)
		btf__free(btf);
	btf__free(vmlinux);
	return found;
}

/* Before they are loaded: a trampoline needs the function's BTF then. */
static void prepare_span(const struct span *span)
{
	bool can = has_function(span->name, span->module) &&
		   !getenv("VMFORK_SLOW_PROBES");

	bpf_program__set_autoload(span->begin, can);
	bpf_program__set_autoload(span->end, can);
	bpf_program__set_autoattach(span->begin, false);
	bpf_program__set_autoattach(span->end, false);
	bpf_program__set_autoattach(span->begin_probe, false);
	bpf_program__set_autoattach(span->end_probe, false);
}

static bool attach_pair(struct bpf_program *begin, struct bpf_program *end,
			struct bpf_link **begin_link, struct bpf_link **end_link)
{
	/* An end without a begin does no harm, while we attach. */
	*end_link = bpf_program__attach(end);
	*begin_link = *end_link ? bpf_program__attach(begin) : NULL;
	if (*begin_link)
		return true;
	bpf_link__destroy(*end_link);
	*end_link = NULL;
	return false;
}

static struct span host_faults(const struct slow_bpf *bpf)
{
	return (struct span) {
		.name = "handle_mm_fault",
		.begin = bpf->progs.fault_begin,
		.end = bpf->progs.fault_end,
		.begin_probe = bpf->progs.fault_begin_probe,
		.end_probe = bpf->progs.fault_end_probe,
		.missed = "Host faults can not be traced: they count as what they happened in.",
	};
}

static struct span kvm_faults(const struct slow_bpf *bpf)
{
	return (struct span) {
		.name = "kvm_mmu_page_fault",
		.module = "kvm",
		.begin = bpf->progs.kvm_fault_begin,
		.end = bpf->progs.kvm_fault_end,
		.begin_probe = bpf->progs.kvm_fault_begin_probe,
		.end_probe = bpf->progs.kvm_fault_end_probe,
		.missed = "Second-level faults can not be traced: they count as exits.",
	};
}

static bool kvm_is_there(void)
{
	return !access("/sys/module/kvm", F_OK);
}

static void prepare(const struct slow_job *job, struct slow_bpf *bpf)
{
	const struct span host = host_faults(bpf), kvm = kvm_faults(bpf);
	bool with_kvm = kvm_is_there();

	bpf->rodata->window = job->seconds_ns;
	bpf->rodata->follow_all = job->anybody;
	bpf->rodata->only_snapshot = job->snapshot;
	prepare_span(&host);
	prepare_span(&kvm);
	bpf_program__set_autoload(bpf->progs.kvm_entry, with_kvm);
	bpf_program__set_autoload(bpf->progs.kvm_exit, with_kvm);
	bpf_program__set_autoload(bpf->progs.kvm_userspace_exit, with_kvm);
}

static int attach(const struct slow_job *job, struct slow_bpf *bpf,
		  struct slow_result *result)
{
	struct span host, kvm;
	int status;

	prepare(job, bpf);
	status = bpf_start(bpf->skeleton);
	if (status)
		return status;
	host = host_faults(bpf);
	if (!attach_pair(host.begin, host.end, &bpf->links.fault_begin,
			 &bpf->links.fault_end) &&
	    !attach_pair(host.begin_probe, host.end_probe,
			 &bpf->links.fault_begin_probe,
			 &bpf->links.fault_end_probe))
		add_note(result, host.missed);
	kvm = kvm_faults(bpf);
	if (!kvm_is_there())
		add_note(result, "KVM is not loaded: there are no guests.");
	else if (!attach_pair(kvm.begin, kvm.end, &bpf->links.kvm_fault_begin,
			      &bpf->links.kvm_fault_end) &&
		 !attach_pair(kvm.begin_probe, kvm.end_probe,
			      &bpf->links.kvm_fault_begin_probe,
			      &bpf->links.kvm_fault_end_probe))
		add_note(result, kvm.missed);
	return DONE;
}

/* --- whom to follow -------------------------------------------------------- */

static int map_of(const struct bpf_map *map)
{
	return bpf_map__fd(map);
}

static int add_process(struct slow_bpf *bpf, __u32 pid, uint64_t start)
{
	struct slow_process process = { .start = start };

	return bpf_map_update_elem(map_of(bpf->maps.processes), &pid, &process,
				   BPF_NOEXIST);
}

static int add_thread(struct slow_bpf *bpf, __u32 tid, __u32 pid, __u32 state,
		      uint64_t start, uint64_t end)
{
	struct slow_thread thread = {
		.start = start, .last = start, .end = end,
		.tgid = pid, .state = state, .vcpu = -1,
	};

	return bpf_map_update_elem(map_of(bpf->maps.threads), &tid, &thread,
				   BPF_NOEXIST);
}

/* Those that there are; who begins after us is found by the program. */
static bool add_threads(struct slow_bpf *bpf, int pid, uint64_t end)
{
	struct dirent *entry;
	bool added = false;
	char path[32];
	DIR *tasks;
	int tid;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while ((entry = readdir(tasks))) {
		if (parse_id(entry->d_name, &tid) && tid &&
		    !add_thread(bpf, tid, pid, SLOW_IN_UNKNOWN | SLOW_IN_SLEEP,
				now_ns(), end))
			added = true;
	}
	closedir(tasks);
	return added;
}

static void follow_running(const struct slow_job *job, struct slow_bpf *bpf)
{
	uint64_t start = now_ns();

	bpf->bss->chosen = job->pid;
	add_process(bpf, job->pid, start);
	/* One that has just begun may have been started by one not yet known. */
	while (add_threads(bpf, job->pid, start + job->seconds_ns))
		;
}

/* In the child: nothing is done before we have begun to look. */
static void run_command(char **command, int go)
{
	char byte;

	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (read(go, &byte, 1) != 1)
		_exit(127);
	/* Our own standard output has the record, and nothing else. */
	if (out_is_json())
		dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(command[0], command);
	fprintf(stderr, "vmfork: %s can not be run: %s.\n", command[0],
		strerror(errno));
	_exit(127);
}

static int start_command(const struct slow_job *job, struct slow_bpf *bpf)
{
	uint64_t start;
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC))
		return failure(FAILED, errno, "No pipe can be made: %s.",
			       strerror(errno));
	pid = fork();
	if (pid < 0) {
		close(go[0]);
		close(go[1]);
		return failure(FAILED, errno,
			       "No process can be started: %s.",
			       strerror(errno));
	}
	if (!pid)
		run_command(job->command, go[0]);
	command_pid = pid;
	start = now_ns();
	add_process(bpf, pid, start);
	add_thread(bpf, pid, pid, SLOW_IN_SLEEP, start,
		   start + job->seconds_ns);
	close(go[0]);
	if (write(go[1], "", 1) != 1)
		kill(pid, SIGKILL);
	close(go[1]);
	return DONE;
}

/* --- until it is over ------------------------------------------------------ */

static bool get_process(struct slow_bpf *bpf, __u32 pid,
			struct slow_process *process)
{
	return !bpf_map_lookup_elem(map_of(bpf->maps.processes), &pid, process);
}

static bool has_ended(int pidfd)
{
	struct pollfd polled = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&polled, 1, 0) > 0;
}

static void nap(void)
{
	poll(NULL, 0, LOOK_EVERY);
}

/* Until there is a clone; 0 if there was none, and none will come. */
static int wait_for_clone(struct slow_bpf *bpf)
{
	int pidfd = command_pid ? pidfd_open(command_pid, 0) : -1, chosen;

	while (!(chosen = bpf->bss->chosen) && !signals_caught() &&
	       !has_ended(pidfd))
		nap();
	if (pidfd >= 0)
		close(pidfd);
	return chosen;
}

/* Until its time is over, it ends or we are told to: says when that was. */
static uint64_t wait_for_end(int pid, uint64_t end, bool *ended)
{
	int pidfd = pidfd_open(pid, 0);
	uint64_t now;

	*ended = pidfd < 0;
	while ((now = now_ns()) < end && !*ended && !signals_caught()) {
		nap();
		*ended = has_ended(pidfd);
	}
	if (pidfd >= 0)
		close(pidfd);
	return now;
}

/* --- what came of it ------------------------------------------------------- */

static void get_name(int pid, struct slow_life *life)
{
	char path[64], name[sizeof(life->thread.comm) + 1] = "";
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, life->tid);
	comm = fopen(path, "re");
	if (!comm)
		return;
	if (fgets(name, sizeof(name), comm)) {
		name[strcspn(name, "\n")] = '\0';
		memcpy(life->thread.comm, name, sizeof(life->thread.comm));
	}
	fclose(comm);
}

/* What it has been in since its last event */
static void finish_life(struct slow_thread *thread, uint64_t now)
{
	if (thread->end > now)
		thread->end = now;
	/* Its last event may have come while we looked at the clock. */
	if (thread->end < thread->last)
		thread->end = thread->last;
	thread->ns[slow_part(thread->state)] += thread->end - thread->last;
	thread->last = thread->end;
}

/* vCPUs first, by number; then who was there first. */
static int compare_lives(const void *one, const void *other)
{
	const struct slow_life *a = one, *b = other;

	if (!a->thread.entered != !b->thread.entered)
		return a->thread.entered ? -1 : 1;
	if (a->thread.vcpu != b->thread.vcpu)
		return a->thread.vcpu < b->thread.vcpu ? -1 : 1;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

static bool take_life(struct slow_result *result,
		      const struct slow_life *life)
{
	struct slow_life *lives;

	lives = reallocarray(result->lives, result->nr + 1, sizeof(*lives));
	if (!lives)
		return false;
	result->lives = lives;
	lives[result->nr++] = *life;
	if (life->thread.entered)
		result->nr_vcpus++;
	return true;
}

static int take_lives(struct slow_bpf *bpf, struct slow_result *result,
		      uint64_t now)
{
	int map = map_of(bpf->maps.threads);
	__u32 key, *last = NULL;
	struct slow_life life;

	while (!bpf_map_get_next_key(map, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(map, &key, &life.thread) ||
		    (int)life.thread.tgid != result->pid)
			continue;
		life.tid = key;
		finish_life(&life.thread, now);
		get_name(result->pid, &life);
		if (!take_life(result, &life))
			return bpf_failed(-ENOMEM);
	}
	if (result->nr)
		qsort(result->lives, result->nr, sizeof(life), compare_lives);
	return DONE;
}

static int take_result(struct slow_bpf *bpf, struct slow_result *result)
{
	struct slow_process process = { 0 };
	uint64_t now, window = bpf->rodata->window;

	if (!get_process(bpf, result->pid, &process))
		return failure(FAILED, ESRCH,
			       "Process %d was gone before anything was known of it.",
			       result->pid);
	now = wait_for_end(result->pid, process.start + window,
			   &result->ended);
	if (signals_caught())
		add_note(result, "Interrupted: this is not all of its time.");
	slow_bpf__detach(bpf);
	get_process(bpf, result->pid, &result->process);
	result->lost = bpf->bss->lost;
	return take_lives(bpf, result, now);
}

/* That from now on nothing is missed; in JSON a line before the record */
static int say_ready(const struct slow_job *job)
{
	if (job->command)
		return DONE;
	if (out_is_json()) {
		out_bool("watching", true);
		if (job->snapshot)
			out_number("snapshot", job->snapshot);
		return out_finish();
	}
	if (!job->pid)
		fputs("vmfork: Waiting for a clone; Ctrl-C ends it.\n",
		      stderr);
	return DONE;
}

static int follow(const struct slow_job *job, struct slow_bpf *bpf,
		  struct slow_result *result)
{
	int status = DONE;

	if (job->pid)
		follow_running(job, bpf);
	else if (job->command)
		status = start_command(job, bpf);
	if (!status)
		status = say_ready(job);
	if (status)
		return status;
	result->since_birth = !job->pid;
	result->pid = wait_for_clone(bpf);
	if (!result->pid && command_pid && !signals_caught()) {
		add_note(result, "No snapshot was used: this is the command itself.");
		result->pid = command_pid;
	}
	/* Who interrupts us while there is nothing yet gets nothing. */
	return result->pid ? take_result(bpf, result) : FAILED;
}

int slow_follow(const struct slow_job *job, struct slow_result *result)
{
	struct slow_bpf *bpf = slow_bpf__open();
	int status = bpf_ready(bpf);

	memset(result, 0, sizeof(*result));
	if (!status)
		status = attach(job, bpf, result);
	if (!status)
		status = follow(job, bpf, result);
	slow_bpf__destroy(bpf);
	return status;
}

void slow_wait_for_command(void)
{
	if (!command_pid)
		return;
	while (waitpid(command_pid, NULL, 0) < 0 && errno == EINTR)
		if (signals_caught())
			kill(command_pid, SIGTERM);
}

void slow_free(struct slow_result *result)
{
	free(result->lives);
}
