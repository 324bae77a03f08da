// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMFORK_CAPTURE: regions of a process become a snapshot.
 *
 * A job has an mm, which is the caller's, or another process's; for the
 * latter it runs in a kernel thread that uses that mm, as vm_mmap() knows no
 * mm but the current one.  Captures of one mm take turns.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmfork.h>
#include <linux/workqueue.h>

#include "capture.h"
#include "compat/pidfd.h"
#include "owner.h"
#include "piece.h"
#include "snapshot.h"
#include "turn.h"

#define MAX_ATTEMPTS	100	/* at a piece that would not stand still */
#define PATIENCE	20	/* of these, for pages that somebody holds */
#define MAX_SPIN_NS	NSEC_PER_MSEC	/* for references that go away at once */

static struct workqueue_struct *capture_wq;

/**
 * struct vmfork_job - a capture under way
 * @arg: the ioctl's argument and results
 * @regions: @arg.nr_regions of them
 * @mm: captured from; the job holds a user of it
 * @file: of the new snapshot
 * @why: what was refused
 * @cancel: the caller was killed while a kernel thread is at work
 * @memcg: the caller's, for what the kernel thread allocates
 * @cred: the caller's, likewise
 * @owner: who is charged for the pages
 * @wiped: pages of the regions that were left out
 * @err: the kernel thread's result
 * @work: what the kernel thread does
 * @done: when it has done it
 */
struct vmfork_job {
	struct vmfork_capture arg;
	struct vmfork_region *regions;
	struct mm_struct *mm;
	struct file *file;
	struct vmfork_refused why;
	bool cancel;
	struct mem_cgroup *memcg;
	const struct cred *cred;
	struct vmfork_owner *owner;
	u64 wiped;
	int err;
	struct work_struct work;
	struct completion done;
};

static int refuse(struct vmfork_job *job, u32 reason, u64 addr)
{
	job->why.reason = reason;
	job->why.addr = addr;
	return vmfork_refusal_errno(reason);
}

static int check_killed(struct vmfork_job *job)
{
	if (fatal_signal_pending(current) || READ_ONCE(job->cancel))
		return -EINTR;
	return 0;
}

/* Set a piece to the part of [addr, end) that lies in the VMA at addr. */
static int find_piece(struct vmfork_job *job, struct vmfork_piece *piece,
		      unsigned long addr, unsigned long end)
{
	struct vm_area_struct *vma;
	u32 reason = VMFORK_UNMAPPED;
	int err = mmap_read_lock_killable(job->mm);

	if (err)
		return err;
	vma = find_vma(job->mm, addr);
	if (vma && vma->vm_start <= addr) {
		piece->wiped = vma->vm_flags & VM_WIPEONFORK;
		reason = piece->wiped ? VMFORK_OK : vmfork_check_vma(vma);
		piece->addr = addr;
		piece->len = min(end, vma->vm_end) - addr;
		piece->vm_flags = vma->vm_flags;
	}
	mmap_read_unlock(job->mm);
	return reason ? refuse(job, reason, addr) : 0;
}

static void init_piece(struct vmfork_job *job, struct vmfork_piece *piece)
{
	*piece = (struct vmfork_piece) {
		.snap		= vmfork_file_snapshot(job->file),
		.mm		= job->mm,
		.owner		= job->owner,
		.counts		= &job->arg,
		.why		= &job->why,
		.cancel		= &job->cancel,
		.larges		= LIST_HEAD_INIT(piece->larges),
		.spare		= LIST_HEAD_INIT(piece->spare),
		.patience	= PATIENCE,
		.spin_ns	= MAX_SPIN_NS,
	};
}

static bool next_kept(struct vmfork_job *job, u64 *addr, u64 region_end,
		      u64 *end)
{
	return vmfork_next_kept(job->regions, job->arg.nr_regions, region_end,
				addr, end);
}

/* Everything that can be refused is, before anything is captured. */
static int prepare_region(struct vmfork_job *job,
			  const struct vmfork_region *region)
{
	u64 addr = region->addr, region_end = addr + region->len, end;
	struct vmfork_piece piece;
	int err = 0;

	init_piece(job, &piece);
	for (; !err && next_kept(job, &addr, region_end, &end);
	     addr = piece.addr + piece.len) {
		err = find_piece(job, &piece, addr, end);
		if (!err && !piece.wiped &&
		    get_mm_counter(job->mm, MM_SWAPENTS))
			err = vmfork_piece_swapin(&piece);
	}
	return err;
}

static int wait_ready(struct vmfork_job *job, struct file *file)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(file);
	int err = 0;

	while (!err && !vmfork_snapshot_ready(snap)) {
		wait_event_killable_timeout(snap->waiting,
					    vmfork_snapshot_ready(snap),
					    HZ / 10);
		err = check_killed(job);
	}
	return err;
}

/* After -EAGAIN: let what is in the way come to an end. */
static int make_way(struct vmfork_job *job, struct vmfork_piece *piece)
{
	u64 begin = ktime_get_ns();
	int err = check_killed(job);

	/* What was in the way is no reason any more, whatever comes now. */
	job->why.reason = VMFORK_OK;
	if (!err && piece->wait)
		err = wait_ready(job, piece->wait);
	else if (!err)
		usleep_range(500, 1000);
	if (!err)
		err = vmfork_piece_swapin(piece);
	job->arg.ns_prepare += ktime_get_ns() - begin;
	return err;
}

/* A piece is found anew for each attempt: its VMA may have changed. */
static int capture_piece(struct vmfork_job *job, struct vmfork_piece *piece,
			 unsigned long addr, unsigned long end)
{
	unsigned int attempt;
	int err;

	for (attempt = 0;; attempt++) {
		job->why.reason = VMFORK_OK;
		piece->smalls = 0;
		piece->suspects = 0;
		piece->pinned = 0;
		piece->busy = 0;
		piece->unsettled = false;
		err = find_piece(job, piece, addr, end);
		if (!err && !piece->wiped)
			err = vmfork_piece_capture(piece, job->file);
		if (err != -EAGAIN || attempt == MAX_ATTEMPTS)
			return err;
		err = make_way(job, piece);
		vmfork_piece_release(piece);
		if (err)
			return err;
	}
}

static int capture_region(struct vmfork_job *job,
			  const struct vmfork_region *region)
{
	u64 addr = region->addr, region_end = addr + region->len, end;
	struct vmfork_piece piece;
	u64 kept = 0;
	int err = 0;

	while (!err && next_kept(job, &addr, region_end, &end)) {
		init_piece(job, &piece);
		piece.index = (region->offset + (addr - region->addr)) >>
			      PAGE_SHIFT;
		err = capture_piece(job, &piece, addr, end);
		vmfork_piece_release(&piece);
		addr += piece.len;
		if (!piece.wiped)
			kept += piece.len;
	}
	job->wiped += (region->len - kept) >> PAGE_SHIFT;
	return err;
}

/* With job->mm as the current mm. */
static int run_job(struct vmfork_job *job)
{
	struct vmfork_turn *turn;
	u64 begin = ktime_get_ns();
	u32 i;
	int err = 0;

	turn = vmfork_turn_begin(job->mm);
	if (IS_ERR(turn))
		return PTR_ERR(turn);
	for (i = 0; !err && i < job->arg.nr_regions; i++) {
		if (job->regions[i].flags & VMFORK_REGION_WIPE)
			continue;
		job->why.region = i;
		err = prepare_region(job, &job->regions[i]);
	}
	job->arg.ns_prepare = ktime_get_ns() - begin;
	for (i = 0; !err && i < job->arg.nr_regions; i++) {
		if (job->regions[i].flags & VMFORK_REGION_WIPE)
			continue;
		job->why.region = i;
		err = capture_region(job, &job->regions[i]);
	}
	/* Failed or not: what is mapped of it already will stay. */
	vmfork_snapshot_finish(job->file);
	vmfork_turn_end(turn);
	return err;
}

static void run_remote_job(struct work_struct *work)
{
	struct vmfork_job *job = container_of(work, struct vmfork_job, work);
	const struct cred *old_cred = override_creds(job->cred);
	struct mem_cgroup *old_memcg = set_active_memcg(job->memcg);

	kthread_use_mm(job->mm);
	job->err = run_job(job);
	kthread_unuse_mm(job->mm);
	set_active_memcg(old_memcg);
	revert_creds(old_cred);
	complete(&job->done);
}

static int run_in_kthread(struct vmfork_job *job)
{
	job->memcg = get_mem_cgroup_from_mm(current->mm);
	job->cred = get_current_cred();
	init_completion(&job->done);
	INIT_WORK(&job->work, run_remote_job);
	queue_work(capture_wq, &job->work);
	if (wait_for_completion_killable(&job->done))
		WRITE_ONCE(job->cancel, true);
	flush_work(&job->work);
	put_cred(job->cred);
	mem_cgroup_put(job->memcg);
	return job->err;
}

static struct mm_struct *remote_mm(int pidfd)
{
	struct pid *pid = vmfork_pidfd_get(pidfd);
	struct task_struct *task;
	struct mm_struct *mm;

	if (IS_ERR(pid))
		return ERR_CAST(pid);
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
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

static int get_mm(struct vmfork_job *job)
{
	struct mm_struct *mm;

	if (job->arg.pidfd == -1) {
		mmget(current->mm);
		job->mm = current->mm;
		return 0;
	}
	if (job->arg.pidfd < 0)
		return -EBADF;
	mm = remote_mm(job->arg.pidfd);
	if (mm == ERR_PTR(-ESRCH))
		return refuse(job, VMFORK_DYING, 0);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	job->mm = mm;
	return 0;
}

static void count_results(struct vmfork_job *job)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(job->file);
	struct vmfork_capture *arg = &job->arg;
	u64 pages = vmfork_tree_pages(&snap->tree);
	u32 i;

	arg->pages_hole = 0;
	for (i = 0; i < arg->nr_regions; i++)
		if (!(job->regions[i].flags & VMFORK_REGION_WIPE))
			arg->pages_hole += job->regions[i].len >> PAGE_SHIFT;
	arg->pages_hole -= pages + job->wiped;
	arg->pages_wiped = job->wiped;
	arg->id = snap->id;
	arg->pages_shared = pages - arg->pages_stolen - arg->pages_copied;
	arg->pages_huge = vmfork_tree_huge_folios(&snap->tree) *
			  HPAGE_PMD_NR;
}

/* Everything but the file descriptor. */
static int capture(struct vmfork_job *job)
{
	struct vmfork_capture *arg = &job->arg;
	int err;

	err = get_mm(job);
	if (err)
		return err;
	if (arg->snapshot_size > VMFORK_MAX_SIZE ||
	    arg->snapshot_size & ~PAGE_MASK) {
		err = -EINVAL;
		goto out_mm;
	}
	err = vmfork_check_regions(job->regions, arg->nr_regions,
				   job->mm->task_size ?: TASK_SIZE_MAX,
				   &arg->snapshot_size, &job->why);
	if (err)
		goto out_mm;

	job->owner = vmfork_owner_get(current_uid());
	if (!job->owner) {
		err = -ENOMEM;
		goto out_mm;
	}
	job->file = vmfork_snapshot_create(arg->snapshot_size);
	if (IS_ERR(job->file)) {
		err = PTR_ERR(job->file);
		goto out_owner;
	}
	if (job->mm == current->mm)
		err = run_job(job);
	else
		err = run_in_kthread(job);
	if (err)
		fput(job->file);
	else
		count_results(job);
out_owner:
	vmfork_owner_put(job->owner);
out_mm:
	mmput(job->mm);
	return err;
}

static void clear_results(struct vmfork_capture *arg)
{
	/* All that follows the inputs. */
	memset_after(arg, 0, snapshot_size);
}

static int get_arg(struct vmfork_job *job, struct vmfork_capture __user *arg,
		   u32 *size)
{
	int err;

	if (get_user(*size, &arg->size))
		return -EFAULT;
	if (*size < VMFORK_CAPTURE_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&job->arg, sizeof(job->arg), arg, *size);
	if (err)
		return err;
	if (job->arg.flags || !job->arg.nr_regions ||
	    job->arg.nr_regions > VMFORK_MAX_REGIONS)
		return -EINVAL;
	clear_results(&job->arg);
	return 0;
}

static int get_regions(struct vmfork_job *job)
{
	u32 i, captured = 0;

	job->regions = memdup_user(u64_to_user_ptr(job->arg.regions),
				   array_size(job->arg.nr_regions,
					      sizeof(*job->regions)));
	if (IS_ERR(job->regions)) {
		int err = PTR_ERR(job->regions);

		job->regions = NULL;
		return err;
	}
	for (i = 0; i < job->arg.nr_regions; i++) {
		u64 flags = job->regions[i].flags;

		if (flags & ~VMFORK_REGION_WIPE)
			return -EINVAL;
		captured += !flags;
	}
	return captured ? 0 : -EINVAL;
}

static int put_results(struct vmfork_job *job,
		       struct vmfork_capture __user *arg, u32 size)
{
	job->arg.refusal = job->why.reason;
	if (job->why.reason) {
		job->arg.refused_region = job->why.region;
		job->arg.refused_addr = job->why.addr;
	}
	size = min_t(u32, size, sizeof(job->arg));
	return copy_to_user(arg, &job->arg, size) ? -EFAULT : 0;
}

/**
 * vmfork_capture_ioctl() - VMFORK_CAPTURE
 * @arg: see there
 *
 * Return: a file descriptor or a negative errno.
 */
long vmfork_capture_ioctl(struct vmfork_capture __user *arg)
{
	struct vmfork_job *job;
	u32 size;
	int fd, err;

	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	err = get_arg(job, arg, &size);
	if (err)
		goto out_job;

	/* The structure is good: from here on, failures are explained in it. */
	err = get_regions(job);
	if (err)
		goto out_results;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto out_results;
	}
	err = capture(job);
	if (err) {
		put_unused_fd(fd);
		goto out_results;
	}
	err = put_results(job, arg, size);
	if (err) {
		put_unused_fd(fd);
		fput(job->file);
		goto out_job;
	}
	fd_install(fd, job->file);
	err = fd;
	goto out_job;

out_results:
	put_results(job, arg, size);
out_job:
	kfree(job->regions);
	kfree(job);
	return err;
}

/**
 * vmfork_capture_setup() - once, before the first capture
 *
 * Return: 0 or -ENOMEM.
 */
int vmfork_capture_setup(void)
{
	capture_wq = alloc_workqueue("vmfork", WQ_UNBOUND, 0);
	return capture_wq ? 0 : -ENOMEM;
}

/**
 * vmfork_capture_cleanup() - undo vmfork_capture_setup()
 */
void vmfork_capture_cleanup(void)
{
	destroy_workqueue(capture_wq);
}
