// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that make processes and threads, and that meddle with them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "calls.h"
#include "world.h"

#define NR_THREADS	4
#define WAIT_STEPS	400		/* of 5 ms */
#define STACK_SIZE	(16 * PAGE)

struct thread {
	pthread_t id;
	unsigned int from, to, times;
};

static struct thread threads[NR_THREADS];
static unsigned int nr_threads;
static __thread bool in_thread;

static bool stopped(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST);
}

static void wait_for_stop(void)
{
	while (!stopped())
		usleep(3000);
}

/* Return: if it has ended, within a while */
static bool reap(pid_t pid)
{
	unsigned int i;
	pid_t got;

	for (i = 0; i < WAIT_STEPS; i++) {
		got = waitpid(pid, NULL, WNOHANG);
		if (got == pid || (got < 0 && errno == ECHILD))
			return true;
		usleep(i < 20 ? 200 : 5000);
	}
	return false;
}

/* What a forked process knows: none of the others, and a model of its own */
static void be_child(unsigned int index)
{
	memset(w.proc, 0, sizeof(w.proc));
	nr_threads = 0;
	in_thread = false;
	w.parent_index = w.index;
	w.index = index;
	model_forked(true);
}

enum fork_how {
	FORK_WAIT, FORK_ALONG, FORK_STAY, FORK_SAME_MEMORY, FORK_EXEC,
	FORK_ZOMBIE, FORK_GONE, FORK_STOPPED, NR_FORK_HOWS
};

static void child(unsigned int calls, enum fork_how how)
{
	char name[] = "fuzz", mark[] = "-Z";
	char *argv[] = { name, mark, NULL };

	run_calls(pc + 1, pc + 1 + calls);
	switch (how) {
	case FORK_STAY:
		wait_for_stop();
		break;
	case FORK_STOPPED:
		raise(SIGSTOP);
		break;
	case FORK_EXEC:
		execv("/proc/self/exe", argv);
		break;
	case FORK_ZOMBIE:
	case FORK_GONE:
		_exit(0);
	default:
		break;
	}
	check_all();
	processes_end();
	_exit(0);
}

static int same_memory(void *unused)
{
	(void)unused;
	while (!stopped())
		syscall(SYS_nanosleep, &(struct timespec){ 0, 3000000 }, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

static pid_t fork_same_memory(void)
{
	static char stack[NR_PROCS][STACK_SIZE] __attribute__((aligned(16)));
	static unsigned int used;

	if (used == NR_PROCS) {
		errno = EAGAIN;
		return -1;
	}
	return clone(same_memory, stack[used++] + STACK_SIZE,
		     CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
}

static void forget(struct proc_slot *p)
{
	if (p->pid)
		close(p->pidfd);
	p->pid = 0;
}

/* fork SLOT HOW CALLS: which many of the calls that follow are the child's */
long call_fork(const uint64_t *arg)
{
	struct proc_slot *p = proc_slot(arg[0]);
	unsigned int calls = arg[2] % 16, index;
	enum fork_how how = arg[1] % NR_FORK_HOWS;
	pid_t pid;

	if (calls > pc_end - pc - 1)
		calls = pc_end - pc - 1;
	index = __atomic_fetch_add(&shared->next_index, 1, __ATOMIC_SEQ_CST);
	if (index >= NR_INDICES)
		return -EAGAIN;
	if (how == FORK_SAME_MEMORY) {
		index = w.index;
		calls = 0;
		pid = fork_same_memory();
	} else {
		/* What others did to our memory, they did to the child's. */
		shared->captured[index] = shared->captured[w.index];
		shared->written[index] = shared->written[w.index];
		pid = fork();
		if (!pid) {
			be_child(index);
			child(calls, how);
		}
		model_forked(false);
	}
	if (pid < 0)
		return -errno;
	forget(p);
	*p = (struct proc_slot){ pid, pidfd_open(pid, 0), index };
	pc += calls;
	if (how == FORK_WAIT || how == FORK_GONE)
		reap(pid);
	return 0;
}

static void *thread_main(void *data)
{
	struct thread *t = data;
	unsigned int i;

	in_thread = true;
	for (i = 0; i < t->times && !stopped(); i++)
		run_calls(t->from, t->to);
	return NULL;
}

/* thread CALLS TIMES: these calls run in a thread, while we go on */
long call_thread(const uint64_t *arg)
{
	struct thread *t = &threads[nr_threads];
	unsigned int calls = arg[0] % 16;

	/* One level of them: what they share of ours has no lock. */
	if (in_thread || nr_threads == NR_THREADS)
		return -EAGAIN;
	if (calls > pc_end - pc - 1)
		calls = pc_end - pc - 1;
	w.lost = true;
	*t = (struct thread){
		.from = pc + 1, .to = pc + 1 + calls, .times = 1 + arg[1] % 32,
	};
	if (pthread_create(&t->id, NULL, thread_main, t))
		return -EAGAIN;
	nr_threads++;
	pc += calls;
	return 0;
}

static bool join(pthread_t id)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	return !pthread_timedjoin_np(id, NULL, &until);
}

void processes_end(void)
{
	unsigned int i;

	__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < nr_threads; i++)
		join(threads[i].id);
	nr_threads = 0;
	for (i = 0; i < NR_PROCS; i++)
		if (w.proc[i].pid) {
			kill(w.proc[i].pid, SIGCONT);
			reap(w.proc[i].pid);
		}
}

static const int signals[] = {
	SIGKILL, SIGSTOP, SIGCONT, SIGUSR1, SIGALRM, SIGQUIT, SIGTERM, SIGKILL,
};

/* kill SLOT SIGNAL: slots from 8 on are the caller itself */
long call_kill(const uint64_t *arg)
{
	int sig = signals[arg[1] % 8];

	if (arg[0] % 16 < NR_PROCS) {
		struct proc_slot *p = proc_slot(arg[0]);

		return p->pid ? result(kill(p->pid, sig)) : -ESRCH;
	}
	if (sig == SIGSTOP)
		return -EPERM;		/* nobody would wake it */
	shared->may_die = 1;
	return result(kill(getpid(), sig));
}

/* timer US INTERVAL: SIGALRM after that many microseconds, and again */
long call_timer(const uint64_t *arg)
{
	struct itimerval it = {
		.it_value.tv_usec = arg[0] % 20000,
		.it_interval.tv_usec = arg[1] % 4 ? 0 : 200 + arg[1] % 5000,
	};

	return result(setitimer(ITIMER_REAL, &it, NULL));
}

static bool stop_traced(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < 100; i++) {
		if (waitpid(pid, NULL, WNOHANG | __WALL) == pid)
			return true;
		usleep(500);
	}
	return false;
}

/* Writes back what is there: a private page for whoever is traced */
static long peek_and_poke(pid_t pid, char *at, uint64_t pages, bool poke)
{
	long word, done = 0;

	for (; pages--; at += PAGE) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, pid, at, NULL);
		if (errno)
			return done ? done : -errno;
		if (poke && ptrace(PTRACE_POKEDATA, pid, at, word))
			return done ? done : -errno;
		done++;
	}
	return done;
}

/* ptrace SLOT PAGE PAGES POKE */
long call_ptrace(const uint64_t *arg)
{
	uint64_t page = arg[1], pages = clip(&page, arg[2] % 16);
	struct proc_slot *p = proc_slot(arg[0]);
	long ret;

	if (!p->pid)
		return -ESRCH;
	if (ptrace(PTRACE_SEIZE, p->pid, NULL, NULL))
		return -errno;
	ptrace(PTRACE_INTERRUPT, p->pid, NULL, NULL);
	if (!stop_traced(p->pid)) {
		kill(p->pid, SIGKILL);
		return -EBUSY;
	}
	ret = peek_and_poke(p->pid, page_addr(page), pages, arg[3] & 1);
	ptrace(PTRACE_DETACH, p->pid, NULL, NULL);
	return ret;
}

static long advise_peer(const struct proc_slot *p, struct iovec *iov,
			uint64_t how)
{
	static const int advice[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, 25 /* COLLAPSE */,
	};

	return syscall(SYS_process_madvise, p->pidfd, iov, 1, advice[how % 4],
		       0);
}

/* peer SLOT PAGE PAGES OP TO: memory of another process, from here */
long call_peer_memory(const uint64_t *arg)
{
	uint64_t page = arg[1], pages = clip(&page, arg[2]), to = arg[4];
	struct proc_slot *p = proc_slot(arg[0]);
	struct iovec theirs = { page_addr(page), pages * PAGE };
	struct iovec ours;
	char path[64];
	long ret;
	int fd;

	if (!p->pid)
		return -ESRCH;
	pages = clip(&to, pages);
	ours = (struct iovec){ page_addr(to), pages * PAGE };
	switch (arg[3] % 6) {
	case 0:
		model_unknown(to, pages);
		return result(process_vm_readv(p->pid, &ours, 1, &theirs, 1,
					       0));
	case 1:
		shared->written[p->index] = 1;
		return result(process_vm_writev(p->pid, &ours, 1, &theirs, 1,
						0));
	case 2:
		return result(advise_peer(p, &theirs, arg[4]));
	case 3:
		snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		shared->written[p->index] = 1;
		ret = result(pwrite(fd, ours.iov_base, pages % 9 * PAGE,
				    (uintptr_t)theirs.iov_base));
		close(fd);
		return ret;
	case 4:
		ret = result(pidfd_getfd(p->pidfd, 3 + arg[4] % 16, 0));
		if (ret >= 0)
			close(ret);
		return ret < 0 ? ret : 0;
	default:
		return result(syscall(SYS_process_mrelease, p->pidfd, 0));
	}
}

static long drop_caps(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capset, &head, data);
}

/* cred HOW: fewer rights from here on */
long call_cred(const uint64_t *arg)
{
	switch (arg[0] % 5) {
	case 0: return result(drop_caps());
	case 1: return result(syscall(SYS_setresuid, 65534, 65534, 65534));
	case 2: return result(unshare(CLONE_NEWUSER));
	case 3: return result(unshare(CLONE_NEWPID));
	default: return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	}
}

static uint64_t pages_used(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return strtoull(text, NULL, 10);
}

/* limit WHICH VALUE: never so low that the fuzzer itself could not go on */
long call_limit(const uint64_t *arg)
{
	static const int which[] = {
		RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_MEMLOCK,
		RLIMIT_FSIZE, RLIMIT_CORE,
	};
	unsigned int i = arg[0] % 6;
	struct rlimit limit;

	if (i < 2)
		limit.rlim_cur = (pages_used() + arg[1] % 2048) * PAGE;
	else if (i == 2)
		limit.rlim_cur = lowest_fd() + arg[1] % 4;
	else
		limit.rlim_cur = arg[1] % 1024 * PAGE;
	limit.rlim_max = RLIM_INFINITY;
	if (i == 2)
		limit.rlim_max = 4096;
	return result(setrlimit(which[i], &limit));
}

/* sleep US */
long call_sleep(const uint64_t *arg)
{
	return result(usleep(arg[0] % 5000));
}
