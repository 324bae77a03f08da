// SPDX-License-Identifier: GPL-2.0-only
/*
 * A capture: regions of a process become a snapshot, VMA by VMA, and each as
 * often as it takes.
 *
 * Captures of one mm take turns.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/timekeeping.h>
#include <linux/vmfork.h>
#include <linux/wait.h>

#include "event.h"
#include "job.h"
#include "mapping.h"
#include "owner.h"
#include "piece.h"
#include "ranges.h"
#include "recapture.h"
#include "snapshot.h"
#include "source.h"
#include "target.h"
#include "trace.h"
#include "turn.h"

#define MAX_ATTEMPTS	100	/* at a piece that would not stand still */
#define PATIENCE	20	/* of these, for pages that somebody holds */
#define MAX_SLICES	4096	/* of a VMA: each is a VMA from then on */
#define MAX_SPIN_NS	NSEC_PER_MSEC	/* for references that go away at once */

static int refuse(struct vmfork_job *job, u32 reason, u64 addr)
{
	job->why.reason = reason;
	job->why.addr = addr;
	return vmfork_refusal_errno(reason);
}

/* Set a piece to the part of [addr, end) that lies in the VMA at addr. */
static int find_piece(struct vmfork_job *job, struct vmfork_piece *piece,
		      unsigned long addr, unsigned long end)
{
	struct vm_area_struct *vma;
	u32 reason = VMFORK_UNMAPPED;
	struct file *file = NULL;
	int err = mmap_read_lock_killable(job->target.mm);

	if (err)
		return err;
	vma = find_vma(job->target.mm, addr);
	if (vma && vma->vm_start <= addr) {
		piece->wiped = vma->vm_flags & VM_WIPEONFORK;
		reason = piece->wiped ? VMFORK_OK : vmfork_check_vma(vma);
		piece->addr = addr;
		piece->len = min(end, vma->vm_end) - addr;
		piece->vm_flags = vma->vm_flags;
		if (!piece->wiped && !reason)
			file = vmfork_vma_source(vma);
		if (file)
			get_file(file);
	}
	mmap_read_unlock(job->target.mm);
	if (piece->file)
		fput(piece->file);
	piece->file = file;
	return reason ? refuse(job, reason, addr) : 0;
}

/* Find out about the file that a piece maps, if it does. */
static int find_source(struct vmfork_job *job, struct vmfork_piece *piece)
{
	struct vmfork_source *source;

	piece->source = NULL;
	if (!piece->file)
		return 0;
	source = vmfork_source_find(&job->sources, piece->file, job->owner);
	if (!IS_ERR(source)) {
		piece->source = source;
		return 0;
	}
	switch (PTR_ERR(source)) {
	case -ENOMEM:
	case -EINTR:
		return PTR_ERR(source);
	case -ETXTBSY:
		return refuse(job, VMFORK_FILE_BUSY, piece->addr);
	default:
		return refuse(job, VMFORK_FILE, piece->addr);
	}
}

static void init_piece(struct vmfork_job *job, struct vmfork_piece *piece)
{
	*piece = (struct vmfork_piece) {
		.snap		= vmfork_file_snapshot(job->file),
		.mm		= job->target.mm,
		.owner		= job->owner,
		.counts		= &job->arg,
		.why		= &job->why,
		.target		= &job->target,
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
		if (!err)
			err = find_source(job, &piece);
		if (!err && !piece.wiped &&
		    get_mm_counter(job->target.mm, MM_SWAPENTS))
			err = vmfork_piece_swapin(&piece);
		vmfork_piece_release(&piece);
	}
	return err;
}

/* @ns of preparation are over. */
static void prepared(struct vmfork_job *job, u64 ns)
{
	job->arg.ns_prepare += ns;
	trace_vmfork_capture_phase(vmfork_file_snapshot(job->file)->shown.id,
				   job->target.pid, VMFORK_PHASE_PREPARE, ns);
}

static int wait_ready(struct vmfork_job *job, struct vmfork_snapshot *snap)
{
	int err = 0;

	while (!err && !vmfork_snapshot_ready(snap)) {
		wait_event_killable_timeout(snap->waiting,
					    vmfork_snapshot_ready(snap),
					    HZ / 10);
		err = vmfork_target_check_killed(&job->target);
	}
	return err;
}

/* After -EAGAIN: let what is in the way come to an end. */
static int make_way(struct vmfork_job *job, struct vmfork_piece *piece)
{
	u64 begin = ktime_get_ns();
	int err = vmfork_target_check_killed(&job->target);

	/* What was in the way is no reason any more, whatever comes now. */
	job->why.reason = VMFORK_OK;
	if (!err && piece->wait)
		err = wait_ready(job, piece->wait);
	else if (!err)
		usleep_range(500, 1000);
	if (!err)
		err = vmfork_piece_swapin(piece);
	prepared(job, ktime_get_ns() - begin);
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
		if (!err)
			err = find_source(job, piece);
		if (!err && !piece->wiped)
			err = vmfork_piece_recapture(piece, end);
		if (err == -ENOEXEC) {
			if (job->slices)
				piece->mapping = get_file(job->slices);
			err = vmfork_piece_capture(piece, job->file);
		}
		if (err != -EAGAIN || attempt == MAX_ATTEMPTS)
			return err;
		err = make_way(job, piece);
		vmfork_piece_release(piece);
		if (err)
			return err;
	}
}

static void init_piece_at(struct vmfork_job *job, struct vmfork_piece *piece,
			  const struct vmfork_region *region, u64 addr)
{
	init_piece(job, piece);
	piece->index = (region->offset + (addr - region->addr)) >> PAGE_SHIFT;
	piece->addr = addr;
}

/*
 * Capture [addr, end), which is one VMA or mapping, in slices that hold the
 * mmap lock as long as they may.
 */
static noinline_for_stack int
capture_slices(struct vmfork_job *job, const struct vmfork_region *region,
	       u64 addr, u64 end)
{
	u64 least = max_t(u64, PMD_SIZE, (end - addr) / MAX_SLICES);
	u64 size = least, slice_end;
	struct vmfork_piece piece;
	int err = 0;

	for (; !err && addr < end; addr += piece.len) {
		slice_end = min(end, (addr & PMD_MASK) + size);
		init_piece_at(job, &piece, region, addr);
		err = capture_piece(job, &piece, addr, slice_end);
		vmfork_piece_release(&piece);
		if (piece.held_ns > job->slice_ns)
			size = max(size / 2, least);
		else if (piece.held_ns < job->slice_ns / 2)
			size *= 2;
		/* Who spins for the mmap lock loses it to one who is quick. */
		if (!err && addr + piece.len < end)
			usleep_range(50, 100);
	}
	return err;
}

/* As often as it takes, as in capture_piece(). */
static int join_piece(struct vmfork_job *job, struct vmfork_piece *piece,
		      unsigned long end)
{
	unsigned int attempt;
	int err;

	for (attempt = 0;; attempt++) {
		err = vmfork_piece_join(piece, end);
		if (err != -EAGAIN || attempt == MAX_ATTEMPTS)
			return err;
		err = make_way(job, piece);
		vmfork_snapshot_put(piece->wait);
		piece->wait = NULL;
		if (err)
			return err;
	}
}

/*
 * All slices of a VMA are one mapping: its VMAs lie side by side, and the next
 * capture takes them as one.
 */
static int prearm_piece(struct vmfork_job *job,
			const struct vmfork_region *region,
			struct vmfork_piece *piece, u64 end)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(job->file);
	int err = find_piece(job, piece, piece->addr, end);

	if (err || piece->wiped)
		return err;
	err = join_piece(job, piece, end);
	if (err == -ENOEXEC) {
		job->slices = vmfork_mapping_create(snap);
		if (IS_ERR(job->slices)) {
			err = PTR_ERR(job->slices);
			job->slices = NULL;
			return err;
		}
		vmfork_mapping_track(job->slices, job->target.mm, piece->addr,
				     piece->len, piece->index);
		err = 0;
	}
	if (!err)
		err = capture_slices(job, region, piece->addr,
				     piece->addr + piece->len);
	if (job->slices)
		fput(job->slices);
	job->slices = NULL;
	return err;
}

/* All of a region that is kept, by VMAs: captured, or just captured ahead. */
static int take_region(struct vmfork_job *job,
		       const struct vmfork_region *region)
{
	u64 addr = region->addr, region_end = addr + region->len, end;
	bool prearm = job->arg.flags & VMFORK_CAPTURE_PREARM;
	struct vmfork_piece piece;
	u64 kept = 0;
	int err = 0;

	while (!err && next_kept(job, &addr, region_end, &end)) {
		init_piece_at(job, &piece, region, addr);
		if (prearm)
			err = prearm_piece(job, region, &piece, end);
		else
			err = capture_piece(job, &piece, addr, end);
		vmfork_piece_release(&piece);
		addr += piece.len;
		if (!piece.wiped)
			kept += piece.len;
	}
	job->wiped += (region->len - kept) >> PAGE_SHIFT;
	return err;
}

/* With the target's mm as the current mm. */
static int run_job(void *arg)
{
	struct vmfork_job *job = arg;
	struct vmfork_turn *turn;
	u64 begin = ktime_get_ns();
	u32 i;
	int err = 0;

	turn = vmfork_turn_begin(job->target.mm);
	if (IS_ERR(turn))
		return PTR_ERR(turn);
	for (i = 0; !err && i < job->arg.nr_regions; i++) {
		if (job->regions[i].flags & VMFORK_REGION_WIPE)
			continue;
		job->why.region = i;
		err = prepare_region(job, &job->regions[i]);
	}
	prepared(job, ktime_get_ns() - begin);
	for (i = 0; !err && i < job->arg.nr_regions; i++) {
		if (job->regions[i].flags & VMFORK_REGION_WIPE)
			continue;
		job->why.region = i;
		err = take_region(job, &job->regions[i]);
	}
	/* Failed or not: what is mapped of it already will stay. */
	vmfork_snapshot_finish(job->file);
	vmfork_turn_end(turn);
	return err;
}

static u64 bytes_of_regions(const struct vmfork_job *job)
{
	u64 bytes = 0;
	u32 i;

	for (i = 0; i < job->arg.nr_regions; i++)
		if (!(job->regions[i].flags & VMFORK_REGION_WIPE))
			bytes += job->regions[i].len;
	return bytes;
}

static void count_results(struct vmfork_job *job)
{
	struct vmfork_snapshot *snap = vmfork_file_snapshot(job->file);
	struct vmfork_capture *arg = &job->arg;
	u64 pages = vmfork_tree_pages(&snap->tree);

	arg->pages_file = vmfork_tree_file_pages(&snap->tree);
	arg->pages_hole = bytes_of_regions(job) >> PAGE_SHIFT;
	arg->pages_hole -= pages + arg->pages_file + job->wiped;
	arg->pages_wiped = job->wiped;
	arg->id = snap->shown.id;
	snap->pages_stolen = arg->pages_stolen;
	snap->pages_copied = arg->pages_copied;
	arg->pages_shared = pages - arg->pages_stolen - arg->pages_copied;
	arg->pages_huge = vmfork_tree_huge_folios(&snap->tree) *
			  HPAGE_PMD_NR;
}

static int run_traced(struct vmfork_job *job)
{
	u64 id = vmfork_file_snapshot(job->file)->shown.id;
	struct vmfork_capture *arg = &job->arg;
	int err;

	if (trace_vmfork_capture_begin_enabled())
		trace_vmfork_capture_begin(id, job->target.pid, arg->flags,
					   arg->nr_regions,
					   bytes_of_regions(job));
	err = vmfork_target_run(&job->target, run_job, job);
	trace_vmfork_capture_end(id, job->target.pid, err, arg->pages_stolen,
				 arg->pages_copied, arg->pages_in_place,
				 arg->ns_longest);
	return err;
}

/**
 * vmfork_job_run() - capture
 * @job: has its argument and regions; the rest is 0
 *
 * Return: 0, and the caller puts @file; or a negative errno, and what was
 * refused is in @why.
 */
int vmfork_job_run(struct vmfork_job *job)
{
	struct vmfork_capture *arg = &job->arg;
	int err;

	INIT_LIST_HEAD(&job->sources);
	err = vmfork_target_get(&job->target, arg->pidfd);
	if (err == -ESRCH)
		return refuse(job, VMFORK_DYING, 0);
	if (err)
		return err;
	if (arg->snapshot_size > VMFORK_MAX_SIZE ||
	    arg->snapshot_size & ~PAGE_MASK) {
		err = -EINVAL;
		goto out_mm;
	}
	err = vmfork_check_regions(job->regions, arg->nr_regions,
				   job->target.mm->task_size ?: TASK_SIZE_MAX,
				   &arg->snapshot_size, &job->why);
	if (err)
		goto out_mm;

	job->owner = vmfork_owner_get(vmfork_owner_uid());
	if (!job->owner) {
		err = -ENOMEM;
		goto out_mm;
	}
	job->file = vmfork_snapshot_create(arg->snapshot_size);
	if (IS_ERR(job->file)) {
		err = PTR_ERR(job->file);
		goto out_owner;
	}
	err = run_traced(job);
	if (err) {
		fput(job->file);
	} else {
		count_results(job);
		vmfork_event_captured(vmfork_file_snapshot(job->file),
				      &job->target,
				      arg->flags & VMFORK_CAPTURE_PREARM);
	}
out_owner:
	vmfork_sources_free(&job->sources);
	vmfork_owner_put(job->owner);
out_mm:
	vmfork_target_put(&job->target);
	return err;
}
