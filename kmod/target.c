// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose memory an ioctl is about.
 *
 * What is done to another process's memory is done by a kernel thread that uses
 * its mm, as vm_mmap() knows no mm but the current one; with the caller's
 * credentials and memcg.  It is a worker of a queue that all callers share, or
 * if none is free soon, one of its own: all of them may wait for a file system
 * that does not answer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/workqueue.h>

#include "compat/pidfd.h"
#include "target.h"

#define MAX_WAIT	msecs_to_jiffies(20)

static struct workqueue_struct *target_wq;

/**
 * struct remote - what a kernel thread does for a caller
 * @target: whose memory
 * @fn: what
 * @arg: of @fn
 * @memcg: the caller's, for what the kernel thread allocates
 * @cred: the caller's, likewise
 * @err: the result
 * @work: in @target_wq
 * @done: when it has been done
 */
struct remote {
	struct vmfork_target *target;
	int (*fn)(void *arg);
	void *arg;
	struct mem_cgroup *memcg;
	const struct cred *cred;
	int err;
	struct work_struct work;
	struct completion done;
};

static void do_remote(struct remote *r)
{
	const struct cred *old_cred = override_creds(r->cred);
	struct mem_cgroup *old_memcg = set_active_memcg(r->memcg);

	kthread_use_mm(r->target->mm);
	r->err = r->fn(r->arg);
	kthread_unuse_mm(r->target->mm);
	set_active_memcg(old_memcg);
	revert_creds(old_cred);
	complete(&r->done);
}

static void run_work(struct work_struct *work)
{
	do_remote(container_of(work, struct remote, work));
}

static int run_thread(void *r)
{
	do_remote(r);
	return 0;
}

static void wait_until_done(struct remote *r)
{
	if (!wait_for_completion_killable(&r->done))
		return;
	WRITE_ONCE(r->target->cancel, true);
	wait_for_completion(&r->done);
}

/* There are no more workers, and what the others wait for may never come. */
static void run_in_own_thread(struct remote *r)
{
	struct task_struct *thread = kthread_create(run_thread, r, "vmfork");

	if (IS_ERR(thread)) {
		r->err = PTR_ERR(thread);
		return;
	}
	/* For kthread_stop(), before which it ends by itself */
	get_task_struct(thread);
	wake_up_process(thread);
	wait_until_done(r);
	/* None of it runs any more when the module may go. */
	kthread_stop(thread);
	put_task_struct(thread);
}

static int run_in_kthread(struct vmfork_target *target, int (*fn)(void *arg),
			  void *arg)
{
	struct remote r = {
		.target	= target,
		.fn	= fn,
		.arg	= arg,
		.memcg	= get_mem_cgroup_from_mm(current->mm),
		.cred	= get_current_cred(),
	};
	long left;

	init_completion(&r.done);
	INIT_WORK_ONSTACK(&r.work, run_work);
	queue_work(target_wq, &r.work);
	left = wait_for_completion_killable_timeout(&r.done, MAX_WAIT);
	if (left <= 0 && cancel_work(&r.work)) {
		/* It had not begun, and will not. */
		if (left < 0)
			r.err = -EINTR;
		else
			run_in_own_thread(&r);
	} else if (left < 0) {
		WRITE_ONCE(target->cancel, true);
	} else if (!left) {
		wait_until_done(&r);
	}
	flush_work(&r.work);
	destroy_work_on_stack(&r.work);
	put_cred(r.cred);
	mem_cgroup_put(r.memcg);
	return r.err;
}

static struct mm_struct *remote_mm(int pidfd, u32 *nr, kuid_t *uid)
{
	struct pid *pid = vmfork_pidfd_get(pidfd);
	struct task_struct *task;
	struct mm_struct *mm;

	if (IS_ERR(pid))
		return ERR_CAST(pid);
	task = get_pid_task(pid, PIDTYPE_TGID);
	*nr = pid_nr(pid);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	*uid = task_euid(task);
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	if (mm != current->mm && !ns_capable(mm->user_ns, CAP_SYS_PTRACE)) {
		mmput(mm);
		return ERR_PTR(-EPERM);
	}
	return mm;
}

/**
 * vmfork_target_get() - find a target
 * @target: to set
 * @pidfd: of a process, or -1 for the caller
 *
 * Return: 0; -EBADF, -EPERM; -ESRCH if the process has no memory any more.
 */
int vmfork_target_get(struct vmfork_target *target, int pidfd)
{
	struct mm_struct *mm = current->mm;

	target->cancel = false;
	if (pidfd == -1) {
		mmget(mm);
		target->mm = mm;
		target->pid = task_tgid_nr(current);
		target->uid = current_euid();
		return 0;
	}
	if (pidfd < 0)
		return -EBADF;
	mm = remote_mm(pidfd, &target->pid, &target->uid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	target->mm = mm;
	return 0;
}

/**
 * vmfork_target_put() - be done with a target
 * @target: from vmfork_target_get()
 */
void vmfork_target_put(struct vmfork_target *target)
{
	mmput(target->mm);
}

/**
 * vmfork_target_run() - do something with the target's mm as the current mm
 * @target: the target
 * @fn: what; asks vmfork_target_check_killed() from time to time
 * @arg: of @fn
 *
 * Return: what @fn returns.
 */
int vmfork_target_run(struct vmfork_target *target, int (*fn)(void *arg),
		      void *arg)
{
	if (target->mm == current->mm)
		return fn(arg);
	return run_in_kthread(target, fn, arg);
}

/**
 * vmfork_target_check_killed() - has the caller been killed
 * @target: the target
 *
 * Return: -EINTR if so, or 0.
 */
int vmfork_target_check_killed(const struct vmfork_target *target)
{
	if (fatal_signal_pending(current) || READ_ONCE(target->cancel))
		return -EINTR;
	return 0;
}

/**
 * vmfork_target_setup() - once, before the first target
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_target_setup(void)
{
	target_wq = alloc_workqueue("vmfork", WQ_UNBOUND, 0);
	return target_wq ? 0 : -ENOMEM;
}

/**
 * vmfork_target_cleanup() - undo vmfork_target_setup()
 */
void vmfork_target_cleanup(void)
{
	destroy_workqueue(target_wq);
}
